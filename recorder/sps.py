"""Reading a sequence parameter set: picture size and the few fields an MP4 sample entry repeats.

Owns the bit reader for H.264 (ITU-T H.264 §7.3.2.1.1) and H.265 (ITU-T H.265 §7.3.2.2). Invariants: reads
bytes of a camera, so every loop is bounded and anything odd is `BadInput`, never an endless walk or an
IndexError.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.errors import BadInput
from gateway.core.media import Codec

_HIGH_PROFILES = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
_MAX_SIDE = 16_384
_MAX_EXP_GOLOMB_BITS = 32


class PictureFormat(NamedTuple):
    """What `avcC`/`hvcC` and the sample entry need to know."""

    width: int
    height: int
    chroma_format: int
    luma_bits: int
    chroma_bits: int
    profile_tier_level: bytes
    """H.265 only: the 12 general bytes."""
    sub_layers: int = 1
    temporal_nesting: bool = True


def unescape(nal: bytes) -> bytes:
    """Remove emulation prevention bytes (00 00 03) from a NAL unit."""
    out, at = bytearray(), 0
    while (found := nal.find(b"\0\0\3", at)) >= 0:
        out += nal[at : found + 2]
        at = found + 3
    return bytes(out + nal[at:])


class _Bits:
    """Most significant bit first; reading past the end is BadInput."""

    def __init__(self, data: bytes) -> None:
        self._value = int.from_bytes(data, "big")
        self._left = len(data) * 8

    def u(self, count: int) -> int:
        """Read `count` bits."""
        if count > self._left:
            raise BadInput("a parameter set is cut short")
        self._left -= count
        return self._value >> self._left & ((1 << count) - 1)

    def ue(self) -> int:
        """Read an unsigned Exp-Golomb number (§9.1)."""
        zeros = 0
        while not self.u(1):
            zeros += 1
            if zeros > _MAX_EXP_GOLOMB_BITS:
                raise BadInput("a number of a parameter set is too long")
        return (1 << zeros) - 1 + self.u(zeros)

    def se(self) -> int:
        """Read a signed Exp-Golomb number (§9.1.1)."""
        value = self.ue()
        return (value + 1 >> 1) if value & 1 else -(value >> 1)


def parse_sps(codec: Codec, sps: bytes) -> PictureFormat:
    """Parse a sequence parameter set of either codec; BadInput if it makes no sense."""
    found = _h264(sps) if codec is Codec.H264 else _h265(sps)
    if not (0 < found.width <= _MAX_SIDE and 0 < found.height <= _MAX_SIDE):
        raise BadInput("a parameter set names an impossible picture size", width=found.width, height=found.height)
    return found


def _skip_scaling_lists(bits: _Bits, chroma: int) -> None:
    for index in range(12 if chroma == 3 else 8):
        if not bits.u(1):
            continue
        last = following = 8
        for _ in range(16 if index < 6 else 64):
            if following:
                following = (last + bits.se()) % 256
            last = following or last


def _h264(sps: bytes) -> PictureFormat:
    bits = _Bits(unescape(sps[1:]))
    profile = bits.u(8)
    bits.u(16)
    bits.ue()
    chroma, luma_bits, chroma_bits, separate = 1, 8, 8, 0
    if profile in _HIGH_PROFILES:
        chroma = bits.ue()
        separate = bits.u(1) if chroma == 3 else 0
        luma_bits, chroma_bits = 8 + bits.ue(), 8 + bits.ue()
        bits.u(1)
        if bits.u(1):
            _skip_scaling_lists(bits, chroma)
    _skip_order_count(bits)
    bits.ue()
    bits.u(1)
    width, height = (bits.ue() + 1) * 16, bits.ue() + 1
    frames_only = bits.u(1)
    if not frames_only:
        bits.u(1)
    height *= 16 * (2 - frames_only)
    bits.u(1)
    if bits.u(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        plain = chroma == 0 or separate == 1
        width -= (left + right) * (1 if plain or chroma == 3 else 2)
        height -= (top + bottom) * (2 - frames_only) * (2 if chroma == 1 and not plain else 1)
    if chroma > 3 or max(luma_bits, chroma_bits) > 14:
        raise BadInput("a parameter set names an unknown chroma format", chroma=chroma, bits=luma_bits)
    return PictureFormat(width, height, chroma, luma_bits, chroma_bits, b"")


def _skip_order_count(bits: _Bits) -> None:
    bits.ue()
    kind = bits.ue()
    if kind == 0:
        bits.ue()
    elif kind == 1:
        bits.u(1)
        bits.se()
        bits.se()
        count = bits.ue()
        if count > 255:
            raise BadInput("a parameter set has too many reference offsets", count=count)
        for _ in range(count):
            bits.se()
    elif kind > 2:
        raise BadInput("a parameter set names an unknown picture order", kind=kind)


def _h265(sps: bytes) -> PictureFormat:
    bits = _Bits(unescape(sps[2:]))
    bits.u(4)
    sub_layers = bits.u(3) + 1
    nesting = bits.u(1)
    general = bits.u(96).to_bytes(12, "big")
    _skip_sub_layers(bits, sub_layers - 1)
    bits.ue()
    chroma = bits.ue()
    separate = bits.u(1) if chroma == 3 else 0
    width, height = bits.ue(), bits.ue()
    if bits.u(1):
        left, right, top, bottom = bits.ue(), bits.ue(), bits.ue(), bits.ue()
        plain = chroma in {0, 3} or separate == 1
        width -= (left + right) * (1 if plain else 2)
        height -= (top + bottom) * (2 if chroma == 1 else 1)
    luma_bits, chroma_bits = 8 + bits.ue(), 8 + bits.ue()
    if chroma > 3 or sub_layers > 7 or max(luma_bits, chroma_bits) > 15:
        raise BadInput("a parameter set names an unknown chroma format", chroma=chroma, bits=luma_bits)
    return PictureFormat(width, height, chroma, luma_bits, chroma_bits, general, sub_layers, bool(nesting))


def _skip_sub_layers(bits: _Bits, count: int) -> None:
    present = [(bits.u(1), bits.u(1)) for _ in range(count)]
    if count:
        bits.u(2 * (8 - count))
    for has_profile, has_level in present:
        bits.u(88 * has_profile + 8 * has_level)
