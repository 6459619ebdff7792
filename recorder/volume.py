"""A footage volume: a disk that is ours, known by its marker file.

Owns the marker `.vuon-volume.json` and the lock that keeps a second process away. Invariants: a folder
becomes a volume only when it is empty or absent and the caller allows it; another box's disk, another disk
of ours, a read-only or missing one is refused, never repaired; nothing is written below a mount point whose
disk is gone, because every later access goes through the descriptor taken here.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, Self

from gateway.core.errors import AddressTaken, VolumeMissing, VolumeReadOnly, VolumeWrong
from gateway.core.model import PublicId, is_public_id, new_public_id
from recorder.files import VolumeFiles, storage_error
from recorder.layout import MARKER_NAME

FORMAT = 1
_MAX_MARKER_BYTES = 4096
_UNTOUCHED = frozenset({"lost+found"})
"""What a fresh file system contains by itself."""


class Marker(NamedTuple):
    """What the marker file says."""

    volume: PublicId
    box: PublicId
    created_ms: int

    def encode(self) -> bytes:
        """Return the file's bytes."""
        return json.dumps({"format": FORMAT, **self._asdict()}, indent=1).encode() + b"\n"


def decode_marker(data: bytes, path: Path) -> Marker:
    """Parse a marker; VolumeWrong if it is damaged or of another format."""
    try:
        found = json.loads(data)
        marker = Marker(PublicId(found["volume"]), PublicId(found["box"]), int(found["created_ms"]))
        if found["format"] != FORMAT or not (is_public_id(marker.volume) and is_public_id(marker.box)):
            raise VolumeWrong(f"{path}: the marker file is of another format", path=str(path))
    except (ValueError, KeyError, TypeError) as error:
        raise VolumeWrong(f"{path}: the marker file is damaged", path=str(path)) from error
    return marker


def initialise(path: Path, box: PublicId, now_ms: int, *, new_id: Callable[[], PublicId] = new_public_id) -> Marker:
    """Make an empty or absent folder a volume of this box; VolumeWrong if it holds anything.

    The parent must exist: a mount point that is absent is not invented. StorageError from the disk.
    """
    marker = Marker(new_id(), box, now_ms)
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        if any(item.name not in _UNTOUCHED for item in path.iterdir()):
            raise VolumeWrong(f"{path} is not empty and no volume of ours", path=str(path))
        files = VolumeFiles(path)
        try:
            fd = files.create(MARKER_NAME)
            try:
                files.write(fd, [marker.encode()], 0)
                files.fdatasync(fd)
            finally:
                files.close(fd)
            files.fsync_dir(".")
        finally:
            files.close_root()
    except (FileNotFoundError, NotADirectoryError, FileExistsError) as error:
        raise VolumeMissing(f"{path} is no folder and cannot become one", path=str(path)) from error
    except OSError as error:
        raise storage_error(error, str(path)) from error
    return marker


class Volume:
    """An opened volume: its marker, its files, its lock."""

    def __init__(self, path: Path, marker: Marker, files: VolumeFiles, lock_fd: int) -> None:
        self.path = path
        self.marker = marker
        self.files = files
        self._lock_fd = lock_fd

    @classmethod
    def open(
        cls,
        path: Path,
        box: PublicId,
        *,
        expected: PublicId | None = None,
        files: Callable[[Path], VolumeFiles] = VolumeFiles,
    ) -> Self:
        """Open a volume of this box (and, if `expected` is given, this very one).

        Raises VolumeMissing, VolumeWrong, VolumeReadOnly, AddressTaken; fields: path.
        """
        try:
            below = files(path)
        except OSError as error:
            raise VolumeMissing(f"{path} is not there", path=str(path), errno=_name(error)) from error
        lock_fd = -1
        try:
            lock_fd = _lock(below, path)
            marker = decode_marker(below.read(lock_fd, _MAX_MARKER_BYTES, 0), path)
            if marker.box != box or expected not in {None, marker.volume}:
                raise VolumeWrong(
                    f"{path} belongs to another box or is another disk", path=str(path), volume=marker.volume
                )
            _probe(below, path)
        except BaseException:
            if lock_fd >= 0:
                below.close(lock_fd)
            below.close_root()
            raise
        return cls(path, marker, below, lock_fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the lock and the descriptor back."""
        if self._lock_fd >= 0:
            self.files.close(self._lock_fd)
            self._lock_fd = -1
        self.files.close_root()

    def still_there(self) -> bool:
        """Say whether the path still leads to the disk that was opened (it may have been unplugged)."""
        try:
            seen = (self.path / MARKER_NAME).stat()
        except OSError:
            return False
        ours = os.fstat(self._lock_fd)
        return (seen.st_dev, seen.st_ino) == (ours.st_dev, ours.st_ino)

    def free_bytes(self) -> tuple[int, int]:
        """Return (bytes we may still write, bytes of the disk) by statvfs; StorageError if it is gone."""
        try:
            return self.files.free_bytes()
        except OSError as error:
            raise storage_error(error, str(self.path)) from error


def _name(error: OSError) -> str:
    return errno.errorcode.get(error.errno or 0, "unknown")


def _lock(files: VolumeFiles, path: Path) -> int:
    try:
        fd = files.open_read(MARKER_NAME)
    except OSError as error:
        raise VolumeMissing(f"{path} has no marker file", path=str(path), errno=_name(error)) from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        files.close(fd)
        raise AddressTaken(f"{path} is in use by another recorder", path=str(path)) from error
    return fd


def _probe(files: VolumeFiles, path: Path) -> None:
    try:
        files.probe()
    except OSError as error:
        failure = storage_error(error, str(path))
        if isinstance(failure, VolumeReadOnly):
            raise VolumeReadOnly(f"{path} cannot be written", path=str(path), errno=_name(error)) from error
        if error.errno == errno.ENOSPC:
            return  # full is retention's matter: footage can still be read and deleted
        raise failure from error


def open_or_initialise(path: Path, box: PublicId, now_ms: int, *, known: PublicId | None = None) -> Volume:
    """Open the volume; make one first when the folder is empty or absent. Raises as `Volume.open`.

    `known` is the id this path had before: then nothing is made, because an empty folder is the mount
    point of an unplugged disk.
    """
    try:
        return Volume.open(path, box, expected=known)
    except VolumeMissing:
        if known is not None:
            raise
        initialise(path, box, now_ms)
        return Volume.open(path, box)
