"""What the writer of a volume tells: events as they happen, and its counters.

Owns no state. Invariant: whoever listens is called in the writer's threads and must neither block nor raise.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from gateway.core.errors import StorageError
from gateway.core.model import StreamId
from recorder.rows import SegmentRow


class WriterEvents(Protocol):
    """What the writer tells; called in its own threads, must not block or raise."""

    def segment_closed(self, row: SegmentRow) -> None:
        """Hear that a segment is on the medium and in the index."""

    def dropped(self, stream: StreamId, from_ms: int, to_ms: int, cause: str) -> None:
        """Hear that footage (true time, UTC ms) was not stored; cause: overload, disk or camera."""

    def storage_error(self, error: StorageError) -> None:
        """Hear that the volume failed; said once until it works again or fails otherwise."""


class WriterStatistics(NamedTuple):
    """Counters since the start."""

    alive: bool
    failing: StorageError | None
    stuck: bool
    """The disk takes nothing: what comes waits in memory."""
    running_segments: int
    closed_segments: int
    unfinished_segments: int
    written_fragments: int
    written_bytes: int
    waiting_bytes: int
    dropped_fragments: int
    dropped_bytes: int
    unindexed: int
    syncs: int
    bent: int
