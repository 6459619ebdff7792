"""How fast and how parallel cameras are asked.

Owns the token bucket of one host and the thread pool of the box. Invariants: a host is asked one
thing at a time, by whichever of its channels; at most 10 calls at once while it is being adopted (and once two
for each channel of a recorder), at most 1 a second afterwards (polling has taken whole recorders off line); at
most 8 blocking calls on the box; a cancelled call is waited for, and its total time bounds the wait.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from weakref import WeakValueDictionary

import anyio
import anyio.to_thread

from gateway.core.clock import Clock

T = TypeVar("T")

ADOPTION_BURST = 10
THREADS = 8
_INTERVAL_NS = 1_000_000_000
"""One call a second."""


class Pace:
    """Token bucket: `burst` calls at once, then one a second. Pure: time is an argument."""

    def __init__(self, burst: int = ADOPTION_BURST) -> None:
        self._burst = burst
        self._granted = 0
        self._free_ns: int | None = None
        """Monotonic time at which the bucket would be full again."""

    def settle(self) -> None:
        """End the adoption: from now on no two calls within a second."""
        self._burst, self._granted = 1, 0

    def allow(self, calls: int) -> None:
        """Let so many calls through at once, once: a recorder's channels are asked for at adoption."""
        self._granted = calls

    def wait_s(self, now_ns: int) -> float:
        """Take one call and return how long it has to wait before it may be sent."""
        if self._granted > 0:
            self._granted -= 1
            return 0.0
        full_ns = max(self._free_ns or now_ns, now_ns)
        start_ns = max(now_ns, full_ns - (self._burst - 1) * _INTERVAL_NS)
        self._free_ns = max(full_ns, now_ns) + _INTERVAL_NS
        return (start_ns - now_ns) / 1e9


class CallPool:
    """The box's threads for blocking camera calls; make one, pass it to every driver."""

    def __init__(self, threads: int = THREADS) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._lines: WeakValueDictionary[str, Line] = WeakValueDictionary()

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` in a thread when one is free; cancellation waits for the call to end."""
        return await anyio.to_thread.run_sync(call, limiter=self._limiter)

    def line(self, host: str, clock: Clock) -> Line:
        """Return the one line of calls to a host, shared by all drivers of its channels while any lives."""
        line = self._lines.get(host)
        if line is None:
            line = self._lines[host] = Line(self, clock)
        return line

    @property
    def busy(self) -> int:
        """Calls running now."""
        return self._limiter.borrowed_tokens


class Line:
    """One host's queue of calls: one at a time, paced. Shared by the drivers of its channels."""

    def __init__(self, pool: CallPool, clock: Clock, pace: Pace | None = None) -> None:
        self._pool, self._clock = pool, clock
        self._pace = pace or Pace()
        self._lock = anyio.Lock()

    def settle(self) -> None:
        """End the adoption (see `Pace.settle`)."""
        self._pace.settle()

    def allow(self, calls: int) -> None:
        """Let so many calls through at once (see `Pace.allow`)."""
        self._pace.allow(calls)

    async def call(self, call: Callable[[], T]) -> T:
        """Make one blocking call when it is this camera's turn."""
        async with self._lock:
            wait_s = self._pace.wait_s(self._clock.mono_ns())
            if wait_s > 0:
                await self._clock.sleep(wait_s)
            return await self._pool.run(call)
