"""Bench `index`: a volume's index with months of footage in it, beside bare SQLite.

Owns the seeded rows and the control: one table, one index, no triggers, no checks, the same journal mode and
the same `synchronous=FULL`. Invariant: both answer every seek with the same segment, or the round is invalid.
"""

from __future__ import annotations

import random
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from bench.harness import Options, Reading, Table, Variant, compare
from gateway.core.model import RunId, StreamId
from recorder.index import VolumeIndex
from recorder.rows import Gop, SegmentRow, pack_gops

STREAMS = 64
SEGMENT_MS = 60_000
START_MS = 1_760_000_000_000
SEEKS, INSERTS, DAYS = 2_000, 300, 20
_BATCH = 5_000
DAY_MS = 86_400_000


def row_of(number: int) -> SegmentRow:
    """Return the row of segment `number`: minute after minute, all streams in turn."""
    stream, start_ms = StreamId(number % STREAMS + 1), START_MS + number // STREAMS * SEGMENT_MS
    gops, at = [], 100
    for place in range(30):
        size = 480_000 + (number * 7919 + place * 104_729) % 40_000
        gops.append(Gop(at, size, start_ms * 90 + place * 180_000, 180_000, True))
        at += size
    return SegmentRow(stream, RunId(1), start_ms, 0, SEGMENT_MS, at + 900, 900, 1, 0, pack_gops(start_ms, gops))


class Ours:
    """`recorder.index`, as the writer and the pages use it."""

    def __init__(self, path: Path) -> None:
        self._index = VolumeIndex(path)
        self._index.open()

    def add(self, rows: Sequence[SegmentRow]) -> None:
        self._index.add(rows)

    def seek(self, stream: int, at_ms: int) -> int:
        place = self._index.locate(StreamId(stream), at_ms)
        return place.row.start_ms if place is not None else 0

    def day(self, stream: int, from_ms: int) -> int:
        return len(self._index.spans(StreamId(stream), from_ms, from_ms + DAY_MS))

    def close(self) -> None:
        self._index.close()


class Bare:
    """One table and nothing around it: no other thread, no sums, no GOP found."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        columns = "stream, run, start_ms, offset_ms, duration_ms, size_bytes, frames, config, flags, gops"
        self._db.execute(f"CREATE TABLE segment ({columns})")
        self._db.execute("CREATE INDEX place ON segment (stream, start_ms)")

    def add(self, rows: Sequence[SegmentRow]) -> None:
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany(f"INSERT INTO segment VALUES ({', '.join('?' * 10)})", rows)
        self._db.execute("COMMIT")

    def seek(self, stream: int, at_ms: int) -> int:
        query = "SELECT * FROM segment WHERE stream = ? AND start_ms <= ? ORDER BY start_ms DESC LIMIT 1"
        found = self._db.execute(query, (stream, at_ms)).fetchone()
        return int(found[2]) if found is not None else 0

    def day(self, stream: int, from_ms: int) -> int:
        query = "SELECT * FROM segment WHERE stream = ? AND start_ms >= ? AND start_ms < ? ORDER BY start_ms"
        return len(self._db.execute(query, (stream, from_ms, from_ms + DAY_MS)).fetchall())

    def close(self) -> None:
        self._db.close()


class Bench:
    """One seeded index and the numbers for its next rows."""

    def __init__(self, index: Ours | Bare, rows: int) -> None:
        self.index, self.rows, self._next = index, rows, rows
        for start in range(0, rows, _BATCH):
            index.add([row_of(number) for number in range(start, min(rows, start + _BATCH))])

    def measure(self) -> Reading:
        rng = random.Random(1)
        minutes = self.rows // STREAMS
        spots = [(rng.randint(1, STREAMS), rng.randrange(minutes), rng.randrange(SEGMENT_MS)) for _ in range(SEEKS)]
        fresh = [row_of(number) for number in range(self._next, self._next + INSERTS)]
        self._next += INSERTS
        insert_us = _each_us(self.index.add, [([row],) for row in fresh])
        wrong = 0

        def seek(stream: int, minute: int, rest_ms: int) -> None:
            nonlocal wrong
            start_ms = START_MS + minute * SEGMENT_MS
            wrong += self.index.seek(stream, start_ms + rest_ms) != start_ms

        seek_us = _each_us(seek, spots)
        days = [
            (rng.randint(1, STREAMS), START_MS + rng.randrange(max(1, minutes - 1440)) * 60_000) for _ in range(DAYS)
        ]
        day_us = _each_us(self.index.day, days)
        figures = {"seek, us": seek_us, "insert + commit, us": insert_us, "one stream's day, ms": day_us / 1000}
        return Reading(figures, f"{wrong} seeks went wrong" if wrong else "")


def _each_us(call: Callable[..., object], arguments: Iterable[tuple[object, ...]]) -> float:
    """Return the mean microseconds of a call."""
    listed = list(arguments)
    began_ns = time.perf_counter_ns()
    for one in listed:
        call(*one)
    return (time.perf_counter_ns() - began_ns) / len(listed) / 1000


NOTES = (
    "Wall time of each call. Ours goes through the database's writer thread and keeps the sums per day by trigger.",
    "Ours also replaces a row that is there, checks every column, and a seek names the GOP, not the file alone.",
    "Both: WAL, synchronous=FULL, one transaction per inserted row.",
)


def run(options: Options) -> list[Table]:
    """Seed both once, then measure in turn."""
    with tempfile.TemporaryDirectory(prefix="vuon-bench-") as folder:
        options.say(f"seeding {options.rows} rows twice")
        ours = Bench(Ours(Path(folder) / "ours.db"), options.rows)
        bare = Bench(Bare(Path(folder) / "bare.db"), options.rows)
        rows = [Variant("recorder.index", ours.measure), Variant("bare SQLite", bare.measure, control=True)]
        try:
            return [compare(f"index: {options.rows:,} segments of {STREAMS} streams", rows, options, NOTES)]
        finally:
            ours.index.close()
            bare.index.close()
