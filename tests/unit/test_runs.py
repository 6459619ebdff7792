"""Runs and the watch on the wall clock."""

from __future__ import annotations

import asyncio
import sqlite3
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gateway.core.db import Database
from gateway.core.model import RunId, StreamId
from recorder.gaps import GapCause
from recorder.pending import MIGRATIONS as PENDING
from recorder.registry import MIGRATIONS as CAMERAS
from recorder.runs import (
    STEP_MS,
    Anchor,
    Run,
    RunBook,
    Step,
    StepWatch,
    TimeQuality,
    Told,
    boot_id,
    qualities,
    quality_of,
    wall_minus_mono_ms,
)
from recorder.spans import Unsure
from tests.fakes.clock import FakeClock
from tests.fakes.recording import BOOT, Books, books, new_camera

pytestmark = pytest.mark.anyio


async def opened(own: Books, *, started_ms: int = 1_000, trusted: bool = True, mono_ms: int = 0) -> Run:
    cameras = await own.registry.cameras()
    camera = cameras[0] if cameras else await own.registry.add(new_camera())
    run = Run(await own.runs.reserve(), camera.streams[0].id, Anchor(started_ms, mono_ms * 1_000_000, trusted))
    await own.runs.opened(run)
    return run


async def rows(own: Books) -> list[dict[str, Any]]:
    return await own.db.read(lambda db: [dict(row) for row in db.execute("SELECT * FROM run ORDER BY id")])


async def test_run_ids_are_never_used_twice(tmp_path: Path) -> None:
    """Also not after a restart, and not when many are taken at once."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        first = await asyncio.gather(*(own.runs.reserve() for _ in range(20)))
    async with books(tmp_path, clock) as own:
        second = [await own.runs.reserve() for _ in range(5)]
    assert sorted(first) == list(range(1, 21))
    assert second == list(range(21, 26))


async def test_a_run_is_written_down_with_its_end(tmp_path: Path) -> None:
    """Start, trust, end and cause are kept."""
    async with books(tmp_path, FakeClock()) as own:
        run = await opened(own)
        await own.runs.closed(run, 5_000, GapCause.CAMERA)
        (row,) = await rows(own)
    assert (row["started_ms"], row["ended_ms"], row["cause"], row["time_trusted"]) == (1_000, 5_000, "camera", 1)


async def test_a_run_ends_once_and_not_before_it_began(tmp_path: Path) -> None:
    """A second end changes nothing; an end before the start is the start."""
    async with books(tmp_path, FakeClock()) as own:
        run = await opened(own)
        await own.runs.closed(run, 10, GapCause.CAMERA)
        await own.runs.closed(run, 9_000, GapCause.DISK)
        await own.runs.closed(replace(run, id=RunId(999)), 9_000, GapCause.DISK)
        (row,) = await rows(own)
    assert (row["ended_ms"], row["cause"]) == (1_000, "camera")


async def test_the_end_of_a_run_says_how_its_time_relates_to_true_time(tmp_path: Path) -> None:
    """A run of a wrong clock is unsure until the clock is right, then it is off by the step."""
    async with books(tmp_path, FakeClock()) as own:
        run, never = await opened(own, trusted=False), Run(RunId(7), StreamId(1), Anchor(5, 0, trusted=True))
        assert await own.runs.closed(run, 5_000, GapCause.CAMERA) == Told(0, sure=False)
        await own.runs.correct(91_000)
        assert await own.runs.closed(run, 5_000, GapCause.CAMERA) == Told(90_000, sure=True)
        assert await own.runs.closed(never, 5_000, GapCause.CAMERA) == Told(0, sure=True)


async def test_who_was_recording_when_the_recorder_died_is_known(tmp_path: Path) -> None:
    """The streams of unfinished runs, and since when."""
    async with books(tmp_path, FakeClock()) as own:
        done = await opened(own, started_ms=1_000)
        await own.runs.closed(done, 1_500, GapCause.CAMERA)
        assert await own.runs.unfinished() == {}
        await opened(own, started_ms=2_000)
        await opened(own, started_ms=3_000)
        assert await own.runs.unfinished() == {done.stream: 3_000}


async def test_runs_cut_off_by_a_kill_end_with_their_footage(tmp_path: Path) -> None:
    """The next start closes them; the machine still runs, so it was a kill."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        await own.runs.recover({})
        run = await opened(own)
    async with books(tmp_path, clock) as own:
        assert await own.runs.recover({run.stream: 7_000}) is True
        (row,) = await rows(own)
    assert (row["ended_ms"], row["cause"]) == (7_000, "recorder_restart")


async def test_another_boot_means_the_power_went(tmp_path: Path) -> None:
    """The boot id tells a power cut from a kill."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        await own.runs.recover({})
        run = await opened(own)
    async with books(tmp_path, clock, boot="another") as own:
        assert await own.runs.recover({run.stream: 7_000}) is False
        (row,) = await rows(own)
        assert await own.runs.recover({}) is True
    assert row["cause"] == "power"


async def test_a_run_without_footage_ends_where_it_began(tmp_path: Path) -> None:
    """Its disk may be gone."""
    async with books(tmp_path, FakeClock()) as own:
        await opened(own)
        await own.runs.recover({StreamId(77): 9_000})
        (row,) = await rows(own)
    assert row["ended_ms"] == row["started_ms"]


async def test_the_step_that_sets_the_clock_right_corrects_this_boots_runs(tmp_path: Path) -> None:
    """Runs of a wrong clock get what it was off by, once; trusted ones and other boots' do not."""
    async with books(tmp_path, FakeClock()) as own:
        wrong = await opened(own, started_ms=5_000, trusted=False)
        right = await opened(own, started_ms=6_000, trusted=True)
        await RunBook(own.db, "another").opened(Run(RunId(500), right.stream, Anchor(1, 0, trusted=False)))
        assert await own.runs.correct(1_005_000) == ((wrong.id, 1_000_000),)
        assert await own.runs.correct(1_005_000) == ()
        assert await own.runs.offsets() == {wrong.id: 1_000_000}


async def test_what_is_known_of_runs_that_a_doubtful_clock_wrote(tmp_path: Path) -> None:
    """Their offset once it is right; else when a later boot with a right clock began, and their boot's order."""
    clock = FakeClock()
    async with books(tmp_path, clock, "first") as own:
        first = [await opened(own, started_ms=5, trusted=False) for _ in range(2)]
    async with books(tmp_path, clock, "second") as own:
        second = await opened(own, started_ms=3, trusted=False, mono_ms=3)
        assert set(await own.runs.unsure()) == {first[0].id, first[1].id, second.id}
        assert {item.ended_by_ms for item in (await own.runs.unsure()).values()} == {None}
        await own.runs.correct(90_000)
    async with books(tmp_path, clock, "third") as own:
        await opened(own, started_ms=500_000)
        last = await opened(own, started_ms=4, trusted=False)
        assert await own.runs.unsure() == {
            first[0].id: Unsure(90_003, first[0].id),
            first[1].id: Unsure(90_003, first[0].id),
            second.id: Unsure(500_000, second.id, 90_000),
            last.id: Unsure(None, last.id),
        }


async def test_two_steps_of_an_untrusted_clock_leave_each_run_its_own_offset(tmp_path: Path) -> None:
    """Boot in 1970, a guess of the battery clock an hour later, then NTP: each run goes where it belongs."""
    hour_ms, true_ms = 3_600_000, 1_800_000_000_000
    async with books(tmp_path, FakeClock()) as own:
        first = await opened(own, started_ms=5_000, trusted=False, mono_ms=5_000)
        guessed_ms = true_ms - 40_000
        second = await opened(own, started_ms=guessed_ms, trusted=False, mono_ms=hour_ms)
        found = await own.runs.correct(true_ms - hour_ms)
    assert found == ((first.id, true_ms - hour_ms), (second.id, 40_000))


@pytest.mark.parametrize(
    ("trusted", "offset_ms", "by_arrival", "quality"),
    [
        (True, 0, False, TimeQuality.TRUSTED),
        (True, 500, False, TimeQuality.STEPPED),
        (True, 500, True, TimeQuality.ARRIVAL),
        (False, 0, True, TimeQuality.UNSYNCHRONISED),
        (False, 500, False, TimeQuality.UNSYNCHRONISED),
    ],
)
def test_the_worst_that_is_known_of_a_time_is_its_quality(
    trusted: bool, offset_ms: int, by_arrival: bool, quality: TimeQuality
) -> None:
    """Unsynchronised before arrival-stamped before moved before trusted."""
    assert quality_of(trusted=trusted, offset_ms=offset_ms, by_arrival=by_arrival) is quality


async def test_the_quality_of_a_runs_time_is_kept_and_follows_what_is_learned(tmp_path: Path) -> None:
    """Untrusted, then moved; a lying camera; a run nobody knows is left out."""
    async with books(tmp_path, FakeClock()) as own:
        wrong, good, lied = [await opened(own, trusted=trusted) for trusted in (False, True, True)]
        await own.runs.lies(lied.id)
        runs = [wrong.id, good.id, lied.id, RunId(99), *map(RunId, range(1_000, 2_500))]
        assert await own.db.read(lambda db: qualities(db, runs)) == {
            wrong.id: TimeQuality.UNSYNCHRONISED,
            good.id: TimeQuality.TRUSTED,
            lied.id: TimeQuality.ARRIVAL,
        }
        await own.runs.correct(80_000)
        assert await own.db.read(lambda db: qualities(db, [wrong.id])) == {wrong.id: TimeQuality.STEPPED}


async def test_what_an_untrusted_clock_was_off_by_is_known_over_a_restart(tmp_path: Path) -> None:
    """The step that nobody saw is the difference; a trusted clock and another boot have none."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        assert await own.runs.note_clock(-50, trusted=True) is None
        assert await own.runs.note_clock(-100, trusted=False) is None
    async with books(tmp_path, clock) as own:
        assert await own.runs.note_clock(900, trusted=False) == 1_000
        assert await own.runs.note_clock(5_900, trusted=True) == 5_000
        assert await own.runs.note_clock(5_900, trusted=True) is None
        assert await own.runs.note_clock(0, trusted=False) is None
    async with books(tmp_path, clock, boot="another") as own:
        assert await own.runs.note_clock(7, trusted=True) is None


async def test_a_step_is_seen_and_slewing_is_not() -> None:
    """Up to STEP_MS is the clock's own discipline; beyond it runs must end."""
    clock = FakeClock()
    watch = StepWatch(clock)
    clock.tick(3600)
    assert watch.look() is None
    clock.step_wall(STEP_MS)
    assert watch.look() is None
    clock.step_wall(1)
    assert watch.look() == Step(STEP_MS + 1, became_trusted=False, wall_minus_mono_ms=wall_minus_mono_ms(clock))
    assert watch.look() is None


async def test_a_step_back_is_a_step() -> None:
    """Its sign is kept."""
    clock = FakeClock()
    watch = StepWatch(clock)
    clock.step_wall(-3_600_000)
    assert watch.look() == Step(-3_600_000, became_trusted=False, wall_minus_mono_ms=wall_minus_mono_ms(clock))


class _Trusting(FakeClock):
    """A clock that can come to be trusted."""

    def __init__(self, now_ms: int) -> None:
        super().__init__(now_ms)
        self.is_trusted = False

    def trusted(self) -> bool:
        return self.is_trusted


async def test_a_clock_that_becomes_trusted_is_news_even_without_a_step() -> None:
    """The first NTP answer may confirm the time we had."""
    clock = _Trusting(1_800_000_000_000)
    watch = StepWatch(clock)
    assert watch.look() is None
    clock.is_trusted = True
    assert watch.look() == Step(0, became_trusted=True, wall_minus_mono_ms=wall_minus_mono_ms(clock))
    assert watch.look() is None


async def test_the_runs_of_an_older_recorder_stay_and_are_what_they_were(tmp_path: Path) -> None:
    """Their clock is not known against monotonic time: trusted ones are trusted, the others are never guessed."""
    async with Database(tmp_path / "cameras.db", [CAMERAS, PENDING]) as old:

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO camera (public_id, name, driver, address, port, added_ms)"
                " VALUES ('aaaaaaaaaaaaaaaa', 'A', 'rtsp', '10.0.0.1', 80, 1)"
            )
            connection.execute(
                "INSERT INTO stream (camera_id, role, host, port, path) VALUES (1, 'main', '10.0.0.1', 554, '/')"
            )
            rows = [(1, 1, 5_000, 1, BOOT), (2, 1, 6_000, 0, BOOT)]
            connection.executemany(
                "INSERT INTO run (id, stream_id, started_ms, time_trusted, boot_id) VALUES (?, ?, ?, ?, ?)", rows
            )

        await old.write(write)
    async with books(tmp_path, FakeClock()) as own:
        assert await own.runs.correct(1_000_000) == ()
        assert await own.db.read(lambda db: qualities(db, [RunId(1), RunId(2)])) == {
            RunId(1): TimeQuality.TRUSTED,
            RunId(2): TimeQuality.UNSYNCHRONISED,
        }


async def test_the_boot_id_is_the_kernels() -> None:
    """One id per boot, readable."""
    assert boot_id() == boot_id()
    assert len(boot_id()) == len(BOOT)
