"""What the recorder needs of discovery: an order, what comes of it, and who announces himself.

Owns the words between the control socket and whoever searches. Pure. Invariants: no login is part of a
search; ranges are named before they are searched.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class FoundCamera:
    """A device that answered a search or announced itself."""

    endpoint: str
    """Its WS-Discovery reference, "" if it gave none."""
    address: str
    port: int
    """Of its ONVIF service; 0 when it speaks none."""
    name: str
    hardware: str
    mac: str = ""
    reachable: bool = True
    """False: heard, but its address is outside our networks."""
    maker: str = ""
    """Who made it, as far as anything tells: a hint."""
    profiles: tuple[str, ...] = ()
    """ONVIF profiles it claims: S, T, G, M."""
    rtsp_port: int = 0
    """Where it answered RTSP; 0 = nobody looked, or nowhere."""
    how: tuple[str, ...] = ()
    """Steps that saw it: passive, multicast, sweep, ports and those of vendors."""
    interface: str = ""
    """Ours, through which it was seen."""
    vendor: str = ""
    """Whose own discovery it answered; "" if none of them."""
    serial: str = ""
    state: str = "unknown"
    """What stands between it and adoption: unknown, ready, inactive, uninitialised, no_onvif."""
    remedy: str = ""
    """What comes next: "" (adopt it), activate, onvif_on, reach, apart."""
    command: str = ""
    """What to type for that."""


@dataclass(frozen=True, slots=True)
class SearchOrder:
    """How to search; passive and multicast are always part of it."""

    seconds: float
    sweep: tuple[str, ...] = ()
    """Networks in which every host is asked by itself."""
    ports: tuple[str, ...] = ()
    """Networks in which every host's ports are tried."""
    temporary: str = ""
    """Interface that gets a second address meanwhile; "" = none."""


@dataclass(frozen=True, slots=True)
class SearchStep:
    """What a search does, or did."""

    step: str
    interface: str
    network: str
    done: int = 0
    every: int = 0
    """Parts done and parts in all; 0 = not counted."""


@dataclass(frozen=True, slots=True)
class SearchRange:
    """Hosts that a sweep or a port probe would ask."""

    interface: str
    network: str
    hosts: int


@dataclass(frozen=True, slots=True)
class Explored:
    """What a search brought."""

    found: Sequence[FoundCamera]
    steps: Sequence[SearchStep] = ()
    failed: Sequence[tuple[str, str]] = ()
    """Steps that did not end, with the code of their error."""
    dropped: int = 0
    """Devices beyond the limit of one search."""


Tell: TypeAlias = Callable[[SearchStep], None]
OnHeard: TypeAlias = Callable[[FoundCamera], Awaitable[None]]


class Discovery(Protocol):
    """Whoever searches; the roof makes it of the drivers."""

    async def explore(self, order: SearchOrder, tell: Tell) -> Explored:
        """Search in all ways ordered; BadInput, ConfigError, NotPermitted."""

    def ranges(self) -> tuple[SearchRange, ...]:
        """Return what a sweep would ask now; ConfigError."""

    async def listen(self, on_heard: OnHeard) -> None:
        """Hear announcements until cancelled; `on_heard` gets each device that is new or has changed."""

    async def is_at(self, address: str, endpoint: str) -> bool:
        """Ask an address, without a login, whether it is the device with this reference."""
