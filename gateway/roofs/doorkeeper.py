"""Who may be connected to a web server, and for how long without asking anything.

Owns the listening socket's `accept`, the count of connections of each address and the time a connection has for the
head of a request, TLS handshake included. Invariants: at most `per_address` connections of one client are open, a
further one is closed before a byte of it is read; a connection without a whole request head within `head_s` is shut
down, also a later head on a kept connection; a request that is being answered, an open event stream too, is never
touched; what was dropped is counted, told at most once a minute, and without an address. Event loop only.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

from uvicorn.protocols.http import h11_impl

from gateway.core.addresses import Network, unmapped
from gateway.core.log import get_logger

REFUSALS_AT_ONCE = 16
"""Connections turned away in one turn of the loop: others have to be served meanwhile."""
TELL_EVERY_S = 60.0
IPV6_CLIENT_BITS = 64
"""One client has a whole network of addresses."""
CROWDED, SLOW = "crowded", "slow"
"""Why one was dropped: its address has too many, or it asked nothing."""

LOOPBACK: tuple[Network, ...] = (ipaddress.IPv4Network("127.0.0.0/8"), ipaddress.IPv6Network("::1/128"))
"""Where a proxy is that speaks for all its clients: the only one that can be configured is on this machine."""


@dataclass(frozen=True, slots=True)
class DoorLimits:
    """What a client may do."""

    per_address: int = 256
    """Forty phones behind the one address of a school's own NAT, with six connections each; still an eighth of all."""
    head_s: float = 20.0
    """For TLS and the head of a request: a slow phone needs seconds."""
    idle_s: int = 75
    """A kept connection between two requests."""
    exempt: tuple[Network, ...] = LOOPBACK
    """Clients that are not counted."""


class Drops:
    """Counts what was dropped and says so at most once a minute."""

    def __init__(self, mono_s: Callable[[], float] = time.monotonic) -> None:
        self._mono_s, self._log = mono_s, get_logger("http")
        self.counts: Counter[str] = Counter()
        """Since the start, by reason."""
        self._told: Counter[str] = Counter()
        self._told_s: float | None = None

    def note(self, why: str) -> None:
        """Count one; tell of all since the last time if that is long enough ago."""
        self.counts[why] += 1
        now_s = self._mono_s()
        if self._told_s is None or now_s - self._told_s >= TELL_EVERY_S:
            self._told_s = now_s
            self.tell()

    def tell(self) -> None:
        """Tell what nobody was told yet, if anything."""
        fresh = self.counts - self._told
        if fresh:
            self._told = self.counts.copy()
            say = self._log.warning if fresh[CROWDED] else self._log.info  # browsers open connections to spare
            say("http.dropped", crowded=fresh[CROWDED], slow=fresh[SLOW])


def client_of(host: str, exempt: Sequence[Network] = ()) -> str:
    """Return what counts as one client: an IPv4 address, or the network of an IPv6 one; "" for one of `exempt`."""
    address = unmapped(ipaddress.ip_address(host.partition("%")[0]))
    if any(address in network for network in exempt):
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((address, IPV6_CLIENT_BITS), strict=False))
    return str(address)


class Doorkeeper:
    """The rules of one server's door."""

    def __init__(self, limits: DoorLimits, drops: Drops) -> None:
        self.limits, self.drops = limits, drops
        self._open: Counter[str] = Counter()
        self._visitors: dict[Any, Visitor] = {}
        """By the peer's address and port."""

    def let_in(self, connection: socket.socket, peer: tuple[Any, ...]) -> Visitor | None:
        """Take a new connection over; None if its client has too many: it is closed then."""
        client = client_of(peer[0], self.limits.exempt)
        if client and self._open[client] >= self.limits.per_address:
            connection.close()
            self.drops.note(CROWDED)
            return None
        if client:
            self._open[client] += 1
        visitor = Visitor(connection, self, peer, client)
        self._visitors[peer] = visitor
        visitor.wait_for_head()
        return visitor

    def gone(self, visitor: Visitor) -> None:
        """Forget a connection that was closed."""
        if self._visitors.get(visitor.peer) is visitor:
            del self._visitors[visitor.peer]
        if visitor.client:
            self._open[visitor.client] -= 1
            if not self._open[visitor.client]:
                del self._open[visitor.client]

    def visitor(self, peer: object) -> Visitor | None:
        """Return the open connection of a peer."""
        return self._visitors.get(peer)

    @property
    def clients(self) -> dict[str, int]:
        """Connections by client, without those that are not counted."""
        return dict(self._open)

    @property
    def waiting(self) -> int:
        """Connections whose time for a request head runs."""
        return sum(visitor.is_waiting for visitor in self._visitors.values())


class Visitor(socket.socket):
    """One accepted connection."""

    def __init__(self, connection: socket.socket, keeper: Doorkeeper, peer: tuple[Any, ...], client: str) -> None:
        family, kind, protocol = connection.family, connection.type, connection.proto
        super().__init__(family, kind, protocol, fileno=connection.detach())
        self.peer, self.client = peer, client
        """Its address and port, and what it is counted as; "" for one that is not."""
        self._keeper, self._left = keeper, False
        self._deadline: asyncio.TimerHandle | None = None

    def wait_for_head(self) -> None:
        """Give it time for the head of a request, counted from the first call on."""
        if self._deadline is None and not self._left:
            self._deadline = asyncio.get_running_loop().call_later(self._keeper.limits.head_s, self._too_slow)

    @property
    def is_waiting(self) -> bool:
        """Say whether its time runs."""
        return self._deadline is not None

    def has_asked(self) -> None:
        """Stop the time: a request is being read or answered."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        self._keeper.drops.note(SLOW)
        with contextlib.suppress(OSError):  # it is gone already
            self.shutdown(socket.SHUT_RDWR)  # the loop reads its end and closes it, in the handshake too

    def close(self) -> None:
        """Close it and make its place free."""
        if not self._left:
            self._left = True
            self.has_asked()
            self._keeper.gone(self)
        super().close()


class Door(socket.socket):
    """A listening socket whose `accept` asks the doorkeeper."""

    keeper: Doorkeeper

    def accept(self) -> tuple[socket.socket, Any]:
        """Return the next connection that is let in; BlockingIOError when none waits, or too many were turned away."""
        for _ in range(REFUSALS_AT_ONCE):
            connection, peer = super().accept()
            visitor = self.keeper.let_in(connection, peer)
            if visitor is not None:
                return visitor, peer
        raise BlockingIOError


def protocol_of(keeper: Doorkeeper) -> type[asyncio.Protocol]:
    """Return uvicorn's HTTP protocol that tells the doorkeeper when a client has asked something."""

    class WatchedProtocol(h11_impl.H11Protocol):
        """HTTP/1.1; every byte passes here."""

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            visitor = keeper.visitor(self.transport.get_extra_info("peername"))
            if visitor is None or self.transport.is_closing():
                return
            cycle = cast("h11_impl.RequestResponseCycle | None", self.cycle)
            if cycle is None or cycle.response_complete:
                visitor.wait_for_head()
            else:
                visitor.has_asked()

    return WatchedProtocol
