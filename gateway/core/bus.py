"""Publish and subscribe inside one process.

Owns the topics of a daemon (facts changed, session ended, condition changed). Invariants: publishing
never waits; each subscriber has a bounded queue that drops its oldest entry when full and counts it, so
a subscriber must treat messages as hints and read the state they point to.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any


class Subscription:
    """One subscriber's queue; iterate it."""

    def __init__(self, maxlen: int) -> None:
        self._items: deque[Any] = deque(maxlen=maxlen)
        self._ready = asyncio.Event()
        self.dropped = 0

    def push(self, value: object) -> None:
        """Add a value; the oldest goes when the queue is full."""
        if len(self._items) == self._items.maxlen:
            self.dropped += 1
        self._items.append(value)
        self._ready.set()

    async def __aiter__(self) -> AsyncIterator[Any]:
        while True:
            while self._items:
                yield self._items.popleft()
            self._ready.clear()
            await self._ready.wait()


class Bus:
    """Topics of one event loop; `publish` must be called on that loop."""

    def __init__(self) -> None:
        self._topics: dict[str, set[Subscription]] = {}

    def publish(self, topic: str, value: object = None) -> None:
        """Hand a value to every present subscriber of the topic."""
        for subscription in self._topics.get(topic, ()):
            subscription.push(value)

    @contextmanager
    def subscribe(self, *topics: str, maxlen: int = 100) -> Iterator[Subscription]:
        """Receive what is published on the topics while the block runs."""
        subscription = Subscription(maxlen)
        for topic in topics:
            self._topics.setdefault(topic, set()).add(subscription)
        try:
            yield subscription
        finally:
            for topic in topics:
                self._topics[topic].discard(subscription)
