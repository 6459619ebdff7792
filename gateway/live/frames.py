"""Packetised access units of one stream: the shared history, the cached GOP and one time line.

Owns the `Frame` (what every viewer of a stream shares), its numbering and the history that joins and
retransmissions read. Invariants: frame numbers and packet indexes count up by one without holes; RTP
time never leaps when a camera's session starts over; the current GOP is always kept whole while it is
under `most_bytes`, everything else for `keep_s`. Pure: time comes with the access units.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import deque
from dataclasses import dataclass

from gateway.core.media import TICKS_PER_S, AccessUnit
from gateway.live.packetizer import packetize

KEEP_S = 3.0
"""How far back a packet can be sent again: later it comes too late for any jitter buffer."""
MOST_BYTES = 16 << 20
"""One stream's history; a 10 s GOP of 8 Mbit/s is 10 MB."""
_LEAP_TICKS = 10 * TICKS_PER_S
_BACK_TICKS = TICKS_PER_S // 2
_PAUSE_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Frame:
    """One access unit, cut into RTP payloads once."""

    number: int
    first_index: int
    """Index of its first packet, counted over the whole life of the stream."""
    payloads: tuple[bytes, ...]
    ts_90k: int
    """Unwrapped RTP time on the stream's own line."""
    is_key: bool
    received_mono_ns: int
    size_bytes: int

    @property
    def end_index(self) -> int:
        """Index of the packet after its last one."""
        return self.first_index + len(self.payloads)


class History:
    """The frames a stream keeps; `add` for each access unit, the rest only reads."""

    def __init__(self, *, keep_s: float = KEEP_S, most_bytes: int = MOST_BYTES) -> None:
        self._keep_ns, self._most_bytes = int(keep_s * 1e9), most_bytes
        self._frames: deque[Frame] = deque()
        self._gop_start: int | None = None
        self._gop_bytes = 0
        """Since the newest key frame; asked for with each estimate of each viewer."""
        self._shift_90k = 0
        self._last_pts_90k = 0
        self._read_together: set[int] = set()
        """Media times of the newest units with one time of receipt."""
        self.bytes = 0

    @property
    def last(self) -> Frame | None:
        """The newest frame."""
        return self._frames[-1] if self._frames else None

    @property
    def gop_start(self) -> Frame | None:
        """The key frame of the current GOP; None before the first one, or when the GOP is too big to keep."""
        return None if self._gop_start is None else self.frame(self._gop_start)

    def frame(self, number: int) -> Frame | None:
        """Return the frame with this number; None if it is not there yet or no longer."""
        first = self._frames[0].number if self._frames else 0
        return self._frames[number - first] if first <= number < first + len(self._frames) else None

    def gop_bps(self) -> float:
        """Return the rate of the kept GOP in bits a second; 0 while it cannot be told."""
        start, last = self.gop_start, self.last
        if start is None or last is None or last.ts_90k <= start.ts_90k:
            return 0.0
        return self.gop_bytes() * 8 * TICKS_PER_S / (last.ts_90k - start.ts_90k)

    def gop_bytes(self) -> int:
        """Return the payload bytes of the kept GOP; 0 without one."""
        return 0 if self._gop_start is None else self._gop_bytes

    def packet(self, index: int) -> tuple[Frame, int] | None:
        """Return the frame that holds a packet index and the packet's place in it."""
        place = bisect_right(self._frames, index, key=lambda frame: frame.first_index) - 1
        frame = self._frames[place] if place >= 0 else None
        return (frame, index - frame.first_index) if frame is not None and index < frame.end_index else None

    def add(self, unit: AccessUnit) -> Frame | None:
        """Packetise a unit and keep it; None if it is one the stream already had.

        After the feed was lost and found again the recorder repeats the current GOP: what was received
        before the last frame has been sent already. Units that one read brought share their time of
        receipt; of those, media time tells the new from the repeated.
        """
        last = self.last
        if last is not None and unit.received_mono_ns < last.received_mono_ns:
            return None
        if last is None or unit.received_mono_ns > last.received_mono_ns:
            self._read_together.clear()
        if unit.pts_90k in self._read_together:
            return None
        self._read_together.add(unit.pts_90k)
        cut = packetize(unit)
        frame = Frame(
            number=last.number + 1 if last else 0,
            first_index=last.end_index if last else 0,
            payloads=cut,
            ts_90k=self._on_the_line(unit, last),
            is_key=unit.is_key,
            received_mono_ns=unit.received_mono_ns,
            size_bytes=sum(map(len, cut)),
        )
        if frame.is_key:
            self._gop_start, self._gop_bytes = frame.number, 0
        self._gop_bytes += frame.size_bytes
        self._frames.append(frame)
        self.bytes += frame.size_bytes
        self._trim()
        return frame

    def _on_the_line(self, unit: AccessUnit, last: Frame | None) -> int:
        """Return the unit's RTP time: its own, or shifted so that a new run follows the old one.

        A run begins at 0, so its time is behind the old one's, or not ahead of it after a pause. A small
        step back without a pause is the order of pictures.
        """
        step = unit.pts_90k - self._last_pts_90k
        if last is not None:
            passed_ns = unit.received_mono_ns - last.received_mono_ns
            if not -_BACK_TICKS < step < _LEAP_TICKS or (step <= 0 and passed_ns > _PAUSE_NS):
                passed_90k = passed_ns * TICKS_PER_S // 1_000_000_000
                self._shift_90k = last.ts_90k + max(1, passed_90k) - unit.pts_90k
        self._last_pts_90k = unit.pts_90k
        return unit.pts_90k + self._shift_90k

    def _trim(self) -> None:
        newest = self._frames[-1]
        while len(self._frames) > 1:
            oldest = self._frames[0]
            late = newest.received_mono_ns - oldest.received_mono_ns > self._keep_ns
            in_gop = self._gop_start is not None and oldest.number >= self._gop_start
            if self.bytes > self._most_bytes:
                if in_gop:
                    self._gop_start = None
            elif in_gop or not late:
                return
            self.bytes -= oldest.size_bytes
            self._frames.popleft()
