"""One running segment file: created, appended to, closed in the order that survives a crash.

Owns the descriptor of a `.part` file. Invariants: O_EXCL create, write, fdatasync, footer, fdatasync,
rename, fsync of the folder, and only then a row exists; a write that failed is cut off again, so the file
is always a prefix of complete records; `finish` may be repeated after it failed. Writer's thread only,
except `row`, which other threads may call for footage still being written.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Callable

from recorder.files import VolumeFiles
from recorder.layout import hour_of, segment_path
from recorder.rows import FLAG_RUNNING, Gop, SegmentRow
from recorder.scan import make_row
from recorder.segment import FileHeader, Sealer, encode_footer, encode_header


class SegmentFile:
    """A segment while it is being written."""

    def __init__(
        self,
        files: VolumeFiles,
        header: FileHeader,
        key: bytes | None,
        let_go: Callable[[str], None] | None = None,
    ) -> None:
        """Create the file and write its head; OSError leaves no file behind (or, at worst, an empty one).

        `let_go` is called with the path of the running file once nothing more is done to it.
        """
        head = encode_header(header)
        self.header = header
        self.part_path = segment_path(header.stream, header.start_ms, header.run, part=True)
        self.path = segment_path(header.stream, header.start_ms, header.run)
        self._files, self._let_go = files, let_go
        self._sealer = Sealer(header, head, key)
        self._gops: list[Gop] = []
        self._frames: list[int] = []
        self._renamed = False
        self._flags = 0
        if files.exists(self.path):
            raise FileExistsError(errno.EEXIST, "a closed segment has this name", self.path)
        self.fd = files.create(self.part_path)
        try:
            self._end = files.write(self.fd, [head], 0)
        except OSError:
            files.close(self.fd)
            with contextlib.suppress(OSError):
                files.unlink(self.part_path)
            raise
        self._head_bytes = self._end

    @property
    def folder(self) -> str:
        """Folder of the stream-hour."""
        return hour_of(self.header.stream, self.header.start_ms).folder

    @property
    def records(self) -> int:
        """Number of records written: also the sequence number of the next."""
        return len(self._gops)

    @property
    def end_90k(self) -> int:
        """End of the last picture, run wall time."""
        return self._gops[-1].end_90k if self._gops else self.header.start_ms * 90

    def append(self, payload: bytes, start_90k: int, duration_90k: int, frames: int, *, is_key: bool) -> int:
        """Write one record; return its bytes. OSError: the file is as it was before."""
        parts = self._sealer.seal(self.records, start_90k, duration_90k, frames, payload, is_key=is_key)
        try:
            size = self._files.write(self.fd, parts, self._end)
        except OSError:
            with contextlib.suppress(OSError):
                self._files.truncate(self.fd, self._end)
            raise
        self._frames.append(frames)
        self._gops.append(Gop(self._end, size, start_90k, duration_90k, is_key))
        self._end += size
        return size

    def finish(self, flags: int = 0) -> SegmentRow:
        """Close the file for good and return its row; OSError: call it again later, or `abandon`.

        The same steps as `seal`, `publish` and `row_closed`, with a sync of its own between each two.
        """
        files = self._files
        if not self._renamed:
            files.fdatasync(self.fd)
            self.seal(flags)
            try:
                files.fdatasync(self.fd)
            except OSError:
                self.unseal()
                raise
            self.publish()
        files.fsync_dir(self.folder)
        return self.row_closed()

    def seal(self, flags: int = 0) -> None:
        """Write the footer; the records are on the medium. OSError: the file is as it was."""
        footer = encode_footer(self._gops, self._frames, flags, self._sealer)
        try:
            self._files.write(self.fd, [footer], self._end)
        except OSError:
            self.unseal()
            raise
        self._flags = flags  # a later try must not say more than the footer on disk

    def unseal(self) -> None:
        """Cut the footer off again: nobody knows whether it is on the medium."""
        with contextlib.suppress(OSError):
            self._files.truncate(self.fd, self._end)

    def publish(self) -> None:
        """Give the file its name; the footer is on the medium. OSError: nothing happened."""
        self._files.rename(self.part_path, self.path)
        self._renamed = True

    def row_closed(self) -> SegmentRow:
        """Let go of the file and return its row; its name is on the medium."""
        row = make_row(self.header, self._gops, sum(self._frames), self._files.size(self.fd), self._flags)
        self._close()
        return row

    def abandon(self) -> None:
        """Let go of the file as it is; an empty one is removed, the rest is for recovery."""
        if not self._gops:
            with contextlib.suppress(OSError):
                self._files.unlink(self.part_path)
        self._close()

    def row(self) -> SegmentRow | None:
        """Return the row of what is written so far, flagged as running; None while there is nothing."""
        gops = list(self._gops)
        if not gops:
            return None
        size = gops[-1].offset + gops[-1].record_bytes
        return make_row(self.header, gops, sum(self._frames[: len(gops)]), size, FLAG_RUNNING)

    def _close(self) -> None:
        fd, self.fd = self.fd, -1
        with contextlib.suppress(OSError):
            self._files.close(fd)
        if self._let_go is not None:
            self._let_go(self.part_path)
