"""RTP and RTCP arithmetic (RFC 3550): timestamps without end, payload bounds, sender reports.

Owns the pure pieces around the packet loop. Invariants: media time starts at 0 with the first unit and never
jumps by a camera's fault (wall time is the recorder's); nothing raises for odd bytes.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from gateway.core.media import TICKS_PER_S

JUMP_S = 5
MOST_ODD = 3

_SR = struct.Struct(">BBHIQI")
_SENDER_REPORT = 200
_HALF = 1 << 31
_MASK = (1 << 32) - 1


class Unwrapper:
    """Turns 32-bit RTP timestamps into 64-bit media time that starts at 0.

    Small steps back (B-frames) are kept as they are. A frame whose time is more than `JUMP_S` from its neighbour's,
    without the receive clock knowing of it, has jumped: it is stamped by the receive clock, and the line of the
    frames before it goes on. The `MOST_ODD`-th such frame in a row begins a new line.
    """

    def __init__(self, rate_hz: int = TICKS_PER_S) -> None:
        self._rate_hz, self._jump = rate_hz, JUMP_S * rate_hz
        self._last: int | None = None
        """Timestamp of the last frame in line; `_line` is its media time, `_line_ns` when it was read."""
        self._line = self._line_ns = 0
        self._pts = self._read_ns = 0
        self._odd = 0
        self.jumps = 0
        """Frames that were stamped by the receive clock."""

    def unwrap(self, stamp: int, read_ns: int) -> int:
        """Return media time in ticks of the track's clock."""
        if self._last is None:
            self._last = stamp
        step = ((stamp - self._last + _HALF) & _MASK) - _HALF
        if not -self._jump <= step <= self._jump and abs(step - self._ticks(self._line_ns, read_ns)) > self._jump:
            return self._restamp(stamp, read_ns)
        self._last, self._line_ns = stamp, read_ns
        self._line += step
        # Back in line after a jump: time must not run back to where it was before.
        self._pts = max(self._line, self._pts + 1) if self._odd else self._line
        self._odd, self._read_ns = 0, read_ns
        return self._pts

    def restart(self, stamp: int, read_ns: int) -> None:
        """Begin a new line (another SSRC): go on from the last frame by the receive clock."""
        if self._last is not None:
            self._pts += max(1, self._ticks(self._read_ns, read_ns))
            self._last, self._line, self._line_ns = stamp, self._pts, read_ns
            self._odd, self._read_ns = 0, read_ns

    def _restamp(self, stamp: int, read_ns: int) -> int:
        self.jumps += 1
        self._odd += 1
        if self._odd == MOST_ODD:
            self.restart(stamp, read_ns)
            return self._pts
        self._pts += max(1, self._ticks(self._read_ns, read_ns))
        self._read_ns = read_ns
        return self._pts

    def _ticks(self, from_ns: int, to_ns: int) -> int:
        return (to_ns - from_ns) * self._rate_hz // 1_000_000_000


NTP_UNIX_S = 2_208_988_800
"""From 1900 to 1970."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    """What the camera claims: NTP time and RTP time of one instant, and when we read it."""

    ssrc: int
    ntp: int
    """64-bit NTP time (RFC 5905 §6)."""
    rtp: int
    read_mono_ns: int

    @property
    def unix_ms(self) -> int | None:
        """The camera's wall time, UTC ms; None if it has no clock (RFC 3550 section 6.4.1).

        Seconds below 2^31 are of the era that begins in 2036 (RFC 4330 section 3).
        """
        seconds, fraction = self.ntp >> 32, self.ntp & 0xFFFFFFFF
        if not seconds:
            return None
        era_s = 1 << 32 if seconds < 1 << 31 else 0
        return (seconds + era_s - NTP_UNIX_S) * 1000 + (fraction * 1000 >> 32)


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
