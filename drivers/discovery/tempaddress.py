"""A second address for a few minutes, to reach cameras that still have the one of their factory.

Owns the adding and the removing. Invariants: only on request and on the interface that was named; never an
address that somebody answers for (RFC 5227); never a network that one of our interfaces is in already; it
is removed at the end of the block, at the next start after a crash (`recover`), and by the kernel after
`LIFETIME_S` if neither happens.
"""

from __future__ import annotations

import asyncio
import errno
import json
import re
import shutil
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path
from types import TracebackType
from typing import Protocol

import anyio

from drivers.discovery.interfaces import Address, installed
from drivers.discovery.ranges import Range
from gateway.core.errors import BadInput, ConfigError, NotPermitted, VuonError

NETWORK = IPv4Network("192.168.1.0/24")
"""Where most cameras sold here are born."""
CANDIDATES = (250, 249, 247, 243)
"""Last numbers we take, the first free one."""
BORN_AT = (64, 108, 13, 10, 100, 2)
"""Last numbers of factory addresses: Hikvision, Dahua, Uniview, Xiongmai, Hanwha, Tiandy (by their manuals)."""
LIFETIME_S = 300
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}")
_GONE = ("Cannot assign requested address", "Address not found", "Cannot find device")
"""What iproute2 says of an address that is not there, by older and newer kernels, and of a card that is gone."""
_DENIED = "Operation not permitted"


class System(Protocol):
    """What only the operating system can do."""

    async def is_held(self, address: IPv4Address, interface: str) -> bool:
        """Ask the wire whether somebody has this address.

        NotPermitted without the right to ask; ConfigError when the interface is down or gone.
        """

    async def add(self, address: IPv4Interface, interface: str, lifetime_s: int) -> None:
        """Add an address that the kernel removes after its lifetime; NotPermitted, ConfigError."""

    async def remove(self, address: IPv4Interface, interface: str) -> None:
        """Remove an address; one that is not there is fine. NotPermitted, ConfigError."""


def factory_range(ours: Address) -> Range:
    """Return the hosts of our temporary network where cameras are born."""
    network = ours.ip.network
    return Range(ours, network, tuple(network[last] for last in sorted(BORN_AT)))


class TemporaryAddress:
    """Entered = the interface has the address (returned); left = it has not."""

    def __init__(
        self,
        interface: str,
        marker: Path,
        *,
        system: System,
        have: Callable[[], tuple[Address, ...]] = installed,
        network: IPv4Network = NETWORK,
    ) -> None:
        """`marker` is the file that remembers the address for `recover`."""
        self._interface, self._marker, self._system = interface, marker, system
        self._have, self._network = have, network
        self._address: IPv4Interface | None = None

    async def __aenter__(self) -> Address:
        check_interface(self._interface)
        clash = next((item for item in self._have() if item.ip.network.overlaps(self._network)), None)
        if clash is not None:
            raise BadInput(
                f"{clash} is in {self._network} already: search without a temporary address",
                case="temporary_network",
                key="temporary",
                network=str(self._network),
                interface=clash.interface,
            )
        address = await self._free()
        self._marker.parent.mkdir(parents=True, exist_ok=True, mode=0o750)
        self._marker.write_text(json.dumps({"interface": self._interface, "address": str(address)}), encoding="utf-8")
        try:
            await self._system.add(address, self._interface, LIFETIME_S)
        except VuonError:  # refused: nothing was added
            self._marker.unlink(missing_ok=True)
            raise
        except BaseException:  # cancelled in the middle of it: it may be there
            with anyio.CancelScope(shield=True):
                await self._system.remove(address, self._interface)
            self._marker.unlink(missing_ok=True)
            raise
        self._address = address
        return Address(self._interface, address)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._address is not None
        with anyio.CancelScope(shield=True):
            await self._system.remove(self._address, self._interface)
        self._marker.unlink(missing_ok=True)

    async def _free(self) -> IPv4Interface:
        for last in CANDIDATES:
            address = self._network[last]
            if not await self._system.is_held(address, self._interface):
                return IPv4Interface((address, self._network.prefixlen))
        raise BadInput(
            "every address we could take is somebody's",
            case="temporary_held",
            key="temporary",
            interface=self._interface,
            network=str(self._network),
        )


async def recover(marker: Path, system: System) -> None:
    """Remove what a crash left behind; call it at the start, before anything else is added."""
    try:
        left = json.loads(marker.read_text(encoding="utf-8"))
        address, interface = IPv4Interface(left["address"]), str(left["interface"])
        check_interface(interface)
    except FileNotFoundError:
        return
    except (ValueError, KeyError, TypeError, ConfigError):  # half a file, or a card that is gone: so is the address
        marker.unlink(missing_ok=True)
        return
    await system.remove(address, interface)
    marker.unlink(missing_ok=True)


def check_interface(name: str) -> None:
    """Raise ConfigError unless the machine has an interface of that name."""
    try:
        known = _NAME.fullmatch(name) is not None and socket.if_nametoindex(name) > 0
    except OSError:
        known = False
    if not known:
        raise ConfigError("no such interface", case="no_interface", key="temporary", value=name)


# Linux

_ARP = struct.Struct("!HHBBH6s4s6s4s")
_ARP_IPV4 = (1, 0x0800, 6, 4)
_ETH_P_ARP = 0x0806
_NO_PACKETS = frozenset({errno.EPERM, errno.EACCES, errno.EAFNOSUPPORT})
"""Without CAP_NET_RAW, or in a unit that restricts the address families (systemd.exec(5))."""
ARP_TIMES, ARP_GAP_S, ARP_WAIT_S = 3, 0.2, 0.6
"""RFC 5227 §2.1.1 asks three times over a second or two; on a wire an answer takes milliseconds."""


def arp_probe(mac: bytes, address: IPv4Address) -> bytes:
    """Return an ARP probe (RFC 5227 §1.1): who has it, asked by nobody."""
    return _ARP.pack(*_ARP_IPV4, 1, mac, bytes(4), bytes(6), address.packed)


def answers_for(packet: bytes, address: IPv4Address) -> bool:
    """Say whether an ARP packet shows that somebody has the address."""
    if len(packet) < _ARP.size:
        return False
    *head, _, _, sender, _, _ = _ARP.unpack_from(packet)
    return tuple(head) == _ARP_IPV4 and sender == address.packed


@dataclass(frozen=True, slots=True)
class Linux:
    """The system as it is: `ip` of iproute2 (CAP_NET_ADMIN) and a packet socket (CAP_NET_RAW)."""

    wait_s: float = ARP_WAIT_S

    async def is_held(self, address: IPv4Address, interface: str) -> bool:
        """Send ARP probes and listen; see `System`."""
        try:
            with socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ETH_P_ARP)) as sock:
                sock.setblocking(False)
                sock.bind((interface, _ETH_P_ARP))
                everyone = (interface, _ETH_P_ARP, 0, 0, b"\xff" * 6)
                for _ in range(ARP_TIMES):
                    sock.sendto(arp_probe(sock.getsockname()[4][:6], address), everyone)
                    if await _hears(sock, address, ARP_GAP_S):
                        return True
                return await _hears(sock, address, self.wait_s)
        except OSError as error:
            if error.errno in _NO_PACKETS:
                raise _not_permitted(address, interface) from error
            raise ConfigError(
                f"{interface} cannot be used: {error.strerror}", case="no_link", key="temporary", value=interface
            ) from error

    async def add(self, address: IPv4Interface, interface: str, lifetime_s: int) -> None:
        """See `System`."""
        life = str(lifetime_s)
        await _ip(address, interface, "add", "valid_lft", life, "preferred_lft", life)

    async def remove(self, address: IPv4Interface, interface: str) -> None:
        """See `System`."""
        await _ip(address, interface, "del")


def _not_permitted(address: IPv4Address, interface: str) -> NotPermitted:
    return NotPermitted(
        "adding an address needs CAP_NET_ADMIN and CAP_NET_RAW",
        case="net_admin",
        address=f"{address}/{NETWORK.prefixlen}",
        interface=interface,
    )


async def _hears(sock: socket.socket, address: IPv4Address, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    with anyio.move_on_after(seconds):
        while True:
            if answers_for(await loop.sock_recv(sock, 1024), address):
                return True
    return False


async def _ip(address: IPv4Interface, interface: str, verb: str, *options: str) -> None:
    tool = shutil.which("ip") or shutil.which("ip", path="/usr/sbin:/sbin")
    if tool is None:
        raise ConfigError("iproute2 is not installed", case="no_iproute2", key="temporary", value="ip")
    done = await anyio.run_process(
        [tool, "address", verb, str(address), "dev", interface, *options], check=False, env={"LC_ALL": "C"}
    )
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode == 0 or (verb == "del" and any(text in said for text in _GONE)):
        return
    if _DENIED in said:
        raise _not_permitted(address.ip, interface)
    raise ConfigError(f"ip address {verb}: {said.strip()[:200]}", key="temporary", value=interface)
