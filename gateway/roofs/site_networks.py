"""The school's own network, as the box stands in it.

Owns the judgement whether an address is of the site: it is in a network of one of the box's own cards. Invariants: the
next router is not: behind it is the world, and a forwarded port may show its address as the sender; what is no
address is nowhere.
"""

from __future__ import annotations

import ipaddress
import struct
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeAlias

import ifaddr

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
ROUTES = Path("/proc/net/route")
FRESH_S = 30.0
"""How long the cards' networks are remembered: an address that a router gave may change."""
UP_GATEWAY = 0x3
"""RTF_UP and RTF_GATEWAY of linux/route.h."""


def own_networks() -> tuple[Network, ...]:
    """Return the networks of the box's cards."""
    found = []
    for adapter in ifaddr.get_adapters():
        for item in adapter.ips:
            address = item.ip if isinstance(item.ip, str) else item.ip[0]
            found.append(ipaddress.ip_network(f"{address}/{item.network_prefix}", strict=False))
    return tuple(found)


def routers() -> frozenset[Address]:
    """Return the next routers (IPv4); a kernel without that table has none to name."""
    if not ROUTES.exists():
        return frozenset()
    rows = (line.split() for line in ROUTES.read_text(encoding="ascii").splitlines()[1:])
    led = (row[2] for row in rows if int(row[3], 16) & UP_GATEWAY == UP_GATEWAY)
    return frozenset(ipaddress.ip_address(struct.pack("<I", int(word, 16))) for word in led)


class SiteNetworks:
    """Judges addresses; from the event loop."""

    def __init__(
        self,
        networks: Callable[[], Iterable[Network]] = own_networks,
        next_routers: Callable[[], frozenset[Address]] = routers,
        mono_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._networks, self._routers, self._mono_s = networks, next_routers, mono_s
        self._known: tuple[tuple[Network, ...], frozenset[Address]] = ((), frozenset())
        self._at_s: float | None = None

    def has(self, address: str) -> bool:
        """Say whether an address is of the school's network."""
        try:
            given = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(given, ipaddress.IPv6Address) and given.ipv4_mapped is not None:
            given = given.ipv4_mapped
        now_s = self._mono_s()
        if self._at_s is None or now_s - self._at_s >= FRESH_S:
            self._known, self._at_s = (tuple(self._networks()), self._routers()), now_s
        networks, next_routers = self._known
        return given not in next_routers and any(given in network for network in networks)
