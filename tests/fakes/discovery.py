"""Discovery to order: what a search finds, who announces himself, who is still where he was."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from gateway.core.errors import VuonError
from recorder.discovery import Explored, FoundCamera, OnHeard, SearchOrder, SearchRange, SearchStep, Tell


@dataclass
class FakeDiscovery:
    """Implements `recorder.discovery.Discovery`."""

    found: list[FoundCamera] = field(default_factory=list)
    steps: list[SearchStep] = field(default_factory=list)
    error: VuonError | None = None
    at_home: set[tuple[str, str]] = field(default_factory=set)
    """Address and endpoint of devices that answer there."""
    orders: list[SearchOrder] = field(default_factory=list)
    asked: list[tuple[str, str]] = field(default_factory=list)
    hold: asyncio.Event | None = None
    """A search waits for it after its steps."""
    searches_now: int = 0
    most_searches: int = 0
    _heard: asyncio.Queue[FoundCamera] = field(default_factory=asyncio.Queue)

    async def explore(self, order: SearchOrder, tell: Tell) -> Explored:
        self.orders.append(order)
        self.searches_now += 1
        self.most_searches = max(self.most_searches, self.searches_now)
        try:
            for step in self.steps:
                tell(step)
            if self.hold is not None:
                await self.hold.wait()
            await asyncio.sleep(0)
            if self.error is not None:
                raise self.error
            return Explored(tuple(self.found), tuple(self.steps), (("sadp", "config"),), 3)
        finally:
            self.searches_now -= 1

    def ranges(self) -> tuple[SearchRange, ...]:
        return (SearchRange("eth0", "10.0.0.0/24", 253),)

    async def listen(self, on_heard: OnHeard) -> None:
        while True:
            item = await self._heard.get()
            await on_heard(item)
            self._heard.task_done()

    async def is_at(self, address: str, endpoint: str) -> bool:
        self.asked.append((address, endpoint))
        return (address, endpoint) in self.at_home

    async def announce(self, item: FoundCamera) -> None:
        """Say Hello for a device and wait until the recorder has dealt with it."""
        self._heard.put_nowait(item)
        async with asyncio.timeout(20):
            await self._heard.join()
