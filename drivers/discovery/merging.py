"""One device, once: which answers of one search belong together, and what they say in all.

Owns the rule and the collection. Pure. Invariants: two endpoint references are two devices, whatever else
they share; one endpoint with two MACs is two devices (clones share references); a MAC alone joins answers
from two addresses of our subnets never, because repeaters and routers answer ARP for others; what one
answer knew is not lost in another; memory is bounded, what does not fit is counted.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import TypeVar

from drivers.base import Found
from drivers.discovery.wsd import MOST_XADDRS

MOST_FOUND = 1024
"""Devices one search keeps: a liar that invents endpoints fills this, not the memory."""
_MADE_UP = "address:"

T = TypeVar("T")


def made_up_endpoint(address: str, port: int) -> str:
    """Return the reference of a device that gave none."""
    return f"{_MADE_UP}{address}:{port}"


def true_endpoint(found: Found) -> str:
    """Return the reference the device itself gave, "" if it gave none."""
    return "" if found.endpoint.startswith(_MADE_UP) else found.endpoint


def same_device(one: Found, other: Found) -> bool:
    """Say whether two answers come from one device; unknown marks speak neither way."""
    if one.mac and other.mac and one.mac != other.mac:
        return False
    endpoints = true_endpoint(one), true_endpoint(other)
    if all(endpoints):
        return endpoints[0] == endpoints[1]
    if one.address == other.address:  # two factory defaults may sit behind two of our cards
        return one.on_subnet or other.on_subnet or one.interface == other.interface
    # Outside our subnets no ARP answers: there the device itself named its MAC, and means itself.
    return one.mac is not None and one.mac == other.mac and not (one.on_subnet and other.on_subnet)


def merge(old: Found | None, new: Found) -> Found:
    """Return the better of two answers of one device, with what only the other knew."""
    if old is None:
        return new
    best = new if new.on_subnet and not old.on_subnet else old
    rest = old if best is new else new
    filled = {
        item.name: getattr(rest, item.name)
        for item in fields(Found)
        if item.default is not MISSING and getattr(best, item.name) == item.default
    }
    return replace(
        best,
        **filled
        | {
            "endpoint": true_endpoint(best) or true_endpoint(rest) or best.endpoint,
            "port": _onvif_port(best, rest),
            "name": best.name or rest.name,
            "hardware": best.hardware or rest.hardware,
            "mac": best.mac or (rest.mac if rest.address == best.address else None),
            "xaddrs": _joined(best.xaddrs, rest.xaddrs)[:MOST_XADDRS],
            "on_subnet": best.on_subnet,
            "profiles": tuple(sorted({*best.profiles, *rest.profiles})),
            "how": _joined(old.how, new.how),
        },
    )


def _onvif_port(best: Found, rest: Found) -> int:
    """Return the port of the answer that named an ONVIF service: a vendor's discovery names the web page's."""
    return next((one.port for one in (best, rest) if one.xaddrs and one.port), best.port or rest.port)


def _joined(one: tuple[T, ...], other: tuple[T, ...]) -> tuple[T, ...]:
    return tuple(dict.fromkeys((*one, *other)))


def in_order(devices: Iterable[Found]) -> tuple[Found, ...]:
    """Return devices by address, as people look for them in a list."""
    return tuple(sorted(devices, key=lambda found: (socket.inet_aton(found.address), found.endpoint)))


@dataclass(slots=True)
class Collection:
    """The devices of one search, each once."""

    devices: list[Found] = field(default_factory=list)
    dropped: int = 0
    """Answers of devices that no longer fitted."""

    def add(self, new: Found) -> Found | None:
        """Take an answer; return the device as it is known now, None if that told nothing new."""
        merged, joined = new, list[Found]()
        for known in sorted(self.devices, key=lambda known: known.address != new.address):
            if same_device(known, merged):  # an answer may show that two devices were one
                merged = merge(known, merged)
                joined.append(known)
        if joined == [merged]:
            return None
        if not joined and len(self.devices) >= MOST_FOUND:
            self.dropped += 1
            return None
        self.devices = [known for known in self.devices if known not in joined] + [merged]
        return merged

    def in_order(self) -> tuple[Found, ...]:
        """Return the devices by address."""
        return in_order(self.devices)
