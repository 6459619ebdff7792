"""With the gateway gone guardians' video ends within six seconds, by construction."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.access.opengrants import TICK_S as BEAT_S
from gateway.core.model import Role
from gateway.live.ends import End
from gateway.live.leases import Lease
from gateway.live.sessions import TICK_S as LOOK_S
from tests.fakes.access_world import school
from tests.fakes.clock import FakeClock
from tests.fakes.live_box import make_grant

pytestmark = pytest.mark.anyio
PROMISE_S = 6.0


async def test_a_guardians_lease_and_lives_look_stay_within_six_seconds(tmp_path: Path) -> None:
    """What is granted lasts five seconds after the last renewal, live looks every 0.2 s: the sum is the whole wait."""
    async with school(tmp_path) as w:
        grant, _ = await w.access.open.open(w.mother, w.phone, w.camera, "offer")
        assert grant.role is Role.GUARDIAN
        lease_s = grant.lease_ms / 1000
        assert lease_s + LOOK_S < PROMISE_S
        assert lease_s > 2 * BEAT_S + 1, "a beat that is lost must not end a stream that is allowed"


@pytest.mark.parametrize("killed_after_s", [0.0, 0.1, 0.9, 1.0])
def test_from_the_kill_to_the_end_is_never_six_seconds(killed_after_s: float) -> None:
    """Wherever between two beats the gateway dies, the look that finds the lease over comes within the promise."""
    clock = FakeClock()
    lease = Lease(make_grant(clock, role=Role.GUARDIAN, lease_ms=5000), mono_ns=clock.mono_ns())
    clock.tick(killed_after_s)  # the renewal was at 0; the gateway dies now
    killed_ns = clock.mono_ns()
    while lease.over(mono_ns=clock.mono_ns(), now_ms=clock.now_ms()) is None:
        clock.tick(LOOK_S)
    assert lease.over(mono_ns=clock.mono_ns(), now_ms=clock.now_ms()) is End.LEASE
    assert (clock.mono_ns() - killed_ns) / 1e9 < PROMISE_S
