"""What a pass of retention looks at: the rows of an index, lazily, and which disk answers for a stream's bytes.

Invariants: rows come in pages that begin small, so that a plan that needs one row reads a few; a stream's own
bytes are counted over all disks, and the disk with its oldest footage answers for them, so that a limit never
costs newer footage on another disk. Worker threads only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.core.model import RunId, StreamId
from recorder.index import After, VolumeIndex
from recorder.layout import LAST_MS
from recorder.retention import FRESH_MS, Footage, Hold, Pin, Rule
from recorder.rows import SegmentRow
from recorder.slot import Opened
from recorder.spans import Rows, Unsure

FIRST_PAGE, MOST_PAGE = 4, 256
_LAST_RUN = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Shelf:
    """The rules and what protects footage, as one pass found them."""

    rules: Mapping[StreamId, Rule]
    pins: Sequence[Pin]
    unsure: Mapping[RunId, Unsure]
    holds: Sequence[Hold]
    usual: Rule
    """What holds when there is no rule at all."""


def rows_from(index: VolumeIndex) -> Rows:
    """Return the source of an index's rows."""

    def rows(stream: StreamId, from_ms: int) -> Iterator[SegmentRow]:
        after, size = After(from_ms - 1, _LAST_RUN), FIRST_PAGE
        while page := index.find(stream, after.begin_ms - 1, LAST_MS, after=after, limit=size):
            yield from page
            if len(page) < size:
                return
            after, size = After(page[-1].begin_ms, page[-1].run), min(size * 2, MOST_PAGE)

    return rows


def footage_of(opened: Opened, counted: Mapping[StreamId, int], shelf: Shelf) -> Footage:
    """Return what is on a disk as the plan takes it."""
    newest = {stream: opened.index.newest(stream) for stream in counted}
    fresh = {stream: row.end_ms - FRESH_MS for stream, row in newest.items() if row is not None}
    return Footage(counted, rows_from(opened.index), shelf.unsure, fresh)


def counted_bytes(disks: Sequence[Opened]) -> dict[VolumeIndex, dict[StreamId, int]]:
    """Return for each disk what counts there against each of its streams' own bytes."""
    totals = {opened.index: opened.index.totals() for opened in disks}
    answers: dict[StreamId, VolumeIndex] = {}
    for stream in {stream for used in totals.values() for stream in used}:
        oldest = {
            index: row.begin_ms
            for index, used in totals.items()
            if stream in used and (row := next(iter(index.oldest(1, stream=stream)), None)) is not None
        }
        if oldest:
            answers[stream] = min(oldest, key=oldest.__getitem__)
    return {
        index: {
            stream: sum(other.get(stream, 0) for other in totals.values()) if answers.get(stream) is index else 0
            for stream in used
        }
        for index, used in totals.items()
    }
