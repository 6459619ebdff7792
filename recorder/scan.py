"""Reading a segment file without its key: the head, the footer, or record by record.

Owns the scanner behind recovery and reindexing. Invariants: never trusts a length before its checksum;
what it reports is a prefix of complete records, whatever the bytes are; holds one payload at a time.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.errors import SegmentCorrupt
from recorder.rows import FLAG_RECOVERED, TICKS_PER_MS, Gop, SegmentRow, pack_gops
from recorder.segment import (
    FOOTER_TAIL_BYTES,
    MAX_PAYLOAD_BYTES,
    MAX_RECORDS,
    RECORD_HEADER_BYTES,
    FileHeader,
    Footer,
    Reader,
    config_crc,
    crc32c,
    decode_footer,
    decode_header,
    decode_record,
    footer_length,
    header_length,
)

_FIRST_READ_BYTES = 512


class Head(NamedTuple):
    """The file header with its own bytes (they are authenticated with every record)."""

    header: FileHeader
    data: bytes


class Scan(NamedTuple):
    """What a file holds."""

    head: Head
    gops: list[Gop]
    frames: list[int]
    good_bytes: int
    """End of the last complete record; everything after it is torn, or the footer."""
    footer: Footer | None
    size_bytes: int

    @property
    def torn_bytes(self) -> int:
        """Bytes that belong to no complete record; 0 for a file with its footer."""
        return 0 if self.footer is not None else self.size_bytes - self.good_bytes


def read_head(read: Reader) -> Head:
    """Read the file header; SegmentCorrupt if it is torn, flipped or foreign."""
    data = read(_FIRST_READ_BYTES, 0)
    size = header_length(data)
    data = data[:size] if size <= len(data) else read(size, 0)
    return Head(decode_header(data), data)


def read_footer(read: Reader, size_bytes: int, head: Head) -> Footer | None:
    """Read the footer; None if there is none, or if it does not describe the bytes before it."""
    if size_bytes < FOOTER_TAIL_BYTES:
        return None
    length = footer_length(read(FOOTER_TAIL_BYTES, size_bytes - FOOTER_TAIL_BYTES))
    if length is None or length > size_bytes:
        return None
    footer = decode_footer(read(length, size_bytes - length), len(head.data))
    if footer is None or not footer.gops:
        return None
    last = footer.gops[-1]
    return footer if last.offset + last.record_bytes == size_bytes - length else None


def scan(read: Reader, size_bytes: int) -> Scan:
    """Read every record and check all sums; SegmentCorrupt only when the file header is bad."""
    head = read_head(read)
    at, gops, frames = len(head.data), list[Gop](), list[int]()
    while len(gops) < MAX_RECORDS:
        record = decode_record(read(RECORD_HEADER_BYTES, at))
        if record is None or record.payload_bytes > MAX_PAYLOAD_BYTES:
            break
        size = RECORD_HEADER_BYTES + record.payload_bytes
        ours = (record.sequence, record.stream, record.run) == (len(gops), head.header.stream, head.header.run)
        backwards = bool(gops) and record.start_90k < gops[-1].end_90k
        if not ours or backwards or at + size > size_bytes:
            break
        if crc32c(read(record.payload_bytes, at + RECORD_HEADER_BYTES)) != record.payload_crc:
            break
        gops.append(Gop(at, size, record.start_90k, record.duration_90k, record.is_key))
        frames.append(record.frames)
        at += size
    footer = read_footer(read, size_bytes, head)
    if footer is not None and list(footer.gops) != gops:
        footer = None
    return Scan(head, gops, frames, at, footer, size_bytes)


def make_row(header: FileHeader, gops: list[Gop], frames: int, size_bytes: int, flags: int) -> SegmentRow:
    """Return the index row of a file with these records; SegmentCorrupt if there are none."""
    if not gops or not 0 <= gops[0].start_90k - header.start_ms * TICKS_PER_MS < TICKS_PER_MS:
        raise SegmentCorrupt("the first record does not start where the file says", start_ms=header.start_ms)
    end_ms = gops[-1].end_90k // TICKS_PER_MS
    return SegmentRow(
        header.stream,
        header.run,
        header.start_ms,
        header.offset_ms,
        end_ms - header.start_ms,
        size_bytes,
        frames,
        config_crc(header.config),
        flags,
        pack_gops(header.start_ms, gops),
    )


def row_of(read: Reader, size_bytes: int) -> SegmentRow:
    """Return the row of a closed file from head and footer, or from its records when the footer is bad.

    SegmentCorrupt if not even one complete record is left.
    """
    head = read_head(read)
    footer = read_footer(read, size_bytes, head)
    if footer is not None:
        return make_row(head.header, list(footer.gops), footer.frames, size_bytes, footer.flags)
    found = scan(read, size_bytes)
    return make_row(head.header, found.gops, sum(found.frames), size_bytes, FLAG_RECOVERED)
