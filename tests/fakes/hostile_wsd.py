"""A device that answers every WS-Discovery probe at once, with rubbish, a bomb, and its services at another host."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import cast

from drivers.discovery import wsd
from tests.unit.test_wsd import device, message

MOST_BYTES = 65_000


def answers(address: str, third: str) -> list[bytes]:
    """Return the datagrams of one answer; the last one can be read."""
    match = "<d:ProbeMatches><d:ProbeMatch>{}</d:ProbeMatch></d:ProbeMatches>"
    here = match.format(device(f"http://{third}/onvif/device_service", uuid=f"urn:uuid:{address}"))
    return [
        b"\xff" * MOST_BYTES,
        f'<!DOCTYPE l SYSTEM "http://{third}/x.dtd"><l/>'.encode(),
        b'<!DOCTYPE l [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]><l>&b;</l>',
        b"<a>" * 20_000,
        message(here),
    ]


class _Liar(asyncio.DatagramProtocol):
    def __init__(self, said: list[bytes]) -> None:
        self._said = said
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)  # its true class is none of that name

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if b"Probe" in data and self._transport is not None:
            for datagram in self._said:
                self._transport.sendto(datagram, addr)


@dataclass
class HostileWsd:
    """Listens on port 3702 of its address while running."""

    address: str
    third: str

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind((self.address, wsd.PORT))
        liar = _Liar(answers(self.address, self.third))
        transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: liar, sock=sock)
        try:
            yield
        finally:
            transport.close()
