"""A file system in memory that forgets what was never synced, and fails on command.

Run as `python -m tests.fakes.cutfs <mount point>`; orders are JSON lines on its standard input, each answered
by one on its standard output (`tests.fakes.cutdisk` speaks it). Owns what is durable: bytes of a file by
fsync, names of a folder by fsync of the folder, nothing else. A cut writes into a plain folder what the disk
then holds: the durable state and, by dice, any part of what the kernel may have written back unasked.
"""

from __future__ import annotations

import errno
import json
import os
import random
import select
import stat
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.fakes.fuse import ROOT, Attr, Server, mount

_BLOCK = 4096
_WHOLE_BYTES = 4 << 30


@dataclass(slots=True)
class Node:
    """A file or folder, as it is now and as a power cut leaves it."""

    mode: int
    data: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    pending: list[tuple[int, bytes | None]] = field(default_factory=list)
    """What was done to the bytes since the last sync: writes at an offset, cuts (None) to a length."""
    names: dict[str, int] = field(default_factory=dict)
    durable_names: dict[str, int] = field(default_factory=dict)
    time_s: int = 0

    @property
    def is_folder(self) -> bool:
        return stat.S_ISDIR(self.mode)


def _apply(data: bytearray, offset: int, written: bytes | None) -> None:
    if written is None:
        del data[offset:]
        data.extend(bytes(offset - len(data)))
        return
    if offset > len(data):
        data.extend(bytes(offset - len(data)))
    data[offset : offset + len(written)] = written


class CutFs:
    """The operations; single-threaded."""

    def __init__(self) -> None:
        self.nodes = {ROOT: Node(stat.S_IFDIR | 0o700)}
        self._next = ROOT
        self.sync_fails = self.all_fails = 0
        """errno that syncs, or everything that changes something, ends with; 0 = works."""
        self.slow_s = 0.0
        self.limit_bytes = _WHOLE_BYTES
        self.used_bytes = 0
        self.changes = 0
        self.syncs = 0

    def _file(self, node: int) -> Node:
        found = self.nodes.get(node)
        if found is None:
            raise OSError(errno.ESTALE, "no such node")
        return found

    def _change(self) -> None:
        self.changes += 1
        if self.all_fails:
            raise OSError(self.all_fails, os.strerror(self.all_fails))

    def look_up(self, folder: int, name: str) -> Attr:
        number = self._file(folder).names.get(name)
        if number is None:
            raise FileNotFoundError(errno.ENOENT, name)
        return self.attr(number)

    def attr(self, node: int) -> Attr:
        found = self._file(node)
        return Attr(node, len(found.data), found.mode, 2 if found.is_folder else 1, found.time_s)

    def truncate(self, node: int, length: int) -> None:
        self._change()
        found = self._file(node)
        self.used_bytes += length - len(found.data)
        _apply(found.data, length, None)
        found.pending.append((length, None))

    def make(self, folder: int, name: str, mode: int) -> Attr:
        self._change()
        parent = self._file(folder)
        if name in parent.names:
            raise FileExistsError(errno.EEXIST, name)
        self._next += 1
        self.nodes[self._next] = Node(mode, time_s=int(time.time()))
        parent.names[name] = self._next
        return self.attr(self._next)

    def remove(self, folder: int, name: str) -> None:
        self._change()
        number = self._file(folder).names.get(name)
        if number is None:
            raise FileNotFoundError(errno.ENOENT, name)
        if self._file(number).names:
            raise OSError(errno.ENOTEMPTY, name)
        del self._file(folder).names[name]
        self.used_bytes -= len(self._file(number).data)

    def rename(self, folder: int, name: str, new_folder: int, new_name: str) -> None:
        self._change()
        number = self._file(folder).names.pop(name, None)
        if number is None:
            raise FileNotFoundError(errno.ENOENT, name)
        self._file(new_folder).names[new_name] = number

    def open(self, node: int) -> None:
        self._file(node)

    def read(self, node: int, offset: int, length: int) -> bytes:
        return bytes(self._file(node).data[offset : offset + length])

    def write(self, node: int, offset: int, data: bytes) -> None:
        time.sleep(self.slow_s)
        self._change()
        found = self._file(node)
        growth = max(0, offset + len(data) - len(found.data))
        if growth and self.used_bytes + growth > self.limit_bytes:
            raise OSError(errno.ENOSPC, "full")
        self.used_bytes += growth
        _apply(found.data, offset, data)
        found.pending.append((offset, data))
        found.time_s = int(time.time())

    def sync(self, node: int) -> None:
        time.sleep(self.slow_s)
        self._change()
        if self.sync_fails:
            raise OSError(self.sync_fails, os.strerror(self.sync_fails))
        self.syncs += 1
        found = self._file(node)
        for change in found.pending:
            _apply(found.durable, *change)
        found.pending.clear()
        found.durable_names = dict(found.names)

    def names(self, node: int) -> Mapping[str, int]:
        return self._file(node).names

    def room(self) -> tuple[int, int]:
        return max(0, self.limit_bytes - self.used_bytes) // _BLOCK, _WHOLE_BYTES // _BLOCK

    # --- the cut ---

    def cut(self, target: Path, dice: random.Random, node: int = ROOT) -> None:
        """Write what is left after a power cut at this instant into `target`."""
        target.mkdir(mode=0o700)
        folder = self.nodes[node]
        left = dice.choice((folder.names, folder.durable_names, folder.durable_names))
        for name, number in left.items():
            item = self.nodes[number]
            if item.is_folder:
                self.cut(target / name, dice, number)
            else:
                (target / name).write_bytes(self._left(item, dice))

    @staticmethod
    def _left(item: Node, dice: random.Random) -> bytes:
        """Return the durable bytes and, by dice, none, all, the first (the last of them torn) or some of what followed."""
        changes = item.pending
        kind = dice.randrange(4)
        if kind == 1:
            changes = changes[: dice.randrange(len(changes) + 1)]
            if changes:
                offset, written = changes[-1]
                changes[-1] = (offset, None if written is None else written[: dice.randrange(len(written) + 1)])
        elif kind == 2:
            changes = [change for change in changes if dice.random() < 0.5]
        data = bytearray(item.durable)
        for change in changes if kind else []:
            _apply(data, *change)
        return bytes(data)


class Orders:
    """What the test asks for, between two requests of the kernel."""

    def __init__(self, system: CutFs) -> None:
        self._system = system
        self._cut: tuple[int, str, int] | None = None

    def take(self, line: str) -> None:
        """Carry out one order; a cut may have to wait for so many changes."""
        order: dict[str, Any] = json.loads(line)
        what = order.pop("order")
        if what == "cut":
            self._cut = (self._system.changes + order["after"], order["target"], order["seed"])
            return
        for name, value in order.items():
            setattr(self._system, name, value)
        self._answer()

    def look(self) -> None:
        """Cut the power if it is time."""
        if self._cut is not None and self._system.changes >= self._cut[0]:
            _, target, seed = self._cut
            self._cut = None
            self._system.cut(Path(target), random.Random(seed))
            self._answer()

    def _answer(self) -> None:
        told = {"changes": self._system.changes, "syncs": self._system.syncs, "used_bytes": self._system.used_bytes}
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


def main() -> None:
    """Serve until unmounted or told to end by the closing of standard input."""
    fd = mount(Path(sys.argv[1]))
    system = CutFs()
    server, orders = Server(fd, system), Orders(system)
    sys.stdout.write("{}\n")
    sys.stdout.flush()
    while True:
        ready, _, _ = select.select([fd, sys.stdin.fileno()], [], [])
        if fd in ready and not server.serve_one():
            return
        if sys.stdin.fileno() in ready:
            line = sys.stdin.readline()
            if not line:
                return
            orders.take(line)
        orders.look()


if __name__ == "__main__":
    main()
