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
    """What a device tells of itself to anyone; "" where it tells nothing. Only the first two tell it from others."""

    endpoint: str
    mac: str
    name: str = ""
    hardware: str = ""


class _Answers(asyncio.DatagramProtocol):
    """Keeps the first announcement with an endpoint reference that comes from one address."""

    def __init__(self, address: str) -> None:
        self._address = address
        self.first: asyncio.Future[wsd.Announcement] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if addr[0] != self._address or self.first.done():
            return
        try:
            named = [item for item in wsd.read(data) if item.endpoint]
        except CameraBadReply:
            return  # what cannot be read tells nothing
        if named:
            self.first.set_result(named[0])

    def error_received(self, exc: Exception) -> None:
        """Do nothing: port unreachable is silence."""


async def told_at(
    address: str, *, rounds_s: tuple[float, ...] = ROUNDS_S, message_id: Callable[[], UUID] = uuid4
) -> wsd.Announcement | None:
    """Return what the device at an IPv4 address says of itself; None if it does not answer."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setblocking(False)
    try:
        sock.bind(("", 0))  # not connected: some answer from another port
        transport, answers = await asyncio.get_running_loop().create_datagram_endpoint(
            lambda: _Answers(address), sock=sock
        )
    except OSError:
        sock.close()
        return None
    try:
        for wait_s in rounds_s:
            transport.sendto(wsd.probe_message(message_id(), typed=False), (address, wsd.PORT))
            done, _ = await asyncio.wait([answers.first], timeout=wait_s)
            if done:
                return answers.first.result()
        return None
    finally:
        transport.close()
        answers.first.cancel()
        await asyncio.sleep(0)  # asyncio closes the socket in the next turn of the loop


async def who_is_at(address: str, *, rounds_s: tuple[float, ...] = ROUNDS_S, table: Path = ARP_TABLE) -> Marks:
    """Return the marks of the device at an address; the probe also makes the kernel learn its MAC."""
    told = await told_at(address, rounds_s=rounds_s)
    mac = mac_of(address, table) or ""
    return Marks("", mac) if told is None else Marks(told.endpoint, mac, told.name, told.hardware)
