"""The box serves time to cameras: UDP 123 on each address that speaks to them.

Owns the sockets. Invariants: it answers only hosts of the network its socket is in, through the card that
network is at (SO_BINDTODEVICE), each at most so often; a port that somebody else has, or that we may not
have, is a state with a code and is tried again, never an end; addresses that come and go are followed.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address
from types import TracebackType
from typing import Self

from drivers.discovery.interfaces import Address
from drivers.lan import sntp
from drivers.lan.pace import Turns
from gateway.core.clock import Clock

LOOK_S = 15.0
"""How often the machine's addresses are looked at, and a port that was taken is tried again."""
MOST_ADDRESSES = 16
BURST, PER_S = 8, 1.0
"""Of one camera: clients send up to eight at their start (iburst), then one a minute."""
ALL_BURST, ALL_PER_S = 200, 100.0


class Port(StrEnum):
    """How our time port is on one address."""

    OPEN = "open"
    TAKEN = "taken"
    """Another program serves time there."""
    DENIED = "denied"
    """A port below 1024 without CAP_NET_BIND_SERVICE."""
    GONE = "gone"
    """The address went away meanwhile."""


_STATES = {errno.EADDRINUSE: Port.TAKEN, errno.EACCES: Port.DENIED, errno.EPERM: Port.DENIED}


@dataclass(slots=True)
class Counts:
    """Since the start."""

    answered: int = 0
    ignored: int = 0
    """No request, or from another network."""
    limited: int = 0
    unsent: int = 0


def time_socket(ours: Address, port: int) -> socket.socket:
    """Return a UDP socket that hears and speaks on this one address through its own card. Raises OSError."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, ours.interface.encode())
        sock.bind((str(ours.ip.ip), port))
    except OSError:
        sock.close()
        raise
    return sock


class TimeServer:
    """Entered = answering where it can, left = sockets closed; `follow` keeps up with the machine's addresses.

    `addresses` gives those that may speak to cameras and may raise ConfigError; `unsure_s` how far the clock
    may be off.
    """

    def __init__(
        self,
        clock: Clock,
        addresses: Callable[[], Sequence[Address]],
        unsure_s: Callable[[], float],
        *,
        port: int = sntp.PORT,
        opener: Callable[[Address, int], socket.socket] = time_socket,
    ) -> None:
        self._clock, self._addresses, self._unsure_s = clock, addresses, unsure_s
        self._port, self._opener = port, opener
        self._open: dict[Address, asyncio.DatagramTransport] = {}
        self._turns = Turns(burst=BURST, per_s=PER_S, all_burst=ALL_BURST, all_per_s=ALL_PER_S)
        self.counts = Counts()
        self.ports: dict[Address, Port] = {}

    async def __aenter__(self) -> Self:
        await self.look()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for transport in self._open.values():
            transport.close()
        self._open.clear()
        await asyncio.sleep(0)  # asyncio closes the sockets in the next turn of the loop

    async def follow(self) -> None:
        """Look at the machine's addresses for ever; raises what `addresses` raises."""
        while True:
            await self._clock.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Open what is new or was not open, close what is gone."""
        wanted = list(dict.fromkeys(self._addresses()))[:MOST_ADDRESSES]
        for ours in [item for item in self._open if item not in wanted]:
            self._open.pop(ours).close()
        self.ports = {ours: Port.OPEN if ours in self._open else await self._try(ours) for ours in wanted}

    def bound(self) -> tuple[tuple[str, int], ...]:
        """Return address and port of each open socket."""
        return tuple(transport.get_extra_info("sockname") for transport in self._open.values())

    async def _try(self, ours: Address) -> Port:
        try:
            sock = self._opener(ours, self._port)
        except OSError as error:
            return _STATES.get(error.errno or 0, Port.GONE)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Desk(ours, self._serve, self.counts), sock=sock)
        self._open[ours] = transport
        return Port.OPEN

    def _serve(self, ours: Address, packet: bytes, source: str) -> bytes | None:
        """Return the answer to one packet, None for none, which is counted."""
        if not sntp.is_request(packet) or not _is_neighbour(ours, source):
            self.counts.ignored += 1
            return None
        if not self._turns.take(source, self._clock.mono_ns()):
            self.counts.limited += 1
            return None
        return sntp.answer(packet, sntp.ClockFacts(self._clock.now_ms(), self._clock.trusted(), self._unsure_s()))


class _Desk(asyncio.DatagramProtocol):
    """One socket: what arrives is answered at once or never."""

    def __init__(self, ours: Address, serve: Callable[[Address, bytes, str], bytes | None], counts: Counts) -> None:
        self._ours, self._serve, self._counts = ours, serve, counts
        self._transport: asyncio.DatagramTransport | None = None
        self._full = False

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]  # of this kind
        """Keep the way back."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        """Answer; while the card takes nothing, answers are dropped: late time is wrong time."""
        answer = self._serve(self._ours, data, str(addr[0]))
        if answer is None or self._transport is None:
            return
        if self._full:
            self._counts.unsent += 1
            return
        self._transport.sendto(answer, addr)
        self._counts.answered += 1

    def pause_writing(self) -> None:
        """Drop from now on."""
        self._full = True

    def resume_writing(self) -> None:
        """Answer again."""
        self._full = False

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002 - the protocol's signature
        """Count: a camera that went away is no fault of the server."""
        self._counts.unsent += 1


def _is_neighbour(ours: Address, source: str) -> bool:
    try:
        host = IPv4Address(source)
    except AddressValueError:
        return False
    return host in ours.ip.network
