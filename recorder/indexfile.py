"""The file of an index on its disk: opened, found damaged, put aside to be made anew.

Owns the mark `.vuon-rebuild`. Invariant: from before an index is put aside until it is made anew from the files
the mark lies beside it, because a rebuilding may be cut short and half an index would look whole. Blocking.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from recorder.index import INDEX_NAME, VolumeIndex
from recorder.layout import PUT_ASIDE
from recorder.recovery import streams
from recorder.volume import Volume

_MAGIC = b"SQLite format 3\0"
REBUILD_NAME = ".vuon-rebuild"
"""Lies on the volume while its index is not yet made anew."""


def file_number(path: Path) -> int:
    """Return the inode of a file, 0 if there is none."""
    try:
        return path.stat().st_ino
    except OSError:
        return 0


def is_database(path: Path) -> bool:
    """Say whether the file still begins as one; one that cannot be read now is not judged."""
    try:
        with path.open("rb") as file:
            return file.read(len(_MAGIC)) in {b"", _MAGIC}
    except OSError:
        return True


def open_index(volume: Volume, *, broken: bool) -> tuple[VolumeIndex, bool]:
    """Open the index; a damaged one is put aside. Returns it and whether it must be rebuilt.

    Until it is, a mark lies beside it: the rebuilding may be cut short, and the index would look whole.
    """
    path, files = volume.path / INDEX_NAME, volume.files
    if broken or (not path.exists() and streams(files)):
        _begin_anew(volume)
    index = VolumeIndex(path)
    try:
        index.open()
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise  # locked, or the disk: not the file's fault
        _begin_anew(volume)
        index = VolumeIndex(path)
        index.open()
    return index, files.exists(REBUILD_NAME)


def _begin_anew(volume: Volume) -> None:
    """Mark that the index is to be made from the files, and put aside what is there of the old one."""
    files = volume.files
    if not files.exists(REBUILD_NAME):
        files.close(files.create(REBUILD_NAME))
    files.fsync_dir(".")
    for name in (INDEX_NAME, f"{INDEX_NAME}-wal", f"{INDEX_NAME}-shm"):
        if files.exists(name):
            files.rename(name, f"{name}{PUT_ASIDE}")
