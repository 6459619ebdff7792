"""The driver of simulated cameras: ONVIF, on this machine only.

Owns `SimulatedDriver`. Invariants: it speaks to loopback addresses and finds nothing else, so that no real
camera is ever recorded under the name of a simulated one.
"""

from __future__ import annotations

import ipaddress
from collections.abc import AsyncIterator, Sequence
from typing import ClassVar

from drivers.base import Found
from drivers.discovery import multicast as discovery
from drivers.gate import LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.registry import Kit, Place
from gateway.core.errors import BadInput

ONVIF_PORT = 8899
"""Where `python -m drivers.simulated` puts it."""
HERE = ("127.0.0.1",)


def is_here(address: str) -> bool:
    """Say whether an address is this machine's own loopback."""
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


class SimulatedDriver(OnvifDriver):
    """One simulated camera."""

    name: ClassVar[str] = "simulated"

    @classmethod
    async def discover(cls, interfaces: Sequence[str], seconds: float) -> AsyncIterator[Found]:
        """Look for simulated cameras; always on loopback, whatever interfaces are named."""
        del interfaces
        async for found in discovery.discover(HERE, seconds):
            if is_here(found.address):
                yield found


def open_simulated(place: Place, gate: LoginGate, kit: Kit) -> SimulatedDriver:
    """Speak to a simulated camera; BadInput for an address that is not loopback."""
    if not is_here(place.text):
        raise BadInput("simulated cameras live on loopback", key="address", value=place.text)
    port = ONVIF_PORT if place.port is None else place.port
    return SimulatedDriver(place.text, port, gate, pool=kit.pool, clock=kit.clock, limits=kit.limits)
