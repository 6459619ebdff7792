"""Rows of a disk and the plan made of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gateway.core.model import RunId, StreamId
from recorder.retention import MAX_VICTIMS, Disk, Footage, Hold, Pin, Plan, Protected, Rule, plan
from recorder.rows import SegmentRow
from recorder.spans import Unsure

MIN_MS, HOUR = 60_000, 3_600_000
NOW_MS = 1_800_000_000_000
MB = 1 << 20
ROOMY = Disk(free_bytes=100 * MB, min_free_bytes=10 * MB)
A, B = StreamId(1), StreamId(2)


def row(stream: StreamId, begin_ms: int, *, size: int = MB, minutes: int = 1, run: int = 1) -> SegmentRow:
    return SegmentRow(stream, RunId(run), begin_ms, 0, minutes * MIN_MS, size, 900, 0, 0, b"")


def minutes(stream: StreamId, count: int, *, end_ms: int = NOW_MS, size: int = MB) -> list[SegmentRow]:
    """Return `count` one-minute segments that end at `end_ms`, oldest first."""
    return [row(stream, end_ms - number * MIN_MS, size=size) for number in range(count, 0, -1)]


def made(
    rows: Mapping[StreamId, Sequence[SegmentRow]],
    *,
    rules: Mapping[StreamId, Rule] | None = None,
    holds: Sequence[Hold] = (),
    pins: Sequence[Pin] = (),
    unsure: Mapping[RunId, Unsure] | None = None,
    disk: Disk = ROOMY,
    now_ms: int | None = NOW_MS,
    limit: int = MAX_VICTIMS,
) -> Plan:
    return plan(
        footage(rows, unsure),
        {A: Rule(30, event_days=90), B: Rule(30, event_days=90)} if rules is None else rules,
        Protected(holds, pins),
        disk,
        now_ms=now_ms,
        limit=limit,
    )


def footage(
    rows: Mapping[StreamId, Sequence[SegmentRow]],
    unsure: Mapping[RunId, Unsure] | None = None,
    read: list[SegmentRow] | None = None,
) -> Footage:
    """Return what is on a disk; `read` is told which rows the plan reads."""

    def source(stream: StreamId, from_ms: int) -> Iterator[SegmentRow]:
        for item in rows[stream]:
            if item.begin_ms >= from_ms:
                if read is not None:
                    read.append(item)
                yield item

    used = {stream: sum(item.size_bytes for item in items) for stream, items in rows.items()}
    return Footage(used, source, unsure or {})
