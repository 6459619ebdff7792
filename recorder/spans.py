"""Protected spans of one stream's time: merged, searched, walked around and walked through.

Pure. Invariants: spans are disjoint and in order, so that what protects a row is found by halving; a walk
reads a stream's rows oldest first and jumps over long protected spans instead of reading them, so that a
disk full of held footage costs a look at the holds, not at the footage; rows of a run whose time nobody
knows are handed out apart.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple, TypeAlias

from gateway.core.model import RunId, StreamId
from recorder.rows import SegmentRow

Rows: TypeAlias = Callable[[StreamId, int], Iterator[SegmentRow]]
"""`rows(stream, from_ms)`: closed segments that begin then or later, oldest first, read lazily."""
JUMP_MS = 600_000
"""A protected span that goes on for longer is jumped over: another look-up is dearer than ten rows."""
LONGEST_MS = 7_200_000
"""No segment is longer (`index.sql`)."""
MOST_UNSURE = 10_000
"""Rows of unknown time that one walk passes: a week of minutes."""


class Unsure(NamedTuple):
    """What is known of a run that a clock nobody trusted wrote."""

    ended_by_ms: int | None
    """It had ended by then: a later boot with a trusted clock began a run. None: nothing bounds it."""
    boot: int
    """Order of its boot among others."""
    offset_ms: int | None = None
    """Set right since: rows with this offset are where they belong, others have not been moved yet."""

    def doubts(self, row: SegmentRow) -> bool:
        """Say whether the row's time is not known."""
        return self.offset_ms is None or row.offset_ms != self.offset_ms


class Span(NamedTuple):
    """UTC ms, half open."""

    start_ms: int
    end_ms: int


class Spans:
    """Disjoint spans in order."""

    def __init__(self, spans: Iterable[tuple[int, int]] = ()) -> None:
        merged: list[Span] = []
        for start_ms, end_ms in sorted(spans):
            if merged and start_ms <= merged[-1].end_ms:
                merged[-1] = Span(merged[-1].start_ms, max(merged[-1].end_ms, end_ms))
            else:
                merged.append(Span(start_ms, end_ms))
        self.all = tuple(merged)
        self._ends = [span.end_ms for span in merged]

    def over(self, row: SegmentRow) -> Span | None:
        """Return the first span that touches the row; one millisecond is enough."""
        place = bisect_right(self._ends, row.begin_ms)
        if place < len(self.all) and self.all[place].start_ms < row.end_ms:
            return self.all[place]
        return None


class Walk:
    """The rows of one stream that nothing protects, oldest first, each once."""

    def __init__(
        self, stream: StreamId, rows: Rows, held: Spans, pinned: Spans, unsure: Mapping[RunId, Unsure], most: int
    ) -> None:
        """Take `most`: how many rows of unknown time are kept in `apart`, the oldest as they are written."""
        self._stream, self._source, self._held, self._pinned = stream, rows, held, pinned
        self._unsure, self._most = unsure, most
        self._passed = 0
        self._rows = rows(stream, -(1 << 62))
        self.saw_held = self.saw_protected = False
        self.apart: list[SegmentRow] = []
        self.next: SegmentRow | None = None
        self.advance()

    def advance(self) -> None:
        """Step to the next row."""
        while (row := next(self._rows, None)) is not None and self._passed < MOST_UNSURE:
            span = self._guard(row)
            if span is not None:
                if span.start_ms <= row.begin_ms and span.end_ms - row.end_ms > JUMP_MS:
                    self._rows = self._source(self._stream, span.end_ms)
            elif (known := self._unsure.get(row.run)) is not None and known.doubts(row):
                self._passed += 1
                if len(self.apart) < self._most:
                    self.apart.append(row)
            else:
                self.next = row
                return
        self.next = None

    def _guard(self, row: SegmentRow) -> Span | None:
        held = self._held.over(row)
        self.saw_held |= held is not None
        guard = held or self._pinned.over(row)
        self.saw_protected |= guard is not None
        return guard

    def take_while(self, wanted: Callable[[SegmentRow], bool]) -> Iterator[SegmentRow]:
        """Yield rows while they are wanted; a row that is not stays the next one."""
        while (row := self.next) is not None and wanted(row):
            self.advance()
            yield row


def pinned_rows(stream: StreamId, rows: Rows, held: Spans, pinned: Spans) -> Iterator[SegmentRow]:
    """Yield a stream's rows that are pinned and not held, oldest first, each once."""
    last = (-(1 << 62), -1)
    for pin in pinned.all:
        source = rows(stream, pin.start_ms - LONGEST_MS)
        while (row := next(source, None)) is not None and row.begin_ms < pin.end_ms:
            hold = held.over(row)
            if hold is None and row.end_ms > pin.start_ms and (row.begin_ms, row.run) > last:
                last = (row.begin_ms, row.run)
                yield row
            elif hold is not None and hold.start_ms <= row.begin_ms and hold.end_ms - row.end_ms > JUMP_MS:
                source = rows(stream, hold.end_ms)
