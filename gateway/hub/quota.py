"""How much one box may send: a token bucket each, in memory.

Owns the limit that keeps one broken or hostile box from starving the others. Invariants: pure of I/O and
clocks; a day's backlog after an outage passes at once; only enrolled boxes have a bucket, so their number
is bounded by the fleet.
"""

from __future__ import annotations

import math

BURST = 100_000
"""Two days of the worst school seen: an outage is made up for without waiting."""
PER_S = 200.0
"""Lasting rate; a school makes 0.01 a second."""


class Quota:
    """Buckets of documents by gateway; on one thread."""

    def __init__(self, burst: int = BURST, per_s: float = PER_S) -> None:
        self._burst, self._per_s = burst, per_s
        self._level: dict[str, tuple[float, int]] = {}

    def take(self, gateway: str, count: int, mono_ns: int) -> int:
        """Take `count` (at most the burst) from a box's bucket; returns 0, or the seconds to wait."""
        level, at_ns = self._level.get(gateway, (float(self._burst), mono_ns))
        level = min(float(self._burst), level + (mono_ns - at_ns) / 1e9 * self._per_s)
        wanted = min(count, self._burst)
        if level < wanted:
            self._level[gateway] = (level, mono_ns)
            return max(1, math.ceil((wanted - level) / self._per_s))
        self._level[gateway] = (level - wanted, mono_ns)
        return 0
