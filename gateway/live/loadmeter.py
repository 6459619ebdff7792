"""How hard the daemon works: its share of a core, and how late pictures leave, over the last seconds.

Owns the window of samples. Invariants: what counts processor time is an argument; nothing is judged before
`LEAST_WINDOW_S` of samples (a start computes a lot and means nothing); bounded by time.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from gateway.core.clock import Clock
from gateway.live.admission import LATE_MS, Load

WINDOW_S = 10.0
LEAST_WINDOW_S = 5.0


class _Sample(NamedTuple):
    mono_ns: int
    cpu_s: float
    sent_bytes: int
    was_late: bool


class LoadMeter:
    """Fed by `look` a few times a second; answers with the load of the window."""

    def __init__(self, clock: Clock, cpu_s: Callable[[], float] = time.process_time) -> None:
        """`cpu_s` returns the seconds of processor time used so far (all threads)."""
        self._clock, self._cpu_s = clock, cpu_s
        self._samples: deque[_Sample] = deque()
        self.worst_late_ms = 0.0
        """Latest picture of the last look."""

    def look(self, worst_late_ms: float, sent_bytes: int) -> None:
        """Take a sample: the latest picture since the last look, and bytes sent through the uplink so far."""
        now_ns = self._clock.mono_ns()
        self.worst_late_ms = worst_late_ms
        self._samples.append(_Sample(now_ns, self._cpu_s(), sent_bytes, worst_late_ms > LATE_MS))
        while now_ns - self._samples[0].mono_ns > WINDOW_S * 1e9:
            self._samples.popleft()

    def load(self) -> Load:
        """Return the load of the window; nothing while it is too short."""
        passed_s = self._passed_s()
        if passed_s < LEAST_WINDOW_S:
            return Load()
        late = sum(item.was_late for item in self._samples) / len(self._samples)
        return Load((self._samples[-1].cpu_s - self._samples[0].cpu_s) / passed_s, late)

    def uplink_bps(self) -> float:
        """Return what left through the uplink in the window, in bits a second."""
        passed_s = self._passed_s()
        if passed_s <= 0:
            return 0.0
        return (self._samples[-1].sent_bytes - self._samples[0].sent_bytes) * 8 / passed_s

    def _passed_s(self) -> float:
        return (self._samples[-1].mono_ns - self._samples[0].mono_ns) / 1e9 if self._samples else 0.0
