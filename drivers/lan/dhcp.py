"""Fixed addresses for cameras on a network that is theirs alone (RFC 2131).

Owns the sockets of the DHCP server. Invariants: it is off until a card and a range are named; it hears and
speaks through that card only (SO_BINDTODEVICE), and never on a card that leads to the internet; before it
serves it asks whether somebody else does, and it stops as soon as it sees that; an address is promised only
after it is kept; every queue and table is bounded.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Protocol

from drivers.discovery.interfaces import Address
from drivers.lan import dhcpmessage as dhcp
from drivers.lan.dhcpmessage import BROADCAST, CLIENT_PORT, MOST_BYTES, NOWHERE, SERVER_PORT, Kind, Message, Option
from drivers.lan.leases import Answer, Leases, OtherServer, Pool
from drivers.lan.pace import Turns
from gateway.core.clock import Clock
from gateway.core.errors import AddressTaken, ConfigError, NotPermitted

EVERYBODY = "255.255.255.255"
PROBE_TIMES, PROBE_WAIT_S = 3, 1.5
"""A server that looks for conflicts first (RFC 2131 §3.1) needs about a second to offer."""
BURST, PER_S, ALL_BURST, ALL_PER_S = 6, 1.0, 128, 32.0
"""32 cameras that come back from a power cut together ask twice each."""
MOST_TRIES = 4
"""Addresses that are tried for a new camera when somebody holds them."""
KEY = "camera_lan.interface"


class Book(Protocol):
    """Where leases are kept."""

    async def leases(self) -> Mapping[str, IPv4Address]:
        """Return address by MAC."""

    async def remember(self, mac: str, address: IPv4Address) -> None:
        """Keep a MAC's address; returned = it survives a power cut."""

    async def forget(self, mac: str) -> None:
        """Take a MAC's address back."""


@dataclass(slots=True)
class Counts:
    """Since the start."""

    answered: int = 0
    refused: int = 0
    ignored: int = 0
    limited: int = 0


def choose_address(interface: str, first: IPv4Address, last: IPv4Address, have: Sequence[Address]) -> Address:
    """Return our address in whose network the range lies; ConfigError names key, value and remedy."""
    mine = [item for item in have if item.interface == interface]
    if not mine:
        raise ConfigError(
            f"{interface} has no IPv4 address: give it a fixed one",
            case="camera_lan_address",
            key=KEY,
            value=interface,
            remedy="give this card a fixed address",
        )
    for item in mine:
        network = item.ip.network
        if (
            first in network
            and last in network
            and network.network_address < first
            and last < network.broadcast_address
        ):
            return item
    raise ConfigError(
        f"{first}-{last} is in no network of {interface}",
        case="camera_lan_range",
        key="camera_lan.range",
        value=f"{first}-{last}",
        networks=", ".join(str(item.ip.network) for item in mine),
        remedy="choose a range in one of its networks",
    )


def leads_out(interface: str, table: str) -> bool:
    """Say whether a routing table (`/proc/net/route`, proc(5)) has its default route through an interface."""
    rows = (line.split() for line in table.splitlines()[1:])
    return any(row[0] == interface and row[1] == row[7] == "00000000" for row in rows if len(row) > 7)


def card_socket(interface: str, port: int) -> socket.socket:
    """Return a UDP socket for broadcasts of one card. Raises AddressTaken, NotPermitted, ConfigError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.bind(("0.0.0.0", port))  # noqa: S104 - to hear broadcasts; the card is the limit
    except OSError as error:
        sock.close()
        raise _typed(error, interface, port) from error
    return sock


def _typed(error: OSError, interface: str, port: int) -> Exception:
    match error.errno:
        case errno.EADDRINUSE:
            case = "dhcp_client" if port == CLIENT_PORT else "dhcp_port"
            return AddressTaken(f"UDP {port} of {interface} is in use", case=case, port=port, interface=interface)
        case errno.EACCES | errno.EPERM:
            return NotPermitted(f"UDP {port} needs CAP_NET_BIND_SERVICE", case="low_port", port=port)
        case _:
            return ConfigError(f"{interface}: {error.strerror}", case="no_interface", key=KEY, value=interface)


async def other_server(
    sock: socket.socket,
    mac: str,
    xid: int,
    *,
    to: tuple[str, int] = (EVERYBODY, SERVER_PORT),
    wait_s: float = PROBE_WAIT_S,
) -> IPv4Address | None:
    """Ask the network for an address that we do not take; return who offers one, None if nobody does."""
    loop = asyncio.get_running_loop()
    question = dhcp.write(Message(Kind.DISCOVER, xid, mac, BROADCAST))
    for _ in range(PROBE_TIMES):
        await loop.sock_sendto(sock, question, to)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                while True:
                    packet, source = await loop.sock_recvfrom(sock, MOST_BYTES)
                    told = dhcp.read(packet)
                    if told is not None and told.kind is Kind.OFFER and told.xid == xid:
                        return told.address(Option.SERVER) or IPv4Address(source[0])
    return None


class DhcpServer:
    """Answers the clients of one socket; `is_held(address, mac)` asks the wire for somebody else there."""

    def __init__(
        self,
        pool: Pool,
        book: Book,
        clock: Clock,
        is_held: Callable[[IPv4Address, str], Awaitable[bool]],
    ) -> None:
        self._pool, self._book, self._clock, self._is_held = pool, book, clock, is_held
        self._turns = Turns(burst=BURST, per_s=PER_S, all_burst=ALL_BURST, all_per_s=ALL_PER_S)
        self.leases = Leases(pool, {})
        self.counts = Counts()

    async def serve(self, sock: socket.socket) -> None:
        """Answer for ever; raises AddressTaken when another server is seen, and what the book raises."""
        self.leases = Leases(self._pool, await self._book.leases())
        loop = asyncio.get_running_loop()
        while True:
            packet, _ = await loop.sock_recvfrom(sock, MOST_BYTES)
            answer = await self._answer(packet)
            if answer is None:
                continue
            if answer.remember:
                await self._book.remember(answer.message.mac, answer.message.yours)
            try:
                await loop.sock_sendto(sock, dhcp.write(answer.message), (_destination(answer.message), CLIENT_PORT))
            except OSError:  # the cable is out: the client asks again
                self.counts.ignored += 1

    async def _answer(self, packet: bytes) -> Answer | None:
        message = dhcp.read(packet)
        if message is None or message.relay != NOWHERE or message.kind is Kind.OFFER:
            self.counts.ignored += 1
            return None
        if not self._turns.take(message.mac, self._clock.mono_ns()):
            self.counts.limited += 1
            return None
        try:
            answer = await self.decide(message)
        except OtherServer as error:
            raise another(error.server) from error
        if answer is None:
            self.counts.ignored += 1
        elif answer.message.kind is Kind.NAK:
            self.counts.refused += 1
        else:
            self.counts.answered += 1
        return answer

    async def decide(self, message: Message) -> Answer | None:
        """Return the answer to one message of a client. Raises OtherServer."""
        match message.kind:
            case Kind.DISCOVER:
                return await self._discover(message)
            case Kind.REQUEST:
                return self.leases.request(message, self._clock.mono_ns())
            case Kind.DECLINE:
                if self.leases.decline(message, self._clock.mono_ns()):
                    await self._book.forget(message.mac)
        return None  # a release too: the address stays the camera's

    async def _discover(self, message: Message) -> Answer | None:
        wanted = message.address(Option.WANTED)
        for _ in range(MOST_TRIES):
            address = self.leases.propose(message.mac, wanted, self._clock.mono_ns())
            if address is None:
                return None
            if not self.leases.is_new(message.mac) or not await self._is_held(address, message.mac):
                return self.leases.offer(message, address, self._clock.mono_ns())
            self.leases.avoid(address, self._clock.mono_ns())
        return None


def _destination(message: Message) -> str:
    """Return where an answer goes (RFC 2131 §4.1): unicast to a client that has its address, else to everybody.

    A client without one could be reached by its MAC alone, which needs a raw socket; broadcast is allowed too.
    """
    unicast = message.kind is Kind.ACK and message.client != NOWHERE and not message.flags & BROADCAST
    return str(message.client) if unicast else EVERYBODY


def another(server: IPv4Address) -> AddressTaken:
    """Return the error for another server on the cameras' network."""
    return AddressTaken(f"{server} gives addresses on this network too", case="dhcp_other", server=str(server))


@dataclass(frozen=True, slots=True)
class Wire:
    """Asks the wire who holds an address: by a packet that makes the kernel ask (ARP), and by its table."""

    interface: str
    mac_of: Callable[[str], str | None]
    wait_s: float = 0.5

    async def is_held(self, address: IPv4Address, mac: str) -> bool:
        """Say whether somebody other than `mac` answers for an address."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            try:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, self.interface.encode())
                sock.sendto(b"", (str(address), 9))  # discard
            except OSError:  # no link: nobody holds anything
                return False
            await asyncio.sleep(self.wait_s)
        return self.mac_of(str(address)) not in {None, mac}
