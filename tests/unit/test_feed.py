"""The fan-out of one stream."""

from __future__ import annotations

import asyncio
import threading
from collections import deque

import pytest

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import PublicId, StreamRole
from recorder.feed import Feed, QueueReader, StreamEnded

pytestmark = pytest.mark.anyio

CONFIG = CodecConfig(Codec.H264, b"\x67sps", b"\x68pps", width=640, height=360)
CAMERA = PublicId("a" * 16)


def unit(number: int, *, key: bool = False, size: int = 100, lost: int = 0) -> AccessUnit:
    return AccessUnit((bytes([number % 256]) * size,), number * 6000, key, number * 66_666_667, CONFIG, lost)


def gop(first: int, length: int, size: int = 100) -> list[AccessUnit]:
    return [unit(first + number, key=number == 0, size=size) for number in range(length)]


def new_feed() -> Feed:
    return Feed(CAMERA, StreamRole.MAIN)


def up_feed() -> Feed:
    """Return a feed that is connected: it has seen a picture nobody can decode."""
    feed = new_feed()
    feed.publish(unit(0))
    return feed


async def drain(reader: QueueReader, count: int) -> list[int]:
    return [(await reader.take()).unit.pts_90k // 6000 for _ in range(count)]


class Recorded:
    """A reader that keeps what it is offered."""

    def __init__(self) -> None:
        self.units: list[AccessUnit] = []
        self.ends: list[str] = []

    def offer(self, unit: AccessUnit) -> None:
        self.units.append(unit)

    def ended(self, code: str) -> None:
        self.ends.append(code)


async def test_every_reader_gets_every_picture() -> None:
    """Two readers see the same objects in the same order."""
    feed, one, two = new_feed(), Recorded(), Recorded()
    feed.attach(one)
    feed.attach(two)
    for item in gop(0, 5):
        feed.publish(item)
    assert [id(item) for item in one.units] == [id(item) for item in two.units]
    assert len(one.units) == 5


async def test_a_late_reader_begins_at_the_current_key_frame() -> None:
    """The current GOP comes first, from its key frame; older ones do not."""
    feed = new_feed()
    for item in [*gop(0, 5), *gop(5, 3)]:
        feed.publish(item)
    reader = QueueReader(asyncio.get_running_loop())
    feed.attach(reader)
    feed.publish(unit(8))
    assert await drain(reader, 4) == [5, 6, 7, 8]


async def test_a_reader_before_any_key_frame_waits_for_one() -> None:
    """Pictures that cannot be decoded are not handed out and are no losses."""
    feed, reader = new_feed(), QueueReader(asyncio.get_running_loop())
    feed.publish(unit(0))
    feed.attach(reader)
    feed.publish(unit(1))
    feed.publish(unit(2, key=True))
    taken = await reader.take()
    assert taken.unit.pts_90k // 6000 == 2
    assert not taken.skipped
    assert reader.dropped == 0


async def test_a_gop_too_large_to_keep_is_not_kept() -> None:
    """Beyond the bound a new reader waits for the next key frame; readers that are there get all."""
    feed, early = Feed(CAMERA, StreamRole.MAIN, keep_bytes=450), Recorded()
    feed.publish(unit(0, key=True))
    feed.attach(early)
    for number in range(1, 6):
        feed.publish(unit(number))
    late = QueueReader(asyncio.get_running_loop())
    feed.attach(late)
    feed.publish(unit(6))
    feed.publish(unit(7, key=True))
    assert await drain(late, 1) == [7]
    assert [item.pts_90k // 6000 for item in early.units] == list(range(8))


async def test_a_slow_reader_loses_up_to_the_next_key_frame_and_nobody_else_does() -> None:
    """Overflow drops whole pictures, is counted, and the next picture says so."""
    feed, fast = up_feed(), Recorded()
    slow = QueueReader(asyncio.get_running_loop(), most_bytes=350)
    feed.attach(fast)
    feed.attach(slow)
    for item in [*gop(0, 6), *gop(6, 2)]:
        feed.publish(item)
    first, second = await slow.take(), await slow.take()
    assert (first.unit.pts_90k // 6000, first.skipped) == (6, True)
    assert (second.unit.pts_90k // 6000, second.skipped) == (7, False)
    assert slow.dropped == 6
    assert len(fast.units) == 8
    assert feed.facts().dropped == 6


async def test_losses_of_a_reader_that_left_stay_counted() -> None:
    """The feed's figure does not shrink when a viewer leaves."""
    feed, slow = up_feed(), QueueReader(asyncio.get_running_loop(), most_bytes=150)
    feed.attach(slow)
    for item in gop(0, 4):
        feed.publish(item)
    feed.detach(slow)
    feed.detach(slow)
    assert feed.facts().dropped == 4
    assert feed.facts().readers == 0


async def test_one_picture_above_the_bound_still_gets_through() -> None:
    """An empty queue takes any picture: the bound must not starve a camera with huge key frames."""
    reader = QueueReader(asyncio.get_running_loop(), most_bytes=50)
    reader.offer(unit(0, key=True, size=500))
    assert await drain(reader, 1) == [0]


async def test_an_overflow_at_a_key_frame_goes_on_with_it() -> None:
    """If the picture that does not fit is a key frame, it is the next one taken."""
    reader = QueueReader(asyncio.get_running_loop(), most_bytes=250)
    for item in [*gop(0, 2), unit(2, key=True)]:
        reader.offer(item)
    taken = await reader.take()
    assert (taken.unit.pts_90k // 6000, taken.skipped) == (2, True)
    assert reader.dropped == 2


async def test_the_end_comes_after_the_last_picture() -> None:
    """Queued pictures are delivered before the end, then every take says how it ended."""
    feed, reader = up_feed(), QueueReader(asyncio.get_running_loop())
    feed.attach(reader)
    feed.publish(unit(0, key=True))
    feed.end("camera_closed")
    assert await drain(reader, 1) == [0]
    for _ in range(2):
        with pytest.raises(StreamEnded) as end:
            await reader.take()
        assert end.value.code == "camera_closed"


async def test_after_the_end_nothing_is_queued() -> None:
    """A reader that was told the end must subscribe anew."""
    reader = QueueReader(asyncio.get_running_loop())
    reader.ended("camera_closed")
    reader.offer(unit(0, key=True))
    with pytest.raises(StreamEnded):
        await reader.take()


async def test_a_feed_that_is_down_ends_a_new_reader_at_once() -> None:
    """With the code of its last failure."""
    feed, reader = new_feed(), QueueReader(asyncio.get_running_loop())
    feed.end("camera_login")
    feed.attach(reader)
    with pytest.raises(StreamEnded) as end:
        await reader.take()
    assert end.value.code == "camera_login"


async def test_pictures_of_the_session_before_are_not_shown_again() -> None:
    """After an end the kept GOP is gone: its clock means nothing any more."""
    feed, reader = new_feed(), Recorded()
    for item in gop(0, 3):
        feed.publish(item)
    feed.end("camera_closed")
    feed.attach(reader)
    assert reader.units == []


async def test_pictures_from_another_thread_wake_the_reader() -> None:
    """The network thread publishes while the loop waits in take."""
    feed, reader = up_feed(), QueueReader(asyncio.get_running_loop())
    feed.attach(reader)
    items = [item for number in range(20) for item in gop(number * 10, 10)]
    thread = threading.Thread(target=lambda: deque(map(feed.publish, items), maxlen=0))
    thread.start()
    assert await drain(reader, 200) == list(range(200))
    thread.join()


async def test_facts_count_pictures_losses_and_pace() -> None:
    """Fifteen pictures a second of 100 bytes are measured as such."""
    feed = new_feed()
    for number in range(160):
        feed.publish(unit(number, key=number % 30 == 0, lost=1 if number == 7 else 0))
    facts = feed.facts()
    assert facts.connected
    assert facts.units == 160
    assert facts.lost_packets == 1
    assert facts.fps == pytest.approx(15, abs=0.2)
    assert facts.bitrate_bps == pytest.approx(12_000, rel=0.02)
    assert facts.config is CONFIG


async def test_facts_of_a_feed_that_ended_show_no_pace() -> None:
    """Figures of a dead session are not shown as current."""
    feed = new_feed()
    for number in range(160):
        feed.publish(unit(number, key=number % 30 == 0))
    feed.end("camera_closed")
    facts = feed.facts()
    assert (facts.connected, facts.fps, facts.bitrate_bps) == (False, 0.0, 0)
    assert facts.units == 160


def test_pictures_out_of_order_are_told() -> None:
    """B-frames: three steps back make it a fact of the stream, until it ends; a jump of the clock is none."""
    feed = new_feed()
    for pts in (0, 18_000, 6_000, 12_000, 36_000, 24_000):
        assert not feed.facts().b_frames
        feed.publish(AccessUnit((b"x",), pts, False, 1, CONFIG))
    assert feed.facts().b_frames
    feed.end("camera_closed")
    assert not feed.facts().b_frames
    for pts in (900_000, 6_000, 9_000_000, 12_000, 8_000_000, 1_000):
        feed.publish(AccessUnit((b"x",), pts, False, 1, CONFIG))
    assert not feed.facts().b_frames
