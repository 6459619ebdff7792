"""How much of one kind a viewer may ask of us: a token bucket.

Pure: time is handed in. Invariant: never more than `burst` at once nor `per_s` a second in the long run.
"""

from __future__ import annotations


class Bucket:
    """Tokens that come back with time (monotonic, ns)."""

    def __init__(self, burst: float, per_s: float) -> None:
        self._burst, self._per_ns, self._tokens = burst, per_s / 1e9, float(burst)
        self._at_ns: int | None = None

    def take(self, now_ns: int) -> bool:
        """Take one; False when there is none."""
        if self._at_ns is not None:
            self._tokens = min(self._burst, self._tokens + (now_ns - self._at_ns) * self._per_ns)
        self._at_ns = now_ns
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
