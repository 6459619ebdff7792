"""One RTSP session: from the network thread to feed and disk."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace

import pytest

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import PublicId, RunId, StreamId, StreamRole
from recorder.feed import Feed
from recorder.gaps import GapCause
from recorder.session import ClockLies, Notice, Playing, RunBegan, RunEnded, SessionSink
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.recording import FakeFootage

pytestmark = pytest.mark.anyio

CONFIG = CodecConfig(Codec.H264, b"\x67", b"\x68")
STREAM = StreamId(3)
MONO_NS = 1_000_000_000


def unit(number: int, *, key: bool = False) -> AccessUnit:
    return AccessUnit((b"\x65",), 777_000 + number * 6000, key, MONO_NS + number * 66_666_667, CONFIG)


class World:
    """A sink with everything around it."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.feed = Feed(PublicId("a" * 16), StreamRole.MAIN)
        self.footage = FakeFootage()
        self.sink = SessionSink(STREAM, RunId(1), feed=self.feed, footage=self.footage, clock=self.clock)

    async def notices(self) -> list[Notice]:
        await asyncio.sleep(0)
        found = []
        while not self.sink.notices.empty():
            found.append(self.sink.notices.get_nowait())
        return found


async def test_a_run_begins_at_the_first_key_frame() -> None:
    """Pictures before it are shown to live viewers and not written."""
    world = World()
    for number in range(6):
        world.sink.unit(unit(number, key=number == 2))
    assert [item.pts_90k for item in world.footage.units[STREAM]] == [777_000 + number * 6000 for number in range(2, 6)]
    assert [run.id for run in world.footage.runs] == [1]
    assert world.feed.facts().units == 6


async def test_the_anchor_is_the_arrival_of_the_key_frame() -> None:
    """Not the moment at which the thread got round to it."""
    world = World()
    world.clock.tick(0.5)
    world.sink.unit(unit(0, key=True))
    (run,) = world.footage.runs
    assert (run.anchor.wall_ms, run.anchor.mono_ns, run.anchor.trusted) == (NOON_MS, MONO_NS, True)
    assert world.footage.walls_90k[STREAM] == [NOON_MS * 90]


async def test_the_loop_hears_playing_beginning_and_end_in_order() -> None:
    """The end carries the end of the last picture, one frame after its start."""
    world = World()
    world.sink.playing(None)
    for number in range(16):
        world.sink.unit(unit(number, key=number % 15 == 0))
    run = world.sink.close(GapCause.CAMERA)
    assert run is not None
    assert world.footage.ended == [(STREAM, GapCause.CAMERA)]
    playing, began, ended = await world.notices()
    assert playing == Playing()
    assert began == RunBegan(run)
    assert ended == RunEnded(run, NOON_MS + 16 * 1000 // 15, GapCause.CAMERA)


async def test_a_cut_loses_no_picture() -> None:
    """The old run takes everything up to the key frame, the new one everything from it."""
    world = World()
    for number in range(4):
        world.sink.unit(unit(number, key=number == 0))
    world.sink.cut(RunId(2), GapCause.CLOCK)
    world.clock.step_wall(10_000)
    for number in range(4, 8):
        world.sink.unit(unit(number, key=number == 6))
    assert len(world.footage.units[STREAM]) == 8
    assert [run.id for run in world.footage.runs] == [1, 2]
    notices = await world.notices()
    assert [type(item) for item in notices] == [RunBegan, RunEnded, RunBegan]
    ended = notices[1]
    assert isinstance(ended, RunEnded)
    assert ended.cause is GapCause.CLOCK
    assert ended.at_ms == NOON_MS + 6 * 1000 // 15
    assert world.footage.runs[1].anchor.wall_ms > NOON_MS + 9_000


async def test_a_run_begins_where_the_last_one_ends_however_late_the_network_is() -> None:
    """A key frame that was held back for a second does not move the run that begins with it: at most 1 ms."""
    world = World()
    for number in range(30):
        world.sink.unit(unit(number, key=number == 0))
    world.sink.cut(RunId(2), GapCause.DISK)
    late = replace(unit(30, key=True), received_mono_ns=unit(30).received_mono_ns + 1_000_000_000)
    world.clock.tick(4)
    world.sink.unit(late)
    world.sink.unit(unit(31))
    walls_90k = world.footage.walls_90k[STREAM]
    assert abs(walls_90k[30] - walls_90k[29] - 6000) <= 90
    assert abs(walls_90k[31] - walls_90k[30] - 6000) <= 90
    _, ended, began = await world.notices()
    assert isinstance(ended, RunEnded)
    assert isinstance(began, RunBegan)
    assert abs(began.run.anchor.wall_ms - ended.at_ms) <= 1


async def test_a_camera_whose_clock_lies_is_told_once_a_run_and_stays_found_out() -> None:
    """The quality of each run is noted; the next run of the session does not believe it for two minutes again."""
    world = World()
    for number in range(4 * 60 * 15):
        item = unit(number, key=number % 30 == 0)
        world.sink.unit(replace(item, pts_90k=777_000 + number * 7000))
    first = world.footage.runs[0]
    world.sink.cut(RunId(2), GapCause.CLOCK)
    world.sink.unit(unit(4 * 60 * 15, key=True))
    notices = await world.notices()
    second = world.footage.runs[1]
    assert [item for item in notices if isinstance(item, ClockLies)] == [ClockLies(first), ClockLies(second)]
    assert world.sink.clock_lies


async def test_after_close_nothing_is_taken() -> None:
    """A picture that was on its way is neither shown nor written, and the end is told once."""
    world = World()
    world.sink.unit(unit(0, key=True))
    world.sink.close(GapCause.CAMERA)
    world.sink.unit(unit(1))
    assert world.sink.close(GapCause.DISK) is None
    assert len(world.footage.units[STREAM]) == 1
    assert world.feed.facts().units == 1
    assert len(await world.notices()) == 2


async def test_a_session_without_a_key_frame_has_no_run() -> None:
    """Nothing was recorded, nothing ends."""
    world = World()
    world.sink.unit(unit(0))
    assert world.sink.close(GapCause.CAMERA) is None
    assert await world.notices() == []
    assert world.footage.ended == []


async def test_notices_cross_from_the_network_thread() -> None:
    """The loop is woken by a run that begins in another thread."""
    world = World()
    thread = threading.Thread(target=world.sink.unit, args=(unit(0, key=True),))
    thread.start()
    async with asyncio.timeout(10):
        assert isinstance(await world.sink.notices.get(), RunBegan)
    thread.join()
