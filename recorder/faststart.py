"""A plain MP4 (ISO 14496-12) whose `moov` comes first: the form that every phone and court PC plays.

Owns the sample table gathered from our fragments and the head made of it. Invariants: the file is
`ftyp moov mdat`, one video track, 90 kHz, time 0 = the first picture; a hole between two fragments is the
last picture before it lasting that long, so the clock of the film stays true; the bytes depend on the
fragments and their times alone, so a head made again is the same; a fragment costs some bytes a picture, its
pictures are never kept. Pure. No option, name or text from anybody reaches the file.
"""

from __future__ import annotations

import struct
from array import array
from typing import NamedTuple

from gateway.core.errors import SegmentCorrupt
from gateway.core.media import TICKS_PER_S, CodecConfig
from recorder.fmp4 import HEAD_BYTES, MATRIX, box, full, sample_entry
from recorder.sps import parse_sps

_U32 = struct.Struct(">I")
_TRUN = struct.Struct(">I4sIII")
_PLAIN, _REORDERED = 0x701, 0x01000F01
MP4_EPOCH_S = 2_082_844_800
"""Seconds from 1904 to 1970: what the times in the boxes count from."""
_LARGE = 0xFFFFFFFF


class Samples(NamedTuple):
    """The pictures of one of our fragments."""

    durations_90k: tuple[int, ...]
    sizes_bytes: tuple[int, ...]
    keys: tuple[bool, ...]
    shifts_90k: tuple[int, ...]
    """Presentation minus decode time; all 0 without B-frames."""
    head_bytes: int
    """What precedes the pictures: `moof` and the head of `mdat`."""


def samples_of(fragment: bytes) -> Samples:
    """Read the sample table of one of our fragments; SegmentCorrupt if it is none, or does not add up."""
    try:
        size, kind, flags, count, _ = _TRUN.unpack_from(fragment, HEAD_BYTES)
        fields = 4 if flags == _REORDERED else 3
        if kind != b"trun" or flags not in {_PLAIN, _REORDERED} or size != _TRUN.size + 4 * fields * count:
            raise SegmentCorrupt("a record holds no fragment of ours")
        values = struct.unpack_from(f">{fields * count}I", fragment, HEAD_BYTES + _TRUN.size)
    except struct.error as error:
        raise SegmentCorrupt("a fragment ends inside its sample table") from error
    head_bytes = HEAD_BYTES + size + 8
    shifts = tuple(value - (value >> 31 << 32) for value in values[3::4]) if fields == 4 else (0,) * count
    sizes = values[1::fields]
    if not count or head_bytes + sum(sizes) != len(fragment):
        raise SegmentCorrupt("a fragment's sample table does not cover its bytes")
    keys = tuple(value == 0x02000000 for value in values[2::fields])
    return Samples(values[0::fields], sizes, keys, shifts, head_bytes)


class _Runs:
    """Equal values in a row as (count, value) pairs."""

    def __init__(self) -> None:
        self.counts, self.values = array("I"), array("q")

    def add(self, value: int) -> None:
        if self.values and self.values[-1] == value:
            self.counts[-1] += 1
        else:
            self.counts.append(1)
            self.values.append(value)

    def packed(self) -> bytes:
        pairs = [number for pair in zip(self.counts, self.values, strict=True) for number in pair]
        return _U32.pack(len(self.counts)) + struct.pack(f">{len(pairs)}i", *pairs)


class SampleTable:
    """The pictures of a film to be, added fragment by fragment in order of time."""

    def __init__(self) -> None:
        self._durations, self._shifts = _Runs(), _Runs()
        self._sizes, self._keys = array("I"), array("I")
        self._chunk_counts, self._chunk_bytes = array("I"), array("Q")
        self._start_90k = self._end_90k = self._first_shift = 0
        self._last_duration = 0

    def add(self, start_90k: int, samples: Samples) -> None:
        """Add a fragment that starts at `start_90k` of true time, not before the end of the one before."""
        if not self._sizes:
            self._start_90k = self._end_90k = start_90k
            self._first_shift = samples.shifts_90k[0]
        else:
            self._stretch(start_90k - self._end_90k)
        for duration, size, key, shift in zip(*samples[:4], strict=True):
            self._durations.add(duration)
            self._shifts.add(shift)
            self._sizes.append(size)
            if key:
                self._keys.append(len(self._sizes))
        self._last_duration = samples.durations_90k[-1]
        self._chunk_counts.append(len(samples.sizes_bytes))
        self._chunk_bytes.append(sum(samples.sizes_bytes))
        self._end_90k = start_90k + sum(samples.durations_90k)

    def _stretch(self, hole_90k: int) -> None:
        """Let the last picture stand until the next fragment."""
        if not hole_90k:
            return
        runs = self._durations
        runs.counts[-1] -= 1
        if not runs.counts[-1]:
            runs.counts.pop()
            runs.values.pop()
        runs.add(max(0, self._last_duration + hole_90k))

    @property
    def pictures(self) -> int:
        """Number of pictures."""
        return len(self._sizes)

    @property
    def media_bytes(self) -> int:
        """Bytes of all pictures: what follows the head."""
        return sum(self._chunk_bytes)

    def head(self, config: CodecConfig) -> bytes:
        """Return ftyp, moov and the head of mdat; BadInput when the parameter sets cannot be read."""
        size = self.media_bytes + 8
        large = size + 16 > _LARGE
        mdat = struct.pack(">I4sQ", 1, b"mdat", size + 8) if large else struct.pack(">I4s", size, b"mdat")
        ftyp = box(b"ftyp", b"isom", _U32.pack(512), b"isomiso2mp41")
        empty = self._moov(config, 0)
        at = len(ftyp) + len(empty) + len(mdat)
        if at + self.media_bytes > _LARGE and not large:  # a film of almost 4 GiB: its offsets would not fit
            mdat, at = struct.pack(">I4sQ", 1, b"mdat", size + 8), at + 8
        return ftyp + self._moov(config, at) + mdat

    def _moov(self, config: CodecConfig, media_at: int) -> bytes:
        length = self._end_90k - self._start_90k
        born = self._start_90k // TICKS_PER_S + MP4_EPOCH_S
        picture = parse_sps(config.codec, config.sps)
        times = struct.pack(">QQIQ", born, born, TICKS_PER_S, length)
        mvhd = full(b"mvhd", 1, 0, times, struct.pack(">IH10s", 0x10000, 0x100, b""), MATRIX, bytes(24), _U32.pack(2))
        size = struct.pack(">II", picture.width << 16, picture.height << 16)
        tkhd = full(b"tkhd", 1, 3, struct.pack(">QQIIQ8sHHHH", born, born, 1, 0, length, b"", 0, 0, 0, 0), MATRIX, size)
        edit = struct.pack(">IQqHH", 1, length, self._first_shift, 1, 0)
        edts = box(b"edts", full(b"elst", 1, 0, edit)) if self._first_shift else b""
        mdhd = full(b"mdhd", 1, 0, times, struct.pack(">HH", 0x55C4, 0))
        hdlr = full(b"hdlr", 0, 0, struct.pack(">I4s12s", 0, b"vide", b""), b"v\0")
        here = box(b"dinf", full(b"dref", 0, 0, _U32.pack(1), full(b"url ", 0, 1)))
        minf = box(b"minf", full(b"vmhd", 0, 1, bytes(8)), here, self._stbl(config, media_at))
        return box(b"moov", mvhd, box(b"trak", tkhd, edts, box(b"mdia", mdhd, hdlr, minf)))

    def _stbl(self, config: CodecConfig, media_at: int) -> bytes:
        parts = [
            full(b"stsd", 0, 0, _U32.pack(1), sample_entry(config)),
            full(b"stts", 0, 0, self._durations.packed()),
        ]
        if any(self._shifts.values):
            parts.append(full(b"ctts", 1, 0, self._shifts.packed()))
        parts.append(full(b"stss", 0, 0, _U32.pack(len(self._keys)), _big_endian(self._keys)))
        parts.append(full(b"stsz", 0, 0, bytes(4), _U32.pack(len(self._sizes)), _big_endian(self._sizes)))
        parts += [full(b"stsc", 0, 0, self._chunk_table()), self._offsets(media_at)]
        return box(b"stbl", *parts)

    def _chunk_table(self) -> bytes:
        rows: list[int] = []
        for number, count in enumerate(self._chunk_counts, 1):
            if not rows or rows[-2] != count:
                rows += (number, count, 1)
        return _U32.pack(len(rows) // 3) + struct.pack(f">{len(rows)}I", *rows)

    def _offsets(self, media_at: int) -> bytes:
        offsets = array("Q")
        for size in self._chunk_bytes:
            offsets.append(media_at)
            media_at += size
        wide = self.media_bytes + (64 << 20) > _LARGE  # by the pictures alone: the table must not change its own size
        body = _U32.pack(len(offsets)) + (_big_endian(offsets) if wide else struct.pack(f">{len(offsets)}I", *offsets))
        return full(b"co64" if wide else b"stco", 0, 0, body)


def _big_endian(values: array[int]) -> bytes:
    copy = array(values.typecode, values)
    copy.byteswap()  # every machine we run on is little endian; the tests decode what comes out
    return copy.tobytes()
