"""Which hosts may be asked one by one, and at what pace.

Owns the choice of ranges for sweep and port probe. Pure. Invariants: a range lies inside the network of
one of our chosen addresses and has at most `MOST_HOSTS` hosts (/22); of a wider network only the part
around our own address is taken; our own address, the network's and the broadcast address are never asked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from drivers.discovery.interfaces import Address
from gateway.core.errors import BadInput

WIDEST_PREFIX = 22
MOST_HOSTS = 1 << (32 - WIDEST_PREFIX)


@dataclass(frozen=True, slots=True)
class Range:
    """A network, or a part of it, and our address in it."""

    ours: Address
    network: IPv4Network
    only: tuple[IPv4Address, ...] = ()
    """Ask these hosts of it; empty = all."""

    def hosts(self) -> Iterator[IPv4Address]:
        """Yield the addresses to ask, lowest first."""
        own = self.ours.ip.ip
        return (host for host in self.only or self.network.hosts() if host != own)

    @property
    def size(self) -> int:
        """How many hosts will be asked."""
        return sum(1 for _ in self.hosts())

    def __str__(self) -> str:
        return f"{self.ours.interface} {self.network}"


def ranges_of(addresses: Sequence[Address]) -> tuple[Range, ...]:
    """Return one range per network of our addresses, at most a /22 each, no network twice."""
    ranges: dict[IPv4Network, Range] = {}
    for ours in addresses:
        prefix = max(WIDEST_PREFIX, ours.ip.network.prefixlen)
        network = IPv4Network((int(ours.ip.ip), prefix), strict=False)
        if prefix < 32 and not any(network.subnet_of(known) for known in ranges):
            ranges[network] = Range(ours, network)
    return tuple(ranges.values())


def wanted_ranges(texts: Sequence[str], addresses: Sequence[Address]) -> tuple[Range, ...]:
    """Return the ranges somebody named (`192.168.1.0/24`), each with our address in it.

    BadInput: one is no network, is wider than a /22, or lies outside the networks of our addresses.
    """
    ranges = []
    for text in texts:
        try:
            network = IPv4Network(text, strict=False)
        except ValueError as error:
            raise BadInput(f"{text!r} is no network", case="range", key="ranges", value=text) from error
        ours = next((item for item in addresses if network.subnet_of(item.ip.network)), None)
        if ours is None or network.prefixlen < WIDEST_PREFIX:
            raise BadInput(
                f"{text} is not inside a network of ours, or wider than /{WIDEST_PREFIX}",
                case="range",
                key="ranges",
                value=text,
            )
        ranges.append(Range(ours, network))
    return tuple(ranges)
