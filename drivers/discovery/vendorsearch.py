"""Asking devices by their vendors' own discovery, from every chosen address.

Owns the sockets of SADP and Dahua's discovery while a search runs. Invariants: nothing is sent through an
interface that was not chosen; TTL is 1; only questions are sent, never a verb that changes a device; an
error of one address is counted, never raised; datagrams waiting and devices kept are bounded, what does
not fit is counted; left = every socket is closed.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID, uuid4

import anyio

from drivers.base import Found
from drivers.discovery import interfaces as ifs
from drivers.discovery.dahua import DHIP, OLD
from drivers.discovery.merging import MOST_FOUND
from drivers.discovery.multicast import IP_MULTICAST_ALL, MOST_QUEUED, Statistics, probe_times, sending_socket
from drivers.discovery.sadp import SADP
from drivers.discovery.vendordevice import VendorDevice, VendorProtocol
from gateway.core.errors import CameraBadReply

PROTOCOLS = (SADP, DHIP, OLD)
EVERYONE = "255.255.255.255"
STEP_S = 3.0


@dataclass(frozen=True, slots=True)
class _Datagram:
    data: bytes
    source: str
    protocol: VendorProtocol
    ours: ifs.Address


class _Ear(asyncio.DatagramProtocol):
    """Puts what one socket hears into the search's bounded queue."""

    def __init__(
        self, protocol: VendorProtocol, ours: ifs.Address, queue: asyncio.Queue[_Datagram], statistics: Statistics
    ) -> None:
        self._protocol, self._ours, self._queue, self._statistics = protocol, ours, queue, statistics

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        """Keep the datagram, or count it when the reader is behind."""
        self._statistics.datagrams += 1
        try:
            self._queue.put_nowait(_Datagram(data, str(addr[0]), self._protocol, self._ours))
        except asyncio.QueueFull:
            self._statistics.dropped += 1

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002 - the protocol's signature
        """Count: one host that is not there must not end the search for the others."""
        self._statistics.send_errors += 1


def asking_socket(protocol: VendorProtocol, ours: ifs.Address) -> socket.socket:
    """Return a UDP socket that asks from one address.

    A limited broadcast leaves by the interface of the address the socket is bound to (Linux), so that no
    other network hears it.
    """
    sock = sending_socket(ours)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, int(protocol.broadcast))
    return sock


def hearing_socket(protocol: VendorProtocol, ours: ifs.Address, *, group: bool) -> socket.socket:
    """Return a UDP socket that hears answers sent to the protocol's own port: to its group, or to us alone.

    New firmware answers to where the question came from; some older answers to one of these.
    """
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
        sock.bind((protocol.group if group and protocol.group else str(ours.ip.ip), protocol.port))
        if group and protocol.group:
            member = socket.inet_aton(protocol.group) + ours.ip.ip.packed
            sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    except OSError:
        sock.close()
        raise
    return sock


def sockets(protocol: VendorProtocol) -> tuple[Callable[[ifs.Address], socket.socket], ...]:
    """Return what opens the sockets of one protocol on an address, the asking one first."""
    ears = (True, False) if protocol.group else (False,)
    return (partial(asking_socket, protocol), *(partial(hearing_socket, protocol, group=group) for group in ears))


class Devices:
    """The devices of one search, each kept once and as fully as its answers tell; bounded."""

    def __init__(self, statistics: Statistics) -> None:
        self._statistics = statistics
        self._kept: dict[tuple[str, str], VendorDevice] = {}

    def add(self, device: VendorDevice) -> VendorDevice | None:
        """Return the device if this answer tells something new of it."""
        known = self._kept.get(device.key)
        if known is None and len(self._kept) >= MOST_FOUND:
            self._statistics.dropped += 1
            return None
        merged = device if known is None else merge(known, device)
        if merged == known:
            return None
        self._kept[device.key] = merged
        return merged


def merge(old: VendorDevice, new: VendorDevice) -> VendorDevice:
    """Return what both answers tell together: the first answer's place, nothing forgotten.

    A device heard on two of our networks is kept where its address belongs.
    """
    first, second = (new, old) if new.on_subnet and not old.on_subnet else (old, new)
    texts = {
        name: getattr(first, name) or getattr(second, name)
        for name in ("mask", "gateway", "mac", "serial", "model", "firmware", "name")
    }
    active = second.active if first.active is None else first.active
    return replace(first, **texts, active=active, dhcp=second.dhcp if first.dhcp is None else first.dhcp)


async def search(
    addresses: Sequence[ifs.Address],
    seconds: float,
    *,
    protocols: Sequence[VendorProtocol] = PROTOCOLS,
    statistics: Statistics | None = None,
    message_id: Callable[[], UUID] = uuid4,
) -> AsyncGenerator[VendorDevice, None]:
    """Ask from each address, three times, and yield each device as soon as it answers.

    A device is yielded again when a later answer tells more of it: the last one of a `key` counts. Takes
    `seconds` in all; nothing is left open when the iterator is closed.
    """
    counted = statistics or Statistics()
    devices, queue = Devices(counted), asyncio.Queue[_Datagram](MOST_QUEUED)
    async with AsyncExitStack() as stack:
        asking = [
            (protocol, transport)
            for protocol in protocols
            for ours in addresses
            if (transport := await _join(stack, protocol, ours, queue, counted)) is not None
        ]
        start, question = anyio.current_time(), message_id()
        for until in (*probe_times(seconds)[1:], seconds):
            for protocol, transport in asking:
                for target in (protocol.group, EVERYONE if protocol.broadcast else None):
                    if target is not None:
                        transport.sendto(protocol.message(question), (target, protocol.port))
            while (left := start + until - anyio.current_time()) > 0:
                try:
                    datagram = await asyncio.wait_for(queue.get(), left)
                except TimeoutError:
                    break
                if (told := read(datagram, counted)) is not None and (news := devices.add(told)) is not None:
                    yield news


def read(datagram: _Datagram, statistics: Statistics) -> VendorDevice | None:
    """Return the device a datagram speaks of; garbage is counted."""
    try:
        return datagram.protocol.read(datagram.data, datagram.source, datagram.ours)
    except CameraBadReply:
        statistics.unreadable += 1
        return None


async def _join(
    stack: AsyncExitStack,
    protocol: VendorProtocol,
    ours: ifs.Address,
    queue: asyncio.Queue[_Datagram],
    statistics: Statistics,
) -> asyncio.DatagramTransport | None:
    """Open a protocol's sockets on one address; returns the asking one.

    One that cannot be opened (the address went away, the port is somebody's alone) is counted and left out.
    """
    loop = asyncio.get_running_loop()
    opened: list[asyncio.DatagramTransport | None] = []
    for opener in sockets(protocol):
        try:
            sock = opener(ours)
        except OSError:
            statistics.send_errors += 1
            opened.append(None)
            continue
        transport, _ = await loop.create_datagram_endpoint(lambda: _Ear(protocol, ours, queue, statistics), sock=sock)
        stack.callback(transport.close)
        opened.append(transport)
    return opened[0]


class VendorStep:
    """The vendors' discovery as one step among others of a search for cameras."""

    name = "vendor"

    def __init__(self, seconds: float = STEP_S, protocols: Sequence[VendorProtocol] = PROTOCOLS) -> None:
        self._seconds, self._protocols = seconds, protocols

    async def run(self, addresses: Sequence[ifs.Address]) -> AsyncGenerator[Found, None]:
        """Yield devices as they answer; the last one of a MAC counts."""
        async with aclosing(search(addresses, self._seconds, protocols=self._protocols)) as devices:
            async for device in devices:
                yield device.found()
