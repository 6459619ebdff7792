"""Segments on their way from the writer into the index.

Owns the rows of files that are being closed: for a moment they are neither written to nor indexed, and whoever
plays the newest seconds must not miss them. Bounded: the oldest of more is forgotten (its file is
found at the next start). Any thread.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from gateway.core.model import RunId, StreamId
from recorder.rows import SegmentRow

MAX_LEAVING = 128


class Leaving:
    """Rows by name, oldest first."""

    def __init__(self, capacity: int = MAX_LEAVING) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._rows: OrderedDict[tuple[StreamId, int, RunId], SegmentRow] = OrderedDict()

    def add(self, row: SegmentRow | None) -> None:
        """Keep the row of a file that is about to be closed; None: it is empty."""
        if row is None:
            return
        with self._lock:
            self._rows[row.stream, row.start_ms, row.run] = row
            while len(self._rows) > self._capacity:
                self._rows.popitem(last=False)

    def indexed(self, row: SegmentRow) -> None:
        """Forget a file: the index knows it, or it is there no more."""
        with self._lock:
            self._rows.pop((row.stream, row.start_ms, row.run), None)

    def beside(self, running: list[SegmentRow]) -> list[SegmentRow]:
        """Return the running rows, read before, with those that have left since or are still on their way."""
        known = {(row.stream, row.start_ms, row.run) for row in running}
        with self._lock:
            return running + [row for name, row in self._rows.items() if name not in known]
