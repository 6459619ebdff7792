"""Closing segments: footer, name, folder, row, one by one or many at once.

Owns the segments whose closing has begun. Invariants: the order of `segmentfile` holds for every file, also
when many are closed with shared syncs; whatever fails on the way is closed by itself from the step it has
reached, and tried again at each sync; at most `MAX_UNFINISHED` wait, the oldest of more is left to recovery; a
file that somebody removed meanwhile (its camera was erased) has nothing left to close.
Writer's thread only.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from gateway.core.errors import StorageError, VolumeFull
from recorder.files import VolumeFiles, storage_error
from recorder.rows import FLAG_SUSPECT, SegmentRow
from recorder.segmentfile import SegmentFile
from recorder.syncer import Syncer

MAX_UNFINISHED = 64
"""Segments whose closing failed and is tried again."""
_STEPS: tuple[Callable[[SegmentFile], SegmentRow | None], ...] = (
    SegmentFile.seal,
    SegmentFile.publish,
    SegmentFile.row_closed,
)
"""Each follows a sync of all files: of their records, of their footers, of their names."""


class Closer:
    """Closes segments and hands out their rows."""

    def __init__(
        self,
        files: VolumeFiles,
        syncer: Syncer,
        closed: Callable[[SegmentRow], None],
        failed: Callable[[StorageError], None],
        vanished: Callable[[SegmentRow], None],
    ) -> None:
        """Call `closed` with the row of each file whose name is on the medium, `failed` with what the disk said.

        `vanished` is called with what was written of a file that is there no more.
        """
        self._files, self._syncer, self._put, self._failed, self._vanished = files, syncer, closed, failed, vanished
        self._unfinished: list[tuple[SegmentFile, int]] = []
        self.count = 0
        """Segments closed so far."""

    @property
    def unfinished(self) -> int:
        """Number of segments whose closing is to be tried again."""
        return len(self._unfinished)

    def close(self, segment: SegmentFile, flags: int = 0) -> None:
        """Close one segment; an empty one goes."""
        if segment.records:
            self._finish(segment, flags)
        else:
            segment.abandon()

    def close_many(self, segments: Sequence[SegmentFile]) -> None:
        """Close segments with three syncs of the volume, not three of each: stopping must not take long."""
        if len(segments) < 2:
            for segment in segments:
                self.close(segment)
            return
        going = [segment for segment in segments if segment.records]
        for segment in segments:
            if not segment.records:
                segment.abandon()
        for step in _STEPS:
            folders = {segment.folder for segment in going} if step is SegmentFile.row_closed else ()
            failed = self._syncer.sync(self._files, [segment.fd for segment in going], folders) if going else {}
            going = [segment for segment in going if self._took(step, segment, failed.get(segment.fd))]

    def _took(
        self, step: Callable[[SegmentFile], SegmentRow | None], segment: SegmentFile, error: OSError | None
    ) -> bool:
        """Do one step; a segment whose sync or step failed is closed by itself."""
        try:
            if error is not None:
                raise error
            row = step(segment)
        except OSError as failure:
            self._finish(segment, self._told(failure, segment))
            return False
        if row is not None:
            self._closed(row)
        return True

    def retry(self) -> None:
        """Try again what failed before."""
        waiting, self._unfinished = self._unfinished, []
        for segment, flags in waiting:
            self._finish(segment, flags)

    def abandon(self) -> None:
        """Leave the rest to recovery."""
        for segment, _ in self._unfinished:
            segment.abandon()

    def _told(self, error: OSError, segment: SegmentFile) -> int:
        """Report a failure; return what the segment is flagged with for it."""
        failure = storage_error(error, segment.part_path)
        self._failed(failure)
        return 0 if isinstance(failure, VolumeFull) else FLAG_SUSPECT

    def _finish(self, segment: SegmentFile, flags: int) -> None:
        try:
            row = segment.finish(flags)
        except FileNotFoundError as error:
            if self._is_there(segment):
                self._again(segment, flags, error)
            else:
                self._forget(segment)
        except OSError as error:
            self._again(segment, flags, error)
        else:
            self._closed(row)

    def _forget(self, segment: SegmentFile) -> None:
        row = segment.row()
        segment.abandon()
        if row is not None:
            self._vanished(row)

    def _is_there(self, segment: SegmentFile) -> bool:
        return self._files.exists(segment.part_path) or self._files.exists(segment.path)

    def _again(self, segment: SegmentFile, flags: int, error: OSError) -> None:
        """Keep a segment for the next try."""
        self._unfinished.append((segment, flags | self._told(error, segment)))
        if len(self._unfinished) > MAX_UNFINISHED:
            self._unfinished.pop(0)[0].abandon()

    def _closed(self, row: SegmentRow) -> None:
        self.count += 1
        self._put(row)
