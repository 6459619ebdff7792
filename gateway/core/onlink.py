"""Which addresses are on the box's own networks: the school's, as far as the box can know it by itself.

Owns the list of on-link prefixes, read anew every `REFRESH_S` (routers hand out other IPv6 prefixes, cables are
moved). Invariants: judged by the address a connection really comes from, never by a header; tunnels and container
bridges are not the school's network, loopback only where it is said (programs and relays on the box itself come from
there); an IPv4 network counts only if it is private, for a public one is the provider's; an address without a
network (/32, /128) covers nobody; the next router is not near: behind it is the world, and a forwarded port may show
its address as the sender. A lookup costs no system call between two readings.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import ifaddr

from gateway.core.addresses import Address, Network, address_of

REFRESH_S = 10.0
MAX_REMEMBERED = 1_024
ROUTES = Path("/proc/net/route")
UP_GATEWAY = 0x3
"""RTF_UP and RTF_GATEWAY of linux/route.h."""
_APART = re.compile(r"^(docker|veth|br-|virbr|lxc|lxd|cni|flannel|cali|podman|tun|tap|wg|tailscale|zt|ppp|dummy|ifb)")
"""Names of tunnels, container bridges and point-to-point links; `br0` of an installer stays the school's."""


def networks_of(adapters: Iterable[ifaddr.Adapter], *, loopback: bool = False) -> tuple[Network, ...]:
    """Return the networks that the box stands in, each once."""
    found: dict[Network, None] = {}
    for adapter in adapters:
        if _APART.match(adapter.nice_name):
            continue
        for item in adapter.ips:
            address = item.ip if isinstance(item.ip, str) else item.ip[0]
            network = ipaddress.ip_network(f"{address.partition('%')[0]}/{item.network_prefix}", strict=False)
            if _counts(network, loopback=loopback):
                found[network] = None
    return tuple(found)


def _counts(network: Network, *, loopback: bool) -> bool:
    if network.is_loopback:
        return loopback
    if network.prefixlen == network.max_prefixlen:
        return False
    return network.version == 6 or network.is_private


def is_on(address: str, networks: Sequence[Network]) -> bool:
    """Say whether an address is in one of the networks; what is no address is in none."""
    ip = address_of(address)
    return ip is not None and any(ip.version == network.version and ip in network for network in networks)


def routers() -> frozenset[Address]:
    """Return the next routers (IPv4); a kernel without that table has none to name."""
    if not ROUTES.exists():
        return frozenset()
    rows = (line.split() for line in ROUTES.read_text(encoding="ascii").splitlines()[1:])
    led = (row[2] for row in rows if int(row[3], 16) & UP_GATEWAY == UP_GATEWAY)
    return frozenset(ipaddress.ip_address(struct.pack("<I", int(word, 16))) for word in led)


class OnLink:
    """The box's own networks of now; belongs to one event loop (or one thread)."""

    def __init__(
        self,
        mono_ns: Callable[[], int],
        *,
        loopback: bool = False,
        adapters: Callable[[], Iterable[ifaddr.Adapter]] = ifaddr.get_adapters,
        next_routers: Callable[[], frozenset[Address]] = routers,
    ) -> None:
        """`loopback`: the box serves programs on itself only (a trial), so that is its network."""
        self._mono_ns, self._loopback, self._adapters, self._next_routers = mono_ns, loopback, adapters, next_routers
        self._networks: tuple[Network, ...] = ()
        self._routers: frozenset[Address] = frozenset()
        self._read_ns: int | None = None
        self._known: dict[str, bool] = {}

    def covers(self, address: str) -> bool:
        """Say whether an address is on one of the box's own networks."""
        now_ns = self._mono_ns()
        if self._read_ns is None or now_ns - self._read_ns >= REFRESH_S * 1e9:
            self._networks = networks_of(self._adapters(), loopback=self._loopback)
            self._routers = self._next_routers()
            self._read_ns = now_ns
            self._known.clear()
        if (known := self._known.get(address)) is None:
            if len(self._known) >= MAX_REMEMBERED:
                self._known.clear()
            known = is_on(address, self._networks) and address_of(address) not in self._routers
            self._known[address] = known
        return known
