"""What we need from parameter sets: picture size, ids, and which sets a key frame refers to.

Owns the small SPS, PPS and slice-header readers (H.264 §7.3.2.1, §7.3.2.2, §7.3.3; H.265 §7.3.2.2,
§7.3.2.3, §7.3.6.1). Pure. Invariants: never raises for odd bytes: a size that cannot be read is (0, 0),
an id that cannot be read is None; sizes above 16,384 count as unreadable.
"""

from __future__ import annotations

from drivers.rtsp.bits import BitReader, OutOfBits
from gateway.core.media import Codec

MOST_PIXELS_A_SIDE = 16_384

_HIGH_PROFILES = frozenset({100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135})
_CHROMA_WIDTH = (1, 2, 2, 1)
_CHROMA_HEIGHT = (1, 2, 1, 1)


def _skip_scaling_list(bits: BitReader, size: int) -> None:
    last, following = 8, 8
    for _ in range(size):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _h264_chroma(bits: BitReader, profile: int) -> int:
    """Read the part only the high profiles have; return chroma_format_idc."""
    if profile not in _HIGH_PROFILES:
        return 1
    chroma = bits.unsigned()
    if chroma == 3 and bits.flag():
        chroma = 0  # separate planes are cropped like monochrome
    bits.unsigned()
    bits.unsigned()
    bits.flag()
    if bits.flag():
        for index in range(12 if chroma == 3 else 8):
            if bits.flag():
                _skip_scaling_list(bits, 16 if index < 6 else 64)
    return chroma


def _h264_order(bits: BitReader) -> None:
    """Skip the picture order count fields."""
    bits.unsigned()
    kind = bits.unsigned()
    if kind == 0:
        bits.unsigned()
    elif kind == 1:
        bits.flag()
        bits.signed()
        bits.signed()
        for _ in range(min(bits.unsigned(), 255)):
            bits.signed()


def _h264_size(sps: bytes) -> tuple[int, int]:
    bits = BitReader(sps, skip_bytes=1)
    profile = bits.bits(8)
    bits.bits(16)
    bits.unsigned()
    chroma = _h264_chroma(bits, profile)
    _h264_order(bits)
    bits.unsigned()
    bits.flag()
    width = (bits.unsigned() + 1) * 16
    rows = bits.unsigned() + 1
    fields = 1 if bits.flag() else 2
    height = rows * 16 * fields
    if fields == 2:
        bits.flag()
    bits.flag()
    if bits.flag():
        left, right, top, bottom = (bits.unsigned() for _ in range(4))
        kind = min(chroma, 3)
        width -= (left + right) * _CHROMA_WIDTH[kind]
        height -= (top + bottom) * _CHROMA_HEIGHT[kind] * fields
    return width, height


def _skip_h265_layers(bits: BitReader, layers: int) -> None:
    """Skip profile_tier_level after its general part (H.265 §7.3.3)."""
    present = [(bits.flag(), bits.flag()) for _ in range(layers)]
    if layers:
        bits.bits(2 * (8 - layers))
    for profile, level in present:
        bits.bits(88 * profile + 8 * level)


def _h265_head(sps: bytes) -> tuple[int, BitReader]:
    bits = BitReader(sps, skip_bytes=2)
    bits.bits(4)
    layers = bits.bits(3)
    bits.flag()
    bits.bits(96)
    _skip_h265_layers(bits, layers)
    return bits.unsigned(), bits


def _h265_size(sps: bytes) -> tuple[int, int]:
    _, bits = _h265_head(sps)
    chroma = bits.unsigned()
    if chroma == 3 and bits.flag():
        chroma = 0
    width, height = bits.unsigned(), bits.unsigned()
    if bits.flag():
        left, right, top, bottom = (bits.unsigned() for _ in range(4))
        kind = min(chroma, 3)
        width -= (left + right) * _CHROMA_WIDTH[kind]
        height -= (top + bottom) * _CHROMA_HEIGHT[kind]
    return width, height


def picture_size(codec: Codec, sps: bytes) -> tuple[int, int]:
    """Return width and height in pixels after cropping; (0, 0) if the SPS cannot be read."""
    try:
        width, height = _h264_size(sps) if codec is Codec.H264 else _h265_size(sps)
    except OutOfBits:
        return 0, 0
    fits = 0 < width <= MOST_PIXELS_A_SIDE and 0 < height <= MOST_PIXELS_A_SIDE
    return (width, height) if fits else (0, 0)


def sps_id(codec: Codec, sps: bytes) -> int | None:
    """Return the id of an SPS."""
    try:
        if codec is Codec.H265:
            return _h265_head(sps)[0]
        return BitReader(sps, skip_bytes=4).unsigned()
    except OutOfBits:
        return None


def pps_ids(codec: Codec, pps: bytes) -> tuple[int, int] | None:
    """Return the id of a PPS and of the SPS it refers to."""
    try:
        bits = BitReader(pps, skip_bytes=1 if codec is Codec.H264 else 2, most_bytes=32)
        return bits.unsigned(), bits.unsigned()
    except OutOfBits:
        return None


def slice_pps_id(codec: Codec, nal: bytes) -> int | None:
    """Return the PPS id the first slice of a key frame refers to."""
    try:
        if codec is Codec.H264:
            bits = BitReader(nal, skip_bytes=1, most_bytes=32)
            bits.unsigned()
            bits.unsigned()
        else:
            bits = BitReader(nal, skip_bytes=2, most_bytes=32)
            bits.bits(2)
        return bits.unsigned()
    except OutOfBits:
        return None
