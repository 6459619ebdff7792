"""Export: encrypted segments out, one playable fragmented MP4 in.

Owns the plan (which records, which sizes) and the stream of bytes. Invariants: the clip starts at time 0
with the key frame at or before `from_ms`; its clock is true time, so a gap in the footage is a gap in the
clip; the number of bytes is known before the first is read; one record is in memory at a time; every
record is authenticated before its bytes go out, a bad one ends the export with SegmentCorrupt. One clip has
one codec configuration: `plan` returns one `Clip` for each stretch with the same parameter sets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.core.errors import BadInput, KeyLocked, NotFound, SegmentCorrupt
from gateway.core.media import CodecConfig
from recorder.files import VolumeFiles
from recorder.fmp4 import init_segment, rebase, segment_index
from recorder.keys import KeyRing
from recorder.layout import hour_of, segment_path
from recorder.rows import TICKS_PER_MS, Gop, SegmentRow
from recorder.scan import Head, read_head
from recorder.segment import ENC_NONE, RECORD_HEADER_BYTES, TAG_BYTES, Sealer


class Piece(NamedTuple):
    """Records of one segment that go into a clip, in order."""

    row: SegmentRow
    gops: tuple[Gop, ...]
    tag_bytes: int
    """What the cipher adds to each record."""


class Part(NamedTuple):
    """A stretch of footage that fits into one file; true time, UTC ms, half open."""

    start_ms: int
    end_ms: int
    size_bytes: int


@dataclass(slots=True)
class Clip:
    """One MP4 file to be: its configuration, its records, its exact size."""

    config: CodecConfig
    pieces: list[Piece] = field(default_factory=list)

    @property
    def start_90k(self) -> int:
        """True start of the first picture, 90 kHz since 1970."""
        return true_90k(self.pieces[0].row, self.pieces[0].gops[0].start_90k)

    @property
    def end_90k(self) -> int:
        """True end of the last picture."""
        last = self.pieces[-1]
        return true_90k(last.row, last.gops[-1].end_90k)

    @property
    def start_ms(self) -> int:
        """True start, UTC ms: time 0 of the clip."""
        return self.start_90k // TICKS_PER_MS

    @property
    def end_ms(self) -> int:
        """True end, UTC ms."""
        return self.end_90k // TICKS_PER_MS

    @property
    def part(self) -> Part:
        """What the clip covers; asking for exactly that gives exactly this clip."""
        return Part(-(-self.start_90k // TICKS_PER_MS), -(-self.end_90k // TICKS_PER_MS), self.size_bytes)

    def head(self) -> bytes:
        """Return ftyp, moov and sidx: what precedes the fragments."""
        records = [
            (true_90k(piece.row, gop.start_90k), gop, plain_bytes(piece, gop))
            for piece in self.pieces
            for gop in piece.gops
        ]
        starts = [start for start, _, _ in records] + [self.end_90k]
        entries = [
            (size, max(0, following - start), gop.is_key)
            for (start, gop, size), following in zip(records, starts[1:], strict=True)
        ]
        return init_segment(self.config, self.end_90k - self.start_90k) + segment_index(entries)

    @property
    def size_bytes(self) -> int:
        """Bytes of the whole file."""
        return len(self.head()) + sum(plain_bytes(piece, gop) for piece in self.pieces for gop in piece.gops)


def true_90k(row: SegmentRow, run_90k: int) -> int:
    """Return the true time of an instant of a run, 90 kHz since 1970."""
    return run_90k + row.offset_ms * TICKS_PER_MS


def plain_bytes(piece: Piece, gop: Gop) -> int:
    """Return how long a record is once it is decrypted."""
    return gop.record_bytes - RECORD_HEADER_BYTES - piece.tag_bytes


def plan(
    files: VolumeFiles, rows: Iterable[SegmentRow], from_ms: int | None = None, to_ms: int | None = None
) -> list[Clip]:
    """Return the clips that hold [from_ms, to_ms) of these rows (one stream's, oldest first).

    Without bounds: all of them. Reads each file's head only. NotFound if nothing is left to show.
    """
    clips: list[Clip] = []
    end_90k = 0
    for row in rows:
        gops = [gop for gop in row.table() if true_90k(row, gop.start_90k) >= end_90k] if clips else row.table()
        gops = wanted(row, gops, from_ms, to_ms)
        if not gops:
            continue
        header = head_of(files, row).header
        piece = Piece(row, tuple(gops), TAG_BYTES if header.enc != ENC_NONE else 0)
        if not clips or _differ(clips[-1].config, header.config):
            clips.append(Clip(header.config))
        clips[-1].pieces.append(piece)
        end_90k = true_90k(row, gops[-1].end_90k)
    if not clips:
        raise NotFound("no footage of this time", case="empty")
    return clips


def _differ(one: CodecConfig, other: CodecConfig) -> bool:
    return (one.codec, one.sps, one.pps, one.vps) != (other.codec, other.sps, other.pps, other.vps)


def wanted(row: SegmentRow, gops: list[Gop], from_ms: int | None, to_ms: int | None) -> list[Gop]:
    """Return the records that overlap the span, from the key frame before it."""
    if to_ms is not None:
        gops = [gop for gop in gops if true_90k(row, gop.start_90k) < to_ms * TICKS_PER_MS]
    if from_ms is not None:
        from_90k = from_ms * TICKS_PER_MS
        first = next((at for at, gop in enumerate(gops) if true_90k(row, gop.end_90k) > from_90k), len(gops))
        while 0 < first < len(gops) and not gops[first].is_key:
            first -= 1
        gops = gops[first:]
    while gops and not gops[0].is_key:
        gops = gops[1:]
    return gops


class OpenedSegment:
    """One segment file while its records are read."""

    def __init__(self, files: VolumeFiles, row: SegmentRow) -> None:
        self._files = files
        self.path = row.path
        try:
            self._fd = files.open_read(self.path)
        except FileNotFoundError as error:
            if row.closed:
                raise NotFound("the segment is gone", path=self.path) from error
            self.path = segment_path(row.stream, row.start_ms, row.run)  # closed since the row was made
            self._fd = files.open_read(self.path)
        try:
            self.head: Head = read_head(self._read)
            header = self.head.header
            if (header.stream, header.run, header.start_ms) != (row.stream, row.run, row.start_ms):
                raise SegmentCorrupt("the file is not the one its name says", path=self.path)
        except BaseException:
            self.close()
            raise

    def _read(self, length: int, offset: int) -> bytes:
        return self._files.read(self._fd, length, offset)

    def sealer(self, ring: KeyRing | None) -> Sealer:
        """Return what opens the records; KeyLocked if their key is not on the box."""
        header = self.head.header
        if header.enc == ENC_NONE:
            return Sealer(header, self.head.data, None)
        if ring is None:
            raise KeyLocked("the footage is encrypted and there is no key ring", path=self.path)
        key = ring.for_reading(hour_of(header.stream, header.start_ms), header.key_id)
        return Sealer(header, self.head.data, key.key)

    def fragment(self, sealer: Sealer, gop: Gop) -> bytes:
        """Return a record's fragment; SegmentCorrupt if it is not what was recorded."""
        data = self._read(gop.record_bytes, gop.offset)
        return sealer.open(data[:RECORD_HEADER_BYTES], data[RECORD_HEADER_BYTES:])

    def close(self) -> None:
        """Give the file back."""
        self._files.close(self._fd)


def head_of(files: VolumeFiles, row: SegmentRow) -> Head:
    """Read the head of a segment's file; NotFound if it is gone, SegmentCorrupt if it is another one."""
    opened = OpenedSegment(files, row)
    opened.close()
    return opened.head


def fragments(files: VolumeFiles, ring: KeyRing | None, piece: Piece) -> Iterator[tuple[Gop, bytes]]:
    """Yield each record of a piece with its decrypted fragment, as recorded (run wall time)."""
    opened = OpenedSegment(files, piece.row)
    try:
        sealer = opened.sealer(ring)
        for gop in piece.gops:
            yield gop, opened.fragment(sealer, gop)
    finally:
        opened.close()


def read_clip(files: VolumeFiles, ring: KeyRing | None, clip: Clip) -> Iterator[bytes | memoryview]:
    """Yield the bytes of a clip's file, starting at time 0; SegmentCorrupt, KeyLocked, NotFound on the way."""
    yield clip.head()
    start_90k, sequence = clip.start_90k, 0
    for piece in clip.pieces:
        for gop, data in fragments(files, ring, piece):
            sequence += 1
            head, rest = rebase(data, sequence, true_90k(piece.row, gop.start_90k) - start_90k)
            yield head
            yield rest


def export(
    files: VolumeFiles,
    ring: KeyRing | None,
    rows: Iterable[SegmentRow],
    from_ms: int | None = None,
    to_ms: int | None = None,
) -> Iterator[bytes | memoryview]:
    """Yield one playable MP4 of the first stretch with one configuration; see `plan` for the others."""
    if from_ms is not None and to_ms is not None and from_ms >= to_ms:
        raise BadInput("the span is empty", from_ms=from_ms, to_ms=to_ms)
    return read_clip(files, ring, plan(files, rows, from_ms, to_ms)[0])
