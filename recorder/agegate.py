"""Which wall time may decide about ages: a wrong date must not cost a month of footage.

Owns the doubt about the clock. Invariants: no age counts while the clock is not trusted, nor for `CALM_S` of
running after it jumped further than `FAR_MS` or disagreed with the newest footage at the start; what is left
of that calm survives a restart (table `calm`), so that starting again does not make a wrong date right.
"""

from __future__ import annotations

import math
import sqlite3

from gateway.core.clock import Clock
from gateway.core.db import Database
from recorder.layout import DAY_MS

CALM_S = 24 * 3600
FAR_MS = 3_600_000


class AgeGate:
    """Says which wall time may decide about ages; None = no time may."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calm_until_ns = 0
        self._difference_ms = self._difference()

    def _difference(self) -> int:
        return self._clock.now_ms() - self._clock.mono_ns() // 1_000_000

    def _calm(self, seconds: float) -> None:
        self._calm_until_ns = max(self._calm_until_ns, self._clock.mono_ns() + round(seconds * 1e9))

    def newest_was(self, end_ms: int | None) -> None:
        """Compare with the newest footage at the start: a jump while the box was off is a jump."""
        if end_ms is not None and abs(self._clock.now_ms() - end_ms) > DAY_MS:
            self._calm(CALM_S)

    def restore(self, left_s: float) -> None:
        """Go on with the calm of before the restart."""
        if left_s > 0:
            self._calm(min(left_s, CALM_S))

    @property
    def left_s(self) -> int:
        """Seconds for which no age counts yet, rounded up; 0 = the clock did not jump lately."""
        return max(0, math.ceil((self._calm_until_ns - self._clock.mono_ns()) / 1e9))

    def now_ms(self) -> int | None:
        """Return the wall time to judge ages by."""
        difference_ms = self._difference()
        if abs(difference_ms - self._difference_ms) > FAR_MS:
            self._calm(CALM_S)
        self._difference_ms = difference_ms
        if self.left_s:
            return None
        return self._clock.now_ms() if self._clock.trusted() else None


class CalmBook:
    """Keeps what is left of the calm over a restart."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._saved_s: int | None = None

    async def load(self) -> int:
        """Return the seconds that were left."""

        def read(connection: sqlite3.Connection) -> int:
            row = connection.execute("SELECT left_s FROM calm").fetchone()
            return 0 if row is None else int(row["left_s"])

        return await self._db.read(read)

    async def save(self, left_s: int) -> None:
        """Write it down if it changed: once a minute while it lasts, never in a usual month."""
        if left_s == self._saved_s:
            return
        await self._db.write(
            lambda connection: connection.execute("INSERT OR REPLACE INTO calm VALUES (1, ?)", (left_s,))
        )
        self._saved_s = left_s
