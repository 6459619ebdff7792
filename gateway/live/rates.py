"""What each stream draws of an uplink for one viewer, steady enough to give places by.

Owns the booked rates. Invariants: a rate that is not known yet is guessed, never 0; it is measured over seconds (within
a GOP it would be many times too high just after the key frame), and a booked rate follows in steps, so that one busy
picture makes nobody stand up; bounded by the number of streams and by what a window holds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.core.media import TICKS_PER_S
from gateway.core.model import PublicId, StreamRole
from gateway.live.stream import LiveStream
from gateway.live.uplink import WIRE_SHARE

GUESS_BPS = {StreamRole.SUB: 500_000.0, StreamRole.MAIN: 2_500_000.0}
WINDOW_90K = 10 * TICKS_PER_S
LEAST_90K = 4 * TICKS_PER_S
LEAP_90K = 2 * TICKS_PER_S
"""Between two looks media time goes on by about a second; after a leap the camera was away: measured anew."""
STEP = 0.15
"""A rate this far from what is booked is booked instead."""
MOST_STREAMS = 1000


class _Sample(NamedTuple):
    ts_90k: int
    octets: int


@dataclass(slots=True)
class _Measured:
    samples: deque[_Sample] = field(default_factory=deque)
    booked_bps: float | None = None


class Rates:
    """Booked rates in bits a second, headers included; fed by `look` about once a second."""

    def __init__(self) -> None:
        self._known: dict[tuple[PublicId, StreamRole], _Measured] = {}

    def look(self, stream: LiveStream) -> None:
        """Take a sample of a stream that is subscribed."""
        key, last = (stream.camera, stream.role), stream.history.last
        known = self._known.get(key)
        if last is None or (known is None and len(self._known) >= MOST_STREAMS):
            return
        if known is None:
            known = self._known[key] = _Measured()
        samples, sample = known.samples, _Sample(last.ts_90k, stream.counters.octets)
        if samples and sample.ts_90k == samples[-1].ts_90k:
            return  # no new picture: the window, trimmed by media time, would grow while the camera stands still
        if samples and (sample.octets < samples[-1].octets or not 0 <= sample.ts_90k - samples[-1].ts_90k <= LEAP_90K):
            samples.clear()  # subscribed anew, or the camera was away: what is booked stays until it is measured
        samples.append(sample)
        while sample.ts_90k - samples[0].ts_90k > WINDOW_90K and len(samples) > 2:
            samples.popleft()
        passed_90k = sample.ts_90k - samples[0].ts_90k
        if passed_90k < LEAST_90K:
            return
        measured_bps = (sample.octets - samples[0].octets) * 8 * TICKS_PER_S * WIRE_SHARE / passed_90k
        if known.booked_bps is None or abs(measured_bps - known.booked_bps) > STEP * known.booked_bps:
            known.booked_bps = max(measured_bps, 1.0)

    def is_measured(self, camera: PublicId, role: StreamRole) -> bool:
        """Say whether a stream's rate is known, not guessed."""
        known = self._known.get((camera, role))
        return known is not None and known.booked_bps is not None

    def at(self, camera: PublicId, role: StreamRole) -> float:
        """Return what a stream draws, as it was seen last, or a guess."""
        known = self._known.get((camera, role))
        return GUESS_BPS[role] if known is None or known.booked_bps is None else known.booked_bps

    def of(self, stream: LiveStream) -> float:
        """Return what this stream draws."""
        return self.at(stream.camera, stream.role)
