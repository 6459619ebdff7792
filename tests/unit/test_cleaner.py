"""Retention carried out."""

from __future__ import annotations

import errno
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio.to_thread
import pytest

from gateway.core.errors import StorageError
from gateway.core.model import PublicId, RunId, StreamId
from recorder.agegate import CALM_S, AgeGate
from recorder.cleaner import Cleaner, Sources
from recorder.gaps import GapCause
from recorder.gop import RunInfo
from recorder.losses import Losses
from recorder.retention import DAY_MS, Hold, Reason, Rule
from recorder.shelf import rows_from
from recorder.slot import Slot, SlotOptions
from recorder.writer import WriterOptions
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.footage import plain_units

pytestmark = pytest.mark.anyio

STREAM = StreamId(1)


class World:
    """One disk with a cleaner."""

    def __init__(self, slot: Slot, clock: FakeClock) -> None:
        self.slot, self.clock = slot, clock
        self.rules: Mapping[StreamId, Rule] = {STREAM: Rule(30)}
        self.holds: Sequence[Hold] = ()
        self.gate = AgeGate(clock)
        self.cleaner = Cleaner([slot], Sources(self._rules, self._holds), self.gate, clock)
        self._runs = 0

    async def _rules(self) -> Mapping[StreamId, Rule]:
        return self.rules

    async def _holds(self) -> Sequence[Hold]:
        return self.holds

    async def footage(self, start_ms: int, segments: int = 1) -> None:
        """Record so many segments of 4 s and wait for their rows."""
        self._runs += 1
        opened = self.slot.require()
        opened.writer.begin_run(RunInfo(RunId(self._runs), STREAM, start_ms, 0))
        for unit in plain_units(segments * 8):
            opened.writer.offer(STREAM, unit, start_ms * 90 + unit.pts_90k)
        opened.writer.end_run(STREAM, GapCause.CAMERA.value)
        with anyio.fail_after(20):
            while len(await self.left(start_ms, start_ms + segments * 4000)) < segments:  # noqa: ASYNC110 - the indexer's thread tells nobody
                await anyio.sleep(0.01)

    async def left(self, from_ms: int = 0, to_ms: int = 10**14) -> list[int]:
        rows = await anyio.to_thread.run_sync(lambda: self.slot.rows(STREAM, from_ms, to_ms, closed_only=True))
        return [row.begin_ms for row in rows]


@asynccontextmanager
async def world(tmp_path: Path, *, min_free_bytes: int = 0) -> AsyncIterator[World]:
    clock = FakeClock()
    tmp_path.mkdir(exist_ok=True)
    options = SlotOptions(
        tmp_path / "disk",
        PublicId("b" * 16),
        min_free_bytes,
        create=True,
        writer=WriterOptions(segment_s=4, sync_s=0.2, stagger=False),
    )
    slot = Slot(options, None, Losses(clock), clock)
    await anyio.to_thread.run_sync(slot.open, {})
    try:
        yield World(slot, clock)
    finally:
        await anyio.to_thread.run_sync(slot.close)


async def test_old_footage_goes_from_index_and_disk(tmp_path: Path) -> None:
    """Rows, files and emptied folders; young footage stays."""
    async with world(tmp_path) as made:
        await made.footage(NOON_MS - 31 * DAY_MS, 3)
        await made.footage(NOON_MS - 60_000, 2)
        (done,) = await made.cleaner.clean()
        assert {victim.reason for victim in done.plan.victims} == {Reason.AGE}
        assert await made.left() == [NOON_MS - 60_000, NOON_MS - 56_000]
    assert len(list((tmp_path / "disk").rglob("*.seg"))) == 2
    assert len([path for path in (tmp_path / "disk" / "1").iterdir() if path.is_dir()]) == 1


async def test_a_dry_run_deletes_nothing(tmp_path: Path) -> None:
    """It only says what would go."""
    async with world(tmp_path) as made:
        await made.footage(NOON_MS - 31 * DAY_MS, 2)
        (done,) = await made.cleaner.clean(dry_run=True)
        assert len(done.plan.victims) == 2
        assert len(await made.left()) == 2


async def test_held_footage_stays_whatever_the_disk_says(tmp_path: Path) -> None:
    """And the cleaner says that holds fill the disk."""
    async with world(tmp_path, min_free_bytes=1 << 60) as made:
        await made.footage(NOON_MS - 31 * DAY_MS, 2)
        made.holds = [Hold(STREAM, 0, NOON_MS, NOON_MS + DAY_MS)]
        await made.cleaner.clean()
        assert len(await made.left()) == 2
        assert made.cleaner.tight
        made.holds = []
        await made.cleaner.clean()
        assert await made.left() == []
        assert not made.cleaner.tight


async def test_rows_of_many_days_are_read_in_order(tmp_path: Path) -> None:
    """Across midnights the oldest go first, each once."""
    async with world(tmp_path) as made:
        midnight_ms = NOON_MS // DAY_MS * DAY_MS
        starts = [midnight_ms - days * DAY_MS - 2_000 for days in (40, 35, 33, 31, 3)]
        for start_ms in starts:
            await made.footage(start_ms)
        (done,) = await made.cleaner.clean()
        assert [victim.row.begin_ms for victim in done.plan.victims] == starts[:4]
        assert await made.left() == starts[4:]


async def test_a_clock_that_jumps_far_deletes_nothing_for_a_day(tmp_path: Path) -> None:
    """Four hundred days ahead by mistake: footage stays; if it was no mistake it goes a day later."""
    async with world(tmp_path) as made:
        await made.footage(NOON_MS - DAY_MS, 2)
        await made.cleaner.clean()
        made.clock.step_wall(400 * DAY_MS)
        await made.cleaner.clean()
        made.clock.tick(CALM_S - 10)
        await made.cleaner.clean()
        assert len(await made.left()) == 2
        made.clock.tick(20)
        await made.cleaner.clean()
        assert await made.left() == []


async def test_the_loop_cleans_every_minute(tmp_path: Path) -> None:
    """What becomes old is gone at the next turn."""
    async with world(tmp_path) as made, anyio.create_task_group() as tasks:
        start_ms = NOON_MS - 30 * DAY_MS - 4_000 + 61_000
        await made.footage(start_ms)
        tasks.start_soon(made.cleaner.run)
        await anyio.sleep(0.1)
        assert await made.left() == [start_ms]
        with anyio.fail_after(20):
            while await made.left():
                await made.clock.advance(61)
                await anyio.sleep(0.05)
        tasks.cancel_scope.cancel()


async def test_a_limit_of_bytes_holds_over_all_disks_and_costs_the_oldest(tmp_path: Path) -> None:
    """The disk with the older footage gives it up, whichever is looked at first."""
    async with world(tmp_path / "old") as old, world(tmp_path / "new") as new:
        await new.footage(NOON_MS - 60_000, 3)
        await old.footage(NOON_MS - 600_000, 3)
        sizes = [row.size_bytes for row in await anyio.to_thread.run_sync(new.slot.require().index.oldest, 9)]
        rules = {STREAM: Rule(30, max_bytes=sum(sizes) + sizes[0])}

        async def given_rules() -> Mapping[StreamId, Rule]:
            return rules

        slots = [new.slot, old.slot]
        cleaner = Cleaner(slots, Sources(given_rules, new._holds), AgeGate(new.clock), new.clock)
        done = await cleaner.clean()
        assert [len(item.plan.victims) for item in done] == [0, 2]
        assert {victim.reason for item in done for victim in item.plan.victims} == {Reason.QUOTA}
        assert await new.left() == [NOON_MS - 60_000, NOON_MS - 56_000, NOON_MS - 52_000]
        assert await old.left() == [NOON_MS - 592_000]


async def test_a_disk_that_cannot_be_cleaned_does_not_keep_the_others_full(tmp_path: Path) -> None:
    """Its error is raised when the others are done."""
    async with world(tmp_path / "bad") as bad, world(tmp_path / "good") as good:
        await bad.footage(NOON_MS - 31 * DAY_MS)
        await good.footage(NOON_MS - 31 * DAY_MS)

        def broken(path: str) -> None:
            raise OSError(errno.EIO, "broken", path)

        bad.slot.require().volume.files.unlink = broken  # type: ignore[method-assign]  # a disk that fails
        cleaner = Cleaner([bad.slot, good.slot], Sources(good._rules, good._holds), AgeGate(good.clock), good.clock)
        with pytest.raises(StorageError):
            await cleaner.clean()
        assert await good.left() == []


async def test_a_disk_whose_holds_nobody_read_is_not_cleaned(tmp_path: Path) -> None:
    """What on it is held is not known yet."""
    async with world(tmp_path) as made:
        await made.footage(NOON_MS - 31 * DAY_MS)
        vouched = False
        sources = Sources(made._rules, made._holds, vouches_for=lambda _: vouched)
        cleaner = Cleaner([made.slot], sources, made.gate, made.clock)
        assert await cleaner.clean() == []
        vouched = True
        assert len(await cleaner.clean()) == 1
        assert await made.left() == []


async def test_rows_are_read_in_pages_that_begin_small(tmp_path: Path) -> None:
    """From any time on, each once, in order, whatever the page."""
    async with world(tmp_path) as made:
        starts = [NOON_MS + number * 4_000 for number in range(11)]
        await made.footage(NOON_MS, 11)
        rows = rows_from(made.slot.require().index)

        def begins(from_ms: int) -> list[int]:
            return [row.begin_ms for row in rows(STREAM, from_ms)]

        assert await anyio.to_thread.run_sync(begins, -(1 << 62)) == starts
        for place in range(11):
            assert await anyio.to_thread.run_sync(begins, starts[place]) == starts[place:]
            assert await anyio.to_thread.run_sync(begins, starts[place] + 1) == starts[place + 1 :]
