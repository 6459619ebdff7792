"""Asking one address who is there."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from drivers.discovery import wsd
from drivers.discovery.directed import Marks, told_at, who_is_at

pytestmark = pytest.mark.anyio
HERE, OTHER = "127.83.0.1", "127.83.0.2"
MATCH = (
    '<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"'
    ' xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"'
    ' xmlns:d="http://schemas.xmlsoap.org/ws/2005/04/discovery"><e:Body><d:ProbeMatches><d:ProbeMatch>'
    "<a:EndpointReference><a:Address>urn:uuid:{}</a:Address></a:EndpointReference>"
    "<d:XAddrs>http://127.83.0.1/onvif/device_service</d:XAddrs></d:ProbeMatch></d:ProbeMatches></e:Body></e:Envelope>"
)


class Device(asyncio.DatagramProtocol):
    """Answers probes: from its own socket and with what the test says."""

    def __init__(self, answers: list[bytes], *, silent_rounds: int = 0) -> None:
        self.heard: list[bytes] = []
        self._answers, self._silent = answers, silent_rounds
        self.out: asyncio.DatagramTransport

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        self.heard.append(data)
        if len(self.heard) > self._silent:
            for answer in self._answers:
                self.out.sendto(answer, addr)


@asynccontextmanager
async def device(*answers: bytes, silent_rounds: int = 0, speaks_from: str = HERE) -> AsyncIterator[Device]:
    """A device at HERE; with another `speaks_from` its answers come from there."""
    loop = asyncio.get_running_loop()
    made = Device(list(answers), silent_rounds=silent_rounds)
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind((HERE, wsd.PORT))
    transport, _ = await loop.create_datagram_endpoint(lambda: made, sock=sock)
    mouth, _ = await loop.create_datagram_endpoint(asyncio.DatagramProtocol, local_addr=(speaks_from, 0))
    made.out = mouth
    try:
        yield made
    finally:
        transport.close()
        mouth.close()
        await asyncio.sleep(0)  # asyncio closes the sockets in the next turn of the loop


async def endpoint_at(address: str, rounds_s: tuple[float, ...]) -> str:
    """The endpoint reference of whoever answers, "" of nobody."""
    told = await told_at(address, rounds_s=rounds_s)
    return "" if told is None else told.endpoint


async def test_a_device_is_asked_and_named(tmp_path: Path) -> None:
    """Its endpoint comes by unicast, from whatever port; its MAC from the neighbour table."""
    table = tmp_path / "arp"
    table.write_text("IP address HW type Flags HW address Mask Device\n127.83.0.1 0x1 0x2 02:00:00:aa:bb:cc * eth0\n")
    async with device(MATCH.format("one").encode()) as made:
        assert await who_is_at(HERE, rounds_s=(20.0,), table=table) == Marks("urn:uuid:one", "02:00:00:aa:bb:cc")
    assert len(made.heard) == 1
    assert b"Probe" in made.heard[0]


async def test_a_device_says_what_it_is_called() -> None:
    """Its name and hardware stand in its scopes; they are no marks."""
    scopes = "onvif://www.onvif.org/name/L%E1%BB%9Bp_L%C3%A1 onvif://www.onvif.org/hardware/DS-2CD"
    answer = MATCH.format("one").replace("<d:XAddrs>", f"<d:Scopes>{scopes}</d:Scopes><d:XAddrs>")
    async with device(answer.encode()):
        marks = await who_is_at(HERE, rounds_s=(20.0,))
    assert (marks.endpoint, marks.name, marks.hardware) == ("urn:uuid:one", "Lớp Lá", "DS-2CD")


async def test_a_slow_device_is_asked_again() -> None:
    """It missed the first probe and answers the second."""
    async with device(MATCH.format("two").encode(), silent_rounds=1) as made:
        assert await endpoint_at(HERE, rounds_s=(0.1, 20.0)) == "urn:uuid:two"
    assert len(made.heard) == 2


async def test_another_address_is_not_believed() -> None:
    """Whoever answers in its place says nothing about it."""
    async with device(MATCH.format("liar").encode(), speaks_from=OTHER):
        assert await endpoint_at(HERE, rounds_s=(0.2,)) == ""


@pytest.mark.parametrize("rubbish", [b"", b"\x00", b"<a", MATCH.format("x y").encode(), b"<a/>"])
async def test_rubbish_is_silence(rubbish: bytes) -> None:
    """What cannot be read, or names no endpoint, does not stand in the way of a good answer."""
    async with device(rubbish):
        assert await endpoint_at(HERE, rounds_s=(0.2,)) == ""
    async with device(rubbish, MATCH.format("three").encode()):
        assert await endpoint_at(HERE, rounds_s=(20.0,)) == "urn:uuid:three"


async def test_nobody_is_nobody() -> None:
    """A closed port and an address without a route are silence, not errors."""
    assert await endpoint_at("127.83.0.9", rounds_s=(0.1, 0.1)) == ""
    assert await endpoint_at("255.255.255.255", rounds_s=(0.1,)) == ""
