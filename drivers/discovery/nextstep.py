"""What stands between a found device and recording, and the one command that comes next.

Owns the joining of what ONVIF and the vendors' discovery said of one device, and the rule of the next
step. Pure. Invariants: each device comes out once; a device that needs nothing has no step; a command
names only addresses and interfaces, never a text a device sent; no step makes this machine part of a
network that is not private, or a second time of one that it is in.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

from drivers.base import DeviceState, Found
from drivers.discovery.merging import true_endpoint
from drivers.discovery.vendordevice import WEB_PORT

_SPARE = range(250, 1, -1)
"""Last numbers of addresses we take for a while, the least likely to be somebody's first."""
REACH_S = 3600
"""The kernel takes such an address back: time enough to give a few cameras addresses of the school's network."""
_ONVIF_STEPS = frozenset({"passive", "multicast", "sweep"})
_PASSWORDLESS = frozenset({DeviceState.INACTIVE, DeviceState.UNINITIALISED})


class Remedy(StrEnum):
    """What has to be done; the catalogue has a sentence for each (`cli.discover.step.<remedy>`)."""

    ACTIVATE = "activate"
    """Give it its first password (and switch ONVIF on)."""
    ONVIF_ON = "onvif_on"
    """Switch ONVIF on; takes the password it has."""
    REACH = "reach"
    """Give this machine an address in the device's network, for a while."""
    APART = "apart"
    """Unplug all but one of the devices that share an address, then search again."""


@dataclass(frozen=True, slots=True)
class NextStep:
    """One device's next step."""

    remedy: Remedy
    address: str
    """The device's."""
    command: str
    """What to type, whole."""


def settle(found: Iterable[Found]) -> tuple[Found, ...]:
    """Return each device once, with what both kinds of discovery said of it, in the order they came.

    The later record of the same device counts. A device is the same by its MAC, or by its address where
    one side knows no MAC.
    """
    onvif: dict[tuple[str, str], Found] = {}
    vendors: dict[tuple[str, str], Found] = {}
    for item in found:
        if item.vendor and not answered_probe(item):
            vendors[item.vendor, item.mac or item.serial or item.address] = item
        else:  # one that both told of already answers ONVIF
            onvif[item.endpoint, item.mac or item.address] = joined(item, item) if item.vendor else item
    settled = []
    for item in onvif.values():
        whole = item
        for key, other in list(vendors.items()):
            if same(whole, other):  # with the MAC it has gained: new cameras share their factory address
                whole = joined(whole, vendors.pop(key))
        settled.append(whole)
    return (*settled, *map(alone, vendors.values()))


def answered_probe(item: Found) -> bool:
    """Say whether an ONVIF probe or an announcement told of a device; ports that answered say nothing of it."""
    return bool(true_endpoint(item) or _ONVIF_STEPS & {*item.how})


def same(one: Found, other: Found) -> bool:
    """Say whether two records are of one device."""
    if one.mac and other.mac:
        return one.mac == other.mac
    return one.address == other.address


def joined(onvif: Found, vendor: Found) -> Found:
    """Return ONVIF's record with what the vendor's discovery adds; some answer probes without a password."""
    passwordless = next((item.state for item in (vendor, onvif) if item.state in _PASSWORDLESS), None)
    return replace(
        onvif,
        mac=onvif.mac or vendor.mac,
        hardware=onvif.hardware or vendor.hardware,
        vendor=onvif.vendor or vendor.vendor,
        serial=onvif.serial or vendor.serial,
        state=passwordless or DeviceState.READY,
    )


def alone(vendor: Found) -> Found:
    """Return the record of a device that no ONVIF probe found; out of reach, its ONVIF is not known."""
    if vendor.state in _PASSWORDLESS or not vendor.on_subnet:
        return vendor
    return replace(vendor, state=DeviceState.NO_ONVIF)


def next_steps(found: Sequence[Found], ours: Sequence[IPv4Interface] = ()) -> tuple[NextStep | None, ...]:
    """Return each device's next step, in order; `ours` are the addresses this machine has.

    New cameras share their factory address: what is sent there reaches one of them or the other, so that
    they have to be taken one at a time.
    """
    used = {item.address for item in found} | {str(address.ip) for address in ours}
    networks = tuple(address.network for address in ours)
    shared = Counter(item.address for item in found)
    steps = []
    for item in found:
        step = next_step(item, used, networks)
        if step is not None and shared[item.address] > 1:
            step = NextStep(Remedy.APART, item.address, "vuon tim")
        steps.append(step)
    return tuple(steps)


def next_step(found: Found, taken: Collection[str] = (), networks: Collection[IPv4Network] = ()) -> NextStep | None:
    """Return what to do next with a device; None when it can be adopted, or nothing is known against that.

    Args:
        found: as `settle` returns it.
        taken: addresses that are somebody's, as far as known.
        networks: those this machine is in; none is joined a second time, by another card.

    """
    if not found.on_subnet:
        address = spare_address(found.address, taken, networks)
        if address is None or not found.vendor:
            return None
        lifetime = f"valid_lft {REACH_S} preferred_lft {REACH_S}"
        command = f"sudo ip address add {address} dev {shlex.quote(found.interface)} {lifetime}"
        return NextStep(Remedy.REACH, found.address, command)
    port = "" if found.port == WEB_PORT else f" --port {found.port}"
    command = f"vuon kich-hoat {found.address}{port}"
    if found.state in _PASSWORDLESS:
        return NextStep(Remedy.ACTIVATE, found.address, command)
    if found.state is DeviceState.NO_ONVIF:
        return NextStep(Remedy.ONVIF_ON, found.address, command)
    return None


def spare_address(device: str, taken: Collection[str], networks: Collection[IPv4Network] = ()) -> IPv4Interface | None:
    """Return a free address beside a device's (in its /24) with its prefix; None unless its network is private.

    A lying answer could name anybody's network, and an address in it would lead our packets astray; so would
    one in a network (`networks`) that another card of ours is in.
    """
    there = IPv4Address(device)
    beside = IPv4Network(f"{device}/24", strict=False)
    if not there.is_private or there.is_loopback or any(beside.overlaps(network) for network in networks):
        return None
    base = int(there) & 0xFFFFFF00
    used = {device, *taken}
    free = next((IPv4Address(base + last) for last in _SPARE if str(IPv4Address(base + last)) not in used), None)
    return None if free is None else IPv4Interface(f"{free}/24")
