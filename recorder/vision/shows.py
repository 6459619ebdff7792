"""Key frames of recorded footage that somebody waits to see, on their way to the vision child.

Owns the queue. Invariants: the newest wish is served first, for whoever drags along a timeline wants what
is under the finger; at most `MAX_WAITING` wait, the oldest is refused for a new one and counted; whoever
waits is answered or refused, also when the child dies. Event loop only.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass

from gateway.core.errors import DaemonUnavailable
from gateway.core.media import CodecConfig
from recorder.vision.pipe import Jpeg

MAX_WAITING = 48
"""A strip of a day's pictures asks for that many at once."""


@dataclass(frozen=True, slots=True, eq=False)
class Show:
    """One key frame to be shown `width` pixels wide."""

    config: CodecConfig
    nals: tuple[bytes, ...]
    width: int
    answer: asyncio.Future[Jpeg]


def unavailable(why: str) -> DaemonUnavailable:
    """Return what whoever waits is refused with."""
    return DaemonUnavailable(f"no recorded picture can be shown now: {why}", service="vision")


class Shows:
    """The queue; put from one side, taken from the other."""

    def __init__(self, most: int = MAX_WAITING) -> None:
        self._most = most
        self._waiting: deque[Show] = deque()
        self.refused = 0
        """Wishes that gave way to newer ones."""

    def put(self, config: CodecConfig, nals: tuple[bytes, ...], width: int) -> Show:
        """Queue a wish; its `answer` is set by whoever takes it."""
        show = Show(config, nals, width, asyncio.get_running_loop().create_future())
        while len(self._waiting) >= self._most:
            self.refused += 1
            _refuse(self._waiting.popleft(), "too many are asked for")
        self._waiting.append(show)
        return show

    def take(self) -> Show | None:
        """Return the newest wish somebody still waits for; None without one."""
        while self._waiting:
            show = self._waiting.pop()
            if not show.answer.done():
                return show
        return None

    def refuse_all(self, why: str) -> None:
        """Refuse everybody who waits."""
        while self._waiting:
            _refuse(self._waiting.popleft(), why)


def _refuse(show: Show, why: str) -> None:
    if not show.answer.done():
        show.answer.set_exception(unavailable(why))
