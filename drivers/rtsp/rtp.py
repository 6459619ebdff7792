"""RTP and RTCP arithmetic (RFC 3550): timestamps without end, payload bounds, sender reports.

Owns the pure pieces around the packet loop. Invariants: media time starts at 0 with the first unit;
nothing raises for odd bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

_SR = struct.Struct(">BBHIQI")
_SENDER_REPORT = 200
_HALF = 1 << 31
_MASK = (1 << 32) - 1


class Unwrapper:
    """Turns 32-bit RTP timestamps into 64-bit media time that starts at 0."""

    def __init__(self) -> None:
        self._last: int | None = None
        self._pts_90k = 0
        self._read_ns = 0

    def unwrap(self, stamp: int, read_ns: int) -> int:
        """Return media time in 90 kHz ticks; small steps back (B-frames) are kept as they are."""
        if self._last is not None:
            self._pts_90k += ((stamp - self._last + _HALF) & _MASK) - _HALF
        self._last, self._read_ns = stamp, read_ns
        return self._pts_90k

    def restart(self, stamp: int, read_ns: int) -> None:
        """Begin a new RTP timeline (another SSRC): go on from the last unit by the receive clock."""
        if self._last is not None:
            self._pts_90k += max(1, (read_ns - self._read_ns) * 9 // 100_000)
            self._last, self._read_ns = stamp, read_ns


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What the camera claims: NTP time and RTP time of one instant, and when we read it."""

    ssrc: int
    ntp: int
    """64-bit NTP time (RFC 5905 §6)."""
    rtp: int
    read_mono_ns: int


def sender_report(data: bytes, at: int, stop: int, read_ns: int) -> SenderReport | None:
    """Read a compound RTCP packet's leading sender report; None if it has none."""
    if stop - at < _SR.size:
        return None
    head, kind, _, ssrc, ntp, rtp = _SR.unpack_from(data, at)
    return SenderReport(ssrc, ntp, rtp, read_ns) if head >> 6 == 2 and kind == _SENDER_REPORT else None


def payload_bounds(data: bytes, at: int, stop: int) -> tuple[int, int] | None:
    """Return where the payload of the RTP packet `data[at:stop]` begins and ends (RFC 3550 §5.1).

    None if CSRC list, extension or padding do not fit. The packet has at least 12 bytes.
    """
    head = data[at]
    begin = at + 12 + 4 * (head & 15)
    if head & 0x10:
        if begin + 4 > stop:
            return None
        begin += 4 + 4 * int.from_bytes(data[begin + 2 : begin + 4], "big")
    if head & 0x20:
        stop -= data[stop - 1] if stop > begin else 0
    return (begin, stop) if begin <= stop else None
