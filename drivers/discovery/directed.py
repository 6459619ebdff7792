"""Asking one address who is there, without a login: the WS-Discovery probe by unicast, and the neighbour table.

Owns `who_is_at`. Invariants: one address is spoken to and only its own packets are believed; nothing sent carries a
login; silence is an answer (the mark stays unknown), never an error.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID, uuid4

from drivers.discovery import wsd
from drivers.discovery.neighbours import ARP_TABLE, mac_of
from gateway.core.errors import CameraBadReply

ROUNDS_S = (0.4, 0.8)
"""How long each of two probes waits for an answer: WS-Discovery lets a device take 0.5 s."""


@dataclass(frozen=True, slots=True)
class Marks:
    """What a device tells of itself to anyone; "" where it tells nothing."""

    endpoint: str
    mac: str


class _Answers(asyncio.DatagramProtocol):
    """Keeps the first endpoint reference that comes from one address."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.endpoint = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if addr[0] != self._address or self.endpoint.done():
            return
        try:
            named = [item.endpoint for item in wsd.read(data) if item.endpoint]
        except CameraBadReply:
            return  # what cannot be read tells nothing
        if named:
            self.endpoint.set_result(named[0])

    def error_received(self, exc: Exception) -> None:
        """Do nothing: port unreachable is silence."""


async def endpoint_at(
    address: str, *, rounds_s: tuple[float, ...] = ROUNDS_S, message_id: Callable[[], UUID] = uuid4
) -> str:
    """Return the endpoint reference of the device at an IPv4 address; "" if it does not answer."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        sock.bind(("", 0))  # not connected: some answer from another port
        transport, answers = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Answers(address), sock=sock
        )
    except OSError:
        sock.close()
        return ""
    try:
        for wait_s in rounds_s:
            transport.sendto(wsd.probe_message(message_id(), typed=False), (address, wsd.PORT))
            done, _ = await asyncio.wait([answers.endpoint], timeout=wait_s)
            if done:
                return str(answers.endpoint.result())
        return ""
    finally:
        transport.close()
        answers.endpoint.cancel()
        await asyncio.sleep(0)  # asyncio closes the socket in the next turn of the loop


async def who_is_at(address: str, *, rounds_s: tuple[float, ...] = ROUNDS_S, table: Path = ARP_TABLE) -> Marks:
    """Return the marks of the device at an address; the probe also makes the kernel learn its MAC."""
    endpoint = await endpoint_at(address, rounds_s=rounds_s)
    return Marks(endpoint, mac_of(address, table) or "")
