"""What a wrong clock told is set right, also by a recorder that was not running when the clock was."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.model import RunId
from recorder.gaps import GapCause, gaps_between
from recorder.reckoning import set_right
from recorder.registry import Stream
from recorder.runs import Anchor, Run
from tests.fakes.clock import FakeClock
from tests.fakes.recording import BOOT, Books, books, new_camera

pytestmark = pytest.mark.anyio
TRUE_MS = 1_800_000_000_000
BOOTED_MS = 5_000
"""What a clock without a battery says at the start: 1970."""


class World:
    """A box whose clock is wrong at first; each start opens its books anew."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.clock = FakeClock(BOOTED_MS, trusted=False)
        self.offsets: dict[RunId, int] = {}

    async def set_offset(self, run: RunId, offset_ms: int) -> None:
        self.offsets[run] = offset_ms

    def ntp_comes(self) -> None:
        """Set the clock to true time."""
        trusted = FakeClock(TRUE_MS + self.clock.mono_ns() // 1_000_000)
        trusted.tick((self.clock.mono_ns() - trusted.mono_ns()) / 1e9)
        trusted.step_wall(TRUE_MS + self.clock.mono_ns() // 1_000_000 - trusted.now_ms())
        self.clock = trusted

    async def start(self, own: Books) -> None:
        await set_right(own.runs, own.ledger, self.set_offset, self.clock)

    async def record(self, own: Books, stream: Stream) -> RunId:
        """Begin a run now, and end the gap that was open."""
        run = Run(
            await own.runs.reserve(),
            stream.id,
            Anchor(self.clock.now_ms(), self.clock.mono_ns(), self.clock.trusted()),
        )
        await own.runs.opened(run)
        await own.ledger.close(stream, run.anchor.wall_ms, run.id, sure=run.anchor.trusted)
        return run.id


async def spans(own: Books, stream: Stream) -> list[tuple[int, int | None]]:
    found = await own.db.read(lambda db: gaps_between(db, [stream.id], 0, 10**15))
    return [(gap.start_ms, gap.end_ms) for gap in found]


async def test_ntp_that_comes_while_the_recorder_is_away_moves_runs_and_gaps(tmp_path: Path) -> None:
    """1970, a restart, and only then the right time: both runs and the gap between them are where they belong."""
    world = World(tmp_path)
    async with books(tmp_path, world.clock) as own:
        (stream,) = (await own.registry.add(new_camera(streams=1))).streams
        await world.start(own)
        first = await world.record(own, stream)
        world.clock.tick(60)
        await own.ledger.open(stream, world.clock.now_ms(), GapCause.CAMERA, sure=False)
        world.clock.tick(37)
        second = await world.record(own, stream)
    world.clock.tick(600)
    world.ntp_comes()
    async with books(tmp_path, world.clock) as own:
        await world.start(own)
        true_start_ms = TRUE_MS + 1_000  # monotonic time was one second when the first run began
        assert await spans(own, stream) == [(true_start_ms + 60_000, true_start_ms + 97_000)]
        assert world.offsets == {first: true_start_ms - BOOTED_MS, second: true_start_ms - BOOTED_MS}
        world.offsets.clear()
        await world.start(own)
        assert world.offsets == {}
        assert await spans(own, stream) == [(true_start_ms + 60_000, true_start_ms + 97_000)]


async def test_a_clock_that_is_still_wrong_takes_its_gaps_along_and_stays_unsure(tmp_path: Path) -> None:
    """A guess between two starts is not the truth; what follows it is."""
    world = World(tmp_path)
    async with books(tmp_path, world.clock) as own:
        (stream,) = (await own.registry.add(new_camera(streams=1))).streams
        await world.start(own)
        await own.ledger.open(stream, world.clock.now_ms(), GapCause.NETWORK, sure=False)
    world.clock.step_wall(TRUE_MS - 3_600_000)
    async with books(tmp_path, world.clock) as own:
        await world.start(own)
        assert world.offsets == {}
        assert await spans(own, stream) == [(BOOTED_MS + TRUE_MS - 3_600_000, None)]
    world.ntp_comes()
    async with books(tmp_path, world.clock) as own:
        await world.start(own)
        assert await spans(own, stream) == [(TRUE_MS + 1_000, None)]


async def test_another_boot_is_left_alone(tmp_path: Path) -> None:
    """The power went before the time came: nobody knows how wrong that clock was."""
    world = World(tmp_path)
    async with books(tmp_path, world.clock) as own:
        (stream,) = (await own.registry.add(new_camera(streams=1))).streams
        await world.start(own)
        await world.record(own, stream)
    world.ntp_comes()
    async with books(tmp_path, world.clock, boot=BOOT.replace("1", "2")) as own:
        await world.start(own)
        assert world.offsets == {}
        assert await own.runs.offsets() == {}
