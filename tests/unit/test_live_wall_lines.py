"""A wall whose lines change hands, and what its connection carries for those that send."""

from __future__ import annotations

import asyncio
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import LiveFull, WallGone
from gateway.core.model import PublicId
from gateway.live import session
from gateway.live.carrier import Load, shares
from gateway.live.ends import REPLACED
from gateway.live.link import FIRST_TRIAL_WAIT_S, LOW_SHARE, PROVEN_S
from tests.fakes.connection import FakeConnection
from tests.fakes.live_box import make_grant
from tests.fakes.live_scene import OFFER, Scene, play
from tests.unit.test_live_wall import ROOMS, Wall


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a deaf page hold up its end until the test lets it hear, however slow the machine is."""
    monkeypatch.setattr(session, "SAY_S", 60.0)


@pytest.mark.parametrize("same", [True, False], ids=["the same right", "another room"])
def test_the_only_tile_of_a_wall_is_replaced_on_the_same_connection(tmp_path: Path, *, same: bool) -> None:
    """Who used the line ends first; the connection stays for the next, which needs no handshake."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(1)
        wall.connection.slow_to_say = True
        if same:
            newest = await scene.sessions.join_wall(wall.grants[ROOMS[0]], None, wall.id, 0)
            await scene.settle()
        else:
            newest = await wall.join(ROOMS[1], 0)
        (facts,) = scene.sessions.facts()
        assert (facts["session"], facts["state"]) == (newest, "live")
        assert scene.sessions.ended == {REPLACED: 1}
        wall.picture(ROOMS[0] if same else ROOMS[1], key=True)
        assert [packet.seq for packet in wall.packets(0)] == [0, 1]
        await scene.settle()
        assert (len(scene.connections.made), scene.connections.log.count("shut")) == (1, 0)
        await scene.sessions.close(newest, "viewer.left")
        await scene.settle()
        assert scene.connections.log[-2:] == ["heard", "shut"]

    play(tmp_path, scenario)


async def joining_behind(scene: Scene) -> tuple[asyncio.Task[PublicId], FakeConnection, asyncio.Event]:
    """A tile that waits for the line of another, whose page is deaf until the event is set."""
    wall = Wall(scene)
    await wall.watching(1)
    hears = wall.connection.deaf = asyncio.Event()
    joining = asyncio.create_task(wall.join(ROOMS[1], 0))
    await scene.settle()
    return joining, wall.connection, hears


def test_a_connection_that_is_lost_while_its_line_changes_hands_is_gone(tmp_path: Path) -> None:
    """The next one is told so and opens another; the lost connection is closed once."""

    async def scenario(scene: Scene) -> None:
        joining, connection, hears = await joining_behind(scene)
        connection.vanish()
        hears.set()
        with pytest.raises(WallGone):
            await joining
        await scene.settle()
        assert (len(scene.sessions), scene.connections.log.count("shut")) == (0, 1)

    play(tmp_path, scenario)


def test_a_line_that_is_freed_for_nobody_leaves_no_connection(tmp_path: Path) -> None:
    """The place was taken while the last one ended: the next is refused, and the connection is closed once."""

    async def scenario(scene: Scene) -> None:
        joining, _, hears = await joining_behind(scene)
        await scene.sessions.open(make_grant(scene.clock), None, OFFER)
        hears.set()
        with pytest.raises(LiveFull):
            await joining
        await scene.settle()
        assert (len(scene.sessions), scene.connections.log.count("shut")) == (1, 1)

    play(tmp_path, scenario, max_viewers=2)


def test_a_line_may_be_waited_for_by_one_that_gives_up(tmp_path: Path) -> None:
    """A page that leaves while its tile waits for the line keeps no connection."""

    async def scenario(scene: Scene) -> None:
        joining, _, hears = await joining_behind(scene)
        joining.cancel()
        hears.set()
        with pytest.raises(asyncio.CancelledError):
            await joining
        await scene.settle()
        assert (len(scene.sessions), scene.connections.log.count("shut")) == (0, 1)

    play(tmp_path, scenario)


# what the connection carries, for those that send

LOADS = st.lists(st.builds(Load, st.one_of(st.just(0.0), st.floats(1e4, 1e7)), st.booleans()), min_size=1, max_size=16)


@given(st.integers(0, 100_000_000), LOADS)
def test_an_estimate_is_given_out_once_and_to_those_that_send(bps: int, loads: list[Load]) -> None:
    """Who sends nothing hears nothing and takes nothing; the shares of the others are the whole of it."""
    found = shares(bps, loads)
    assert [share is None for share in found] == [load.rate_bps == 0 for load in loads]
    told = [share for share in found if share is not None]
    assert all(share >= 0 for share in told)
    assert not told or bps - len(told) <= sum(told) <= bps + 1


@given(LOADS, st.floats(1.0, 3.0))
def test_a_trial_takes_nothing_from_what_the_path_has_carried(loads: list[Load], room: float) -> None:
    """Lines that the path carries are told their whole rate however many others are tried again beside them."""
    carried = sum(load.rate_bps for load in loads if not load.on_trial)
    for share, load in zip(shares(int(carried * room) + 1, loads), loads, strict=True):
        if load.rate_bps and not load.on_trial:
            assert share is not None
            assert share >= load.rate_bps - 1


@given(st.floats(1e4, 1e7), st.integers(1, 15), st.integers(1, 15))
def test_a_trial_is_told_enough_where_there_is_room_for_it(rate_bps: float, carried: int, tried: int) -> None:
    """A path with room for all tells each its rate; one with room for the others only tells the trial so."""
    loads = [Load(rate_bps)] * carried + [Load(rate_bps, on_trial=True)] * tried
    assert all(share is not None and share >= rate_bps - 1 for share in shares(int(rate_bps * len(loads)) + 1, loads))
    told = shares(int(rate_bps * carried), loads)
    assert all(share is not None and share >= LOW_SHARE * rate_bps for share in told[:carried])
    assert all(share is not None and share < LOW_SHARE * rate_bps for share in told[carried:])


class Watched(Wall):
    """Rooms that send some pictures a second; the browser reports each second."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.passed = 0

    def rate_bps(self, room: PublicId) -> float:
        """Return what a room sends."""
        return self.stream(room).history.gop_bps()

    def facts(self, room: PublicId) -> dict[str, Any]:
        """Return a room's facts."""
        return next(item for item in self.scene.sessions.facts() if item["camera"] == room)

    async def second(self, count: int, bps: float = 0.0, *, lossy: int | None = None) -> None:
        """Let a second pass: pictures of so many rooms, then an estimate, or heavy loss on one line."""
        self.passed += 1
        for key in (True, False, False):
            for room in ROOMS[:count]:
                self.picture(room, key=key)
        if bps:
            head = struct.pack("!BBHII", 0x8F, 206, 5, 1, 0)
            self.connection.feedback(head + b"REMB" + struct.pack("!BBHI", 1, 0, min(int(bps), (1 << 18) - 1), 7))
        if lossy is not None:
            ssrc, lost, highest = 7 + 10 * lossy, 50 * self.passed, 100 * self.passed
            counts = struct.pack("!IIIII", 128 << 24 | lost, highest, 0, 0, 0)
            self.connection.feedback(struct.pack("!BBHII", 0x81, 201, 7, 1, ssrc) + counts)
        await self.scene.clock.advance(1)

    async def resting(self, count: int, room: int) -> None:
        """Let one of so many rooms rest: its line loses half of what is sent."""
        await self.watching(count)
        for camera in ROOMS[:count]:
            self.connection.hear(json.dumps({"want": "sub", "session": self.sessions[camera]}))
        while not self.facts(ROOMS[room])["resting"]:
            assert self.passed < FIRST_TRIAL_WAIT_S
            await self.second(count, lossy=room)


def test_a_line_at_rest_leaves_its_share_to_the_others(tmp_path: Path) -> None:
    """The path carries one of two rooms, and one rests: the other is told the whole, and goes on."""

    async def scenario(scene: Scene) -> None:
        wall = Watched(scene)
        await wall.resting(2, 1)
        for _ in range(8):
            await wall.second(2, wall.rate_bps(ROOMS[0]))
            assert wall.facts(ROOMS[0])["estimate_bps"] == pytest.approx(wall.rate_bps(ROOMS[0]), abs=1)
        assert wall.facts(ROOMS[1])["estimate_bps"] == 0
        assert not wall.facts(ROOMS[0])["link_weak"]

    play(tmp_path, scenario)


@pytest.mark.parametrize("room", [1.0, 2.5], ids=["for one", "for both"])
def test_a_line_comes_back_where_there_is_room_and_harms_nobody_where_there_is_none(
    tmp_path: Path, room: float
) -> None:
    """Tried again, it is the one to rest if the path does not carry both; if it does, both are sent from then on."""

    async def scenario(scene: Scene) -> None:
        wall = Watched(scene)
        await wall.resting(2, 1)
        tried = False
        for _ in range(int(FIRST_TRIAL_WAIT_S + PROVEN_S)):
            await wall.second(2, room * wall.rate_bps(ROOMS[0]))
            tried = tried or not wall.facts(ROOMS[1])["resting"]
            assert not wall.facts(ROOMS[0])["link_weak"]
        assert tried
        assert wall.facts(ROOMS[1])["resting"] is (room < 2)

    play(tmp_path, scenario)


def test_a_line_without_a_place_takes_no_share(tmp_path: Path) -> None:
    """Held back by the box, or waiting for a key frame: what the path carries is for who sends."""

    async def scenario(scene: Scene) -> None:
        wall = Watched(scene)
        await wall.watching(3)
        riders = {rider.stream.camera: rider for rider in scene.sessions._by_id.values()}
        riders[ROOMS[1]].seat.hold_back()
        await wall.second(3, 30_000)
        assert wall.facts(ROOMS[1])["estimate_bps"] == 0
        assert wall.facts(ROOMS[0])["estimate_bps"] + wall.facts(ROOMS[2])["estimate_bps"] in (29_999, 30_000)

    play(tmp_path, scenario)
