"""Discovery for the recorder: the ladder of the drivers, in the recorder's words.

Owns which steps a search has and what outlives a search: who announced himself, and what the last search
knew of each address. Invariants: searches send only from the addresses the configuration chooses, and from
a temporary one while somebody asked for it; a device seen through a temporary address is told as out of
reach, because the address is gone when the answer arrives.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from ipaddress import IPv4Address

from drivers.base import Found
from drivers.discovery import ladder
from drivers.discovery.interfaces import Address, choose, installed
from drivers.discovery.ladder import Progress, Step, climb
from drivers.discovery.merging import in_order, true_endpoint
from drivers.discovery.multicast import Listener
from drivers.discovery.nextstep import NextStep, next_steps
from drivers.discovery.passive import Presence
from drivers.discovery.ports import Look
from drivers.discovery.ranges import Range, ranges_of, wanted_ranges
from drivers.discovery.sweep import is_at
from drivers.discovery.tempaddress import Linux, System, TemporaryAddress, factory_range, recover
from drivers.discovery.wsd import Kind
from gateway.core.clock import Clock
from gateway.core.config import Config
from recorder.discovery import Explored, FoundCamera, OnHeard, SearchOrder, SearchRange, SearchStep, Tell

MARKER = "temporary-address.json"


def found_camera(found: Found, step: NextStep | None = None) -> FoundCamera:
    """Translate what discovery says of a device, and what comes next with it."""
    return FoundCamera(
        endpoint=true_endpoint(found),
        address=found.address,
        port=found.port,
        name=found.name,
        hardware=found.hardware,
        mac=found.mac or "",
        reachable=found.on_subnet,
        maker=found.maker,
        profiles=found.profiles,
        rtsp_port=found.rtsp_port,
        how=found.how,
        interface=found.interface,
        vendor=found.vendor,
        serial=found.serial,
        state=found.state.value,
        remedy=step.remedy.value if step else "",
        command=step.command if step else "",
    )


def _no_more(seconds: float) -> Sequence[Step]:
    """Add no step."""
    del seconds
    return ()


async def _as_found(found: Sequence[Found]) -> tuple[Found, ...]:
    """Look no closer."""
    return tuple(found)


class Searching:
    """Implements `recorder.discovery.Discovery`; used in the event loop."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        *,
        system: System | None = None,
        have: Callable[[], tuple[Address, ...]] = installed,
        more: Callable[[float], Sequence[Step]] = _no_more,
        closer: Callable[[Sequence[Found]], Awaitable[tuple[Found, ...]]] = _as_found,
        look: Look | None = None,
    ) -> None:
        """`more(seconds)` gives steps beside multicast (vendors' own discovery), `closer` looks at their result."""
        self._cameras, self._marker = config.cameras, config.paths.run / MARKER
        self._system, self._have, self._more, self._look = system or Linux(), have, more, look
        self._closer = closer
        self.presence = Presence(clock.mono_ns)
        self.found: dict[tuple[str, str], Found] = {}
        """The last search's answers by address and true endpoint: adoption reads the service's path there."""

    def _addresses(self) -> tuple[Address, ...]:
        return choose(self._cameras.interfaces, self._have(), loopback=self._cameras.loopback)

    def ranges(self) -> tuple[SearchRange, ...]:
        """See the protocol."""
        parts = ranges_of(self._addresses())
        return tuple(SearchRange(part.ours.interface, str(part.network), part.size) for part in parts)

    async def explore(self, order: SearchOrder, tell: Tell) -> Explored:
        """See the protocol."""
        addresses = self._addresses()
        born: tuple[Range, ...] = ()
        temporary: Address | None = None
        async with AsyncExitStack() as stack:
            if order.temporary:
                visit = TemporaryAddress(order.temporary, self._marker, system=self._system, have=self._have)
                temporary = await stack.enter_async_context(visit)
                addresses, born = (*addresses, temporary), (factory_range(temporary),)
            log = ladder.Log(lambda now: tell(_step(now)))
            asked = (*wanted_ranges(order.sweep, addresses), *born)
            tried = (*wanted_ranges(order.ports, addresses), *born)
            rungs: list[list[Step]] = [
                [ladder.Multicast(order.seconds, log.note), *self._more(order.seconds)],
                [ladder.Sweep(asked, log.note)],
                [ladder.Ports(tried, log.note, self._look)],
                [self.presence],  # last: of a device that moved since, what it answered now counts
            ]
            outcome = await climb(rungs, addresses, log)
            closer = await self._closer(outcome.found)
        found = in_order(_as_it_stays(item, temporary) for item in closer)
        self.found = {(item.address, true_endpoint(item)): item for item in found}
        steps = next_steps(found, [ours.ip for ours in self._have()])
        return Explored(
            tuple(map(found_camera, found, steps)),
            tuple(map(_step, outcome.steps)),
            tuple((name, error.code) for name, error in outcome.failed),
            outcome.dropped,
        )

    def found_at(self, address: str) -> Found | None:
        """Return what the last search said of an address."""
        return next((item for (there, _), item in self.found.items() if there == address), None)

    async def listen(self, on_heard: OnHeard) -> None:
        """See the protocol."""
        async with Listener(self._cameras.interfaces, loopback=self._cameras.loopback, have=self._have) as listener:
            async for heard in listener.heard():
                if self.presence.note(heard) and heard.kind is Kind.HELLO:
                    await on_heard(found_camera(heard.found))

    async def is_at(self, address: str, endpoint: str) -> bool:
        """See the protocol."""
        return await is_at(address, endpoint)

    async def recover(self) -> None:
        """Remove a temporary address that a crash left behind."""
        await recover(self._marker, self._system)


def _step(now: Progress) -> SearchStep:
    return SearchStep(now.step, now.interface, now.network, now.done, now.every)


def _as_it_stays(found: Found, temporary: Address | None) -> Found:
    """Return a device as it is once the temporary address is gone."""
    if temporary is None or IPv4Address(found.address) not in temporary.ip.network:
        return found
    return replace(found, on_subnet=False)
