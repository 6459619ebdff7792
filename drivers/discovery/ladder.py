"""The ladder of discovery: one step after the other, each device once, every step shown.

Owns the order of the steps and their sum. Invariants: a step that fails is named in the result and ends no
other; what a step does is told with its interface and range before it does it; no step sends a login; the
result is merged by `merging`, whichever steps saw a device.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import anyio

from drivers.base import Found
from drivers.discovery import multicast
from drivers.discovery.interfaces import Address
from drivers.discovery.merging import Collection
from drivers.discovery.neighbours import mac_of
from drivers.discovery.ports import Look, probe_ports
from drivers.discovery.ranges import Range
from drivers.discovery.sweep import sweep
from drivers.discovery.vendors import vendor_of
from gateway.core.errors import VuonError


@dataclass(frozen=True, slots=True)
class Progress:
    """What the search is doing at this moment."""

    step: str
    """`Step.name`."""
    interface: str
    network: str
    """The range it reaches from there, e.g. 192.168.1.0/24."""
    done: int = 0
    every: int = 0
    """Parts of the step that are done, and all of them; 0 = it is not counted."""


Tell = Callable[[Progress], None]


class Step(Protocol):
    """One way of finding cameras."""

    @property
    def name(self) -> str:
        """Its name in progress and results: a short word, stable."""

    def run(self, addresses: Sequence[Address]) -> AsyncIterator[Found]:
        """Yield devices seen from these addresses of ours, again when more is known; sends no login."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a search brought."""

    found: tuple[Found, ...]
    steps: tuple[Progress, ...]
    """One per step and range, as it ended."""
    failed: tuple[tuple[str, VuonError], ...] = ()
    """Steps that did not end, and why."""
    dropped: int = 0
    """Devices beyond the limit of one search."""


def _deaf(progress: Progress) -> None:
    """Stand in for a listener."""
    del progress


class Multicast:
    """Probes from each address; see `multicast`."""

    name = "multicast"

    def __init__(self, seconds: float, tell: Tell = _deaf) -> None:
        self._seconds, self._tell = seconds, tell

    async def run(self, addresses: Sequence[Address]) -> AsyncIterator[Found]:
        """Probe and listen for the whole time."""

        def step(now: multicast.Step) -> None:
            self._tell(Progress(self.name, now.interface, now.network, now.round, multicast.ROUNDS))

        names = [str(ours.ip.ip) for ours in addresses]
        if names:  # none would mean all
            async for found in multicast.discover(names, self._seconds, on_step=step, have=lambda: tuple(addresses)):
                yield found


class Sweep:
    """Asks every host of the ranges; see `sweep`."""

    name = "sweep"

    def __init__(self, ranges: Sequence[Range], tell: Tell = _deaf) -> None:
        self._ranges, self._tell = ranges, tell

    async def run(self, addresses: Sequence[Address]) -> AsyncIterator[Found]:
        """Ask those ranges that are reached from `addresses`."""

        def step(part: Range, done: int, every: int) -> None:
            self._tell(Progress(self.name, part.ours.interface, str(part.network), done, every))

        async for found in sweep([part for part in self._ranges if part.ours in addresses], on_step=step):
            yield found


class Ports:
    """Connects to the usual ports of every host of the ranges; see `ports`."""

    name = "ports"

    def __init__(self, ranges: Sequence[Range], tell: Tell = _deaf, look: Look | None = None) -> None:
        self._ranges, self._tell, self._look = ranges, tell, look

    async def run(self, addresses: Sequence[Address]) -> AsyncIterator[Found]:
        """Probe those ranges that are reached from `addresses`."""

        def step(part: Range, done: int, every: int) -> None:
            self._tell(Progress(self.name, part.ours.interface, str(part.network), done, every))

        ranges = [part for part in self._ranges if part.ours in addresses]
        async for found in probe_ports(ranges, look=self._look, on_step=step):
            yield found


_TELLING = (Multicast, Sweep, Ports)
"""Steps that tell their progress themselves."""


class Log:
    """What the steps told, the last word of each range; made before the steps, which tell it."""

    def __init__(self, listener: Tell = _deaf) -> None:
        self._listener = listener
        self._last: dict[tuple[str, str, str], Progress] = {}

    def note(self, now: Progress) -> None:
        """Take a word of a step and pass it on."""
        self._last[now.step, now.interface, now.network] = now
        self._listener(now)

    def steps(self) -> tuple[Progress, ...]:
        """Return the last word of each step and range, in the order they began."""
        return tuple(self._last.values())


@dataclass(slots=True)
class _Climb:
    addresses: tuple[Address, ...]
    log: Log
    collection: Collection = field(default_factory=Collection)
    failed: list[tuple[str, VuonError]] = field(default_factory=list)

    async def step(self, step: Step) -> None:
        if not isinstance(step, _TELLING):
            for ours in self.addresses:
                self.log.note(Progress(step.name, ours.interface, str(ours.ip.network)))
        try:
            async for found in step.run(self.addresses):
                self.collection.add(replace(found, how=(step.name,)))
        except VuonError as error:
            self.failed.append((step.name, error))


async def climb(
    rungs: Sequence[Sequence[Step]],
    addresses: Sequence[Address],
    log: Log,
    *,
    mac: Callable[[str], str | None] = mac_of,
) -> Outcome:
    """Run the steps, those of one rung side by side, and return each device once, by address.

    Args:
        rungs: steps in the order of their cost; the steps of a rung only listen and do not disturb each other.
        addresses: from where to look; nothing is sent from another.
        log: told as the search goes on; the steps of this module must have been made with its `note`.
        mac: the neighbour table: after a search it knows who answered.

    """
    work = _Climb(tuple(addresses), log)
    for rung in rungs:
        async with anyio.create_task_group() as group:
            for step in rung:
                group.start_soon(work.step, step)
    found = []
    for device in work.collection.in_order():
        known = device.mac or (mac(device.address) if device.on_subnet else None)
        maker = device.maker or vendor_of(known, device.name, device.hardware)
        found.append(replace(device, mac=known, maker=maker))
    return Outcome(tuple(found), log.steps(), tuple(work.failed), work.collection.dropped)
