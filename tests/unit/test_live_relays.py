"""Ways through servers: what counts as an answer, and how much may wait towards a relay."""

from __future__ import annotations

import asyncio
import struct
from collections import Counter
from typing import Any

import aioice.stun
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.iceservers import IceServer
from gateway.core.model import Secret
from gateway.live import relays
from gateway.live.ice import AddressRules, HardConnection
from gateway.live.relays import (
    MOST_WAITING_BYTES,
    MOST_WAITING_DATAGRAMS,
    Questions,
    RelaySocket,
    candidate,
    mapped_address,
)

pytestmark = pytest.mark.anyio
SERVER = ("192.0.2.1", 3478)
SEEN = ("203.0.113.5", 40001)


def answer(transaction: bytes, address: tuple[str, int] = SEEN, *, before: bytes = b"") -> bytes:
    """A binding response as coturn makes it: with attributes that no connectivity check has."""
    message = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.RESPONSE, transaction_id=transaction)
    message.attributes["XOR-MAPPED-ADDRESS"] = address
    data = bytes(message)
    return data[:2] + struct.pack("!H", len(data) - 20 + len(before)) + data[4:20] + before + data[20:]


def test_the_mapped_address_is_read_and_nothing_else() -> None:
    """Also behind attributes we do not know; never of an error or of IPv6."""
    origin = struct.pack("!HH", 0x802B, 8) + b"\0\1\r\x96" + bytes(4)
    assert mapped_address(answer(b"t" * 12)) == SEEN
    assert mapped_address(answer(b"t" * 12, before=origin)) == SEEN
    assert mapped_address(b"\x01\x11" + answer(b"t" * 12)[2:]) is None
    assert mapped_address(answer(b"t" * 12, ("2001:db8::1", 5))) is None
    assert mapped_address(answer(b"t" * 12)[:28]) is None


@given(st.binary(max_size=200))
def test_no_datagram_raises(data: bytes) -> None:
    """Whatever a server sends."""
    assert mapped_address(data) is None or data[:2] == b"\x01\x01"
    assert mapped_address(b"\x01\x01" + data) is None or len(data) > 20


async def test_only_the_server_that_was_asked_answers() -> None:
    """Another source and another transaction are not heard; a lost question is put again."""
    questions, sent = Questions(), list[bytes]()
    asking = asyncio.create_task(questions.ask(lambda data, _where: sent.append(data), SERVER))
    while len(sent) < 2:  # noqa: ASYNC110 - a plain list
        await asyncio.sleep(0.01)
    transaction = sent[0][8:20]
    assert sent[1] == sent[0]
    assert not questions.heard(answer(transaction), ("192.0.2.66", 3478))
    assert not questions.heard(answer(b"x" * 12), SERVER)
    assert questions.heard(b"\x01\x11" + answer(transaction)[2:], SERVER), "an error is the server's, and no answer"
    assert not asking.done()
    assert questions.heard(answer(transaction), SERVER)
    assert await asking == SEEN
    assert not questions.heard(answer(transaction), SERVER), "it is closed"


class StunServer(asyncio.DatagramProtocol):
    """Says where somebody comes from, or nothing."""

    mute = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self.mute:
            self.transport.sendto(answer(data[8:20], before=struct.pack("!HHI", 0x802B, 4, 1)), addr)


async def gathered(*servers: IceServer) -> tuple[list[str], Counter[str]]:
    """What a session on loopback finds, and what it counted."""
    connection = HardConnection(["127.0.0.1"], AddressRules(allow_loopback=True), servers)
    try:
        await connection.gather_candidates()
        return [item.to_sdp() for item in connection.local_candidates], connection.dropped
    finally:
        await connection.close()


async def test_our_address_outside_is_asked_of_the_configured_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """One reflexive candidate beside our own, which does not name where it comes from; a silent server costs nothing."""
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(StunServer, local_addr=("127.0.0.1", 0))
    port = transport.get_extra_info("sockname")[1]
    try:
        own, outside = (await gathered(IceServer(f"stun:127.0.0.1:{port}")))[0]
        assert "typ host" in own
        assert f"{SEEN[0]} {SEEN[1]} typ srflx raddr 0.0.0.0 rport 9" in outside
        server.mute = True
        monkeypatch.setattr(relays, "ASK_TIMEOUT_S", 0.1)
        found, counted = await gathered(IceServer(f"stun:127.0.0.1:{port}"))
        assert [item.split()[7] for item in found] == ["host"]
        assert counted == {"no_stun": 1}
    finally:
        transport.close()


async def test_a_relay_that_refuses_costs_only_its_way() -> None:
    """Nobody listens there: counted, and the session goes on with its own addresses."""
    found, counted = await gathered(IceServer("turn:127.0.0.1:9?transport=tcp", "1:a", Secret("b")))
    assert [item.split()[7] for item in found] == ["host"]
    assert counted == {"no_relay": 1}


def test_no_candidate_names_where_it_was_found() -> None:
    """Neither in IPv4 nor in IPv6."""
    assert candidate("relay", ("198.51.100.9", 5)).related_address == "0.0.0.0"
    assert candidate("relay", ("2001:db8::9", 5)).related_address == "::"


class FakeTurn:
    """aioice's TURN transport, as far as it is used."""

    def __init__(self) -> None:
        self.waiting, self.sent = 0, list[tuple[bytes, tuple[str, int]]]()
        self._TurnTransport__inner_protocol = self
        self._TurnTransport__send_tasks = set[int]()
        self.transport = self

    def get_write_buffer_size(self) -> int:
        return self.waiting

    def sendto(self, data: bytes, address: tuple[str, int]) -> None:
        self.sent.append((data, address))


def test_a_relay_that_does_not_take_what_is_sent_is_a_full_socket() -> None:
    """Beyond the bound nothing is added: the sender then leaves frames out, as for any full socket."""
    turn = FakeTurn()
    relay = RelaySocket(turn)
    assert relay.sendto(b"packet", 0, SEEN) == 6
    turn.waiting = MOST_WAITING_BYTES + 1
    with pytest.raises(BlockingIOError):
        relay.sendto(b"packet", 0, SEEN)
    turn.waiting = 0
    turn._TurnTransport__send_tasks = set(range(MOST_WAITING_DATAGRAMS + 1))
    with pytest.raises(BlockingIOError):
        relay.sendto(b"packet", 0, SEEN)
    turn._TurnTransport__send_tasks.clear()
    relay.sendto(b"again", 0, SEEN)
    assert [data for data, _ in turn.sent] == [b"packet", b"again"]
