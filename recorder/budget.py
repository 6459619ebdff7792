"""How fast the box may turn to its cameras: logins at once, connects per second, the bare knock.

Owns `StartBudget` and `knock`. Invariants: after a power cut of the whole school no more than
`max_logins` sessions are being opened at once and no more than `connects_per_s` connections begin each
second, knocks included; order of arrival is kept; a knock sends nothing.
"""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

from gateway.core.clock import Clock

KNOCK_TIMEOUT_S = 3.0


class Place:
    """One of the places for opening a session; give it back as soon as the camera plays (or failed)."""

    def __init__(self, budget: asyncio.Semaphore) -> None:
        self._budget: asyncio.Semaphore | None = budget

    def give_back(self) -> None:
        """Free the place; more than once does no harm. Event loop only."""
        if self._budget is not None:
            self._budget.release()
            self._budget = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.give_back()


class StartBudget:
    """Shared by all cameras of the box; event loop only."""

    def __init__(self, clock: Clock, *, max_logins: int = 4, connects_per_s: int = 10) -> None:
        self._clock = clock
        self._logins = asyncio.Semaphore(max_logins)
        self._step_ns = 1_000_000_000 // connects_per_s
        self._next_ns = 0

    async def connect(self) -> None:
        """Wait for the right to begin one connection."""
        now_ns = self._clock.mono_ns()
        at_ns = max(now_ns, self._next_ns)
        self._next_ns = at_ns + self._step_ns
        if at_ns > now_ns:
            await self._clock.sleep((at_ns - now_ns) / 1e9)

    async def place(self) -> Place:
        """Wait for a place to open a session, and for the right to connect."""
        await self._logins.acquire()
        place = Place(self._logins)
        try:
            await self.connect()
        except BaseException:
            place.give_back()
            raise
        return place


async def knock(host: str, port: int) -> bool:
    """Say whether something accepts a TCP connection there; sends nothing and hangs up."""
    try:
        async with asyncio.timeout(KNOCK_TIMEOUT_S):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
