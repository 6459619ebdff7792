"""A place for databases whose tests are not about the disk: every commit would wait for it."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

_MEMORY = Path("/dev/shm")


@cache
def in_memory(folder: Path) -> Path:
    """Return a folder in memory that stands for `folder`: the same one for the same test; gone at the end."""
    if not _MEMORY.is_dir():
        return folder
    made = Path(tempfile.mkdtemp(prefix="vuon-test-", dir=_MEMORY))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made
