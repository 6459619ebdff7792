"""Disks that fail: at a chosen call, once or for ever, and forget what was never synced."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Sequence
from pathlib import Path

from recorder.files import VolumeFiles

MUTATIONS = ("create", "write", "truncate", "fdatasync", "rename", "unlink", "rmdir", "mkdir", "fsync_dir", "syncfs")


class StepClock:
    """Each look at the monotonic clock is a second later: what depends on it happens at fixed places."""

    def __init__(self) -> None:
        self._mono_s = 0

    def now_ms(self) -> int:
        return 0

    def mono_ns(self) -> int:
        self._mono_s += 1
        return self._mono_s * 1_000_000_000

    def trusted(self) -> bool:
        return True

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


class FaultyDisk(VolumeFiles):
    """Counts changing calls; `fault(number, name)` returns the errno to fail with, or 0.

    Remembers what is durable: `fdatasync` makes a file's bytes so, `fsync_dir` a folder's entries,
    `syncfs` everything. A failing write leaves half of its bytes behind.
    """

    def __init__(self, root: Path, fault: Callable[[int, str], int] = lambda number, name: 0) -> None:
        super().__init__(root)
        self.fault = fault
        self.calls = 0
        self.log: list[str] = []
        self.dead = False
        self._bytes: dict[int, bytes] = {}
        self._entries: dict[str, dict[str, int]] = {}
        self._keep_everything()

    def _tick(self, name: str) -> None:
        self.calls += 1
        code = self.fault(self.calls, name)
        if code:
            raise OSError(code, os.strerror(code))
        self.log.append(name)

    def _inode(self, path: Path) -> int:
        return path.stat(follow_symlinks=False).st_ino

    def _snapshot(self, folder: str) -> None:
        place = self.root / folder
        self._entries[os.path.normpath(folder)] = {item.name: self._inode(item) for item in place.iterdir()}

    def create(self, path: str) -> int:
        self._tick("create")
        fd = super().create(path)
        self._bytes.pop(os.fstat(fd).st_ino, None)  # a file system gives the numbers of deleted files again
        return fd

    def write(self, fd: int, parts: Sequence[bytes], offset: int) -> int:
        try:
            self._tick("write")
        except OSError:
            if not self.dead:
                whole = b"".join(parts)
                os.pwrite(fd, whole[: len(whole) // 2], offset)
            self.dead = self.fault(self.calls + 1, "write") != 0
            raise
        return super().write(fd, parts, offset)

    def truncate(self, fd: int, length: int) -> None:
        self._tick("truncate")
        super().truncate(fd, length)

    def fdatasync(self, fd: int) -> None:
        self._tick("fdatasync")
        self._bytes[os.fstat(fd).st_ino] = os.pread(fd, os.fstat(fd).st_size, 0)

    def rename(self, old: str, new: str) -> None:
        self._tick("rename")
        super().rename(old, new)

    def unlink(self, path: str) -> None:
        self._tick("unlink")
        super().unlink(path)

    def rmdir(self, path: str) -> None:
        self._tick("rmdir")
        super().rmdir(path)

    def mkdir(self, path: str) -> None:
        self._tick("mkdir")
        super().mkdir(path)
        self._entries[path] = {}

    def fsync_dir(self, path: str) -> None:
        self._tick("fsync_dir")
        self._snapshot(path)

    def syncfs(self) -> None:
        self._tick("syncfs")
        self._keep_everything()

    def _keep_everything(self) -> None:
        for folder, _, names in os.walk(self.root):
            self._snapshot(str(Path(folder).relative_to(self.root)))
            for name in names:
                file = Path(folder) / name
                self._bytes[self._inode(file)] = file.read_bytes()

    def after_cut(self, target: Path, dice: random.Random | None = None) -> None:
        """Write the tree a power cut leaves into `target`: only what is durable, or by dice more of it.

        The index database is copied as it is: SQLite with synchronous=FULL keeps what it committed.
        """
        everything = {self._inode(path): path for path in self.root.rglob("*")}
        self._rebuild(target, ".", everything, dice)
        for name in ("index.db", "index.db-wal", ".keys"):
            source = self.root / name
            if source.is_file():
                (target / name).write_bytes(source.read_bytes())

    def _rebuild(self, target: Path, folder: str, everything: dict[int, Path], dice: random.Random | None) -> None:
        target.mkdir(exist_ok=True)
        entries = self._entries.get(folder, {})
        place = self.root / folder
        if dice is not None and dice.random() < 0.5 and place.exists():
            entries = {item.name: self._inode(item) for item in place.iterdir()}
        for name, inode in entries.items():
            path = os.path.normpath(f"{folder}/{name}")
            source = everything.get(inode)
            if name.startswith(("index.db", ".")):
                continue
            if path in self._entries or (source is not None and source.is_dir()):
                self._rebuild(target / name, path, everything, dice)
                continue
            data = self._bytes.get(inode, b"")
            now = source.read_bytes() if source is not None else b""
            if dice is not None and len(now) > len(data):
                kept = dice.randrange(len(data), len(now) + 1)
                data = dice.choice([now, data, now[:kept], data + bytes(len(now) - len(data))])
            (target / name).write_bytes(data)


def dies_at(number: int) -> Callable[[int, str], int]:
    """Fail every call from the `number`-th on: the machine is gone."""
    return lambda call, name: errno.EIO if call >= number else 0


def fails_at(number: int, code: int) -> Callable[[int, str], int]:
    """Fail the `number`-th call only."""
    return lambda call, name: code if call == number else 0
