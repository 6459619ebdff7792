"""What happens to sessions when two things happen at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from gateway.core.errors import LiveFull
from tests.fakes.live_box import make_grant
from tests.fakes.live_scene import OFFER, Scene, play


def test_two_offers_at_once_on_one_grant_leave_one_session(tmp_path: Path) -> None:
    """While the first window is told, two more offers arrive: one session stays, the one that is renewed and cut."""

    async def scenario(scene: Scene) -> None:
        grant = make_grant(scene.clock)
        await scene.sessions.open(grant, None, OFFER)
        scene.connections.made[0].slow_to_say = True
        await asyncio.gather(*(scene.sessions.open(grant, None, OFFER) for _ in range(2)))
        assert len(scene.sessions) == 1
        assert await scene.sessions.close_grants([grant.id], "revoked") == 1
        assert len(scene.sessions) == 0

    play(tmp_path, scenario)


def test_offers_at_once_do_not_exceed_the_places(tmp_path: Path) -> None:
    """Two grants want the last free place while it is being freed: one gets it."""

    async def scenario(scene: Scene) -> None:
        grants = [make_grant(scene.clock) for _ in range(2)]
        await scene.sessions.open(grants[0], None, OFFER)
        scene.connections.made[0].slow_to_say = True
        tries = [scene.sessions.open(grant, None, OFFER) for grant in (grants[0], grants[1])]
        answers = await asyncio.gather(*tries, return_exceptions=True)
        assert [type(item) for item in answers].count(LiveFull) == 1
        assert len(scene.sessions) == 1

    play(tmp_path, scenario, max_viewers=2)


def test_a_watching_loop_that_stands_still_is_seen(tmp_path: Path) -> None:
    """While a close hangs no lease is looked at: after ten seconds the daemon is not called healthy any more."""

    async def scenario(scene: Scene) -> None:
        await scene.sessions.open(make_grant(scene.clock, lease_ms=1000), None, OFFER)
        connection, seen = scene.connections.made[0], list[bool]()
        connection.deaf = asyncio.Event()
        for seconds in (5, 7):
            await scene.clock.advance(seconds)
            seen.append(scene.sessions.watched)
        connection.deaf.set()
        await scene.clock.advance(1)
        assert [*seen, scene.sessions.watched] == [True, False, True]

    play(tmp_path, scenario)
