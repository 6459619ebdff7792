"""Units on their way to a transcoder: bounded by the newest key frame, not by a number.

Owns the queue between one feed and one slow consumer. Invariants: after a hole the next thing taken is a key frame;
when a key frame comes, older units that have waited too long are dropped for it; above `MOST_BYTES` everything
waiting is dropped up to the next key frame; drops are counted; the end comes after what was put before it. Event
loop only.
"""

from __future__ import annotations

import asyncio
from collections import deque

from gateway.live.subscription import Ended, Picture

MOST_BYTES = 8 << 20
LATE_NS = 500_000_000
"""Older than that by the next key frame, what waits is not worth decoding."""


class Backlog:
    """Filled from one side, taken from the other."""

    def __init__(self, *, most_bytes: int = MOST_BYTES) -> None:
        self._most_bytes = most_bytes
        self._waiting: deque[Picture] = deque()
        self._bytes = 0
        self._wait_for_key = False
        self._end: Ended | None = None
        self._error: BaseException | None = None
        self._something = asyncio.Event()
        self.dropped = 0

    def put(self, picture: Picture | Ended) -> None:
        """Queue a picture, or drop what its coming makes useless; `Ended` is given once the queue is empty."""
        if isinstance(picture, Ended):
            self._end = picture
            self._something.set()
            return
        unit = picture.unit
        if unit.is_key:
            self._wait_for_key = False
            if self._waiting and unit.received_mono_ns - self._waiting[0].unit.received_mono_ns > LATE_NS:
                self._drop()
        elif self._wait_for_key:
            self.dropped += 1
            return
        if self._bytes + unit.size_bytes > self._most_bytes:
            self._drop()
            if not unit.is_key or unit.size_bytes > self._most_bytes:
                self._wait_for_key = True
                self.dropped += 1
                return
        self._waiting.append(picture)
        self._bytes += unit.size_bytes
        self._something.set()

    def _drop(self) -> None:
        self.dropped += len(self._waiting)
        self._waiting.clear()
        self._bytes = 0

    def filled(self, task: asyncio.Task[None]) -> None:
        """Let `take` raise what the filling task failed with, once the queue is empty."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._error = error
            self._something.set()

    async def take(self) -> Picture | Ended:
        """Return the next picture, or the end; raises the error it ended with."""
        while not self._waiting:
            if self._error is not None:
                raise self._error
            if self._end is not None:
                return self._end
            self._something.clear()
            await self._something.wait()
        picture = self._waiting.popleft()
        self._bytes -= picture.unit.size_bytes
        return picture
