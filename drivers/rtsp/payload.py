"""RTP payloads of H.264 (RFC 6184: single, STAP-A, FU-A) and H.265 (RFC 7798: single, AP, FU).

Owns the two `Depacketizer`s. Invariants: parameter sets, delimiters, fillers and ends of sequence
are left out of units; layers above the base are left out; payload forms no camera should send mark the
unit as incomplete instead of raising; parameter sets of the other codec are noted. Network thread only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from drivers.rtsp.depacketize import Depacketizer
from drivers.rtsp.parametersets import ParameterSets
from gateway.core.media import AccessUnit, Codec

_H264_SETS = frozenset({7, 8})
_H264_KEPT = frozenset({6})
_H264_BEGINNING = frozenset({1, 2, 5})
"""Slices that carry first_mb_in_slice (partitions B and C do not)."""
_H265_HEADS = frozenset({b"\x40\x01", b"\x42\x01", b"\x44\x01", b"\x60\x01", b"\x62\x01"})
"""VPS, SPS, PPS, AP and FU of H.265: no H.264 camera sends types 0, 2 and 4."""


class H264Depacketizer(Depacketizer):
    """RFC 6184, packetization modes 0 and 1."""

    codec = Codec.H264
    skip_bytes = 18

    def _payload(self, data: bytes, at: int, stop: int) -> None:
        head = data[at]
        kind = head & 31
        if kind == 28 and stop - at > 2:
            flags = data[at + 1]
            header = bytes((head & 0xE0 | flags & 31,))
            self._fragment(header, flags, data[at + 2 : stop], head << 8 | flags & 31, -1)
        elif kind < 24:
            self._whole(data[at:stop])
        elif kind == 24:
            self._aggregate(data, at + 1, stop)
        else:
            self.malformed += 1
            self._hurt()

    def _is_set(self, nal: bytes) -> bool:
        return nal[0] & 31 in _H264_SETS

    def _unit(self, nal: bytes) -> None:
        kind = nal[0] & 31
        if not kind & 1 and nal[:2] in _H265_HEADS:
            self._contradict()
        elif 1 <= kind <= 5:
            # first_mb_in_slice is 0, that is a single 1 bit (H.264 §7.3.3)
            begins = kind in _H264_BEGINNING and len(nal) > 1 and nal[1] >= 0x80
            self._picture(nal, begins=begins, is_key=kind == 5)
        elif kind in _H264_SETS:
            self.sets.take(nal)
        elif kind in _H264_KEPT:
            self._keep(nal)


def _is_h264_set(head: int) -> bool:
    """Say whether a NAL unit's first byte is that of an H.264 SPS or PPS with a reference count."""
    return head & 0x80 == 0 and head & 0x60 > 0 and head & 31 in _H264_SETS


class H265Depacketizer(Depacketizer):
    """RFC 7798 without decoding order numbers."""

    codec = Codec.H265
    skip_bytes = 19

    def _payload(self, data: bytes, at: int, stop: int) -> None:
        if stop - at < 3:
            self.malformed += 1
            self._hurt()
            return
        head, layer = data[at], data[at + 1]
        kind = head >> 1 & 63
        if kind == 49 and stop - at > 3:
            flags = data[at + 2]
            header = bytes((head & 0x81 | (flags & 63) << 1, layer))
            self._fragment(header, flags, data[at + 3 : stop], head << 8 | layer, flags & 63)
        elif kind < 48:
            self._whole(data[at:stop])
        elif kind == 48:
            self._aggregate(data, at + 2, stop)
        else:
            if _is_h264_set(data[at + 3] if head & 31 == 24 and stop - at > 3 else head):
                self._contradict()
            self.malformed += 1
            self._hurt()

    def _is_set(self, nal: bytes) -> bool:
        return 32 <= nal[0] >> 1 & 63 <= 34

    def _unit(self, nal: bytes) -> None:
        if len(nal) < 3 or nal[0] & 1 or nal[1] & 0xF8:
            if _is_h264_set(nal[0]):
                self._contradict()
            return  # cut short, or of a layer above the base
        kind = nal[0] >> 1 & 63
        if kind < 32:
            self._picture(nal, begins=nal[2] >= 0x80, is_key=16 <= kind <= 21)
        elif kind <= 34:
            self.sets.take(nal)
        elif kind in (39, 40):
            self._keep(nal)


MakeMedia: TypeAlias = Callable[[int, int, ParameterSets, Callable[[AccessUnit], None]], Depacketizer]
"""Makes what eats a session's media, from channel, payload type, parameter sets and where units go."""


def make_depacketizer(
    channel: int, payload_type: int, sets: ParameterSets, deliver: Callable[[AccessUnit], None]
) -> Depacketizer:
    """Return the depacketizer for the codec of `sets`."""
    kind = H264Depacketizer if sets.codec is Codec.H264 else H265Depacketizer
    return kind(channel, payload_type, sets, deliver)
