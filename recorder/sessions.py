"""How many RTSP sessions one host has room for, and which streams get them: a pure rule.

Owns `SessionBudget`. A recorder serves a fixed number of viewers and answers 453 to the next; nobody tells the
number beforehand. Invariants: the limit is learned from a refusal, as what played at that moment; main streams come
before sub streams, and a main stream's place is kept while it reconnects; above the limit at most one session is
tried at a time, with pauses that double up to five minutes; time is an argument, nothing here waits.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.model import StreamId, StreamRole

FIRST_TRY_S = 2.0
MOST_TRY_S = 300.0
"""Another viewer may leave at any time; asking more often than this is hammering."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a stream may open a session now, or else which sub stream it should ask to leave."""

    allowed: bool
    give_way: StreamId | None = None


class SessionBudget:
    """The sessions of one host; event loop only."""

    def __init__(self) -> None:
        self.limit: int | None = None
        """Learned; None = the host never refused."""
        self._mains: set[StreamId] = set()
        self._open: dict[StreamId, StreamRole] = {}
        """Being opened or playing, in the order of admission."""
        self._playing: set[StreamId] = set()
        self._leaving: set[StreamId] = set()
        self._trying: StreamId | None = None
        """The one stream that is admitted above the limit."""
        self._refusals = 0
        self._next_try_ns = 0

    @property
    def playing(self) -> int:
        """Sessions that play now."""
        return len(self._playing)

    def is_open(self, stream: StreamId) -> bool:
        """Say whether a stream holds a session, or is about to."""
        return stream in self._open

    def has_room(self, role: StreamRole) -> bool:
        """Say whether a stream would find a place now: a free one, or for a main stream that of a sub stream."""
        return self._is_free(role) or (role is StreamRole.MAIN and bool(self._subs()))

    def _is_free(self, role: StreamRole) -> bool:
        """Say whether a place is free; to a sub stream those kept for main streams are not."""
        taken = self._open.keys() if role is StreamRole.MAIN else self._open.keys() | self._mains
        return self.limit is None or len(taken) < self.limit

    def _subs(self) -> list[StreamId]:
        return [key for key, role in self._open.items() if role is StreamRole.SUB and key not in self._leaving]

    def want(self, stream: StreamId, role: StreamRole) -> None:
        """Count a stream of this host: a main stream has its place from now on."""
        if role is StreamRole.MAIN:
            self._mains.add(stream)

    def forget(self, stream: StreamId) -> None:
        """Stop counting a stream: its camera was taken away."""
        self._mains.discard(stream)
        self.closed(stream)

    def admit(self, stream: StreamId, role: StreamRole, now_ns: int) -> Admission:
        """Let a stream open a session, if there is room for it."""
        if self._is_free(role):
            return self._enter(stream, role)
        if role is StreamRole.MAIN and (subs := self._subs()):
            self._leaving.add(subs[-1])
            return Admission(allowed=False, give_way=subs[-1])
        may_try = role is StreamRole.MAIN or self._mains <= self._open.keys()
        if may_try and self._trying is None and now_ns >= self._next_try_ns:
            self._trying = stream
            return self._enter(stream, role)
        return Admission(allowed=False)

    def _enter(self, stream: StreamId, role: StreamRole) -> Admission:
        self._open[stream] = role
        return Admission(allowed=True)

    def plays(self, stream: StreamId) -> None:
        """Note that the host took the session."""
        if stream not in self._open:
            return
        self._playing.add(stream)
        if self._trying == stream:
            self._trying, self._refusals, self._next_try_ns = None, 0, 0
        if self.limit is not None:
            self.limit = max(self.limit, len(self._playing))

    def closed(self, stream: StreamId) -> None:
        """Note that a session is over, or was never opened."""
        self._open.pop(stream, None)
        self._playing.discard(stream)
        self._leaving.discard(stream)
        if self._trying == stream:
            self._trying = None

    def refused(self, stream: StreamId, now_ns: int, jitter: float) -> bool:
        """Note that the host had no room (453); `jitter` is in [0, 1).

        Returns False when nothing of ours plays: then others hold all the places, and no limit is learned.
        """
        self.closed(stream)
        if not self._playing:
            self.limit = None
            return False
        self.limit = len(self._playing)
        self._refusals += 1
        pause_s = min(MOST_TRY_S, FIRST_TRY_S * 2.0 ** min(self._refusals - 1, 30))
        self._next_try_ns = now_ns + int(pause_s * (0.5 + jitter / 2) * 1e9)
        return True

    def wait_s(self, now_ns: int) -> float:
        """Return how long a stream that found no room should sleep, unless room is made meanwhile."""
        return min(MOST_TRY_S, max(1.0, (self._next_try_ns - now_ns) / 1e9))
