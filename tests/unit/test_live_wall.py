"""Many cameras on one connection: a line each, and nothing of one that another feels."""

from __future__ import annotations

import asyncio
import json
import struct
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from gateway.core.errors import BadInput, GrantRefused, LiveFull, OfferRefused, WallGone
from gateway.core.model import Grant, PublicId, Role, StreamRole, new_public_id
from gateway.live.carrier import Load, shares
from gateway.live.ends import REPLACED
from gateway.live.session import CONNECT_TIMEOUT_S
from gateway.live.sessions import TICK_S
from gateway.live.stream import LiveStream
from tests.fakes.connection import FakeConnection
from tests.fakes.live_box import make_grant
from tests.fakes.live_scene import OFFER, Scene, play
from tests.fakes.wire import Packet

WALL_OFFER = (Path(__file__).parent.parent / "fakes" / "chromium_wall.sdp").read_text()
ROOMS = [PublicId(f"room{letter}aaaaaaaaaaa") for letter in "abcdefgh"]
PERSON = new_public_id()


class Wall:
    """A staff page: one connection, rooms by line."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.id = PublicId("")
        self.sessions: dict[PublicId, PublicId] = {}
        self.grants: dict[PublicId, Grant] = {}

    @property
    def connection(self) -> FakeConnection:
        """The page's connection."""
        return self.scene.connections.made[-1]

    def grant(self, room: PublicId, **changes: object) -> Grant:
        """Return this page's right to a room."""
        made = replace(make_grant(self.scene.clock, camera=room), person=PERSON)
        self.grants[room] = replace(made, **changes)  # type: ignore[arg-type]  # fields of a grant
        return self.grants[room]

    async def open(self, room: PublicId, slot: int = 0) -> PublicId:
        """Open the connection with a room."""
        session, answer = await self.scene.sessions.open_wall(self.grant(room), None, WALL_OFFER, slot)
        assert answer == "answer"
        self.id, self.sessions[room] = session.carrier.id, session.id
        return session.id

    async def join(self, room: PublicId, slot: int) -> PublicId:
        """Put a room onto a line."""
        self.sessions[room] = await self.scene.sessions.join_wall(self.grant(room), None, self.id, slot)
        await self.scene.settle()
        return self.sessions[room]

    def stream(self, room: PublicId) -> LiveStream:
        """Return what a room sends."""
        (found,) = [stream for stream in self.scene.feeds.streams if stream.camera == room]
        return found

    def picture(self, room: PublicId, *, key: bool = False) -> None:
        """Let a room send a picture."""
        self.scene.picture(self.stream(room), key=key)

    def packets(self, slot: int) -> list[Packet]:
        """Return what was sent on a line."""
        return [packet for packet in self.connection.sink.packets() if packet.ssrc == 7 + 10 * slot]

    def said(self) -> list[dict[str, str]]:
        """Return what the page was told."""
        return [json.loads(line[4:]) for line in self.scene.connections.log if line.startswith("say ")]

    async def watching(self, count: int) -> None:
        """Open with the first room and join the others, each with a key frame sent."""
        await self.open(ROOMS[0])
        self.connection.connect()
        await self.scene.settle()
        for slot in range(1, count):
            await self.join(ROOMS[slot], slot)
        for room in ROOMS[:count]:
            self.picture(room, key=True)


def test_rooms_share_a_connection_and_each_has_its_own_line(tmp_path: Path) -> None:
    """Three rooms, one connection: each picture leaves on its room's line only."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(3)
        wall.picture(ROOMS[1])
        assert [len(wall.packets(slot)) for slot in range(3)] == [1, 2, 1]
        assert len(scene.connections.made) == 1
        assert scene.sessions.viewers() == dict.fromkeys(ROOMS[:3], 1)
        assert {item["state"] for item in scene.sessions.facts()} == {"live"}

    play(tmp_path, scenario)


def test_one_room_ends_and_the_page_is_told_which(tmp_path: Path) -> None:
    """Its packets stop before the order is answered; the others' go on and the connection stays."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(3)
        await scene.sessions.close_grants([wall.grants[ROOMS[1]].id], "pause.class")
        assert wall.said() == [{"end": "pause.class", "code": "pause.class", "session": wall.sessions[ROOMS[1]]}]
        assert [stream.camera for stream in scene.feeds.streams] == [ROOMS[0], ROOMS[2]]
        for room in (ROOMS[0], ROOMS[2]):
            wall.picture(room)
        await scene.settle()
        assert [len(wall.packets(slot)) for slot in range(3)] == [2, 1, 2]
        assert "shut" not in scene.connections.log

    play(tmp_path, scenario)


def test_each_room_has_a_lease_of_its_own(tmp_path: Path) -> None:
    """Of three rooms the one that is not renewed ends, by itself."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(3)
        for _ in range(2):
            await scene.clock.advance(40)
            for room in (ROOMS[0], ROOMS[2]):
                scene.sessions.renew(wall.grants[room])
        await scene.clock.advance(TICK_S)
        assert {item["camera"] for item in scene.sessions.facts()} == {ROOMS[0], ROOMS[2]}
        assert scene.sessions.ended == {"live.lease": 1}

    play(tmp_path, scenario)


def test_the_last_room_to_leave_closes_the_connection(tmp_path: Path) -> None:
    """Heard out and shut once; who comes later is told that it is gone."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(3)
        for room in ROOMS[:3]:
            assert "shut" not in scene.connections.log
            await scene.sessions.close(wall.sessions[room], "viewer.left")
            await scene.settle()
        assert scene.connections.log[-2:] == ["heard", "shut"]
        assert scene.connections.log.count("shut") == 1
        with pytest.raises(WallGone):
            await wall.join(ROOMS[3], 3)
        assert len(scene.sessions) == 0
        assert scene.feeds.streams == ()

    play(tmp_path, scenario)


def test_a_line_goes_on_with_its_numbers_whoever_uses_it(tmp_path: Path) -> None:
    """No number is used twice under the connection's key, media or repair; RTP time goes on as time does."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(2)
        for room in (ROOMS[1], ROOMS[2], ROOMS[1]):
            await wall.join(room, 1)
            wall.picture(room, key=True)
            for _ in range(3):
                await scene.clock.advance(1)
                wall.picture(room)
            first = wall.packets(1)[-1].seq
            nack = struct.pack("!BBHIIHH", 0x81, 205, 3, 1, 17, first, 0)
            wall.connection.feedback(nack)
        media = wall.packets(1)
        assert [packet.seq for packet in media] == list(range(len(media)))
        steps = [later.ts - earlier.ts for earlier, later in pairwise(media)]
        assert all(step > 0 for step in steps), steps
        assert sum(steps) < 12 * 90_000
        repairs = [packet for packet in wall.connection.sink.packets() if packet.ssrc == 18]
        assert [packet.seq for packet in repairs] == [5, 6, 7]

    play(tmp_path, scenario)


def test_a_line_that_is_taken_goes_to_the_newest(tmp_path: Path) -> None:
    """The page asks for another picture on a line: who had it ends first, and only then the new one begins."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(2)
        wall.connection.slow_to_say = True
        old = wall.sessions[ROOMS[1]]
        ending = scene.sessions.close_grants([wall.grants[ROOMS[1]].id], "pause.class")
        await asyncio.gather(wall.join(ROOMS[2], 1), wall.join(ROOMS[3], 1), ending)
        assert len(scene.sessions) == 2
        assert wall.said()[0] == {"end": REPLACED, "code": REPLACED, "session": old}
        newest = next(item["camera"] for item in scene.sessions.facts() if item["camera"] != ROOMS[0])
        wall.picture(newest, key=True)
        assert [packet.seq for packet in wall.packets(1)] == [0, 1]

    play(tmp_path, scenario)


def test_rooms_may_join_before_the_connection_stands(tmp_path: Path) -> None:
    """They wait with it, and all begin when it is there; one that never stands gives all places back."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.open(ROOMS[2], 2)
        await wall.join(ROOMS[0], 0)
        assert {item["state"] for item in scene.sessions.facts()} == {"connecting"}
        wall.connection.connect()
        await scene.settle()
        for room in (ROOMS[0], ROOMS[2]):
            wall.picture(room, key=True)
        assert [len(wall.packets(slot)) for slot in range(3)] == [1, 0, 1]
        other = Wall(scene)
        await other.open(ROOMS[4], 0)
        await other.join(ROOMS[5], 1)
        await scene.clock.advance(CONNECT_TIMEOUT_S + TICK_S)
        assert len(scene.sessions) == 2
        assert scene.sessions.ended == {"live.no_path": 2}

    play(tmp_path, scenario)


def test_a_connection_that_is_lost_ends_all_its_rooms(tmp_path: Path) -> None:
    """Consent lost: every session of it is over, counted, and its connection closed once."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(3)
        wall.connection.vanish()
        await scene.settle()
        assert len(scene.sessions) == 0
        assert scene.sessions.ended == {"live.gone": 3}
        assert scene.connections.log.count("shut") == 1
        assert scene.sessions.dropped() == {"stranger": 1}

    play(tmp_path, scenario)


def test_feedback_reaches_the_room_it_names(tmp_path: Path) -> None:
    """Loss on one line is judged on that line; an estimate is for all, by what each sends."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(2)
        for room in ROOMS[:2]:
            wall.picture(room)
        report = struct.pack("!BBHIIIIIII", 0x81, 201, 7, 1, 17, 128 << 24 | 9, 0, 0, 0, 0)
        estimate = struct.pack("!BBHII", 0x8F, 206, 5, 1, 0) + b"REMB" + struct.pack("!BBHI", 1, 0, 50_000, 7)
        wall.connection.feedback(report + estimate)
        lost = {item["camera"]: item["lost"] for item in scene.sessions.facts()}
        assert lost == {ROOMS[0]: 0, ROOMS[1]: 9}
        assert sum(item["estimate_bps"] for item in scene.sessions.facts()) > 0

    play(tmp_path, scenario)


def test_an_estimate_is_shared_by_what_each_line_sends() -> None:
    """A line that sends nothing, or at a rate not known yet, hears nothing; one on trial gets what the others leave."""
    assert shares(900, [Load(100.0), Load(200.0)]) == [300, 600]
    assert shares(900, [Load(0.0), Load(200.0)]) == [None, 900]
    assert shares(900, [Load(100.0), Load(200.0, on_trial=True)]) == [100, 800]
    assert shares(900, []) == []


def test_a_wall_serves_one_person_on_one_device(tmp_path: Path) -> None:
    """Another person's ticket, or the same person's from another device, finds no wall."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(1)
        for changes in ({"person": new_public_id()}, {"device": "another"}):
            with pytest.raises(WallGone):
                await scene.sessions.join_wall(wall.grant(ROOMS[1], **changes), None, wall.id, 1)
        with pytest.raises(WallGone):
            await scene.sessions.join_wall(wall.grant(ROOMS[1]), None, new_public_id(), 1)
        assert len(scene.sessions) == 1

    play(tmp_path, scenario)


def test_walls_are_for_staff(tmp_path: Path) -> None:
    """A guardian's ticket neither opens nor joins one, whatever the gateway lets through."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(1)
        guardian = wall.grant(ROOMS[1], role=Role.GUARDIAN, streams=frozenset({StreamRole.SUB}))
        with pytest.raises(GrantRefused):
            await scene.sessions.open_wall(guardian, None, WALL_OFFER, 0)
        with pytest.raises(GrantRefused):
            await scene.sessions.join_wall(guardian, None, wall.id, 1)

    play(tmp_path, scenario)


def test_lines_that_are_not_there_are_refused(tmp_path: Path) -> None:
    """Only lines of the offer can be had, and no plain session may have more than one."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(1)
        for slot in (-1, 16):
            with pytest.raises(BadInput):
                await wall.join(ROOMS[1], slot)
            with pytest.raises(BadInput):
                await scene.sessions.open_wall(wall.grant(ROOMS[2]), None, WALL_OFFER, slot)
        with pytest.raises(OfferRefused):
            await scene.sessions.open(make_grant(scene.clock), None, WALL_OFFER)
        assert len(scene.sessions) == 1

    play(tmp_path, scenario)


def test_tiles_count_as_viewers(tmp_path: Path) -> None:
    """A wall takes as many places as it has rooms; the last one stays the principal's."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(2)
        with pytest.raises(LiveFull):
            await wall.join(ROOMS[2], 2)
        await scene.sessions.join_wall(wall.grant(ROOMS[2], role=Role.PRINCIPAL), None, wall.id, 2)
        assert len(scene.sessions) == 3

    play(tmp_path, scenario, max_viewers=3)


def test_a_wall_that_cannot_be_answered_leaves_nothing(tmp_path: Path) -> None:
    """The offer fails inside: no session, no stream, no connection."""

    async def scenario(scene: Scene) -> None:
        scene.connections.refuse_next = True
        with pytest.raises(OfferRefused):
            await Wall(scene).open(ROOMS[0])
        assert (len(scene.sessions), scene.feeds.streams) == (0, ())
        assert scene.connections.log == ["shut"]

    play(tmp_path, scenario)


def test_candidates_of_any_room_are_the_connections(tmp_path: Path) -> None:
    """Trickled under one session's address they serve all."""

    async def scenario(scene: Scene) -> None:
        wall = Wall(scene)
        await wall.watching(2)
        await scene.sessions.add_candidates(wall.sessions[ROOMS[1]], "candidate:1 1 udp 1 192.0.2.7 9 typ host")
        assert [item.address for item in wall.connection.candidates] == ["192.0.2.7"]

    play(tmp_path, scenario)


def test_a_plain_session_names_no_session(tmp_path: Path) -> None:
    """What other players hear is as it was."""

    async def scenario(scene: Scene) -> None:
        session, _ = await scene.sessions.open(make_grant(scene.clock), None, OFFER)
        await scene.sessions.close(session, "pause.class")
        assert scene.connections.log[-1] == 'say {"end": "pause.class", "code": "pause.class"}'

    play(tmp_path, scenario)
