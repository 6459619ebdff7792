"""One segment as the index knows it, and the packed table of its GOPs.

Owns `SegmentRow` and the blob format. Invariants: a row is derived from the file alone (plus the run's
clock offset), so that an index rebuilt from the files equals the live one; the blob is: varint bytes
before the first record, varint 90 kHz remainder of the start, then per record `(record bytes << 1 | key)`,
zigzag change of duration, and the hole before it, each a varint: about 5 bytes a GOP.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from gateway.core.errors import SegmentCorrupt
from gateway.core.media import TICKS_PER_S
from gateway.core.model import RunId, StreamId
from recorder.layout import segment_path

TICKS_PER_MS = TICKS_PER_S // 1000

FLAG_SUSPECT = 1
"""A sync of this file failed: the medium may not hold what was written."""
FLAG_RECOVERED = 2
"""The footer was written after a crash: the tail may be shorter than what was recorded."""
FLAG_MISSING = 4
"""The row has no file (index only)."""
FLAG_RUNNING = 8
"""Still being written (never stored)."""


class Gop(NamedTuple):
    """Where one record lies in its file and which time it covers (uncorrected run time)."""

    offset: int
    record_bytes: int
    start_90k: int
    duration_90k: int
    is_key: bool

    @property
    def end_90k(self) -> int:
        """End of the last picture, 90 kHz."""
        return self.start_90k + self.duration_90k


class SegmentRow(NamedTuple):
    """One segment file. `start_ms` is the run's own time, as in the path; true time adds `offset_ms`."""

    stream: StreamId
    run: RunId
    start_ms: int
    offset_ms: int
    duration_ms: int
    size_bytes: int
    frames: int
    config: int
    """CRC-32C of the parameter sets: equal numbers can share one init segment."""
    flags: int
    gops: bytes

    @property
    def begin_ms(self) -> int:
        """True start, UTC ms."""
        return self.start_ms + self.offset_ms

    @property
    def end_ms(self) -> int:
        """True end, UTC ms."""
        return self.begin_ms + self.duration_ms

    @property
    def closed(self) -> bool:
        """False while the writer still appends to it."""
        return not self.flags & FLAG_RUNNING

    @property
    def path(self) -> str:
        """Path of the file, relative to the volume."""
        return segment_path(self.stream, self.start_ms, self.run, part=not self.closed)

    def table(self) -> list[Gop]:
        """Return the records of the file."""
        return unpack_gops(self.start_ms, self.gops)


class Span(NamedTuple):
    """Unbroken footage of one run: true time, UTC ms, half open."""

    start_ms: int
    end_ms: int
    run: RunId


_ONE_BYTE = tuple(bytes((value,)) for value in range(0x80))


def _varint(value: int) -> bytes:
    if value <= 0x7F:  # two of a GOP's three numbers
        return _ONE_BYTE[value]
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _zigzag(value: int) -> int:
    return value << 1 if value >= 0 else (-value << 1) - 1


def _numbers(blob: bytes) -> Iterator[int]:
    value = shift = 0
    for byte in blob:
        value |= (byte & 0x7F) << shift
        if byte & 0x80:
            shift += 7
        else:
            yield value
            value = shift = 0


def pack_gops(start_ms: int, gops: Sequence[Gop]) -> bytes:
    """Pack the records of a file whose name says `start_ms`; times must not run backwards."""
    if not gops:
        return b""
    first = gops[0]
    out = [_varint(first.offset), _varint(first.start_90k - start_ms * TICKS_PER_MS)]
    at_90k, duration_90k = first.start_90k, 0
    for gop in gops:
        out.append(_varint(gop.record_bytes << 1 | gop.is_key))
        out.append(_varint(_zigzag(gop.duration_90k - duration_90k)))
        out.append(_varint(gop.start_90k - at_90k))
        at_90k, duration_90k = gop.end_90k, gop.duration_90k
    return b"".join(out)


def unpack_gops(start_ms: int, blob: bytes) -> list[Gop]:
    """Return the records; SegmentCorrupt when the blob is cut short."""
    numbers = _numbers(blob)
    gops: list[Gop] = []
    try:
        offset = next(numbers, -1)
        if offset < 0:
            return gops
        at_90k, duration_90k = start_ms * TICKS_PER_MS + next(numbers), 0
        for size in numbers:
            change = next(numbers)
            duration_90k += change >> 1 if not change & 1 else -(change + 1 >> 1)
            start_90k = at_90k + next(numbers)
            gops.append(Gop(offset, size >> 1, start_90k, duration_90k, bool(size & 1)))
            offset, at_90k = offset + (size >> 1), start_90k + duration_90k
    except StopIteration as error:
        raise SegmentCorrupt("the GOP table of a row is cut short") from error
    return gops


def join_spans(rows: Iterable[SegmentRow], join_ms: int) -> list[Span]:
    """Merge rows in order of time into spans; a hole inside one run of at most `join_ms` is no hole."""
    spans: list[Span] = []
    for row in rows:
        last = spans[-1] if spans else None
        if last is not None and last.run == row.run and row.begin_ms - last.end_ms <= join_ms:
            spans[-1] = Span(last.start_ms, max(last.end_ms, row.end_ms), row.run)
        else:
            spans.append(Span(row.begin_ms, row.end_ms, row.run))
    return spans
