"""Runs: all footage of one RTSP session without a gap, and the wall time it is written with.

Owns the table `run`, the run counter and the watch on the wall clock. Invariants: a run id is used
once in the life of a box, whatever the clock says; a run's anchor (wall time and monotonic time of its
first key frame) never changes; when the wall clock steps by more than `STEP_MS`, runs end and new ones
begin, and runs written while the clock was not trusted get the step as their `offset_ms`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.model import RunId, StreamId
from recorder.gaps import GapCause
from recorder.spans import Unsure

STEP_MS = 250
"""NTP slews below that; a bigger change of (wall - monotonic) is a step."""
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


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
        row = (run.id, run.stream, run.anchor.wall_ms, run.offset_ms, int(run.anchor.trusted), self._boot)
        await self._db.write(
            lambda connection: connection.execute(
                "INSERT INTO run (id, stream_id, started_ms, offset_ms, time_trusted, boot_id)"
                " VALUES (?, ?, ?, ?, ?, ?)",
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

    async def correct(self, step_ms: int) -> tuple[tuple[RunId, int], ...]:
        """Give all runs of this boot that were written with an untrusted clock the step as offset.

        Returns each run with its whole offset.
        """

        def fix(connection: sqlite3.Connection) -> tuple[tuple[RunId, int], ...]:
            rows = connection.execute(
                "UPDATE run SET offset_ms = offset_ms + ?, time_trusted = 1"
                " WHERE boot_id = ? AND time_trusted = 0 RETURNING id, offset_ms",
                (step_ms, self._boot),
            ).fetchall()
            return tuple((RunId(row["id"]), int(row["offset_ms"])) for row in rows)

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


@dataclass(frozen=True, slots=True)
class Step:
    """A jump of wall time; `became_trusted` says that it set a wrong clock right."""

    step_ms: int
    became_trusted: bool


class StepWatch:
    """Compares wall and monotonic time; call `look` about once a second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._difference_ms, self._trusted = self._read(), clock.trusted()

    def _read(self) -> int:
        return self._clock.now_ms() - self._clock.mono_ns() // 1_000_000

    def look(self) -> Step | None:
        """Return the step since the last look that reported one, if it is one."""
        difference_ms, trusted = self._read(), self._clock.trusted()
        step_ms = difference_ms - self._difference_ms
        became = trusted and not self._trusted
        self._trusted = trusted
        if abs(step_ms) <= STEP_MS and not became:
            return None
        self._difference_ms = difference_ms
        return Step(step_ms, became)
