"""How fast and how parallel cameras are asked.

Owns the token bucket and the turn of each camera, and the thread pools of the box. Invariants: a camera is
asked one thing at a time, whoever asks (events, health, settings; all channels of a recorder); at most 10
calls at once while it is being adopted (and once two for each channel of a recorder), at most 1 a second
afterwards (polling has taken whole recorders off line); at most 8 blocking calls a pool; a cancelled call is
waited for, and its total time bounds the wait.
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
CALLS_PER_S = 1.0
MOST_HOSTS = 256
"""More than one box records."""


class Pace:
    """Token bucket: `burst` calls at once, then one a second or as told. Pure: time is an argument."""

    def __init__(
        self, burst: int = ADOPTION_BURST, calls_per_s: float = CALLS_PER_S, before: Pace | None = None
    ) -> None:
        """Begin with a full bucket, or with what `before`, of the same camera, left of it."""
        self._burst, self._interval_ns = burst, int(1e9 / calls_per_s)
        self._granted = 0
        self._free_ns: int | None = None if before is None else before._free_ns
        """Monotonic time at which the bucket would be full again."""

    def settle(self) -> None:
        """End the adoption: from now on no two calls within the interval (a second)."""
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
        start_ns = max(now_ns, full_ns - (self._burst - 1) * self._interval_ns)
        self._free_ns = max(full_ns, now_ns) + self._interval_ns
        return (start_ns - now_ns) / 1e9


class Turn:
    """One camera's lock and pace, shared by all who ask it."""

    def __init__(self, pace: Pace) -> None:
        self.lock, self.pace = anyio.Lock(), pace


class Turns:
    """The turns of the cameras that somebody asks now, by host.

    A host that nobody asks begins anew, but what it was asked a moment ago still counts: visits follow each other.
    """

    def __init__(self, calls_per_s: float = CALLS_PER_S) -> None:
        """Let each camera be asked that often once it is ours."""
        self._calls_per_s = calls_per_s
        self._turns: WeakValueDictionary[str, Turn] = WeakValueDictionary()
        self._latest: dict[str, Pace] = {}
        """Of the hosts asked last, the newest at the end."""

    def of(self, host: str) -> Turn:
        """Return the host's turn; the caller's reference keeps it."""
        turn = self._turns.get(host)
        if turn is None:
            pace = Pace(calls_per_s=self._calls_per_s, before=self._latest.pop(host, None))
            turn = self._turns[host] = Turn(pace)
            self._latest[host] = pace
            if len(self._latest) > MOST_HOSTS:
                del self._latest[next(iter(self._latest))]
        return turn


class CallPool:
    """Threads for blocking camera calls; make few, pass them to every driver, all with the box's `Turns`."""

    def __init__(self, threads: int = THREADS, turns: Turns | None = None) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self.turns = turns or Turns()

    async def run(self, call: Callable[[], T]) -> T:
        """Run `call` in a thread when one is free; cancellation waits for the call to end."""
        return await anyio.to_thread.run_sync(call, limiter=self._limiter)

    @property
    def busy(self) -> int:
        """Calls running now."""
        return self._limiter.borrowed_tokens


class Line:
    """A driver's place in its camera's queue of calls: one at a time, paced."""

    def __init__(self, pool: CallPool, clock: Clock, host: str) -> None:
        self._pool, self._clock, self._turn = pool, clock, pool.turns.of(host)

    def settle(self) -> None:
        """End the adoption (see `Pace.settle`)."""
        self._turn.pace.settle()

    def allow(self, calls: int) -> None:
        """Let so many calls through at once (see `Pace.allow`)."""
        self._turn.pace.allow(calls)

    async def call(self, call: Callable[[], T]) -> T:
        """Make one blocking call when it is this camera's turn."""
        async with self._turn.lock:
            wait_s = self._turn.pace.wait_s(self._clock.mono_ns())
            if wait_s > 0:
                await self._clock.sleep(wait_s)
            return await self._pool.run(call)
