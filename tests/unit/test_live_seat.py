"""A session's place, with real sessions and streams: nothing is sent before it, nothing after it was taken."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.model import Role, StreamRole
from gateway.live.places import Places
from gateway.live.seat import Seat
from gateway.live.session import Session
from gateway.live.sessions import TICK_S
from gateway.live.stream import LiveStream
from gateway.live.switch import Switch
from tests.fakes.connection import FakeConnection
from tests.fakes.live_box import BOTH, make_grant
from tests.fakes.live_scene import OFFER, Scene, play

WALL_OFFER = (Path(__file__).parent.parent / "fakes" / "chromium_wall.sdp").read_text()


async def opened(scene: Scene, asked: StreamRole = StreamRole.SUB) -> tuple[Session, FakeConnection, LiveStream]:
    """A connected session of a stream that has pictures."""
    session_id, _ = await scene.sessions.open(make_grant(scene.clock, streams=BOTH), asked, OFFER)
    session = scene.sessions._by_id[session_id]
    return session, scene.connections.made[-1], session.stream


def gop(scene: Scene, stream: LiveStream, pictures: int = 5) -> None:
    for number in range(pictures):
        scene.picture(stream, key=number == 0)


def test_a_session_that_is_connected_but_has_no_place_is_sent_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the reason that no place was given: the default is no video."""
    monkeypatch.setattr(Places, "round", lambda *_: None)

    async def scenario(scene: Scene) -> None:
        _, connection, stream = await opened(scene)
        connection.connect()
        await scene.settle()
        gop(scene, stream)
        await scene.clock.advance(3)
        assert connection.sink.sent == []
        assert [item["state"] for item in scene.sessions.facts()] == ["live"]

    play(tmp_path, scenario)


def test_a_look_that_fails_gives_nobody_video_and_stops_no_cutter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault in the places is told; leases go on ending what is not renewed."""

    def fails(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(Places, "_judge", fails)

    async def scenario(scene: Scene) -> None:
        session, connection, stream = await opened(scene)
        connection.connect()
        await scene.settle()
        gop(scene, stream)
        assert connection.sink.sent == []
        await scene.clock.advance(61)  # the grant's lease
        assert session.reason == "live.lease"
        assert {type(error) for error in scene.faults} == {ZeroDivisionError}
        scene.faults.clear()

    play(tmp_path, scenario)


def test_held_back_nothing_more_leaves_and_the_connection_stays(tmp_path: Path) -> None:
    """Let flow again it begins at the key frame, with numbers that go on."""

    async def scenario(scene: Scene) -> None:
        session, connection, stream = await opened(scene)
        connection.connect()
        await scene.settle()
        gop(scene, stream)
        count = len(connection.sink.sent)
        assert count == 5
        session.seat.hold_back()
        gop(scene, stream)
        session.follow()
        assert len(connection.sink.sent) == count
        assert (session.is_live, "shut" in scene.connections.log) == (True, False)
        session.seat.let_flow(StreamRole.MAIN)
        await scene.clock.advance(2)
        seqs = [int.from_bytes(packet[2:4], "big") for packet in connection.sink.sent]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert len(seqs) > count
        scene.picture(stream)
        assert len(connection.sink.sent) == len(seqs) + 1

    play(tmp_path, scenario)


def test_held_back_while_it_joins_it_is_on_no_list_afterwards(tmp_path: Path) -> None:
    """The burst of cached pictures ends where it is; let flow meanwhile, it begins anew, once."""

    async def scenario(scene: Scene) -> None:
        session, connection, stream = await opened(scene)
        gop(scene, stream, 40)
        connection.connect()
        await scene.settle()
        begun = len(connection.sink.sent)
        assert 0 < begun < 40
        session.seat.hold_back()
        await scene.clock.advance(0.1)
        assert (len(connection.sink.sent), stream.viewers) == (begun, [])
        session.seat.let_flow(StreamRole.MAIN)
        await scene.settle()
        session.seat.hold_back()
        session.seat.let_flow(StreamRole.MAIN)
        await scene.clock.advance(2)
        assert stream.viewers == [session.viewer]
        scene.picture(stream)
        seqs = [int.from_bytes(packet[2:4], "big") for packet in connection.sink.sent]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))

    play(tmp_path, scenario)


def test_a_smaller_place_begins_with_the_smaller_stream(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No packet of main leaves; its subscription is given back; allowed again, the link may try it."""
    monkeypatch.setattr(Places, "round", lambda *_: None)  # they would give main: there is room for it

    async def scenario(scene: Scene) -> None:
        session, connection, main = await opened(scene, StreamRole.MAIN)
        gop(scene, main)
        session.seat.let_flow(StreamRole.SUB)  # not connected yet: nothing begins
        assert not session.seat.flows
        connection.connect()
        session.seat.let_flow(StreamRole.SUB)
        await scene.settle()
        assert connection.sink.sent == []
        assert [item.role for item in scene.feeds.streams] == [StreamRole.SUB]
        gop(scene, session.stream)
        assert len(connection.sink.sent) == 5
        assert (session.seat.asked, session.seat.most) == (StreamRole.MAIN, StreamRole.SUB)
        session.seat.let_flow(StreamRole.MAIN)
        assert session.seat.most is StreamRole.MAIN
        assert session.stream.role is StreamRole.SUB

    play(tmp_path, scenario)


def test_a_stream_that_was_waited_for_is_given_up(tmp_path: Path) -> None:
    """Held back amid a change of streams, both are left and the one that was coming is released."""

    async def scenario(scene: Scene) -> None:
        session, connection, stream = await opened(scene, StreamRole.MAIN)
        connection.connect()
        await scene.settle()
        gop(scene, stream)
        switch = session.switch
        switch.coming = scene.feeds.hold(stream.camera, StreamRole.SUB)
        assert session.viewer is not None
        switch.coming.expect(session.viewer, stream)
        sub = switch.coming
        session.seat.hold_back()
        assert [item for item in scene.feeds.streams if item is sub] == []
        assert [*stream.viewers, *sub.viewers, *sub._expected] == []
        await scene.clock.advance(TICK_S)
        assert not session.seat.flows

    play(tmp_path, scenario)


def test_a_page_that_does_not_take_the_news_holds_up_no_lease(tmp_path: Path) -> None:
    """Telling waits beside the loop that ends what is not renewed."""

    async def scenario(scene: Scene) -> None:
        session, connection, _ = await opened(scene)
        connection.deaf = asyncio.Event()
        connection.connect()
        await scene.settle()
        scene.sessions.places._standings[session.id].told = {"place": "turn", "why": "", "next_s": 1, "left_s": None}
        other_id, _ = await scene.sessions.open(make_grant(scene.clock, role=Role.GUARDIAN, lease_ms=3000), None, OFFER)
        other = scene.sessions._by_id[other_id]
        await scene.clock.advance(4)
        assert other.reason == "live.lease"
        assert [item for item in scene.connections.log if "turn" in item] != []
        connection.deaf.set()
        await scene.settle()
        said = json.loads(next(item for item in scene.connections.log if "turn" in item).removeprefix("say "))
        assert said["turn"]["place"] == "video"

    play(tmp_path, scenario)


def test_a_place_ends_with_its_session(tmp_path: Path) -> None:
    """Let flow after the end, nothing begins; the figures of the whole forget it."""

    async def scenario(scene: Scene) -> None:
        session, connection, stream = await opened(scene)
        connection.connect()
        await scene.settle()
        gop(scene, stream)
        await scene.sessions.close(session.id, "over")
        count = len(connection.sink.sent)
        session.seat.hold_back()
        session.seat.let_flow(StreamRole.MAIN)
        await scene.settle()
        assert (session.seat.flows, len(connection.sink.sent)) == (False, count)
        await scene.clock.advance(2)
        assert scene.sessions.places.facts()["places"] == {}
        assert scene.sessions.totals.of([])["frames"] == 5

    play(tmp_path, scenario)


def test_a_seat_of_a_session_without_a_viewer_does_nothing(tmp_path: Path) -> None:
    """Before the offer is answered there is nothing to send and nobody outside."""

    async def scenario(scene: Scene) -> None:
        session, _, stream = await opened(scene)
        session.viewer = None
        seat = Seat(session, scene.clock, lambda: pytest.fail("nothing begins"))
        seat.let_flow(StreamRole.MAIN)
        seat.hold_back()
        assert not seat.flows
        assert isinstance(session.switch, Switch)
        assert stream.viewers == []

    play(tmp_path, scenario)


def test_a_tile_that_gets_stills_is_told_by_its_own_name(tmp_path: Path) -> None:
    """On a connection that tiles share, the news says whose it is; the other tile is told nothing."""

    async def scenario(scene: Scene) -> None:
        owner = make_grant(scene.clock, streams=frozenset({StreamRole.SUB}))
        first, _ = await scene.sessions.open_wall(owner, StreamRole.SUB, WALL_OFFER, 0)
        scene.connections.made[-1].connect()
        await scene.settle()
        scene.sessions.places.full = True
        other = replace(make_grant(scene.clock, streams=owner.streams), person=owner.person, device=owner.device)
        second = await scene.sessions.join_wall(other, StreamRole.SUB, first.carrier.id, 1)
        await scene.clock.advance(2)
        said = [json.loads(item.removeprefix("say ")) for item in scene.connections.log if item.startswith("say ")]
        news = {"place": "stills", "why": "cpu", "next_s": None, "left_s": None}
        assert said == [{"turn": news, "session": second}]
        assert (first.seat.flows, scene.sessions._by_id[second].seat.flows) == (True, False)

    play(tmp_path, scenario)
