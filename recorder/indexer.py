"""The thread that writes index rows, so that a slow or locked database never holds up footage.

Owns the queue of closed segments without a row. Invariants: rows are added in the order of closing, in
one transaction for all that wait; a failed transaction is tried again; what is still without a row at the
end is adopted at the next start, so a dropped row is delay, not loss. The queue is bounded and counted.
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable

from gateway.core.errors import StorageError
from recorder.index import VolumeIndex
from recorder.rows import SegmentRow

MAX_WAITING_ROWS = 10_000
"""Two hours of 64 streams with a locked database."""
RETRY_S = 1.0
_BATCH = 256


class Indexer:
    """One thread; `put` never blocks."""

    def __init__(
        self,
        index: VolumeIndex,
        added: Callable[[SegmentRow], None],
        failed: Callable[[StorageError], None],
        *,
        retry_s: float = RETRY_S,
    ) -> None:
        """Call `added` and `failed` in the indexer's thread; they must not raise."""
        self._index = index
        self._added = added
        self._failed = failed
        self._retry_s = retry_s
        self._queue: queue.Queue[SegmentRow | None] = queue.Queue(MAX_WAITING_ROWS)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vuon-indexer", daemon=True)
        self.unindexed = 0
        """Rows given up: their files are found again at the next start."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    @property
    def alive(self) -> bool:
        """Say whether the thread runs."""
        return self._thread.is_alive()

    def put(self, row: SegmentRow) -> None:
        """Queue the row of a closed segment; a full queue counts it as unindexed."""
        try:
            self._queue.put_nowait(row)
        except queue.Full:
            self.unindexed += 1

    def stop(self, timeout_s: float) -> bool:
        """Write what waits and end the thread; False if it is still busy after `timeout_s`."""
        self._stopping.set()
        try:
            self._queue.put(None, timeout=timeout_s)
        except queue.Full:
            return False
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        over = False
        while not over:
            first = self._queue.get()
            batch = [first] if first is not None else []
            over = first is None
            while not over and len(batch) < _BATCH and not self._queue.empty():
                row = self._queue.get_nowait()
                over = row is None
                batch += [row] if row is not None else []
            if batch:
                self._add(batch)

    def _add(self, batch: list[SegmentRow]) -> None:
        told = False
        while True:
            try:
                self._index.add(batch)
            except sqlite3.Error as error:
                if not told:
                    self._failed(StorageError("the index cannot be written", why=str(error)))
                    told = True
                if self._stopping.is_set():
                    self.unindexed += len(batch)
                    return
                self._stopping.wait(self._retry_s)
            else:
                for row in batch:
                    self._added(row)
                return
