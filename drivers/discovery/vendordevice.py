"""What a vendor's own discovery says of a device, and how a stranger's words become values.

Owns the record that SADP and Dahua's discovery share, and the description of such a protocol. Pure.
Invariants: every text is printable and cut to size; an address is a usable IPv4 unicast address and never
one of this machine itself, unless it was heard there; what
a device does not say is None or "", never a guess.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import TypeAlias
from uuid import UUID

from drivers.base import DeviceState, Found
from drivers.discovery import interfaces as ifs

MOST_DATAGRAM_BYTES = 65_536
WEB_PORT = 80


@dataclass(frozen=True, slots=True)
class VendorDevice:
    """One device as it describes itself, to anyone who asks and without a login."""

    vendor: str
    """Whose protocol it speaks: `hikvision` or `dahua`; many other brands are made by these two."""
    address: str
    mask: str
    gateway: str
    mac: str | None
    """Lower case, colons."""
    serial: str
    model: str
    firmware: str
    name: str
    http_port: int
    active: bool | None
    """Has a password (Hikvision: activated, Dahua: initialised); None when it does not say."""
    dhcp: bool | None
    source: str
    """Where the packet came from."""
    interface: str
    on_subnet: bool
    """Its address is in the network of ours that heard it."""

    @property
    def key(self) -> tuple[str, str]:
        """What tells it from other devices: MAC, else serial, else address."""
        return self.vendor, self.mac or self.serial or self.address

    def found(self) -> Found:
        """Return it in the words of discovery; whether ONVIF answers is not known from here.

        Its endpoint stays empty: an invented one would differ from the WS-Discovery reference that the
        same camera gives once it speaks ONVIF, and a differing mark makes it another camera.
        """
        inactive = DeviceState.UNINITIALISED if self.vendor == "dahua" else DeviceState.INACTIVE
        return Found(
            endpoint="",
            address=self.address,
            port=self.http_port,
            xaddrs=(),
            name=self.name,
            hardware=self.model,
            mac=self.mac,
            interface=self.interface,
            source=self.source,
            on_subnet=self.on_subnet,
            vendor=self.vendor,
            serial=self.serial,
            state=inactive if self.active is False else DeviceState.UNKNOWN,
        )


Read: TypeAlias = Callable[[bytes, str, ifs.Address], VendorDevice | None]
"""(datagram, its sender's address, the address of ours that heard it) -> the device, None for anything else."""


@dataclass(frozen=True, slots=True)
class VendorProtocol:
    """How one vendor's devices are asked."""

    name: str
    group: str | None
    """Multicast group it is asked through, and old devices answer to; None: broadcast only."""
    port: int
    broadcast: bool
    """Also ask 255.255.255.255, through the same interface."""
    message: Callable[[UUID], bytes]
    read: Read


def words(text: object, most_chars: int = 64) -> str:
    """Return a stranger's text, printable, on one line and cut to size; "" for anything but text."""
    if not isinstance(text, str):
        return ""
    return " ".join("".join(c if c.isprintable() else " " for c in text[: 8 * most_chars]).split())[:most_chars].strip()


def host(text: object) -> str:
    """Return a dotted IPv4 address that a device may have; "" for anything else."""
    try:
        address = IPv4Address(text.strip()) if isinstance(text, str) else None
    except ValueError:
        return ""
    if address is None or address.is_unspecified or address.is_multicast or address.is_reserved:
        return ""
    return str(address)


def mask(text: object) -> str:
    """Return a subnet mask (ones, then zeros); "" for anything else."""
    try:
        bits = int(IPv4Address(text.strip())) if isinstance(text, str) else 0
    except ValueError:
        return ""
    flipped = bits ^ 0xFFFFFFFF
    return str(IPv4Address(bits)) if bits and flipped & (flipped + 1) == 0 else ""


def tcp_port(value: object, default: int = WEB_PORT) -> int:
    """Return a TCP port given as a number or its text; `default` for anything else."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 5:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 65_536 else default


def yes_no(value: object) -> bool | None:
    """Return what `true`, `1`, `false`, `0` mean, in text or not; None for anything else."""
    if isinstance(value, bool):
        return value
    text = str(value).strip().lower() if isinstance(value, str | int) else ""
    return {"true": True, "1": True, "false": False, "0": False}.get(text)


def place(claimed: str, source: str, ours: ifs.Address) -> str:
    """Return where a device is: what it says, unless that is no address of a device out there; then its sender's.

    Loopback would be ourselves; and where only the sender is in reach, the sender is what answers (a device
    that got its address by DHCP may still name the one it had).
    """
    if not claimed or IPv4Address(claimed).is_loopback != ours.ip.ip.is_loopback:
        return source
    return source if near(source, ours) and not near(claimed, ours) else claimed


def near(address: str, ours: ifs.Address) -> bool:
    """Say whether an address is one we reach without a router."""
    return IPv4Address(address) in ours.ip.network
