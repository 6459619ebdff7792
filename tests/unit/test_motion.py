"""Motion per 10 s: levels, hours, the table, and what a crash may cost."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.model import PublicId
from recorder.motion import FLUSH_S, MAX_HOURS, MAX_LEVEL, STEPS, MotionBook, level_of, merged
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.recording import Books, books, new_camera

pytestmark = pytest.mark.anyio

HOUR_MS = 3_600_000
HOUR = NOON_MS // HOUR_MS


@asynccontextmanager
async def book(folder: Path, clock: FakeClock) -> AsyncIterator[tuple[Books, MotionBook, PublicId]]:
    async with books(folder, clock) as own:
        known = await own.registry.cameras()
        camera = known[0] if known else await own.registry.add(new_camera())
        yield own, MotionBook(own.db, clock), camera.public_id


@settings(deadline=None)
@given(st.floats(0, 255), st.floats(0, 255))
def test_more_motion_is_never_a_lower_level(one: float, other: float) -> None:
    """Levels are within a byte that has room for "nothing seen", and rise with the figure."""
    low, high = sorted((one, other))
    assert 0 <= level_of(low) <= level_of(high) <= MAX_LEVEL


def test_small_motion_can_be_told_apart() -> None:
    """A child in a room is not lost beside a lamp: nonsense is cut to the scale."""
    assert [level_of(value) for value in (0, 1, 4, 16, 255, 999, -5)] == [0, 16, 32, 64, 254, 254, 0]


@settings(deadline=None)
@given(st.binary(min_size=STEPS, max_size=STEPS), st.binary(min_size=STEPS, max_size=STEPS))
def test_merging_keeps_the_higher_of_each(one: bytes, other: bytes) -> None:
    """In any order, and twice is once."""
    both = merged(one, other)
    assert both == merged(other, one) == merged(both, one)
    assert all(
        value in pair and value >= max(pair) for value, pair in zip(both, zip(one, other, strict=True), strict=True)
    )


async def test_ten_seconds_have_the_highest_of_their_key_frames(tmp_path: Path) -> None:
    """Told before anything is written; what was not seen is None, no motion is 0."""
    clock = FakeClock()
    async with book(tmp_path, clock) as (_, motion, camera):
        for at_ms, value in ((0, 1.0), (9_999, 4.0), (5_000, 0.0), (20_000, 0.0)):
            motion.note(camera, NOON_MS + at_ms, value)
        assert await motion.levels(camera, NOON_MS, NOON_MS + 40_000) == [32, None, 0, None]
        assert await motion.levels(camera, NOON_MS + 9_999, NOON_MS + 10_001) == [32, None]
        assert await motion.levels(PublicId("x" * 16), NOON_MS, NOON_MS + 10_000) == [None]


async def test_levels_span_hours_and_come_from_disk_and_memory(tmp_path: Path) -> None:
    """Yesterday's are in the table, the last minutes are not yet."""
    clock = FakeClock()
    async with book(tmp_path, clock) as (_, motion, camera):
        motion.note(camera, NOON_MS - 1, 16.0)
        await motion.flush()
        motion.note(camera, NOON_MS, 4.0)
        assert await motion.levels(camera, NOON_MS - 20_000, NOON_MS + 10_000) == [None, 64, 32]


async def test_a_restart_in_an_hour_loses_nothing_that_was_written(tmp_path: Path) -> None:
    """What follows is merged into the hour's row, and never lowers it."""
    clock = FakeClock()
    async with book(tmp_path, clock) as (_, motion, camera):
        motion.note(camera, NOON_MS, 16.0)
        motion.note(camera, NOON_MS + 10_000, 1.0)
        await motion.flush()
    async with book(tmp_path, clock) as (own, motion, camera):
        motion.note(camera, NOON_MS, 1.0)
        motion.note(camera, NOON_MS + 20_000, 1.0)
        await motion.flush()
        assert await motion.levels(camera, NOON_MS, NOON_MS + 30_000) == [64, 16, 16]
        assert own.db.read_sync(lambda db: db.execute("SELECT count(*) FROM motion").fetchone()[0]) == 1


async def test_it_is_written_every_few_minutes_in_one_transaction(tmp_path: Path) -> None:
    """However many cameras there are; hours that are over and written leave memory."""
    clock = FakeClock()
    async with book(tmp_path, clock) as (own, motion, camera):
        other = (await own.registry.add(new_camera(2))).public_id
        for name in (camera, other):
            motion.note(name, NOON_MS, 1.0)
        writes = own.db.writes
        await motion.flush()
        assert own.db.writes == writes + 1
        clock.tick(2 * 3600)
        await motion.flush()
        assert motion._hours == {}
    assert FLUSH_S <= 600


async def test_a_database_that_does_not_answer_costs_nothing_but_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be written is written the next time; beyond the bound the oldest hour is dropped and counted."""
    clock = FakeClock()
    async with book(tmp_path, clock) as (own, motion, camera):
        write = own.db.write

        async def locked(_: object) -> None:
            raise sqlite3.OperationalError("database is locked")

        motion.note(camera, NOON_MS, 16.0)
        monkeypatch.setattr(own.db, "write", locked)
        with pytest.raises(sqlite3.OperationalError):
            await motion.flush()
        monkeypatch.setattr(own.db, "write", write)
        await motion.flush()
        motion._hours.clear()
        assert await motion.levels(camera, NOON_MS, NOON_MS + 1) == [64]
        for number in range(MAX_HOURS + 5):
            motion.note(camera, NOON_MS + number * HOUR_MS, 1.0)
        assert (len(motion._hours), motion.dropped) == (MAX_HOURS, 5)


async def test_a_clock_that_is_not_trusted_notes_nothing(tmp_path: Path) -> None:
    """An hour of 1970 would never be found again, and never go."""
    clock = FakeClock(trusted=False)
    async with book(tmp_path, clock) as (_, motion, camera):
        motion.note(camera, 5_000, 16.0)
        assert motion._hours == {}


async def test_hours_without_footage_are_forgotten(tmp_path: Path) -> None:
    """Not the running one and the one before, and nothing of a camera whose footage is not known."""
    clock = FakeClock()
    async with book(tmp_path, clock) as (own, motion, camera):
        other = (await own.registry.add(new_camera(2))).public_id
        for hours in (0, 1, 2, 3):
            motion.note(camera, NOON_MS - hours * HOUR_MS, 1.0)
            motion.note(other, NOON_MS - hours * HOUR_MS, 1.0)
        await motion.flush()
        motion.note(camera, NOON_MS - 5 * HOUR_MS, 1.0)
        assert await motion.keep_only({camera: {HOUR - 3}}) == 1
        left = await motion.levels(camera, NOON_MS - 5 * HOUR_MS, NOON_MS + 1)
        assert [at // STEPS for at, level in enumerate(left) if level is not None] == [2, 4, 5]
        theirs = await motion.levels(other, NOON_MS - 5 * HOUR_MS, NOON_MS + 1)
        assert sum(level is not None for level in theirs) == 4


async def test_a_camera_that_is_erased_leaves_nothing_to_be_written(tmp_path: Path) -> None:
    """What was in memory is not written after its rows have gone."""
    clock = FakeClock()
    async with book(tmp_path, clock) as (own, motion, camera):
        motion.note(camera, NOON_MS, 1.0)
        motion.forget(camera)
        await motion.flush()
        assert own.db.read_sync(lambda db: db.execute("SELECT count(*) FROM motion").fetchone()[0]) == 0
