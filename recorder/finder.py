"""Cameras that are away are looked for.

Owns when the box searches by itself; the search (service_discovery.py) follows what it finds. Invariants: a search
begins when a camera has been out of reach, or its address another device's, for a while, and then at most once in a
few minutes, spread by chance; while all are where they were nothing is sent; no login is part of a search.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.clock import Clock
from gateway.core.errors import CameraUnreachable
from gateway.core.log import get_logger
from gateway.core.model import PublicId
from recorder.camera import State
from recorder.registry import Camera

log = get_logger("recorder.finder")

LOOK_S = 5.0


@dataclass(frozen=True, slots=True)
class FindRule:
    """When to search, in seconds."""

    away_s: float = 60.0
    """A camera is away when nothing answered for so long: a reboot is over by then."""
    every_s: float = 300.0
    search_s: float = 4.0


class Seen(Protocol):
    """A running camera, as far as this module sees it."""

    camera: Camera

    @property
    def state(self) -> State:
        """How it is."""

    @property
    def why(self) -> str:
        """Error code behind the state."""


class Running(Protocol):
    """The running cameras."""

    def all(self) -> Sequence[Seen]:
        """Return them."""


def is_away(state: State, why: str) -> bool:
    """Say whether a camera in this state is not where we look for it."""
    return state is State.SWAPPED or (state is State.DOWN and why == CameraUnreachable.code)


class Absences:
    """Since when which camera is away, and when to search again. Pure: time and chance are arguments."""

    def __init__(self, rule: FindRule) -> None:
        self._rule = rule
        self._since: dict[PublicId, int] = {}
        self._next_ns = 0

    def look(self, away: Collection[PublicId], now_ns: int) -> frozenset[PublicId]:
        """Take in who is away now; returns whom it is time to search for: all or nobody."""
        self._since = {camera: self._since.get(camera, now_ns) for camera in away}
        long_ns = int(self._rule.away_s * 1e9)
        due = any(now_ns - since_ns >= long_ns for since_ns in self._since.values())
        return frozenset(self._since) if due and now_ns >= self._next_ns else frozenset()

    def searched(self, now_ns: int, jitter: float) -> None:
        """Note a search; `jitter` in [0, 1) spreads the next over 75-125 % of the interval."""
        self._next_ns = now_ns + int(self._rule.every_s * (0.75 + jitter / 2) * 1e9)


class Finder:
    """Searches for the cameras that are away; `run` until cancelled."""

    def __init__(
        self,
        cameras: Running,
        search: Callable[[float], Awaitable[None]],
        clock: Clock,
        jitter: Callable[[], float],
        rule: FindRule | None = None,
    ) -> None:
        """`search(seconds)` finds and follows; `jitter` returns a number in [0, 1)."""
        self._cameras, self._search, self._clock, self._jitter = cameras, search, clock, jitter
        self._rule = rule or FindRule()
        self._absences = Absences(self._rule)

    async def run(self) -> None:
        """Look, and search when it is time."""
        while True:
            await self._clock.sleep(min(LOOK_S, self._rule.away_s))
            away = [task.camera.public_id for task in self._cameras.all() if is_away(task.state, task.why)]
            now_ns = self._clock.mono_ns()
            wanted = self._absences.look(away, now_ns)
            if wanted:
                self._absences.searched(now_ns, self._jitter())
                log.info("camera.searched", away=len(wanted))
                await self._search(self._rule.search_s)
