"""How far the cameras' clocks are off: a figure for people, never for the index.

Owns `Skews`. Invariants: what a camera says (its time in RTCP sender reports) is compared with our time at which the
report was read, and only while ours is trusted; the figure is the median of the last minute, so that one report held
up by the network says nothing; memory is a few reports a stream, and a stream that is silent is forgotten.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

from gateway.core.clock import Clock

LOOK_S = 5.0
WINDOW_NS = 60_000_000_000
MOST = 32
"""Reports kept of a stream: cameras send one every five seconds or so."""


class ClockReport(NamedTuple):
    """What one stream's camera said last."""

    source: Hashable
    """Where the stream is fetched, as the roof's `make_source` gives it."""
    camera_ms: int
    """The camera's wall time, UTC ms."""
    read_mono_ns: int
    """When we read it."""


class _Sample(NamedTuple):
    read_mono_ns: int
    ahead_ms: int


class Skews:
    """Keeps the last minute of reports; event loop only."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._samples: dict[Hashable, deque[_Sample]] = {}

    async def run(self, reports: Callable[[], Sequence[ClockReport]]) -> None:
        """Look for ever."""
        while True:
            self.note(reports())
            await self._clock.sleep(LOOK_S)

    def note(self, reports: Sequence[ClockReport]) -> None:
        """Take the last report of each stream; one that was seen before counts once."""
        now_ns, now_ms = self._clock.mono_ns(), self._clock.now_ms()
        if not self._clock.trusted():  # ours may be the one that is off
            self._samples.clear()
            return
        for report in reports:
            known = self._samples.setdefault(report.source, deque(maxlen=MOST))
            if not known or known[-1].read_mono_ns != report.read_mono_ns:
                read_ms = now_ms - (now_ns - report.read_mono_ns) // 1_000_000
                known.append(_Sample(report.read_mono_ns, report.camera_ms - read_ms))
        for source, known in list(self._samples.items()):
            while known and now_ns - known[0].read_mono_ns > WINDOW_NS:
                known.popleft()
            if not known:
                del self._samples[source]

    def skew_ms(self, source: Hashable) -> int | None:
        """Return by how much a camera's clock is ahead of ours (behind: negative); None if it says nothing."""
        known = self._samples.get(source)
        return round(statistics.median(sample.ahead_ms for sample in known)) if known else None
