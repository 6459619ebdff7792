"""A wall whose lines change hands, and what its connection carries for those that send."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.core.errors import LiveFull, WallGone
from gateway.live.ends import REPLACED
from tests.fakes.live_box import make_grant
from tests.fakes.live_scene import OFFER, Scene, play
from tests.unit.test_live_wall import ROOMS, Wall


@pytest.mark.parametrize("same", [True, False], ids=["the same right", "another room"])
def test_the_only_tile_of_a_wall_is_replaced_on_the_same_connection(tmp_path: Path, *, same: bool) -> None:
    """Who used the line ends first; the connection stays for the next, which needs no handshake."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(1)
        wall.connection.slow_to_say = True
        if same:
            session = await scene.sessions.join_wall(wall.grants[ROOMS[0]], None, wall.id, 0)
            await scene.settle()
        else:
            session = await wall.join(ROOMS[1], 0)
        (facts,) = scene.sessions.facts()
        assert (facts["session"], facts["state"]) == (session, "live")
        assert scene.sessions.ended == {REPLACED: 1}
        wall.picture(ROOMS[0] if same else ROOMS[1], key=True)
        assert [packet.seq for packet in wall.packets(0)] == [5, 6]
        await scene.settle()
        assert (len(scene.connections.made), scene.connections.log.count("shut")) == (1, 0)
        await scene.sessions.close(session, "viewer.left")
        await scene.settle()
        assert scene.connections.log[-2:] == ["heard", "shut"]

    play(tmp_path, scenario)


def test_a_connection_that_is_lost_while_its_line_changes_hands_is_gone(tmp_path: Path) -> None:
    """The next one is told so and opens another; the lost connection is closed once."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(1)
        connection = wall.connection
        connection.deaf = asyncio.Event()
        joining = asyncio.create_task(wall.join(ROOMS[1], 0))
        await scene.settle()
        connection.vanish()
        connection.deaf.set()
        with pytest.raises(WallGone):
            await joining
        await scene.settle()
        assert (len(scene.sessions), scene.connections.log.count("shut")) == (0, 1)

    play(tmp_path, scenario)


def test_a_line_that_is_freed_for_nobody_leaves_no_connection(tmp_path: Path) -> None:
    """The place was taken while the last one ended: the next is refused, and the connection is closed once."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(1)
        connection = wall.connection
        connection.deaf = asyncio.Event()
        joining = asyncio.create_task(wall.join(ROOMS[1], 0))
        await scene.settle()
        await scene.sessions.open(make_grant(scene.clock), None, OFFER)
        connection.deaf.set()
        with pytest.raises(LiveFull):
            await joining
        await scene.settle()
        assert (len(scene.sessions), scene.connections.log.count("shut")) == (1, 1)

    play(tmp_path, scenario, max_viewers=2)


def test_a_line_may_be_waited_for_by_one_that_gives_up(tmp_path: Path) -> None:
    """A page that leaves while its tile waits for the line keeps no connection."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(1)
        connection = wall.connection
        connection.deaf = asyncio.Event()
        joining = asyncio.create_task(wall.join(ROOMS[1], 0))
        await scene.settle()
        joining.cancel()
        connection.deaf.set()
        with pytest.raises(asyncio.CancelledError):
            await joining
        await scene.settle()
        assert (len(scene.sessions), scene.connections.log.count("shut")) == (0, 1)

    play(tmp_path, scenario)
