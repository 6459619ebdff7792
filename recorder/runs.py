"""Runs: all footage of one RTSP session without a gap, and the wall time it is written with.

Owns the table `run`, the run counter and the watch on the wall clock. Invariants: a run id is used
once in the life of a box, whatever the clock says; a run's anchor (wall time and monotonic time of its
first key frame) never changes; when the wall clock steps by more than `STEP_MS`, runs end and new ones
begin; what was written while the clock was not trusted gets its `offset_ms` once the clock is right, from how
that clock stood against monotonic time then, so that no restart and no second step in between matters.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.clock import Clock
from gateway.core.clocktrust import BOOT_ID
from gateway.core.db import Database, apply_schema
from gateway.core.model import RunId, StreamId
from recorder.gaps import GapCause
from recorder.spans import Unsure

MIGRATIONS = Migrations("runs")
"""Steps of `cameras.db` after those of the registry, which makes the table."""
STEP_MS = 250
"""NTP slews below that; a bigger change of (wall - monotonic) is a step."""
_PAGE = 500
"""Numbers asked for in one statement: far below what SQLite takes."""


@MIGRATIONS()
def m0001_clock_of_a_run(db: UtilsDatabase) -> None:
    """Keep how the clock stood when a run began, and whether its camera's clock lied."""
    apply_schema(db, files("recorder") / "schema_runs.sql")


class TimeQuality(StrEnum):
    """What the time of a run is worth; the first that holds."""

    UNSYNCHRONISED = "unsynchronised"
    """Told by a clock that nobody had set and nobody has set right since."""
    ARRIVAL = "arrival"
    """The camera's own clock lies: each picture has the time at which it came."""
    STEPPED = "stepped"
    """Told by a clock that was set later; moved by the offset that was then known."""
    TRUSTED = "trusted"


def quality_of(*, trusted: bool, offset_ms: int, by_arrival: bool) -> TimeQuality:
    """Return what a run's time is worth; pure."""
    if not trusted:
        return TimeQuality.UNSYNCHRONISED
    if by_arrival:
        return TimeQuality.ARRIVAL
    return TimeQuality.STEPPED if offset_ms else TimeQuality.TRUSTED


@dataclass(frozen=True, slots=True)
class Anchor:
    """When a run's first key frame arrived, on both clocks."""

    wall_ms: int
    mono_ns: int
    trusted: bool


@dataclass(frozen=True, slots=True)
class Run:
    """One run as the writer needs it."""

    id: RunId
    stream: StreamId
    anchor: Anchor
    offset_ms: int = 0


class Told(NamedTuple):
    """How the time a run tells relates to true time."""

    offset_ms: int
    """True time = what the run tells + offset."""
    sure: bool
    """False: told by a clock that was not trusted and has not been set right since."""


def boot_id(path: Path = BOOT_ID) -> str:
    """Return the kernel's id of this boot."""
    return path.read_text(encoding="ascii").strip()


class RunBook:
    """Hands out run ids and keeps the table of runs."""

    def __init__(self, db: Database, boot: str) -> None:
        self._db, self._boot = db, boot

    async def reserve(self) -> RunId:
        """Return the next run id; it is never returned again, also if it is not used."""

        def take(connection: sqlite3.Connection) -> RunId:
            connection.execute("INSERT OR IGNORE INTO fact VALUES ('next_run', '1')")
            now = int(connection.execute("SELECT value FROM fact WHERE name = 'next_run'").fetchone()[0])
            connection.execute("UPDATE fact SET value = ? WHERE name = 'next_run'", (str(now + 1),))
            return RunId(now)

        return await self._db.write(take)

    async def opened(self, run: Run) -> None:
        """Note that a run's first key frame was written."""
        anchor = run.anchor
        mono_ms = anchor.mono_ns // 1_000_000
        row = (run.id, run.stream, anchor.wall_ms, run.offset_ms, int(anchor.trusted), self._boot, mono_ms)
        await self._db.write(
            lambda connection: connection.execute(
                "INSERT INTO run (id, stream_id, started_ms, offset_ms, time_trusted, boot_id, started_mono_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                row,
            )
        )

    async def closed(self, run: Run, ended_ms: int, cause: GapCause) -> Told:
        """Note when and why a run ended; returns how its time relates to true time.

        A run that never opened has no row and needs none.
        """

        def note(connection: sqlite3.Connection) -> Told:
            connection.execute(
                "UPDATE run SET ended_ms = max(?, started_ms), cause = ? WHERE id = ? AND ended_ms IS NULL",
                (ended_ms, cause.value, run.id),
            )
            row = connection.execute("SELECT offset_ms, time_trusted FROM run WHERE id = ?", (run.id,)).fetchone()
            return Told(run.offset_ms, run.anchor.trusted) if row is None else Told(row[0], bool(row[1]))

        return await self._db.write(note)

    async def unfinished(self) -> dict[StreamId, int]:
        """Return since when the streams were recording whose runs nobody ended: the recorder died, UTC ms."""

        def load(connection: sqlite3.Connection) -> dict[StreamId, int]:
            rows = connection.execute(
                "SELECT stream_id, max(started_ms + offset_ms) FROM run WHERE ended_ms IS NULL GROUP BY stream_id"
            )
            return {StreamId(row[0]): int(row[1]) for row in rows}

        return await self._db.read(load)

    async def recover(self, last_end: Mapping[StreamId, int]) -> bool:
        """Close the runs that a kill or power cut left open; returns whether the boot is still the same.

        `last_end` is the end of each stream's last footage, UTC ms. Remembers this boot.
        """

        def fix(connection: sqlite3.Connection) -> bool:
            found = connection.execute("SELECT value FROM fact WHERE name = 'boot_id'").fetchone()
            same = found is not None and found["value"] == self._boot
            cause = GapCause.RECORDER_RESTART if same else GapCause.POWER
            rows = connection.execute("SELECT id, stream_id, started_ms FROM run WHERE ended_ms IS NULL").fetchall()
            for row in rows:
                end_ms = max(last_end.get(row["stream_id"], 0), row["started_ms"])
                connection.execute(
                    "UPDATE run SET ended_ms = ?, cause = ? WHERE id = ?", (end_ms, cause.value, row["id"])
                )
            connection.execute("INSERT OR REPLACE INTO fact VALUES ('boot_id', ?)", (self._boot,))
            return same

        return await self._db.write(fix)

    async def lies(self, run: RunId) -> None:
        """Note that the camera's clock was found wrong in this run."""
        mark = "UPDATE run SET by_arrival = 1 WHERE id = ?"
        await self._db.write(lambda connection: connection.execute(mark, (run,)))

    async def note_clock(self, wall_minus_mono_ms: int, *, trusted: bool) -> int | None:
        """Remember how the clock stands; returns by how much an untrusted clock was moved since the last note.

        None: it was trusted then, or this boot is another.
        """

        def note(connection: sqlite3.Connection) -> int | None:
            row = connection.execute(
                "SELECT wall_minus_mono_ms FROM unsure_clock WHERE boot_id = ?", (self._boot,)
            ).fetchone()
            connection.execute("DELETE FROM unsure_clock")
            if not trusted:
                connection.execute("INSERT INTO unsure_clock VALUES (?, ?)", (self._boot, wall_minus_mono_ms))
            return None if row is None else wall_minus_mono_ms - int(row[0])

        return await self._db.write(note)

    async def correct(self, wall_minus_mono_ms: int) -> tuple[tuple[RunId, int], ...]:
        """Give all runs of this boot that were written with an untrusted clock their offset: it is right now.

        `wall_minus_mono_ms` is how the right clock stands against monotonic time. Returns each run with its
        offset, by run; none the second time.
        """

        def fix(connection: sqlite3.Connection) -> tuple[tuple[RunId, int], ...]:
            rows = connection.execute(
                "UPDATE run SET offset_ms = ? - (started_ms - started_mono_ms), time_trusted = 1"
                " WHERE boot_id = ? AND time_trusted = 0 AND started_mono_ms IS NOT NULL RETURNING id, offset_ms",
                (wall_minus_mono_ms, self._boot),
            ).fetchall()
            return tuple(sorted((RunId(row["id"]), int(row["offset_ms"])) for row in rows))

        return await self._db.write(fix)

    async def unsure(self) -> dict[RunId, Unsure]:
        """Return the runs written by a clock that nobody trusted, with what is known of their time.

        One that was set right since is among them, because its last rows follow a minute later. One that never was
        had ended when a later boot with a trusted clock began to record.
        """

        def load(connection: sqlite3.Connection) -> dict[RunId, Unsure]:
            rows = connection.execute(
                "SELECT id, boot_id, time_trusted, offset_ms, (SELECT later.started_ms + later.offset_ms"
                " FROM run AS later WHERE later.id > run.id AND later.time_trusted = 1"
                " AND later.boot_id != run.boot_id ORDER BY later.id LIMIT 1) AS by_ms"
                " FROM run WHERE time_trusted = 0 OR offset_ms != 0 ORDER BY id"
            ).fetchall()
            boots: dict[str, int] = {}
            return {
                RunId(row["id"]): Unsure(
                    row["by_ms"],
                    boots.setdefault(row["boot_id"], row["id"]),
                    row["offset_ms"] if row["time_trusted"] else None,
                )
                for row in rows
            }

        return await self._db.read(load)

    async def offsets(self) -> dict[RunId, int]:
        """Return the runs whose written time is not the true time, for a new index."""

        def load(connection: sqlite3.Connection) -> dict[RunId, int]:
            rows = connection.execute("SELECT id, offset_ms FROM run WHERE offset_ms != 0")
            return {RunId(row["id"]): int(row["offset_ms"]) for row in rows}

        return await self._db.read(load)


async def worth_of(db: Database, runs: Iterable[RunId]) -> dict[RunId, str]:
    """Return what the time of runs is worth, as it is told to others; of one without a row nothing is said."""
    wanted = sorted(set(runs))
    found = await db.read(lambda connection: qualities(connection, wanted))
    return {run: quality.value for run, quality in found.items()}


def qualities(connection: sqlite3.Connection, runs: Sequence[RunId]) -> dict[RunId, TimeQuality]:
    """Return what the time of runs is worth; of one without a row nothing is said."""
    found: dict[RunId, TimeQuality] = {}
    for at in range(0, len(runs), _PAGE):
        page = runs[at : at + _PAGE]
        marks = ", ".join("?" * len(page))
        sql = f"SELECT id, offset_ms, time_trusted, by_arrival FROM run WHERE id IN ({marks})"  # noqa: S608 - question marks
        for number, offset_ms, trusted, by_arrival in connection.execute(sql, page):
            worth = quality_of(trusted=bool(trusted), offset_ms=offset_ms, by_arrival=bool(by_arrival))
            found[RunId(number)] = worth
    return found


@dataclass(frozen=True, slots=True)
class Step:
    """A jump of wall time; `became_trusted` says that it set a wrong clock right."""

    step_ms: int
    became_trusted: bool
    wall_minus_mono_ms: int = 0
    """How the clock stands against monotonic time after it."""


def wall_minus_mono_ms(clock: Clock) -> int:
    """Return how wall time stands against monotonic time now."""
    return clock.now_ms() - clock.mono_ns() // 1_000_000


class StepWatch:
    """Compares wall and monotonic time; call `look` about once a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._difference_ms, self._trusted = wall_minus_mono_ms(clock), clock.trusted()

    def look(self) -> Step | None:
        """Return the step since the last look that reported one, if it is one."""
        difference_ms, trusted = wall_minus_mono_ms(self._clock), self._clock.trusted()
        step_ms = difference_ms - self._difference_ms
        became = trusted and not self._trusted
        self._trusted = trusted
        if abs(step_ms) <= STEP_MS and not became:
            return None
        self._difference_ms = difference_ms
        return Step(step_ms, became, difference_ms)
