"""Playing recorded footage: where its fragments lie for a player, and their bytes with true times.

Owns the layout a player sees: a segment is its fragments one after the other, decrypted, so every offset is a
plaintext offset and a GOP is a byte range. Invariants: sizes are known without a key and without reading
a record; what goes out was authenticated and starts at true UTC time (`tfdt`, 90 kHz); nothing outside a
granted span goes out but what leads from the key frame before it; one record is in memory at a time; a
record that fails costs itself only. The functions that read block: worker threads only.
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections import OrderedDict
from collections.abc import Generator, Iterator, Sequence
from typing import NamedTuple, TypeAlias

from gateway.core.errors import BadInput, GrantRefused, NotFound, SegmentCorrupt, StorageError
from gateway.core.media import CodecConfig
from gateway.core.model import RunId
from recorder.export import Piece, fragments, head_of
from recorder.files import VolumeFiles, storage_error
from recorder.fmp4 import rebase
from recorder.keys import KeyRing
from recorder.layout import LAST_MS
from recorder.rows import FLAG_MISSING, TICKS_PER_MS, Gop, SegmentRow
from recorder.segment import ENC_NONE, RECORD_HEADER_BYTES, TAG_BYTES
from recorder.store import Found

CHUNK_BYTES = 256 << 10
MAX_HEADS = 1_024
_NAME = re.compile(r"(0|[1-9][0-9]{0,14})-([1-9][0-9]{0,18})")

Span: TypeAlias = tuple[int, int]
"""True time, UTC ms, half open."""


class SegmentId(NamedTuple):
    """What names a segment of a stream to a player: the run's own start, and the run."""

    start_ms: int
    run: RunId

    def __str__(self) -> str:
        return f"{self.start_ms}-{self.run}"


def parse_segment(text: str) -> SegmentId:
    """Read `<start_ms>-<run>`; BadInput for anything else."""
    match = _NAME.fullmatch(text)
    if match is None or int(match[1]) > LAST_MS or int(match[2]) >> 63:
        raise BadInput("segment must be named as the index names it", key="segment")
    return SegmentId(int(match[1]), RunId(int(match[2])))


class Fragment(NamedTuple):
    """One record as a player sees it."""

    gop: Gop
    offset: int
    """Plaintext bytes of the segment before it."""
    size: int
    start_90k: int
    """True start, 90 kHz since 1970."""

    @property
    def end_90k(self) -> int:
        """True end."""
        return self.start_90k + self.gop.duration_90k

    @property
    def start_ms(self) -> int:
        """True start, UTC ms."""
        return self.start_90k // TICKS_PER_MS

    @property
    def end_ms(self) -> int:
        """True end, UTC ms."""
        return self.end_90k // TICKS_PER_MS


@contextlib.contextmanager
def told(row: SegmentRow) -> Iterator[None]:
    """Say in our own words what the disk says of a segment's file: gone is NotFound, the rest StorageError."""
    try:
        yield
    except FileNotFoundError as error:
        raise NotFound("the segment is gone", path=row.path) from error
    except OSError as error:
        raise storage_error(error, row.path) from error


class HeadFacts(NamedTuple):
    """What a file's head says that its row does not; the same for all files of a run with one configuration."""

    config: CodecConfig
    tag_bytes: int
    """What the cipher adds to each record."""


class Heads:
    """Heads that were read, by disk, run and configuration: one file of each is opened, not one a minute.

    A run stays on one disk and under one setting of encryption. Bounded; the longest unused goes. Any thread.
    """

    def __init__(self, capacity: int = MAX_HEADS) -> None:
        self._capacity = capacity
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[int, RunId, int], HeadFacts] = OrderedDict()
        self.read = 0
        """Files opened for their heads."""

    def of(self, found: Found) -> HeadFacts:
        """Return what the segment's head says; NotFound, StorageError."""
        row = found.row
        key = (id(found.slot), row.run, row.config)
        with self._lock:
            if (known := self._known.get(key)) is not None:
                self._known.move_to_end(key)
                return known
        with told(row):
            header = head_of(found.slot.require().volume.files, row).header
        facts = HeadFacts(header.config, TAG_BYTES if header.enc != ENC_NONE else 0)
        with self._lock:
            self.read += 1
            self._known[key] = facts
            while len(self._known) > self._capacity:
                self._known.popitem(last=False)
        return facts

    def first_of(self, found: Sequence[Found]) -> HeadFacts:
        """Return the head of the first segment that has a readable one; what the last one raised otherwise."""
        failed: StorageError | NotFound = NotFound("no footage of this time")
        for item in found:
            try:
                return self.of(item)
            except (StorageError, NotFound) as error:
                failed = error
        raise failed


def layout(row: SegmentRow, tag_bytes: int) -> list[Fragment]:
    """Return the fragments of a segment with their plaintext offsets."""
    at, found = 0, list[Fragment]()
    for gop in row.table():
        size = gop.record_bytes - RECORD_HEADER_BYTES - tag_bytes
        found.append(Fragment(gop, at, size, gop.start_90k + row.offset_ms * TICKS_PER_MS))
        at += size
    return found


def size_bytes(fragments_: Sequence[Fragment]) -> int:
    """Return the plaintext length of a segment."""
    return fragments_[-1].offset + fragments_[-1].size if fragments_ else 0


def within(laid: Sequence[Fragment], span: Span) -> Sequence[Fragment]:
    """Return the fragments that overlap a span, with those from the key frame before it; they are contiguous."""
    from_90k, to_90k = span[0] * TICKS_PER_MS, span[1] * TICKS_PER_MS
    end = next((at for at, item in enumerate(laid) if item.start_90k >= to_90k), len(laid))
    start = next((at for at, item in enumerate(laid[:end]) if item.end_90k > from_90k), end)
    while 0 < start < end and not laid[start].gop.is_key:
        start -= 1
    return laid[start:end]


def playable(found: Sequence[Found]) -> list[Found]:
    """Return the segments whose files are there."""
    return [item for item in found if not item.row.flags & FLAG_MISSING]


def asked(laid: Sequence[Fragment], span: Span, offset: int, size: int | None) -> tuple[Sequence[Fragment], int, int]:
    """Return the fragments that hold plaintext bytes [offset, offset + size), and which bytes of them.

    `size` None: to the end. NotFound beyond the segment, GrantRefused outside the granted span.
    """
    total = size_bytes(laid)
    end = total if size is None else min(total, offset + size)
    if not 0 <= offset < end:
        raise NotFound("the segment has no such bytes", key="offset")
    wanted = [item for item in laid if item.offset < end and item.offset + item.size > offset]
    granted = within(laid, span)
    if not granted or wanted[0].offset < granted[0].offset or wanted[-1].offset > granted[-1].offset:
        raise GrantRefused("the bytes lie outside the granted time", reason="grant.other")
    return wanted, offset - wanted[0].offset, end - offset


def read(
    files: VolumeFiles,
    ring: KeyRing | None,
    row: SegmentRow,
    wanted: Sequence[Fragment],
    skip: int,
    count: int,
) -> Generator[memoryview]:
    """Yield `count` plaintext bytes of these fragments after `skip`, in chunks, with true times.

    Raises NotFound for a file that is gone, KeyLocked, SegmentCorrupt at the record that is broken.
    """
    piece = Piece(row, tuple(item.gop for item in wanted), 0)
    with told(row):
        for item, (_, data) in zip(wanted, fragments(files, ring, piece), strict=True):
            if len(data) != item.size:
                raise SegmentCorrupt("a record has another length than its row says", path=row.path)
            for part in rebase(data, sequence_of(item.start_90k), item.start_90k):
                wanted_part = memoryview(part)[skip : skip + count]
                skip, count = max(0, skip - len(part)), count - len(wanted_part)
                yield from (wanted_part[at : at + CHUNK_BYTES] for at in range(0, len(wanted_part), CHUNK_BYTES))


def sequence_of(start_90k: int) -> int:
    """Return a fragment number that rises over segments and runs: tenths of seconds, modulo 32 bits."""
    return start_90k // (TICKS_PER_MS * 100) & 0xFFFFFFFF
