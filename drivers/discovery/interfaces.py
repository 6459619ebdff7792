"""Which of our IPv4 addresses may speak to cameras.

Owns the choice: the names or addresses the installer listed, or else every real interface. Pure but
for `installed`, which asks the system. Invariants: tunnels, container bridges and virtual pairs are
never chosen by themselves (a scan of the container network finds nothing and looks like a fault),
loopback only when asked for; whatever is not chosen is never sent to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Interface

import ifaddr

from gateway.core.errors import ConfigError

_VIRTUAL = re.compile(r"^(docker|veth|br-|virbr|lxc|lxd|cni|flannel|cali|podman|tun|tap|wg|tailscale|zt|ppp|dummy|ifb)")
"""Names the kernel or the usual container and VPN tools give; `br0` of an installer stays real."""


@dataclass(frozen=True, slots=True)
class Address:
    """One IPv4 address of one of our interfaces."""

    interface: str
    ip: IPv4Interface
    """With its network: says which cameras are on our subnet."""

    def __str__(self) -> str:
        return f"{self.interface} {self.ip}"


def installed() -> tuple[Address, ...]:
    """Return every IPv4 address of this machine, in the system's order."""
    return tuple(
        Address(adapter.nice_name, IPv4Interface(f"{ip.ip}/{ip.network_prefix}"))
        for adapter in ifaddr.get_adapters()
        for ip in adapter.ips
        if isinstance(ip.ip, str)
    )


def is_virtual(name: str) -> bool:
    """Say whether an interface name belongs to a container, tunnel or test device."""
    return _VIRTUAL.match(name) is not None


def choose(wanted: Sequence[str], have: Iterable[Address], *, loopback: bool = False) -> tuple[Address, ...]:
    """Return the addresses to use: those `wanted` (names or addresses), or all real ones.

    Args:
        wanted: interface names or IPv4 addresses; naming a virtual one or loopback allows it.
        have: what the machine has (`installed`).
        loopback: add 127.0.0.1 to the real ones (simulated cameras).

    Raises:
        ConfigError: a wanted name or address does not exist here.

    """
    everything = tuple(have)
    if not wanted:
        real = (a for a in everything if not a.ip.ip.is_loopback and not is_virtual(a.interface))
        return (*real, *(a for a in everything if loopback and a.ip.ip.is_loopback))
    chosen: dict[Address, None] = {}
    for name in wanted:
        matching = [a for a in everything if name in {a.interface, str(a.ip.ip)}]
        if not matching:
            raise ConfigError("no such interface or address", key="cameras.interfaces", value=name)
        chosen.update(dict.fromkeys(matching))
    return tuple(chosen)
