"""Bench `retention`: one pass of planning over months of footage, beside a query without rules and holds.

Owns the seeded disk and the control: the oldest rows of all streams by one query, which is what a recorder
without rules, holds and events would delete. Invariant: no plan chooses a held row, or the round is invalid.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from bench.harness import Options, Reading, Table, Variant, compare
from bench.index import DAY_MS, SEGMENT_MS, START_MS, STREAMS, row_of
from gateway.core.model import StreamId
from recorder.index import VolumeIndex
from recorder.retention import FRESH_MS, MAX_VICTIMS, Disk, Footage, Hold, Pin, Plan, Protected, Rule, plan
from recorder.rows import SegmentRow
from recorder.shelf import rows_from

_BATCH = 5_000
GIB = 1 << 30
ALL = [StreamId(number) for number in range(1, STREAMS + 1)]


class Bench:
    """One seeded index."""

    def __init__(self, path: Path, rows: int) -> None:
        self.index = VolumeIndex(path)
        self.index.open()
        for start in range(0, rows, _BATCH):
            self.index.add([row_of(number) for number in range(start, min(rows, start + _BATCH))])
        self.end_ms = START_MS + rows // STREAMS * SEGMENT_MS
        self.middle_ms = START_MS + rows // STREAMS // 2 * SEGMENT_MS

    def _plan(self, protected: Protected, disk: Disk, now_ms: int) -> tuple[Plan, int]:
        read = 0
        source = rows_from(self.index)

        def rows(stream: StreamId, from_ms: int) -> Iterator[SegmentRow]:
            nonlocal read
            for row in source(stream, from_ms):
                read += 1
                yield row

        newest = {stream: self.index.newest(stream) for stream in ALL}
        fresh = {stream: row.end_ms - FRESH_MS for stream, row in newest.items() if row is not None}
        footage = Footage(self.index.totals(), rows, {}, fresh)
        rules = {stream: Rule(30, event_days=90) for stream in ALL}
        return plan(footage, rules, protected, disk, now_ms=now_ms), read

    def _measure(self, protected: Protected, disk: Disk, now_ms: int) -> Reading:
        began_ns = time.perf_counter_ns()
        made, read = self._plan(protected, disk, now_ms)
        took_ms = (time.perf_counter_ns() - began_ns) / 1e6
        wrong = sum(hold.covers(victim.row) for victim in made.victims for hold in protected.holds)
        figures = {"a pass, ms": took_ms, "rows read": float(read), "chosen": float(len(made.victims))}
        return Reading(figures, f"{wrong} held rows were chosen" if wrong else "")

    def quiet(self) -> Reading:
        """Measure the usual minute: nothing is old, the disk has room."""
        return self._measure(Protected(), Disk(GIB, 0), self.end_ms)

    def old(self) -> Reading:
        """Measure a pass with all that one may delete: the days are over."""
        return self._measure(Protected(), Disk(GIB, 0), self.end_ms + 30 * DAY_MS)

    def held(self) -> Reading:
        """Measure a disk in need whose older half is held, and 1,000 events are pinned besides."""
        until_ms = self.end_ms + DAY_MS
        holds = [Hold(stream, START_MS - 1, self.middle_ms, until_ms) for stream in ALL]
        step_ms = (self.end_ms - self.middle_ms) // 1_000
        starts = range(self.middle_ms, self.end_ms - step_ms, step_ms)
        pins = [Pin(ALL[place % STREAMS], start_ms, start_ms + 120_000) for place, start_ms in enumerate(starts)]
        return self._measure(Protected(holds, pins), Disk(0, 10 * GIB), self.end_ms)

    def full_by_hold(self) -> Reading:
        """Measure the worst: everything is held and the disk is in need."""
        holds = [Hold(stream, START_MS - 1, self.end_ms + 1, self.end_ms + DAY_MS) for stream in ALL]
        return self._measure(Protected(holds), Disk(0, 10 * GIB), self.end_ms)

    def bare(self) -> Reading:
        """Measure the query alone."""
        columns = "stream, run, start_ms, begin_ms, end_ms, size_bytes"
        query = f"SELECT {columns} FROM segment ORDER BY begin_ms LIMIT {MAX_VICTIMS}"
        began_ns = time.perf_counter_ns()
        rows: Sequence[object] = self.index.database.read_sync(lambda db: db.execute(query).fetchall())
        took_ms = (time.perf_counter_ns() - began_ns) / 1e6
        return Reading({"a pass, ms": took_ms, "rows read": float(len(rows)), "chosen": float(len(rows))})


NOTES = (
    "A pass is what retention thinks each minute, before it deletes anything; it runs in a worker thread.",
    f"At most {MAX_VICTIMS:,} rows are chosen in a pass; held footage is jumped over, not read.",
)


def run(options: Options) -> list[Table]:
    """Seed once, then measure in turn."""
    with tempfile.TemporaryDirectory(prefix="vuon-bench-") as folder:
        options.say(f"seeding {options.rows} rows")
        made = Bench(Path(folder) / "index.db", options.rows)
        variants = [
            Variant("nothing to do", made.quiet),
            Variant("the days are over", made.old),
            Variant("disk in need, half held, 1,000 events", made.held),
            Variant("disk in need, all held", made.full_by_hold),
            Variant("bare query", made.bare, control=True),
        ]
        try:
            return [compare(f"retention: {options.rows:,} segments of {STREAMS} streams", variants, options, NOTES)]
        finally:
            made.index.close()
