"""Fragmented MP4 (ISO 14496-12): the init segment, one moof+mdat per fragment, shifting its time.

Owns the boxes we write. Invariants: one video track, number 1, 90 kHz; `tfdt` is the run's own UTC in
90 kHz ticks (64-bit), so a fragment states its own wall time and fragments concatenate as bytes;
`default-base-is-moof`, so a fragment can lie anywhere; `mfhd` and `tfdt` are at fixed places, so export
renumbers a fragment without parsing or copying it. Pure.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.core.errors import BadInput, SegmentCorrupt
from gateway.core.media import TICKS_PER_S, Codec, CodecConfig
from recorder.sps import PictureFormat, parse_sps

KEY_SAMPLE, OTHER_SAMPLE = 0x02000000, 0x01010000
"""Sample flags (§8.8.3.1): depends on nothing; depends on others and is no sync sample."""
_U16, _U32, _U64 = struct.Struct(">H"), struct.Struct(">I"), struct.Struct(">Q")
MATRIX = struct.pack(">9I", 0x10000, 0, 0, 0, 0x10000, 0, 0, 0, 0x40000000)
"""The picture as it is: neither turned nor scaled."""
_SEQUENCE_AT, _TIME_AT, HEAD_BYTES = 20, 60, 68
_TRUN_HEAD_BYTES = 20
MAX_SIDX_ENTRIES = 0xFFFF


class Sample(NamedTuple):
    """One picture of a fragment, in decode order."""

    duration_90k: int
    size_bytes: int
    is_key: bool
    shift_90k: int = 0
    """Presentation minus decode time: 0 without B-frames."""


def box(kind: bytes, *parts: bytes) -> bytes:
    """Return a box."""
    body = b"".join(parts)
    return _U32.pack(len(body) + 8) + kind + body


def full(kind: bytes, version: int, flags: int, *parts: bytes) -> bytes:
    """Return a full box (with version and flags)."""
    return box(kind, bytes((version,)), flags.to_bytes(3, "big"), *parts)


def _avcc(config: CodecConfig, picture: PictureFormat) -> bytes:
    """AVCDecoderConfigurationRecord (ISO 14496-15 §5.3.3.1)."""
    sps, pps = config.sps, config.pps
    body = bytes((1, sps[1], sps[2], sps[3], 0xFF, 0xE1)) + _U16.pack(len(sps)) + sps
    body += b"\1" + _U16.pack(len(pps)) + pps
    if sps[1] in {100, 110, 122, 144}:
        depths = (picture.luma_bits - 8, picture.chroma_bits - 8)
        body += bytes((0xFC | picture.chroma_format, 0xF8 | depths[0], 0xF8 | depths[1], 0))
    return box(b"avcC", body)


def _hvcc(config: CodecConfig, picture: PictureFormat) -> bytes:
    """HEVCDecoderConfigurationRecord (ISO 14496-15 §8.3.3.1); sets are in-band nowhere else."""
    layers = picture.sub_layers << 3 | picture.temporal_nesting << 2 | 3
    body = b"\1" + picture.profile_tier_level + b"\xf0\0\xfc" + bytes((0xFC | picture.chroma_format,))
    body += bytes((0xF8 | picture.luma_bits - 8, 0xF8 | picture.chroma_bits - 8, 0, 0, layers, 3))
    for kind, item in ((32, config.vps), (33, config.sps), (34, config.pps)):
        body += bytes((0x80 | kind,)) + _U16.pack(1) + _U16.pack(len(item)) + item
    return box(b"hvcC", body)


def _sample_entry(config: CodecConfig, picture: PictureFormat) -> bytes:
    head = bytes(6) + _U16.pack(1) + bytes(16)
    head += struct.pack(">HHIIIH", picture.width, picture.height, 0x480000, 0x480000, 0, 1)
    head += bytes(32) + struct.pack(">Hh", 24, -1)
    if config.codec is Codec.H264:
        return box(b"avc1", head, _avcc(config, picture))
    return box(b"hvc1", head, _hvcc(config, picture))


def sample_entry(config: CodecConfig) -> bytes:
    """Return the `avc1` or `hvc1` box; BadInput when the parameter sets cannot be read."""
    if len(config.sps) < 4 or not config.pps:
        raise BadInput("no parameter sets: nothing can be decoded")
    return _sample_entry(config, parse_sps(config.codec, config.sps))


def init_segment(config: CodecConfig, duration_90k: int = 0) -> bytes:
    """Return ftyp+moov; BadInput when the parameter sets cannot be read.

    `duration_90k` is announced in `mehd` (0: unknown, as for footage that is still being recorded).
    """
    if len(config.sps) < 4 or not config.pps:
        raise BadInput("no parameter sets: nothing can be decoded")
    picture = parse_sps(config.codec, config.sps)
    empty = (full(b"stts", 0, 0, bytes(4)), full(b"stsc", 0, 0, bytes(4)), full(b"stsz", 0, 0, bytes(8)))
    described = full(b"stsd", 0, 0, _U32.pack(1), _sample_entry(config, picture))
    stbl = box(b"stbl", described, *empty, full(b"stco", 0, 0, bytes(4)))
    here = box(b"dinf", full(b"dref", 0, 0, _U32.pack(1), full(b"url ", 0, 1)))
    minf = box(b"minf", full(b"vmhd", 0, 1, bytes(8)), here, stbl)
    mdhd = full(b"mdhd", 0, 0, struct.pack(">IIIIHH", 0, 0, TICKS_PER_S, 0, 0x55C4, 0))
    hdlr = full(b"hdlr", 0, 0, struct.pack(">I4s12s", 0, b"vide", b""), b"v\0")
    size = struct.pack(">II", picture.width << 16, picture.height << 16)
    tkhd = full(b"tkhd", 0, 3, struct.pack(">IIIII8sHHHH", 0, 0, 1, 0, 0, b"", 0, 0, 0, 0), MATRIX, size)
    head = struct.pack(">IIIIIH10s", 0, 0, TICKS_PER_S, 0, 0x10000, 0x100, b"")
    mvhd = full(b"mvhd", 0, 0, head, MATRIX, bytes(24), _U32.pack(2))
    mehd = full(b"mehd", 1, 0, _U64.pack(duration_90k)) if duration_90k else b""
    mvex = box(b"mvex", mehd, full(b"trex", 0, 0, struct.pack(">IIIII", 1, 1, 0, 0, 0)))
    ftyp = box(b"ftyp", b"iso5", _U32.pack(512), b"iso5iso6mp41")
    return ftyp + box(b"moov", mvhd, box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, minf)), mvex)


def fragment_head(sequence: int, base_90k: int, samples: Sequence[Sample]) -> bytes:
    """Return moof and the mdat header; the samples' bytes (length-prefixed NAL units) must follow."""
    reordered = any(sample.shift_90k for sample in samples)
    fields: list[int] = []
    for duration_90k, size_bytes, is_key, shift_90k in samples:
        fields += (duration_90k, size_bytes, KEY_SAMPLE if is_key else OTHER_SAMPLE)
        if reordered:
            fields.append(shift_90k & 0xFFFFFFFF)
    count = len(samples)
    table = struct.pack(f">{len(fields)}I", *fields)
    trun_bytes = 20 + len(table)
    moof_bytes = HEAD_BYTES + trun_bytes
    version_flags = 0x01000F01 if reordered else 0x701
    total = sum(sample.size_bytes for sample in samples) + 8
    return b"".join(
        (
            struct.pack(">I4sI4sII", moof_bytes, b"moof", 16, b"mfhd", 0, sequence & 0xFFFFFFFF),
            struct.pack(">I4sI4sII", 8 + 16 + 20 + trun_bytes, b"traf", 16, b"tfhd", 0x020000, 1),
            struct.pack(">I4sIQ", 20, b"tfdt", 0x01000000, base_90k),
            struct.pack(">I4sIII", trun_bytes, b"trun", version_flags, count, moof_bytes + 8),
            table,
            struct.pack(">I4s", total, b"mdat"),
        )
    )


def fragment(sequence: int, base_90k: int, samples: Sequence[Sample], nals: Iterable[bytes]) -> bytes:
    """Return one fragment; `nals` are all NAL units of all samples in order."""
    parts = [fragment_head(sequence, base_90k, samples)]
    for nal in nals:
        parts.append(_U32.pack(len(nal)))
        parts.append(nal)
    return b"".join(parts)


def rebase(data: bytes, sequence: int, base_90k: int) -> tuple[bytes, memoryview]:
    """Return (new head, rest) of one of our fragments with another number and start; nothing is copied.

    SegmentCorrupt if it is no fragment of ours.
    """
    if len(data) < HEAD_BYTES or data[4:8] != b"moof" or data[12:16] != b"mfhd" or data[52:56] != b"tfdt":
        raise SegmentCorrupt("a record holds no fragment of ours")
    head = bytearray(data[:HEAD_BYTES])
    _U32.pack_into(head, _SEQUENCE_AT, sequence & 0xFFFFFFFF)
    _U64.pack_into(head, _TIME_AT, base_90k)
    return bytes(head), memoryview(data)[HEAD_BYTES:]


def fragment_start_90k(data: bytes) -> int:
    """Return the `tfdt` of one of our fragments."""
    return int(_U64.unpack_from(data, _TIME_AT)[0])


def first_nals(data: bytes) -> tuple[bytes, ...]:
    """Return the NAL units of the first picture of one of our fragments; SegmentCorrupt if it is none."""
    try:
        (moof_bytes,) = _U32.unpack_from(data)
        (length,) = _U32.unpack_from(data, HEAD_BYTES + _TRUN_HEAD_BYTES + 4)
        at, end, nals = moof_bytes + 8, moof_bytes + 8 + length, list[bytes]()
        while at < end <= len(data):
            (size,) = _U32.unpack_from(data, at)
            nals.append(data[at + 4 : at + 4 + size])
            at += 4 + size
    except struct.error as error:
        raise SegmentCorrupt("a record holds no fragment of ours") from error
    if data[4:8] != b"moof" or data[72:76] != b"trun" or not nals or at != end:
        raise SegmentCorrupt("a record holds no fragment of ours")
    return tuple(nals)


def segment_index(entries: Sequence[tuple[int, int, bool]]) -> bytes:
    """Return a `sidx` (§8.16.3) that must directly precede the fragments: (bytes, duration_90k, key) each.

    Empty when there are more fragments than one box can name.
    """
    if len(entries) > MAX_SIDX_ENTRIES:
        return b""
    head = struct.pack(">IIQQHH", 1, TICKS_PER_S, 0, 0, 0, len(entries))
    table = b"".join(struct.pack(">III", size, length, (0x90000000 if key else 0)) for size, length, key in entries)
    return full(b"sidx", 1, 0, head, table)
