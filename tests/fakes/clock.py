"""A clock that stands still until a test moves it."""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time

NOON_MS = 1_795_237_200_000
"""2026-11-21 05:00 UTC = Saturday 12:00 in Việt Nam."""


class FakeClock:
    """Implements `gateway.core.clock.Clock`; `advance` wakes sleepers in order."""

    def __init__(self, now_ms: int = NOON_MS, *, trusted: bool = True) -> None:
        self._now_ms, self._mono_ns, self._trusted = now_ms, 1_000_000_000, trusted
        self._sleepers: list[tuple[int, int, asyncio.Event]] = []
        self._order = itertools.count()

    def now_ms(self) -> int:
        return self._now_ms

    def mono_ns(self) -> int:
        return self._mono_ns

    def trusted(self) -> bool:
        return self._trusted

    @property
    def sleeping(self) -> int:
        """How many wait for this clock."""
        return len(self._sleepers)

    def distrust(self) -> None:
        self._trusted = False

    def trust(self) -> None:
        self._trusted = True

    def step_wall(self, ms: int) -> None:
        """Set wall time off by `ms`; monotonic time does not notice."""
        self._now_ms += ms

    def tick(self, seconds: float) -> None:
        """Move both times without waking sleepers: for code without a loop."""
        self._now_ms += int(seconds * 1000)
        self._mono_ns += int(seconds * 1e9)

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        event = asyncio.Event()
        heapq.heappush(self._sleepers, (self._mono_ns + int(seconds * 1e9), next(self._order), event))
        await event.wait()

    async def advance(self, seconds: float) -> None:
        """Move both times, stopping at each sleeper on the way and letting it run."""
        target = self._mono_ns + int(seconds * 1e9)
        await self.settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            due, _, event = heapq.heappop(self._sleepers)
            self.tick(max(0, due - self._mono_ns) / 1e9)
            event.set()
            await self.settle()
        self.tick((target - self._mono_ns) / 1e9)
        await self.settle()

    async def settle(self) -> None:
        """Let every ready task run."""
        for _ in range(20):
            await asyncio.sleep(0)


class JumpClock:
    """Real time that a test can move ahead: for rules of minutes beside real connections. Sleepers notice nothing."""

    def __init__(self) -> None:
        self._ahead_ns = 0

    def jump(self, seconds: float) -> None:
        """Move both times ahead."""
        self._ahead_ns += int(seconds * 1e9)

    def now_ms(self) -> int:
        return (time.time_ns() + self._ahead_ns) // 1_000_000

    def mono_ns(self) -> int:
        return time.monotonic_ns() + self._ahead_ns

    def trusted(self) -> bool:
        return True

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0))


class RunningClock(FakeClock):
    """A clock that runs by itself, from a time of day a test chose; its wall time can be stepped, its trust taken."""

    def __init__(self, now_ms: int = NOON_MS) -> None:
        super().__init__(now_ms)
        self._began_ns = time.monotonic_ns()

    def now_ms(self) -> int:
        return super().now_ms() + (time.monotonic_ns() - self._began_ns) // 1_000_000

    def mono_ns(self) -> int:
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(max(seconds, 0))

    async def advance(self, seconds: float) -> None:
        """Wait: nobody else moves it."""
        await asyncio.sleep(seconds)


class HastyClock:
    """Real time, but nobody waits: a sleep moves monotonic time ahead instead. For loops against real sockets."""

    def __init__(self) -> None:
        self._skipped_ns = 0
        self.slept: list[float] = []

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def mono_ns(self) -> int:
        return time.monotonic_ns() + self._skipped_ns

    def trusted(self) -> bool:
        return True

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._skipped_ns += int(max(seconds, 0) * 1e9)
        await asyncio.sleep(0)
