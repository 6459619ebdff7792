"""The kernel's FUSE protocol, as much as a footage disk needs: mounting, requests in, answers out.

Owns `/dev/fuse` of one mount. Invariants: no library and no helper program is needed, only the right to mount
(root); one request at a time, so what a request changed is whole before the next; an operation says no by
raising OSError. Source: linux/fuse.h, protocol 7.31.
"""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Protocol

ROOT = 1
"""Number of the root folder."""
_IN = struct.Struct("<IIQQIIIHH")
_OUT = struct.Struct("<IiQ")
_ATTR = struct.Struct("<6Q10I")
_MAX_WRITE = 1 << 17
_BUFFER = _MAX_WRITE + 4096
_MS_NOSUID_NODEV = 2 | 4
_ABI = (7, 31)
_SIZE_IS_SET = 1 << 3
_ANSWERLESS = frozenset({2, 36, 42})
"""FORGET, INTERRUPT, BATCH_FORGET."""


class Attr(NamedTuple):
    """What stat(2) tells of a node."""

    number: int
    size: int
    mode: int
    links: int
    time_s: int

    def encode(self) -> bytes:
        blocks = (self.size + 511) // 512
        times = (self.time_s,) * 3
        return _ATTR.pack(self.number, self.size, blocks, *times, 0, 0, 0, self.mode, self.links, 0, 0, 0, 4096, 0)


class Operations(Protocol):
    """What a file system does; nodes are numbers, every method may raise OSError."""

    def look_up(self, folder: int, name: str) -> Attr: ...
    def attr(self, node: int) -> Attr: ...
    def truncate(self, node: int, length: int) -> None: ...
    def make(self, folder: int, name: str, mode: int) -> Attr: ...
    def remove(self, folder: int, name: str) -> None: ...
    def rename(self, folder: int, name: str, new_folder: int, new_name: str) -> None: ...
    def open(self, node: int) -> None: ...
    def read(self, node: int, offset: int, length: int) -> bytes: ...
    def write(self, node: int, offset: int, data: bytes) -> None: ...
    def sync(self, node: int) -> None: ...
    def names(self, node: int) -> Mapping[str, int]: ...
    def room(self) -> tuple[int, int]:
        """Return (free, all) blocks of 4096 bytes."""


def mount(target: Path) -> int:
    """Mount a FUSE file system; returns the descriptor its requests come from."""
    fd = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    options = f"fd={fd},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mount(b"cutfs", os.fsencode(target), b"fuse.cutfs", _MS_NOSUID_NODEV, options) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(target))
    return fd


def _text(data: bytes) -> str:
    return os.fsdecode(data.split(b"\0", 1)[0])


def _entry(attr: Attr) -> bytes:
    return struct.pack("<4Q2I", attr.number, 0, 0, 0, 0, 0) + attr.encode()


def _attr_out(attr: Attr) -> bytes:
    return struct.pack("<Q2I", 0, 0, 0) + attr.encode()


class Server:
    """Answers requests; `serve_one` once per request that is waiting."""

    def __init__(self, fd: int, operations: Operations) -> None:
        self._fd, self._do = fd, operations
        self._listings: dict[int, list[tuple[str, int]]] = {}
        self._handle = 0
        self._calls: dict[int, Callable[[int, bytes], bytes]] = {
            1: lambda node, data: _entry(self._do.look_up(node, _text(data))),
            3: lambda node, data: _attr_out(self._do.attr(node)),
            4: self._set_attr,
            8: lambda node, data: _entry(self._do.make(node, _text(data[16:]), struct.unpack_from("<I", data)[0])),
            9: lambda node, data: _entry(
                self._do.make(node, _text(data[8:]), stat.S_IFDIR | struct.unpack_from("<I", data)[0])
            ),
            10: self._remove,
            11: self._remove,
            12: lambda node, data: self._rename(node, data, 8),
            14: self._open,
            15: self._read,
            16: self._write,
            17: self._room,
            18: lambda node, data: b"",
            20: self._sync,
            25: lambda node, data: b"",
            26: self._init,
            27: self._open_folder,
            28: self._list,
            29: self._release_folder,
            30: self._sync,
            35: self._create,
            38: lambda node, data: b"",
            45: lambda node, data: self._rename(node, data, 16),
        }

    def serve_one(self) -> bool:
        """Answer the next request; False once the file system is unmounted."""
        try:
            request = os.read(self._fd, _BUFFER)
        except OSError as error:
            return error.errno in {errno.ENOENT, errno.EINTR, errno.EAGAIN}
        _, code, unique, node, *_ = _IN.unpack_from(request)
        if code in _ANSWERLESS:
            return True
        call, answer, failed = self._calls.get(code), b"", errno.ENOSYS
        if call is not None:
            try:
                answer, failed = call(node, request[_IN.size :]), 0
            except OSError as error:
                failed = error.errno or errno.EIO
        try:
            os.write(self._fd, _OUT.pack(_OUT.size + len(answer), -failed, unique) + answer)
        except OSError as error:
            return error.errno == errno.ENOENT  # whoever asked is gone
        return True

    def _init(self, node: int, data: bytes) -> bytes:
        big_writes = 1 << 5
        return struct.pack("<4I2H2I2HI7I", *_ABI, 1 << 17, big_writes, 12, 9, _MAX_WRITE, 1, 0, 0, 0, *(0,) * 7)

    def _set_attr(self, node: int, data: bytes) -> bytes:
        valid, _, _, size = struct.unpack_from("<2I2Q", data)
        if valid & _SIZE_IS_SET:
            self._do.truncate(node, size)
        return _attr_out(self._do.attr(node))

    def _remove(self, node: int, data: bytes) -> bytes:
        self._do.remove(node, _text(data))
        return b""

    def _rename(self, node: int, data: bytes, head: int) -> bytes:
        (folder,) = struct.unpack_from("<Q", data)
        old, new = data[head:].split(b"\0")[:2]
        self._do.rename(node, os.fsdecode(old), folder, os.fsdecode(new))
        return b""

    def _open(self, node: int, data: bytes) -> bytes:
        self._do.open(node)
        return struct.pack("<Q2I", 0, 0, 0)

    def _create(self, node: int, data: bytes) -> bytes:
        _, mode = struct.unpack_from("<2I", data)
        return _entry(self._do.make(node, _text(data[16:]), mode)) + struct.pack("<Q2I", 0, 0, 0)

    def _read(self, node: int, data: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<2QI", data)
        return self._do.read(node, offset, size)

    def _write(self, node: int, data: bytes) -> bytes:
        _, offset, size = struct.unpack_from("<2QI", data)
        self._do.write(node, offset, data[40 : 40 + size])
        return struct.pack("<2I", size, 0)

    def _sync(self, node: int, data: bytes) -> bytes:
        self._do.sync(node)
        return b""

    def _room(self, node: int, data: bytes) -> bytes:
        free, whole = self._do.room()
        return struct.pack("<5Q4I6I", whole, free, free, 1 << 20, 1 << 20, 4096, 255, 4096, 0, *(0,) * 6)

    def _open_folder(self, node: int, data: bytes) -> bytes:
        self._handle += 1
        self._listings[self._handle] = [(".", node), ("..", node), *self._do.names(node).items()]
        return struct.pack("<Q2I", self._handle, 0, 0)

    def _list(self, node: int, data: bytes) -> bytes:
        handle, offset, size = struct.unpack_from("<2QI", data)
        answer = b""
        for place, (name, number) in enumerate(self._listings[handle][offset:], offset + 1):
            raw = os.fsencode(name)
            item = struct.pack("<2Q2I", number, place, len(raw), 0) + raw
            item += bytes(-len(item) % 8)
            if len(answer) + len(item) > size:
                break
            answer += item
        return answer

    def _release_folder(self, node: int, data: bytes) -> bytes:
        self._listings.pop(struct.unpack_from("<Q", data)[0], None)
        return b""
