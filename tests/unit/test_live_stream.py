"""A stream with viewers: joining and following."""

from __future__ import annotations

import asyncio

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import PublicId, StreamRole
from gateway.live.ends import End
from gateway.live.sender import Numbers, Viewer
from gateway.live.stream import SHARED_BURST_BPS, BurstBudget, LiveStream
from tests.fakes.clock import FakeClock
from tests.fakes.wire import FakeSocket

CONFIG = CodecConfig(Codec.H264, b"\x67s", b"\x68p")
TICKS = 4500


class Scene:
    """A stream fed by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.stream = LiveStream(PublicId("c"), StreamRole.SUB, self.clock)
        self.budget = BurstBudget()
        self.number = 0

    def feed(self, count: int = 1, *, keys: tuple[int, ...] = (), skipped: bool = False, size: int = 2000) -> None:
        """Send pictures, 50 ms apart; `keys` are picture numbers."""
        for _ in range(count):
            key = self.number in keys
            nal = bytes([0x65 if key else 0x41]) + bytes([self.number % 256]) * size
            unit = AccessUnit((nal,), self.number * TICKS, key, self.number + 1, CONFIG)
            self.stream.take(unit, skipped=skipped)
            self.number += 1

    def viewer(self, room: int | None = None) -> tuple[Viewer, FakeSocket]:
        sink = FakeSocket(room)
        return Viewer(Numbers(1, 99, 100, 0), lambda packet: packet, sink.outlet), sink


def pictures(sink: FakeSocket) -> list[int]:
    """Return the picture numbers that were sent whole, in order."""
    return [packet.ts // TICKS for packet in sink.packets() if packet.marker]


def whole(sink: FakeSocket) -> bool:
    """Say whether the sequence numbers have no hole."""
    seqs = [packet.seq for packet in sink.packets()]
    return seqs == list(range(seqs[0], seqs[0] + len(seqs)))


def test_a_join_begins_with_the_cached_key_frame() -> None:
    """The whole current GOP comes first with its own times, then live pictures, each once and in order."""

    async def body() -> None:
        scene = Scene()
        scene.feed(15, keys=(0, 10))
        viewer, sink = scene.viewer()
        joining = asyncio.create_task(scene.stream.join(viewer, scene.budget))
        await scene.clock.advance(5)
        await joining
        scene.feed(3)
        assert pictures(sink) == list(range(10, 18))
        assert whole(sink)

    asyncio.run(body())


def test_pictures_that_arrive_while_a_join_catches_up_are_not_lost() -> None:
    """The burst is paced, live goes on meanwhile: nothing is doubled, nothing left out."""

    async def body() -> None:
        scene = Scene()
        scene.feed(20, keys=(0,), size=50_000)
        viewer, sink = scene.viewer()
        joining = asyncio.create_task(scene.stream.join(viewer, scene.budget))
        for _ in range(30):
            await scene.clock.advance(0.01)
            scene.feed()
        await scene.clock.advance(10)
        await joining
        scene.feed(2)
        assert pictures(sink) == list(range(52))
        assert whole(sink)

    asyncio.run(body())


def test_a_burst_is_paced_and_not_dumped() -> None:
    """After the first picture the burst waits its time: no queue on the way is filled at once."""

    async def body() -> None:
        scene = Scene()
        scene.feed(20, keys=(0,), size=50_000)
        viewer, sink = scene.viewer()
        joining = asyncio.create_task(scene.stream.join(viewer, scene.budget))
        await scene.clock.settle()
        assert pictures(sink) == [0]
        await scene.clock.advance(0.02)
        assert 1 < len(pictures(sink)) < 20
        await scene.clock.advance(5)
        await joining

    asyncio.run(body())


def test_a_right_that_began_amid_the_gop_shows_nothing_older() -> None:
    """A viewer whose right began after the cached key frame gets no picture of it, only from the next one on."""

    async def body() -> None:
        scene = Scene()
        scene.feed(15, keys=(0, 10))
        viewer, sink = scene.viewer()
        viewer.not_before_ns = 13  # pictures are received at 1, 2, 3 ... ns
        await scene.stream.join(viewer, scene.budget)
        scene.feed(10, keys=(20,))
        assert pictures(sink) == [20, 21, 22, 23, 24]

    asyncio.run(body())


def test_joins_share_the_burst_rate() -> None:
    """Twenty-five parents at half past four draw together what the budget gives, each at least something."""
    alone, crowd = BurstBudget(1), BurstBudget(25)
    assert alone.rate_bps(2_000_000) == 16_000_000
    assert crowd.rate_bps(2_000_000) * 25 <= SHARED_BURST_BPS
    assert alone.rate_bps(0) > 0


def test_a_join_without_a_cached_gop_waits_for_a_key_frame() -> None:
    """The first viewer of a stream gets nothing half, then everything from the key frame on."""

    async def body() -> None:
        scene = Scene()
        viewer, sink = scene.viewer()
        await scene.stream.join(viewer, scene.budget)
        scene.feed(6, keys=(3,))
        assert pictures(sink) == [3, 4, 5]
        assert whole(sink)

    asyncio.run(body())


def test_a_join_outrun_by_the_history_goes_on_at_the_current_key_frame() -> None:
    """A very slow burst skips to where a decoder can start again, without a hole in the sequence."""

    async def body() -> None:
        scene = Scene()
        scene.feed(10, keys=(0,), size=50_000)
        viewer, sink = scene.viewer()
        joining = asyncio.create_task(scene.stream.join(viewer, scene.budget))
        await scene.clock.settle()
        scene.number = 5_000_000_000  # received five seconds later
        scene.feed(3, keys=(5_000_000_000,))
        await scene.clock.advance(20)
        await joining
        assert pictures(sink)[0] == 0
        assert len(sink.packets()) > 3
        assert whole(sink)
        assert len(scene.stream.viewers) == 1

    asyncio.run(body())


def test_a_viewer_that_leaves_while_joining_is_never_put_on_the_list() -> None:
    """The cut wins over the burst: no further packet, no place on the live list."""

    async def body() -> None:
        scene = Scene()
        scene.feed(20, keys=(0,), size=50_000)
        viewer, sink = scene.viewer()
        joining = asyncio.create_task(scene.stream.join(viewer, scene.budget))
        await scene.clock.settle()
        count = len(sink.sent)
        scene.stream.leave(viewer)
        await scene.clock.advance(10)
        await joining
        scene.feed(3)
        assert len(sink.sent) == count
        assert scene.stream.viewers == []
        assert scene.budget.joining == 0

    asyncio.run(body())


def test_a_full_socket_in_the_burst_ends_the_burst() -> None:
    """The rest of that GOP would be useless: the viewer is put on the list and waits for the next key frame."""

    async def body() -> None:
        scene = Scene()
        scene.feed(10, keys=(0,))
        viewer, sink = scene.viewer(room=3)
        joining = asyncio.create_task(scene.stream.join(viewer, scene.budget))
        await scene.clock.advance(5)
        await joining
        sink.room = None
        scene.feed(3, keys=(11,))
        assert pictures(sink)[-2:] == [11, 12]
        assert whole(sink)

    asyncio.run(body())


def test_after_a_skip_in_the_feed_everybody_continues_at_the_key_frame() -> None:
    """The recorder left units out for us: the next one is a key frame, counted as a skip, sent without a hole."""

    async def body() -> None:
        scene = Scene()
        scene.feed(3, keys=(0,))
        viewer, sink = scene.viewer()
        joining = asyncio.create_task(scene.stream.join(viewer, scene.budget))
        await scene.clock.advance(5)
        await joining
        scene.number = 40
        scene.feed(1, keys=(40,), skipped=True)
        assert pictures(sink) == [0, 1, 2, 40]
        assert whole(sink)
        assert scene.stream.counters.skips == 1

    asyncio.run(body())


def test_h265_is_not_shown() -> None:
    """A stream browsers cannot play says so instead of sending what nothing decodes."""
    scene = Scene()
    unit = AccessUnit((b"\x26\x01abc",), 0, True, 1, CodecConfig(Codec.H265, b"s", b"p", b"v"))
    scene.stream.take(unit, skipped=False)
    assert scene.stream.ended is End.CODEC
    assert scene.stream.history.last is None


def test_the_time_of_reports_runs_on_between_pictures() -> None:
    """RTP time now is the newest picture's plus the time since it was received."""
    scene = Scene()
    assert scene.stream.rtp_now_90k() is None
    scene.feed(1, keys=(0,))
    first = scene.stream.rtp_now_90k()
    scene.clock.tick(1)
    second = scene.stream.rtp_now_90k()
    assert first is not None
    assert second is not None
    assert second - first == 90_000
