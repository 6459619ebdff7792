"""Finding cameras: multicast probes from every chosen address, and listening for Hello and Bye.

Owns the sockets of WS-Discovery. Invariants: nothing is sent from an address that was not chosen;
TTL is 1; every socket is non-blocking and an error of one host or interface is counted, never
raised; answers are accepted from any port; memory is bounded (queue, devices), what does not fit is
counted; nothing here speaks to a found device.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from types import TracebackType
from typing import Self
from uuid import UUID, uuid4

import anyio

from drivers.base import Found
from drivers.discovery import interfaces as ifs
from drivers.discovery import wsd
from drivers.discovery.merging import Collection, made_up_endpoint
from drivers.discovery.neighbours import mac_of
from gateway.core.errors import AddressTaken, CameraBadReply

ROUNDS = 3
"""One probe missed one of four cameras in our trials: the slow ones answer the second or third."""
MOST_QUEUED = 512
"""Datagrams waiting to be read: 64 cameras answering 6 probes at once, with room."""
LISTENERS_AT_ONCE = 32
"""Addresses one machine may listen on; the kernel allows 20 groups a socket by default, we use one each."""
REFRESH_S = 30.0
"""How often a listener looks for addresses that came or went."""
IP_MULTICAST_ALL = 49
"""Linux ip(7); `socket` has no name for it: 0 = deliver only groups this very socket joined."""


@dataclass(frozen=True, slots=True)
class Step:
    """What the search is doing now, for the installer to see."""

    interface: str
    network: str
    """Range that multicast reaches from here, e.g. 192.168.1.0/24."""
    round: int
    """1 to `ROUNDS`."""


@dataclass(slots=True)
class Statistics:
    """What was received and what went wrong; counts since the start."""

    datagrams: int = 0
    unreadable: int = 0
    send_errors: int = 0
    dropped: int = 0


@dataclass(frozen=True, slots=True)
class Heard:
    """A device announced itself (HELLO) or said goodbye (BYE)."""

    kind: wsd.Kind
    found: Found
    is_camera: bool = True
    """It says so; some cameras do not, and neither do printers."""


@dataclass(frozen=True, slots=True)
class Datagram:
    """What arrived, from where, on which of our addresses."""

    data: bytes
    source: str
    ours: ifs.Address


class _Receiver(asyncio.DatagramProtocol):
    """Puts what arrives on one socket into the shared bounded queue."""

    def __init__(self, ours: ifs.Address, queue: asyncio.Queue[Datagram], statistics: Statistics) -> None:
        self._ours, self._queue, self._statistics = ours, queue, statistics

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        """Keep the datagram, or count it when the reader is behind."""
        self._statistics.datagrams += 1
        try:
            self._queue.put_nowait(Datagram(data, str(addr[0]), self._ours))
        except asyncio.QueueFull:
            self._statistics.dropped += 1

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002 - the protocol's signature
        """Count: an unreachable host or a downed link must not end the search on the others."""
        self._statistics.send_errors += 1


def probe_times(seconds: float) -> tuple[float, ...]:
    """Return when to send the rounds, in seconds from the start; the last leaves half for late answers."""
    return tuple(seconds * n / (2 * (ROUNDS - 1)) for n in range(ROUNDS))


def sending_socket(ours: ifs.Address) -> socket.socket:
    """Return a UDP socket that can only speak from, and multicast through, this one address."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, ours.ip.ip.packed)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 1)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, int(ours.ip.ip.is_loopback))
        sock.bind((str(ours.ip.ip), 0))
    except OSError:
        sock.close()
        raise
    return sock


def listening_socket(ours: ifs.Address) -> socket.socket:
    """Return a socket that hears the discovery group on this one address, beside other listeners."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.IPPROTO_IP, IP_MULTICAST_ALL, 0)
        sock.bind((wsd.GROUP, wsd.PORT))  # the group, not "": unicast probes stay with the cameras here
        member = struct.pack("4s4s", socket.inet_aton(wsd.GROUP), ours.ip.ip.packed)
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    except OSError:
        sock.close()
        raise
    return sock


def _found(datagram: Datagram, announcement: wsd.Announcement) -> Found:
    where = wsd.place(announcement, datagram.source, datagram.ours.ip)
    return Found(
        endpoint=announcement.endpoint or made_up_endpoint(where.address, where.port),
        address=where.address,
        port=where.port,
        xaddrs=where.xaddrs,
        name=announcement.name,
        hardware=announcement.hardware,
        mac=mac_of(where.address),
        interface=datagram.ours.interface,
        source=datagram.source,
        on_subnet=where.on_subnet,
        profiles=announcement.profiles,
        maker=announcement.maker,
    )


@dataclass(slots=True)
class Gathering:
    """Turns the datagrams of one search into devices, each once."""

    statistics: Statistics = field(default_factory=Statistics)
    collection: Collection = field(default_factory=Collection)

    def add(self, datagram: Datagram) -> list[Found]:
        """Return the devices this datagram brought to light or told more about."""
        news = []
        for announcement in self.read(datagram):
            if announcement.kind is wsd.Kind.BYE or not (announcement.is_camera or announcement.xaddrs):
                continue
            before = self.collection.dropped
            known = self.collection.add(_found(datagram, announcement))
            self.statistics.dropped += self.collection.dropped - before
            if known is not None:
                news.append(known)
        return news

    def read(self, datagram: Datagram) -> tuple[wsd.Announcement, ...]:
        """Return the devices a datagram speaks of; garbage is counted."""
        try:
            return wsd.read(datagram.data)
        except CameraBadReply:
            self.statistics.unreadable += 1
            return ()


async def discover(
    interfaces: Sequence[str],
    seconds: float,
    *,
    loopback: bool = False,
    on_step: Callable[[Step], None] | None = None,
    statistics: Statistics | None = None,
    have: Callable[[], tuple[ifs.Address, ...]] = ifs.installed,
    message_id: Callable[[], UUID] = uuid4,
) -> AsyncIterator[Found]:
    """Probe from each chosen address and yield each device as soon as it answers.

    A device is yielded again when a later answer tells more of it: the last one of an endpoint
    counts. Takes `seconds` in all; nothing is left open when the iterator is closed.

    Args:
        interfaces: names or addresses; empty = all real ones (`interfaces.choose`).
        seconds: length of the search; rounds go out in its first half.
        loopback: also 127.0.0.1.
        on_step: called for every address and round before it is sent.
        statistics: filled while the search runs.
        have: the machine's addresses.
        message_id: source of the messages' ids.

    Raises:
        ConfigError: a wanted interface does not exist.

    """
    gathering = Gathering(statistics or Statistics())
    queue: asyncio.Queue[Datagram] = asyncio.Queue(MOST_QUEUED)
    async with AsyncExitStack() as stack:
        senders = []
        for ours in ifs.choose(interfaces, have(), loopback=loopback):
            transport = await open_address(sending_socket, ours, queue, gathering.statistics)
            if transport is not None:
                stack.callback(transport.close)
                senders.append((ours, transport))
        start = anyio.current_time()
        times = probe_times(seconds)
        for number, until in enumerate((*times[1:], seconds), start=1):
            for ours, transport in senders:
                if on_step:
                    on_step(Step(ours.interface, str(ours.ip.network), number))
                for typed in (True, False):
                    transport.sendto(wsd.probe_message(message_id(), typed=typed), (wsd.GROUP, wsd.PORT))
            while (left := start + until - anyio.current_time()) > 0:
                try:
                    datagram = await asyncio.wait_for(queue.get(), left)
                except TimeoutError:
                    break
                for found in gathering.add(datagram):
                    yield found


async def open_address(
    opener: Callable[[ifs.Address], socket.socket],
    ours: ifs.Address,
    queue: asyncio.Queue[Datagram],
    statistics: Statistics,
) -> asyncio.DatagramTransport | None:
    """Open one address; None (and counted) when it went away between listing and opening."""
    try:
        sock = opener(ours)
    except OSError:
        statistics.send_errors += 1
        return None
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Receiver(ours, queue, statistics), sock=sock)
    return transport


class Listener:
    """Hears Hello and Bye on every chosen address; entered = listening, left = sockets closed."""

    def __init__(
        self,
        interfaces: Sequence[str],
        *,
        loopback: bool = False,
        have: Callable[[], tuple[ifs.Address, ...]] = ifs.installed,
    ) -> None:
        self._interfaces, self._loopback, self._have = interfaces, loopback, have
        self._queue: asyncio.Queue[Datagram] = asyncio.Queue(MOST_QUEUED)
        self._open: dict[ifs.Address, asyncio.DatagramTransport] = {}
        self._gathering = Gathering()

    async def __aenter__(self) -> Self:
        await self.refresh()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for transport in self._open.values():
            transport.close()
        self._open.clear()
        await asyncio.sleep(0)  # asyncio closes the sockets in the next turn of the loop

    def statistics(self) -> Statistics:
        """Return a copy of the counters."""
        return replace(self._gathering.statistics)

    @property
    def addresses(self) -> tuple[ifs.Address, ...]:
        """Where it listens now."""
        return tuple(self._open)

    async def refresh(self) -> None:
        """Follow the machine's addresses: join new ones, leave lost ones.

        Raises:
            ConfigError: a wanted interface does not exist.
            AddressTaken: not one of the chosen addresses could be listened on.

        """
        wanted = ifs.choose(self._interfaces, self._have(), loopback=self._loopback)[:LISTENERS_AT_ONCE]
        for lost in [ours for ours in self._open if ours not in wanted]:
            self._open.pop(lost).close()
        for ours in wanted:
            if ours not in self._open:
                transport = await open_address(listening_socket, ours, self._queue, self._gathering.statistics)
                if transport is not None:
                    self._open[ours] = transport
        if wanted and not self._open:
            raise AddressTaken("the discovery group cannot be listened on", port=wsd.PORT)

    async def heard(self, refresh_s: float = REFRESH_S) -> AsyncIterator[Heard]:
        """Yield announcements as they come, several a device, and follow the machine's addresses meanwhile.

        Raises what `refresh` raises.
        """
        due = anyio.current_time() + refresh_s
        while True:
            try:
                datagram = await asyncio.wait_for(self._queue.get(), max(0.0, due - anyio.current_time()))
            except TimeoutError:
                await self.refresh()
                due = anyio.current_time() + refresh_s
                continue
            for announcement in self._gathering.read(datagram):
                if announcement.kind is not wsd.Kind.MATCH:
                    yield Heard(announcement.kind, _found(datagram, announcement), announcement.is_camera)
