"""One file out of many without compressing or copying: a ZIP whose every byte is known beforehand.

Owns the layout of the archive (APPNOTE.TXT 6.3.10, stored entries, Zip64 where a number needs it) and reading
from any offset. Invariants: sizes and CRC-32 are known before the first byte, so there are no data
descriptors; equal files give equal archives (no clock, no order of a folder); names are ours, ASCII, one
folder deep. Pure; what it yields is as bounded as what the files yield.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

Bytes = bytes | memoryview
_DOS_TIME, _DOS_DATE = 0, 0x21
"""1980-01-01: the times that count are in the manifest, which is signed."""
_MANY = 0xFFFFFFFF
_PLAIN, _ZIP64 = 20, 45
_MODE = 0o100644 << 16
_UNIX = 3 << 8


class Entry(NamedTuple):
    """A file of the archive."""

    name: str
    size_bytes: int
    crc32: int
    read: Callable[[int], Iterator[Bytes]]
    """Yields the file's bytes from that offset on."""


def _local(entry: Entry) -> bytes:
    name = entry.name.encode("ascii")
    wide = entry.size_bytes >= _MANY
    extra = struct.pack("<HHQQ", 1, 16, entry.size_bytes, entry.size_bytes) if wide else b""
    size = _MANY if wide else entry.size_bytes
    fields = (0x04034B50, _ZIP64 if wide else _PLAIN, 0, 0, _DOS_TIME, _DOS_DATE, entry.crc32, size, size)
    return struct.pack("<IHHHHHIIIHH", *fields, len(name), len(extra)) + name + extra


def _central(entry: Entry, offset: int) -> bytes:
    name, numbers = entry.name.encode("ascii"), list[int]()
    size = entry.size_bytes
    if size >= _MANY:
        numbers += [size, size]
        size = _MANY
    if offset >= _MANY:
        numbers.append(offset)
        offset = _MANY
    extra = struct.pack(f"<HH{len(numbers)}Q", 1, 8 * len(numbers), *numbers) if numbers else b""
    version = _ZIP64 if numbers else _PLAIN
    head = (0x02014B50, _UNIX | version, version, 0, 0, _DOS_TIME, _DOS_DATE, entry.crc32, size, size)
    tail = (len(name), len(extra), 0, 0, 0, _MODE, offset)
    return struct.pack("<IHHHHHHIIIHHHHHII", *head, *tail) + name + extra


def _end(count: int, size: int, at: int) -> bytes:
    wide = b""
    if at >= _MANY or size >= _MANY or count >= 0xFFFF:
        wide = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, _UNIX | _ZIP64, _ZIP64, 0, 0, count, count, size, at)
        wide += struct.pack("<IIQI", 0x07064B50, 0, at + size, 1)
    few = min(count, 0xFFFF)
    return wide + struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, few, few, min(size, _MANY), min(at, _MANY), 0)


class Archive:
    """An archive of these files, in this order."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._pieces: list[tuple[int, Callable[[int], Iterator[Bytes]]]] = []
        central, at = list[bytes](), 0
        for entry in entries:
            local = _local(entry)
            central.append(_central(entry, at))
            self._pieces += [(len(local), fixed(local)), (entry.size_bytes, entry.read)]
            at += len(local) + entry.size_bytes
        directory = b"".join(central)
        tail = directory + _end(len(entries), len(directory), at)
        self._pieces.append((len(tail), fixed(tail)))
        self.size_bytes = at + len(tail)

    def read(self, offset: int, length: int) -> Iterator[Bytes]:
        """Yield exactly `length` bytes from `offset` on; the caller stays inside `size_bytes`."""
        for size, read in self._pieces:
            if offset >= size:
                offset -= size
                continue
            want = min(length, size - offset)
            if want:
                yield from _exactly(read(offset), want)
            length, offset = length - want, 0
            if not length:
                return


def fixed(data: bytes) -> Callable[[int], Iterator[Bytes]]:
    """Return how bytes that are there already are read, from any offset on."""
    return lambda skip: iter((memoryview(data)[skip:],))


def _exactly(pieces: Iterator[Bytes], length: int) -> Iterator[Bytes]:
    for piece in pieces:
        part = piece if len(piece) <= length else memoryview(piece)[:length]
        length -= len(part)
        yield part
        if not length:
            return
