"""How long one session may go on, by its grant.

Owns the rule, pure: monotonic time for the lease (a stepped clock must not lengthen it), wall time for
the grant's own end. Invariants: without renewal a lease ends `lease_ms` after the last one; a renewal never moves
the end past the grant's `until_ms`; a grant for another camera, person or action renews nothing.
"""

from __future__ import annotations

from gateway.core.errors import GrantRefused
from gateway.core.model import STAFF_ROLES, Action, Grant, Role, StreamRole
from gateway.core.ticket import require
from gateway.live.ends import End


class Lease:
    """The right of one session, as last renewed."""

    def __init__(self, grant: Grant, *, mono_ns: int) -> None:
        self.grant = grant
        self._renewed_ns = mono_ns

    def renew(self, grant: Grant, stream: StreamRole, *, mono_ns: int) -> None:
        """Take a newly issued ticket of the same grant; GrantRefused if it is for something else."""
        mine = self.grant
        if (grant.id, grant.person, grant.role) != (mine.id, mine.person, mine.role):
            raise GrantRefused("the ticket is of another grant", reason="grant.other")
        require(grant, Action.LIVE, mine.camera, stream)
        self.grant, self._renewed_ns = grant, mono_ns

    def ends_ns(self, *, mono_ns: int, now_ms: int) -> int:
        """Return the monotonic time at which it is over unless it is renewed, as the wall clock stands now."""
        lease_ns = self._renewed_ns + self.grant.lease_ms * 1_000_000
        if self.grant.until_ms is None:
            return lease_ns
        return min(lease_ns, mono_ns + (self.grant.until_ms - now_ms) * 1_000_000)

    def over(self, *, mono_ns: int, now_ms: int) -> End | None:
        """Return why it is over; None while it lasts."""
        if self.grant.until_ms is not None and now_ms >= self.grant.until_ms:
            return End.UNTIL
        if mono_ns - self._renewed_ns >= self.grant.lease_ms * 1_000_000:
            return End.LEASE
        return None


def choose_stream(grant: Grant, asked: StreamRole | None) -> StreamRole:
    """Return the stream to send: the one asked for, else sub before main; GrantRefused if not covered."""
    chosen = asked or (StreamRole.SUB if StreamRole.SUB in grant.streams else StreamRole.MAIN)
    require(grant, Action.LIVE, grant.camera, chosen)
    if grant.role is Role.GUARDIAN and chosen is not StreamRole.SUB:
        raise GrantRefused("guardians are shown the sub stream", reason="grant.other")
    return chosen


def only_staff(grant: Grant) -> None:
    """Refuse a guardian what only the school's own pages use: many cameras on one connection."""
    if grant.role not in STAFF_ROLES:
        raise GrantRefused("walls are for the school's staff", reason="grant.other")


def has_room(role: Role, open_sessions: int, max_viewers: int) -> bool:
    """Say whether one more may open: the last place is kept for the principal."""
    return open_sessions < (max_viewers if role is Role.PRINCIPAL else max_viewers - 1)
