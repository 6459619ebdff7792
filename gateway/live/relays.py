"""The ways of a session through servers: our address as seen outside, and a relay's.

Owns what one session asks of the configured STUN and TURN server, and how packets leave through a relay. Invariants:
only the answer of the server that was asked counts, and only its mapped address is read; asking ends after
`ASK_TIMEOUT_S` and costs the session nothing but that way; what waits towards a relay is bounded, beyond it the relay
is a full socket; no candidate names an address of our own network as its origin.
"""

from __future__ import annotations

import asyncio
import ipaddress
import secrets
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aioice.ice
import aioice.stun
from aioice import turn
from aioice.candidate import Candidate, candidate_foundation, candidate_priority

from gateway.core.iceservers import IceServer
from gateway.live.stun import COOKIE

T = TypeVar("T", bound=aioice.ice.StunProtocol)
ASK_TIMEOUT_S = 2.0
"""The viewer waits for the answer meanwhile: WHEP has no later way to tell it a candidate."""
ASK_AGAIN_S = 0.4
MOST_WAITING_BYTES = 128 << 10
"""Half a second of a main stream: what a TCP connection to a relay does not take soon is not live any more."""
MOST_WAITING_DATAGRAMS = 512
"""While a channel to a peer is bound or refreshed."""
_HIDDEN = {4: ("0.0.0.0", 9), 6: ("::", 9)}  # noqa: S104 - nothing listens there: RFC 8839 §5.1, no related address
_RESPONSE, _MAPPED = b"\x01\x01", 0x0020


@dataclass(slots=True)
class Questions:
    """What a session has asked STUN servers and waits for, by transaction."""

    _open: dict[bytes, tuple[tuple[str, int], asyncio.Future[tuple[str, int]]]] = field(default_factory=dict)

    def heard(self, data: bytes, source: tuple[str, int]) -> bool:
        """Take a datagram if it answers a question, from whom it was put to."""
        known = self._open.get(data[8:20])
        if known is None or known[0] != source:
            return False
        address = mapped_address(data)
        if address is not None and not known[1].done():
            known[1].set_result(address)
        return True

    async def ask(self, send: Callable[[bytes, tuple[str, int]], None], server: tuple[str, int]) -> tuple[str, int]:
        """Ask a server (by its IP address) which address it sees; the caller bounds the time."""
        transaction = secrets.token_bytes(12)
        answer: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
        self._open[transaction] = (server, answer)
        try:
            while not answer.done():
                send(b"\0\x01\0\0" + COOKIE + transaction, server)
                await asyncio.wait([answer], timeout=ASK_AGAIN_S)
            return answer.result()
        finally:
            del self._open[transaction]


def mapped_address(data: bytes) -> tuple[str, int] | None:
    """Return XOR-MAPPED-ADDRESS (IPv4) of a binding response (RFC 8489 §14.2); None without a usable one."""
    at = 20
    while data[:2] == _RESPONSE and at + 4 <= len(data):
        name, size = struct.unpack_from("!HH", data, at)
        if name == _MAPPED and size == 8 and at + 12 <= len(data) and data[at + 5] == 1:
            port, address = struct.unpack_from("!HI", data, at + 6)
            return str(ipaddress.IPv4Address(address ^ int.from_bytes(COOKIE, "big"))), port ^ 0x2112
        at += 4 + (size + 3 & ~3)
    return None


def candidate(kind: str, address: tuple[str, int]) -> Candidate:
    """Return a candidate of ours that does not say where it comes from."""
    hidden = _HIDDEN[ipaddress.ip_address(address[0]).version]
    return Candidate(
        foundation=candidate_foundation(kind, "udp", address[0]),
        component=1,
        transport="udp",
        priority=candidate_priority(1, kind),
        host=address[0],
        port=address[1],
        type=kind,
        related_address=hidden[0],
        related_port=hidden[1],
    )


async def gather(
    servers: Sequence[IceServer],
    hosts: Sequence[T],
    make: Callable[[], T],
    keep: Callable[[T], None],
    questions: Questions,
    dropped: Counter[str],
) -> list[Candidate]:
    """Ask the first STUN and the first TURN server; return our candidates there.

    `hosts` are the bound sockets, `make` makes what hears a relay, `keep` is given it at once, to be closed with the
    session. A server that does not answer in time is counted (`no_stun`, `no_relay`), nothing else.
    """
    stun = next((item for item in servers if item.place.scheme == "stun"), None)
    relay = next((item for item in servers if item.place.scheme != "stun"), None)
    found = list[Candidate]()

    async def outside(host: T) -> None:
        assert stun is not None
        if ipaddress.ip_address(host.local_candidate.host).version == 4:
            found.append(candidate("srflx", await questions.ask(host.transport.sendto, await _resolved(stun))))

    async def through() -> None:
        assert relay is not None
        protocol = await _allocate(relay, make)
        keep(protocol)
        found.append(protocol.local_candidate)

    tasks = {asyncio.create_task(outside(host)): "no_stun" for host in hosts} if stun is not None else {}
    if relay is not None:
        tasks[asyncio.create_task(through())] = "no_relay"
    if tasks:
        await _finish(tasks, dropped)
    return list({item.to_sdp(): item for item in found}.values())


async def _finish(tasks: dict[asyncio.Task[None], str], dropped: Counter[str]) -> None:
    try:
        await asyncio.wait(tasks, timeout=ASK_TIMEOUT_S)
    finally:
        for task in tasks:
            task.cancel()
        for result, name in zip(await asyncio.gather(*tasks, return_exceptions=True), tasks.values(), strict=True):
            if result is not None:
                dropped[name] += 1
            if isinstance(result, Exception) and not isinstance(result, _FAILURES):
                raise result


_FAILURES = (OSError, ValueError, aioice.stun.TransactionError)
"""No route, no name, refused or garbled: a server's trouble, none of ours."""


async def _resolved(server: IceServer) -> tuple[str, int]:
    """Return a server's IPv4 address."""
    place = server.place
    found = await asyncio.get_running_loop().getaddrinfo(place.host, place.port, family=2, type=2)
    return str(found[0][4][0]), place.port


async def _allocate(server: IceServer, make: Callable[[], T]) -> T:
    """Return what hears and speaks through an allocation of ours at a TURN server (RFC 8656)."""
    place = server.place
    _, protocol = await turn.create_turn_endpoint(
        make,
        server_addr=(place.host, place.port),
        username=server.username or None,
        password=server.credential.reveal() if server.credential is not None else None,
        ssl=True if place.scheme == "turns" else None,
        transport=place.transport,
    )
    protocol.local_candidate = candidate("relay", protocol.transport.get_extra_info("sockname"))
    return protocol


class RelaySocket:
    """A TURN allocation as something to `sendto`, with a bound on what waits towards the relay."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._client = transport._TurnTransport__inner_protocol

    def sendto(self, data: bytes, _flags: int, address: tuple[str, int], /) -> int:
        """Send one datagram through the relay; BlockingIOError when too much waits for it already."""
        waiting = len(self._transport._TurnTransport__send_tasks)
        if waiting > MOST_WAITING_DATAGRAMS or self._client.transport.get_write_buffer_size() > MOST_WAITING_BYTES:
            raise BlockingIOError("the relay takes no more for now")
        self._transport.sendto(data, address)
        return len(data)
