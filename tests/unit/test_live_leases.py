"""How long a session may go on."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.errors import GrantRefused
from gateway.core.model import Action, PublicId, Role, StreamRole, new_public_id
from gateway.live.ends import End
from gateway.live.leases import Lease, choose_stream, has_room
from tests.fakes.clock import FakeClock
from tests.fakes.live_box import make_grant

SUB_ONLY = frozenset({StreamRole.SUB})


def over(lease: Lease, clock: FakeClock) -> str | None:
    return lease.over(mono_ns=clock.mono_ns(), now_ms=clock.now_ms())


def test_a_lease_ends_when_it_is_not_renewed() -> None:
    """A guardian's five seconds are five seconds after the last renewal, not after the opening."""
    clock = FakeClock()
    grant = make_grant(clock, lease_ms=5000)
    lease = Lease(grant, mono_ns=clock.mono_ns())
    clock.tick(4.9)
    assert over(lease, clock) is None
    lease.renew(grant, StreamRole.SUB, mono_ns=clock.mono_ns())
    clock.tick(4.9)
    assert over(lease, clock) is None
    clock.tick(0.1)
    assert over(lease, clock) is End.LEASE


def test_a_stepped_clock_does_not_lengthen_a_lease() -> None:
    """Wall time set back an hour changes nothing: leases are counted on the monotonic clock."""
    clock = FakeClock()
    lease = Lease(make_grant(clock, lease_ms=5000), mono_ns=clock.mono_ns())
    clock.tick(4)
    clock.step_wall(-3_600_000)
    clock.tick(1)
    assert over(lease, clock) is End.LEASE


def test_the_grants_own_end_holds_whatever_the_lease_says() -> None:
    """At `until_ms` it is over, though it was renewed a moment ago."""
    clock = FakeClock()
    grant = make_grant(clock, lease_ms=60_000, until_ms=clock.now_ms() + 10_000)
    lease = Lease(grant, mono_ns=clock.mono_ns())
    clock.tick(9.999)
    lease.renew(grant, StreamRole.SUB, mono_ns=clock.mono_ns())
    assert over(lease, clock) is None
    clock.tick(0.001)
    assert over(lease, clock) is End.UNTIL


def test_a_renewal_may_bring_a_new_end() -> None:
    """The newest ticket's `until_ms` counts: hours were prolonged, or shortened."""
    clock = FakeClock()
    grant = make_grant(clock, until_ms=clock.now_ms() + 60_000)
    lease = Lease(grant, mono_ns=clock.mono_ns())
    lease.renew(replace(grant, until_ms=clock.now_ms() + 1000), StreamRole.SUB, mono_ns=clock.mono_ns())
    clock.tick(1)
    assert over(lease, clock) is End.UNTIL


@pytest.mark.parametrize(
    "change",
    [
        {"id": new_public_id()},
        {"person": new_public_id()},
        {"role": Role.PRINCIPAL},
        {"camera": PublicId("othercameraother")},
        {"action": Action.SNAPSHOT},
        {"streams": frozenset({StreamRole.MAIN})},
    ],
    ids=lambda change: next(iter(change)),
)
def test_only_the_same_right_renews(change: dict[str, object]) -> None:
    """A ticket for another grant, person, role, camera, action or stream extends nothing."""
    clock = FakeClock()
    grant = make_grant(clock, lease_ms=5000)
    lease = Lease(grant, mono_ns=clock.mono_ns())
    clock.tick(4)
    with pytest.raises(GrantRefused):
        lease.renew(replace(grant, **change), StreamRole.SUB, mono_ns=clock.mono_ns())  # type: ignore[arg-type]  # parametrised
    clock.tick(1)
    assert over(lease, clock) is End.LEASE


def test_the_sub_stream_is_the_default() -> None:
    """Without a wish the small picture comes first; main where there is only main."""
    clock = FakeClock()
    assert choose_stream(make_grant(clock), None) is StreamRole.SUB
    assert choose_stream(make_grant(clock, streams=frozenset({StreamRole.MAIN})), None) is StreamRole.MAIN
    assert choose_stream(make_grant(clock), StreamRole.MAIN) is StreamRole.MAIN


def test_what_the_grant_does_not_cover_is_refused() -> None:
    """Main is not served on a sub grant, and nothing on a grant for stills."""
    clock = FakeClock()
    with pytest.raises(GrantRefused):
        choose_stream(make_grant(clock, streams=SUB_ONLY), StreamRole.MAIN)
    with pytest.raises(GrantRefused):
        choose_stream(make_grant(clock, action=Action.SNAPSHOT), None)


def test_guardians_get_sub_only_even_on_a_wider_grant() -> None:
    """A mistake in issuing does not show a guardian the main stream."""
    clock = FakeClock()
    assert choose_stream(make_grant(clock, role=Role.GUARDIAN), None) is StreamRole.SUB
    with pytest.raises(GrantRefused):
        choose_stream(make_grant(clock, role=Role.GUARDIAN), StreamRole.MAIN)


@pytest.mark.parametrize(
    ("role", "open_sessions", "fits"),
    [
        (Role.GUARDIAN, 8, True),
        (Role.GUARDIAN, 9, False),
        (Role.TEACHER, 9, False),
        (Role.PRINCIPAL, 9, True),
        (Role.PRINCIPAL, 10, False),
    ],
)
def test_the_last_place_is_the_principals(role: Role, open_sessions: int, fits: bool) -> None:
    """Of ten places guardians and teachers fill nine."""
    assert has_room(role, open_sessions, 10) is fits
