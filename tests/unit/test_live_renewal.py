"""A viewer that says its picture is lost: the cached GOP again, rarely and within its budget."""

from __future__ import annotations

import struct
from pathlib import Path

from gateway.live.reception import NOW_S, RENEW_PICTURE_S
from gateway.live.rtcp import PSFB
from tests.fakes.connection import FakeConnection
from tests.fakes.live_scene import Scene, play
from tests.fakes.wire import Packet

PLI = struct.pack("!BBHII", 0x81, PSFB, 2, 1, 7)


def pictures(connection: FakeConnection) -> list[Packet]:
    """Return the packets of pictures, without those of parameter sets alone."""
    return [packet for packet in connection.sink.packets() if packet.marker]


async def caught_up(scene: Scene) -> None:
    for _ in range(20):
        await scene.clock.advance(0.05)


def test_a_lost_picture_is_sent_again_from_the_key_frame(tmp_path: Path) -> None:
    """The current GOP comes again under new numbers with its own times, then live goes on, without a hole."""

    async def scenario(scene: Scene) -> None:
        connection, stream, _ = await scene.watching()
        for _ in range(3):
            scene.picture(stream)
        connection.feedback(PLI)
        await caught_up(scene)
        scene.picture(stream)
        packets = pictures(connection)
        first = packets[0].ts
        assert [packet.ts - first for packet in packets] == [4500 * n for n in (0, 1, 2, 3, 0, 1, 2, 3, 4)]
        seqs = [packet.seq for packet in connection.sink.packets()]
        assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
        assert (stream.counters.picture_lost, stream.counters.renewed) == (1, 1)

    play(tmp_path, scenario)


def test_a_storm_of_requests_is_one(tmp_path: Path) -> None:
    """Chromium repeats its request several times a second: it is answered once in a while."""

    async def scenario(scene: Scene) -> None:
        connection, stream, _ = await scene.watching()
        for _ in range(50):
            connection.feedback(PLI)
        await caught_up(scene)
        assert (stream.counters.picture_lost, stream.counters.renewed) == (50, 1)
        await scene.clock.advance(RENEW_PICTURE_S)
        scene.picture(stream)
        connection.feedback(PLI)
        assert stream.counters.renewed == 2

    play(tmp_path, scenario)


def test_the_budget_of_repairs_is_the_limit(tmp_path: Path) -> None:
    """Whoever asks on gets no more than repairs may cost; the next key frame is for everybody."""

    async def scenario(scene: Scene) -> None:
        connection, stream, _ = await scene.watching()
        for _ in range(400):
            scene.picture(stream)
        media = len(connection.sink.sent)
        for _ in range(30):
            scene.picture(stream)
            connection.feedback(PLI)
            await scene.clock.advance(RENEW_PICTURE_S)
        assert stream.counters.renewed <= 2
        assert len(connection.sink.sent) <= 3 * media

    play(tmp_path, scenario)


def test_a_camera_that_stands_still_is_not_made_to_look_live(tmp_path: Path) -> None:
    """Chromium asks for a key frame when nothing comes: pictures of before are not sent again as if they were new."""

    async def scenario(scene: Scene) -> None:
        connection, stream, _ = await scene.watching()
        await scene.clock.advance(NOW_S + 0.1)
        before = len(connection.sink.sent)
        connection.feedback(PLI)
        await caught_up(scene)
        assert (stream.counters.renewed, len(connection.sink.sent)) == (0, before)
        scene.picture(stream)
        connection.feedback(PLI)
        assert stream.counters.renewed == 1

    play(tmp_path, scenario)


def test_what_nobody_watches_is_not_renewed(tmp_path: Path) -> None:
    """After the end of a session its requests cost nothing."""

    async def scenario(scene: Scene) -> None:
        connection, stream, session = await scene.watching()
        await scene.sessions.close(session, "x")
        before = len(connection.sink.sent)
        connection.feedback(PLI)
        await caught_up(scene)
        assert (stream.counters.renewed, len(connection.sink.sent)) == (0, before)

    play(tmp_path, scenario)
