"""Which time has footage: days, spans and gaps, over all disks.

Owns the sums behind a calendar and a timeline. Invariants: a day is a day of the site's own time; time is
counted from rows of files that are there and of the files being written; spans of several disks and runs are
one list in order, and none overlaps another. The functions read the index: worker threads only.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from gateway.core.errors import BadInput
from gateway.core.model import StreamId
from recorder.gaps import Gap
from recorder.index import JOIN_MS
from recorder.playback import Span
from recorder.rows import SegmentRow
from recorder.slot import Slot

MOST_DAYS = 400


def midnights(zone: ZoneInfo, from_ms: int, to_ms: int) -> Iterator[tuple[date, Span]]:
    """Yield the site's days that [from_ms, to_ms) touches, each with its whole span in UTC ms.

    BadInput for more than `MOST_DAYS`.
    """
    first, last = (datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(zone).date() for at_ms in (from_ms, to_ms - 1))
    if (last - first).days >= MOST_DAYS:
        raise BadInput(f"at most {MOST_DAYS} days at once", key="to_ms")
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        yield day, (_midnight(zone, day), _midnight(zone, day + timedelta(days=1)))


def _midnight(zone: ZoneInfo, day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()) * 1000


def recorded_ms(slots: Iterable[Slot], stream: StreamId, from_ms: int, to_ms: int) -> int:
    """Return how much of [from_ms, to_ms) a stream has footage of."""
    total = 0
    for slot in slots:
        if (opened := slot.opened) is None:
            continue
        running = [row for row in opened.writer.running() if row.stream == stream]
        total += opened.index.recorded_ms(stream, from_ms, to_ms)
        for row in running:
            if opened.index.get(row.stream, row.start_ms, row.run) is None:
                total += max(0, min(row.end_ms, to_ms) - max(row.begin_ms, from_ms))
    return total


def oldest_ms(slots: Iterable[Slot], stream: StreamId) -> int | None:
    """Return the true start of a stream's oldest footage; None without any."""
    rows = [row for slot in slots if slot.opened for row in slot.opened.index.oldest(1, stream=stream)]
    running = [row for slot in slots if slot.opened for row in slot.opened.writer.running() if row.stream == stream]
    return min((row.begin_ms for row in (*rows, *running)), default=None)


def spans(rows: Iterable[SegmentRow], from_ms: int, to_ms: int, join_ms: int = JOIN_MS) -> list[Span]:
    """Merge rows, by true start, into the spans of [from_ms, to_ms); a hole of at most `join_ms` is none."""
    found: list[Span] = []
    for row in rows:
        start_ms, end_ms = max(row.begin_ms, from_ms), min(row.end_ms, to_ms)
        if start_ms >= end_ms:
            continue
        if found and start_ms - found[-1][1] <= join_ms:
            found[-1] = (found[-1][0], max(found[-1][1], end_ms))
        else:
            found.append((start_ms, end_ms))
    return found


def shown_gaps(gaps: Sequence[Gap], from_ms: int, to_ms: int, now_ms: int) -> list[dict[str, Any]]:
    """Return the gaps cut to [from_ms, to_ms) and to what is past; one that lasts is `open`."""
    found: list[dict[str, Any]] = []
    for gap in gaps:
        start_ms = max(gap.start_ms, from_ms)
        end_ms = min(now_ms if gap.end_ms is None else gap.end_ms, to_ms, now_ms)
        if start_ms < end_ms:
            found.append({"start_ms": start_ms, "end_ms": end_ms, "cause": gap.cause.value, "open": gap.end_ms is None})
    return found


def footage_hours(slots: Sequence[Slot], streams: Iterable[StreamId]) -> frozenset[int] | None:
    """Return the hours (since 1970) that streams have footage of; None while that cannot be known.

    A disk that is away, or an index that is still being made anew, may hold more.
    """
    if any(slot.opened is None or slot.needs_reindex for slot in slots):
        return None
    hours: frozenset[int] = frozenset()
    for stream in streams:
        for slot in slots:
            hours |= slot.require().index.recorded_hours(stream)
    return hours
