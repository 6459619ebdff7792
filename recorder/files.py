"""System calls below one directory: the only door from the recorder to a footage volume.

Owns the descriptor of the volume's root. Invariants: every path is relative to that descriptor, so a
disk that is unplugged and leaves an empty mount point is never mistaken for the root disk below it;
writes are complete or raise; nothing is followed through a symbolic link at the last step. Tests derive
from `VolumeFiles` to make the n-th call fail. Any thread.
"""

from __future__ import annotations

import ctypes
import errno
import os
from collections.abc import Sequence
from pathlib import Path

from gateway.core.errors import (
    SegmentCorrupt,
    StorageError,
    VolumeFailing,
    VolumeFull,
    VolumeMissing,
    VolumeReadOnly,
)

PROBE_NAME = ".vuon-probe"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_GONE = frozenset({errno.ENODEV, errno.ENXIO, errno.ESTALE, errno.ENOTCONN})
_FLAGS = os.O_CLOEXEC | os.O_NOFOLLOW


def storage_error(error: OSError, path: str) -> StorageError:
    """Translate what the kernel said into our tree; fields: path, errno (its name)."""
    name = errno.errorcode.get(error.errno or 0, "unknown")
    kind: type[StorageError] = StorageError
    if error.errno in _FULL:
        kind = VolumeFull
    elif error.errno in {errno.EROFS, errno.EACCES, errno.EPERM}:
        kind = VolumeReadOnly
    elif error.errno in _GONE:
        kind = VolumeMissing
    elif error.errno == errno.EIO:
        kind = VolumeFailing
    return kind(f"{path}: {name}", path=path, errno=name)


class VolumeFiles:
    """What the recorder does to files of one volume; all raise OSError as the kernel gave it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close_root(self) -> None:
        """Give the root descriptor back; nothing works afterwards."""
        if self._root_fd >= 0:
            os.close(self._root_fd)
            self._root_fd = -1

    def create(self, path: str) -> int:
        """Create a file that must not exist (O_EXCL, 0600); return its descriptor, open for both ways."""
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | _FLAGS, 0o600, dir_fd=self._root_fd)

    def open_read(self, path: str) -> int:
        """Open an existing file for reading."""
        return os.open(path, os.O_RDONLY | _FLAGS, dir_fd=self._root_fd)

    def open_update(self, path: str) -> int:
        """Open an existing file for reading and writing."""
        return os.open(path, os.O_RDWR | _FLAGS, dir_fd=self._root_fd)

    def close(self, fd: int) -> None:
        """Close a descriptor."""
        os.close(fd)

    def write(self, fd: int, parts: Sequence[bytes], offset: int) -> int:
        """Write all parts one after the other at `offset`; return their length in bytes."""
        total = sum(map(len, parts))
        done = os.pwritev(fd, parts, offset)
        if done < total:
            rest = memoryview(b"".join(parts))
            while done < total:
                step = os.pwrite(fd, rest[done:], offset + done)
                if step == 0:
                    raise OSError(errno.EIO, "write made no progress")
                done += step
        return total

    def read(self, fd: int, length: int, offset: int) -> bytes:
        """Read up to `length` bytes; fewer only at the end of the file."""
        data = os.pread(fd, length, offset)
        while len(data) < length and (more := os.pread(fd, length - len(data), offset + len(data))):
            data += more
        return data

    def size(self, fd: int) -> int:
        """Return the file's length in bytes."""
        return os.fstat(fd).st_size

    def truncate(self, fd: int, length: int) -> None:
        """Cut the file to `length` bytes."""
        os.ftruncate(fd, length)

    def fdatasync(self, fd: int) -> None:
        """Put the file's data on the medium."""
        os.fdatasync(fd)

    def rename(self, old: str, new: str) -> None:
        """Move a file; the caller has made sure that `new` does not exist."""
        os.rename(old, new, src_dir_fd=self._root_fd, dst_dir_fd=self._root_fd)

    def unlink(self, path: str) -> None:
        """Remove a file."""
        os.unlink(path, dir_fd=self._root_fd)

    def rmdir(self, path: str) -> None:
        """Remove an empty folder."""
        os.rmdir(path, dir_fd=self._root_fd)

    def mkdir(self, path: str) -> None:
        """Create one folder (0700) whose parent exists."""
        os.mkdir(path, 0o700, dir_fd=self._root_fd)

    def fsync_dir(self, path: str) -> None:
        """Put a folder's entries on the medium; `.` is the volume's root."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _FLAGS, dir_fd=self._root_fd)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def syncfs(self) -> None:
        """Put everything of this file system on the medium (syncfs(2), Linux; errors since 5.8)."""
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.syncfs(self._root_fd) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code), str(self.root))

    def names(self, path: str) -> list[str]:
        """Return the names in a folder, sorted; empty when there is no such folder."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | _FLAGS, dir_fd=self._root_fd)
        except (FileNotFoundError, NotADirectoryError):
            return []
        try:
            return sorted(os.listdir(fd))  # noqa: PTH208 - below a descriptor, not a path
        finally:
            os.close(fd)

    def exists(self, path: str) -> bool:
        """Say whether anything has this name."""
        try:
            os.stat(path, dir_fd=self._root_fd, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True

    def probe(self) -> None:
        """Write and remove a file: the only honest answer to "can it be written"."""
        if self.exists(PROBE_NAME):
            self.unlink(PROBE_NAME)
        self.close(self.create(PROBE_NAME))
        self.unlink(PROBE_NAME)

    def device(self) -> tuple[int, int]:
        """Return (major, minor) of the device the volume lies on."""
        number = os.fstat(self._root_fd).st_dev
        return os.major(number), os.minor(number)

    def free_bytes(self) -> tuple[int, int]:
        """Return (bytes we may still write, bytes of the file system)."""
        stat = os.fstatvfs(self._root_fd)
        return stat.f_bavail * stat.f_frsize, stat.f_blocks * stat.f_frsize

    def ensure_folder(self, path: str) -> None:
        """Create a folder and its parents, each entry on the medium before its child is made.

        Folders that exist are synced as well: whoever made them may have died before that.
        """
        parent = "."
        for part in path.split("/"):
            child = part if parent == "." else f"{parent}/{part}"
            if not self.exists(child):
                self.mkdir(child)
            self.fsync_dir(parent)
            parent = child

    def read_small(self, path: str, limit: int) -> bytes:
        """Read a whole small file; SegmentCorrupt when it is longer than `limit` bytes."""
        fd = self.open_read(path)
        try:
            data = self.read(fd, limit + 1, 0)
        finally:
            self.close(fd)
        if len(data) > limit:
            raise SegmentCorrupt(f"{path} is longer than {limit} bytes", path=path)
        return data
