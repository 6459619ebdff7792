"""A real ext4 file system of a few megabytes on a loop device, for as long as a test needs it.

Its image lies in memory: what is tested is what the file system says, not how long a disk takes to sync.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

STEP_BYTES = 4096


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@contextmanager
def small_disk(folder: Path, size_bytes: int) -> Iterator[Path]:
    """Mount it; needs root, e2fsprogs and loop devices: CalledProcessError without."""
    mount = folder / "mnt"
    mount.mkdir()
    with tempfile.TemporaryDirectory(prefix="vuon-disk-", dir="/dev/shm") as memory:
        image = Path(memory) / "disk.img"
        with image.open("wb") as out:
            out.truncate(size_bytes)
        _run("mkfs.ext4", "-q", "-F", "-m", "0", "-O", "^has_journal", str(image))
        _run("mount", "-o", "loop", str(image), str(mount))
        try:
            yield mount
        finally:
            _run("umount", "--lazy", str(mount))


def fill(path: Path, size_bytes: int) -> None:
    """Take room as another program does; what does not fit is not taken."""
    with path.open("wb") as out, contextlib.suppress(OSError):  # ENOSPC: the disk is full, as was asked for
        for at in range(0, size_bytes, STEP_BYTES):
            os.posix_fallocate(out.fileno(), at, STEP_BYTES)
