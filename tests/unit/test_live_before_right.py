"""Pictures received before a viewer's right began leave towards it on no way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import PublicId, StreamRole, new_public_id
from gateway.live.reception import RENEW_PICTURE_S
from gateway.live.segments import SegmentSender
from gateway.live.sender import Numbers, Outlet, SendFrame, Viewer, send_frame
from gateway.live.stream import BurstBudget, LiveStream
from gateway.live.uplink import Uplink
from tests.fakes.clock import FakeClock
from tests.fakes.live_box import make_grant
from tests.fakes.live_scene import OFFER
from tests.fakes.live_scene import Scene as Sessions
from tests.fakes.live_scene import play as play_sessions
from tests.fakes.wire import FakeSocket
from tests.unit.test_live_feedclient import until
from tests.unit.test_live_renewal import PLI
from tests.unit.test_live_transcodes import Scene as Transcoding
from tests.unit.test_live_transcodes import play as play_transcodes

CONFIG = CodecConfig(Codec.H264, b"\x67s", b"\x68p")
TICKS = 4500
SENDERS = pytest.mark.parametrize("send", [send_frame, SegmentSender(segments=False)], ids=["plain", "segments"])


class Scene:
    """A stream whose pictures a test dates itself."""

    def __init__(self, send: SendFrame = send_frame, uplink: Uplink | None = None) -> None:
        self.clock = FakeClock()
        self.stream = LiveStream(PublicId("c"), StreamRole.SUB, self.clock, send, uplink=uplink)
        self.asked = 0
        self.stream.ask_key = self._ask
        self.sink = FakeSocket()
        self.viewer = Viewer(
            Numbers(1, 99, 100, 0), lambda packet: packet, lambda: Outlet(self.sink, ("203.0.113.9", 9))
        )
        self.viewer.not_before_ns = self.clock.mono_ns()
        self._number = 0

    def _ask(self) -> None:
        self.asked += 1

    def feed(self, age_s: float, *, key: bool = False) -> None:
        """Take a picture received so long before the right began (negative: after it)."""
        nal = bytes([0x65 if key else 0x41]) + bytes(2000)
        received_ns = self.viewer.not_before_ns - round(age_s * 1e9)
        self.stream.take(AccessUnit((nal,), self._number * TICKS, key, received_ns, CONFIG), skipped=False)
        self._number += 1

    @property
    def shown(self) -> list[int]:
        """Numbers of the pictures that were sent whole."""
        return [packet.ts // TICKS for packet in self.sink.packets() if packet.marker]


def run(scene: Scene, scenario: Callable[[Scene], Awaitable[None]]) -> None:
    async def body() -> None:
        pacing = None if scene.stream.line is None else asyncio.create_task(scene.stream.line.run())
        await scenario(scene)
        if pacing is not None:
            pacing.cancel()

    asyncio.run(body())


@SENDERS
def test_who_came_before_the_recorders_cached_pictures_is_not_sent_them(send: SendFrame) -> None:
    """The first viewer of a stream: the GOP of before its right goes by, the next key frame begins."""

    async def scenario(scene: Scene) -> None:
        await scene.stream.join(scene.viewer, BurstBudget())
        scene.feed(3, key=True)
        scene.feed(2.9)
        scene.feed(-0.1)
        assert scene.shown == []
        assert scene.viewer.skipped_frames == 3
        scene.feed(-0.2, key=True)
        scene.feed(-0.3)
        assert scene.shown == [3, 4]

    run(Scene(send), scenario)


def test_a_key_frame_of_the_moment_the_right_began_is_shown() -> None:
    """The bound is the right's own: nothing earlier, but that."""

    async def scenario(scene: Scene) -> None:
        await scene.stream.join(scene.viewer, BurstBudget())
        scene.feed(0, key=True)
        assert scene.shown == [0]

    run(Scene(), scenario)


def test_the_camera_is_asked_once_for_the_key_frame_it_waits_for() -> None:
    """Who may not see the cached pictures would look at nothing for a long group; without such a viewer nobody asks."""

    async def scenario(scene: Scene) -> None:
        scene.feed(9, key=True)
        await scene.stream.join(scene.viewer, BurstBudget())
        asked = scene.asked
        scene.feed(8.9)
        scene.feed(8.8)
        assert (asked, scene.asked) == (1, 1)

    run(Scene(), scenario)

    async def empty(scene: Scene) -> None:
        await scene.stream.join(scene.viewer, BurstBudget())
        scene.feed(3, key=True)
        scene.feed(2.9)
        assert scene.asked == 1
        scene.feed(-0.1, key=True)
        await scene.clock.advance(9)
        scene.feed(-9)
        assert scene.asked == 1, "it has its key frame"

    run(Scene(), empty)


def test_a_stream_that_takes_a_viewer_over_shows_it_nothing_older() -> None:
    """A switch of streams has the same bound: also with the cached key frame of a stream that just began."""

    async def scenario(scene: Scene) -> None:
        old = LiveStream(PublicId("c"), StreamRole.MAIN, scene.clock)
        scene.stream.expect(scene.viewer, old)
        scene.feed(1, key=True)
        scene.feed(0.9)
        assert scene.shown == []
        scene.feed(-1, key=True)
        assert scene.shown == [2]

    run(Scene(), scenario)


@SENDERS
def test_what_waits_for_the_uplink_is_judged_when_it_leaves(send: SendFrame) -> None:
    """Frames queued for a viewer outside are of before its right too, whenever the line gets to them."""

    async def scenario(scene: Scene) -> None:
        await scene.stream.join(scene.viewer, BurstBudget())
        scene.feed(0.3, key=True)
        scene.feed(0.2)
        scene.feed(-0.1, key=True)
        assert scene.stream.line is not None
        assert scene.stream.line.queued_bytes
        for _ in range(20):
            await scene.clock.advance(0.1)
        assert scene.stream.line.queued_bytes == 0
        assert scene.shown == [2]

    run(Scene(send, Uplink(10_000_000, lambda _address: True)), scenario)


def test_a_renewal_shows_nothing_older(tmp_path: Path) -> None:
    """A viewer that waits and says its picture is lost is not helped with the GOP of before its right."""

    async def scenario(scene: Sessions) -> None:
        await scene.sessions.open(replace(make_grant(scene.clock), since_ms=scene.clock.now_ms()), None, OFFER)
        began_ns = scene.clock.mono_ns()
        connection = scene.connections.made[-1]
        connection.connect()
        await scene.settle()
        (stream,) = scene.feeds.streams
        stream.take(AccessUnit((b"\x65" * 100,), 0, True, began_ns - 1, CONFIG), skipped=False)
        for _ in range(3):
            scene.picture(stream)
            connection.feedback(PLI)
            await scene.clock.advance(RENEW_PICTURE_S)
        assert stream.counters.picture_lost == 3
        assert connection.sink.packets() == []
        scene.picture(stream, key=True)
        assert len(connection.sink.packets()) > 0

    play_sessions(tmp_path, scenario)


def test_a_small_picture_is_as_old_as_what_it_was_made_of(tmp_path: Path) -> None:
    """A transcoded camera's first viewer waits on the empty list: the recorder's cached GOP is of before its right."""

    async def scenario(scene: Transcoding) -> None:
        began_ns = scene.clock.mono_ns()
        for number, age_s in enumerate((0.4, 0.3)):
            scene.feed.send(scene.feed.clip.unit(number, began_ns - round(age_s * 1e9)))
        held = scene.feeds.hold(new_public_id(), StreamRole.SUB)
        sink = FakeSocket()
        viewer = Viewer(Numbers(1, 99, 100, 0), lambda packet: packet, sink.outlet)
        viewer.not_before_ns = began_ns
        await held.join(viewer, BurstBudget())
        await until(lambda: held.history.last is not None and held.history.last.number == 1)
        assert held.is_transcoded
        assert sink.sent == []
        scene.transcodes.ask_key(held.camera)
        scene.feed.send(scene.feed.clip.unit(2, began_ns + 1))
        await until(lambda: bool(sink.sent))
        assert viewer.last_sent is held.history.last

    play_transcodes(tmp_path, scenario)
