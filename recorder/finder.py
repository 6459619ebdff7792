"""Cameras that are away are looked for, and followed to where they answer now.

Owns when the box searches by itself, and whom it follows. Invariants: only a camera that cannot be reached at its
address (or whose address another device has) is followed, and only to a device with its marks; a search begins when
the first has been away for a while and then at most once in a few minutes, spread by chance; no login is sent.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.clock import Clock
from gateway.core.errors import CameraUnreachable
from gateway.core.log import get_logger
from gateway.core.model import PublicId
from recorder.adoption import FoundCamera
from recorder.camera import State
from recorder.identity import Identity, of_device
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

    async def move(self, camera: PublicId, address: str, port: int) -> None:
        """Follow a camera to another address."""


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


async def follow(cameras: Running, ours: Sequence[Camera], item: FoundCamera) -> bool:
    """Move the cameras of a device to where it was found; False if they are there already, or it is out of reach."""
    moved = [camera for camera in ours if item.reachable and item.address != camera.about.address]
    for camera in moved:
        await cameras.move(camera.public_id, item.address, item.port)
    return bool(moved)


class Finder:
    """Searches for the cameras that are away; `run` until cancelled."""

    def __init__(
        self,
        cameras: Running,
        search: Callable[[float], Awaitable[Sequence[FoundCamera]]],
        clock: Clock,
        jitter: Callable[[], float],
        rule: FindRule | None = None,
    ) -> None:
        """`search(seconds)` is what `discover` does; `jitter` returns a number in [0, 1)."""
        self._cameras, self._search, self._clock, self._jitter = cameras, search, clock, jitter
        self._rule = rule or FindRule()
        self._absences = Absences(self._rule)

    async def run(self) -> None:
        """Look, and search when it is time."""
        while True:
            await self._clock.sleep(min(LOOK_S, self._rule.away_s))
            away = [task.camera for task in self._cameras.all() if is_away(task.state, task.why)]
            wanted = self._absences.look([camera.public_id for camera in away], self._clock.mono_ns())
            if wanted:
                await self._find([camera for camera in away if camera.public_id in wanted])

    async def _find(self, away: Sequence[Camera]) -> None:
        self._absences.searched(self._clock.mono_ns(), self._jitter())
        found = await self._search(self._rule.search_s)
        for item in found:
            ours = of_device(away, Identity(item.endpoint, item.mac))
            if await follow(self._cameras, ours, item):
                log.info("camera.followed", cameras=len(ours), address=item.address)
