"""Real mounts for tests: the disk of `tests.fakes.cutfs`, and ext4 in an image file.

Owns that what was mounted is unmounted, lazily, whatever happened. Needs root, /dev/fuse and loop devices:
`need_mounts` skips without them, which fails a run in CI.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import pytest

ROOT = Path(__file__).parents[2]
HANG_S = 60


def need_mounts(*, loop: bool = False) -> None:
    """Skip, loudly, where nothing can be mounted."""
    missing = [path for path in ("/dev/fuse", *(["/dev/loop-control"] if loop else [])) if not Path(path).exists()]
    if os.geteuid() != 0 or missing:
        pytest.skip(f"needs root{''.join(f' and {path}' for path in missing)} to mount a disk that fails")


class CutDisk:
    """One mounted disk that forgets; entered = mounted."""

    def __init__(self, mount: Path) -> None:
        self.mount = mount
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self.mount.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "tests.fakes.cutfs", str(self.mount)]
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        self._answer()
        return self

    def __exit__(self, *error: object) -> None:
        self.unplug()
        assert self._process is not None
        self._process.kill()
        self._process.communicate(timeout=HANG_S)

    def _answer(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, "the file system died"
        told: dict[str, Any] = json.loads(line)
        return told

    def order(self, order: str, **values: object) -> dict[str, Any]:
        """Give an order and wait until it is carried out."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"order": order, **values}) + "\n")
        return self._answer()

    def set(self, **values: object) -> dict[str, Any]:
        """Make the disk fail, slow or full: `sync_fails`, `all_fails` (errno), `slow_s`, `limit_bytes`."""
        return self.order("set", **values)

    def cut(self, target: Path, seed: int, after: int = 0) -> None:
        """Put what a power cut after so many more changes would leave into a new folder."""
        self.order("cut", target=str(target), seed=seed, after=after)

    def die(self) -> None:
        """The disk is gone while files are open: everything ends with ENOTCONN."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(HANG_S)

    def unplug(self) -> None:
        """Take the mount away from its path; open files go on seeing it."""
        unmount(self.mount)


def unmount(mount: Path) -> None:
    """Unmount lazily; nothing happens if nothing is mounted."""
    subprocess.run(["umount", "-l", str(mount)], capture_output=True, timeout=HANG_S, check=False)


def make_ext4(image: Path, size_mb: int = 48) -> None:
    """Make an ext4 file system in an image file."""
    with image.open("wb") as file:
        file.truncate(size_mb << 20)
    command = ["mkfs.ext4", "-q", "-F", "-b", "4096", "-J", "size=4", "-m", "0", "-E", "lazy_itable_init=1", str(image)]
    subprocess.run(command, check=True, timeout=HANG_S)


@contextlib.contextmanager
def loop_mounted(image: Path, mount: Path, options: str = "") -> Iterator[Path]:
    """Mount an image file; every image needs a name that no loop device has seen before."""
    mount.mkdir(exist_ok=True)
    extra = ["-o", f"loop{',' + options if options else ''}"]
    subprocess.run(["mount", "-t", "ext4", *extra, str(image), str(mount)], check=True, timeout=HANG_S)
    try:
        yield mount
    finally:
        unmount(mount)
