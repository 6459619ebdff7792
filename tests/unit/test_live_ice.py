"""Rules about addresses, and the hardened socket."""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Self

import aioice.stun
import pytest
from aioice.candidate import Candidate

from gateway.live.ice import QUEUE_DATAGRAMS, AddressRules, HardConnection, HardGatherer, own_addresses

STRANGER = ("192.0.2.66", 4000)
VIEWER = ("192.0.2.7", 5000)


@pytest.mark.parametrize(
    ("address", "allowed"),
    [
        ("192.168.1.20", True),
        ("203.0.113.9", True),
        ("2001:db8:1::1", True),
        ("fd12::1", True),
        ("127.0.0.1", False),
        ("::1", False),
        ("169.254.1.1", False),
        ("fe80::1", False),
        ("239.255.255.250", False),
        ("ff02::fb", False),
        ("0.0.0.0", False),
        ("::", False),
        ("240.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("10.9.0.5", False),
        ("e2d1b1a8-0000-4000-8000-1c1c1c1c1c1c.local", False),
        ("example.com", False),
        ("", False),
    ],
)
def test_where_packets_may_go(address: str, allowed: bool) -> None:
    """Viewers' addresses pass; loopback, link-local, multicast, the camera network and names do not."""
    assert AddressRules(refused=(ipaddress.ip_network("10.9.0.0/16"),)).allows(address) is allowed


def test_loopback_is_allowed_where_configured() -> None:
    """The demo watches itself; nothing else of the list becomes allowed by that."""
    rules = AddressRules(allow_loopback=True)
    assert rules.allows("127.0.0.1")
    assert rules.allows("::1")
    assert not rules.allows("169.254.1.1")


def test_no_server_is_asked_by_default() -> None:
    """Without configured servers there is neither STUN nor TURN, in particular not aiortc's default."""

    async def body() -> None:
        connection = HardGatherer([], ["127.0.0.1"], AddressRules()).connection
        assert connection.stun_server is None
        assert connection.turn_server is None

    asyncio.run(body())


def test_own_addresses_hold_no_link_local_ones() -> None:
    """Gathering everywhere means everywhere a viewer can be, loopback only on demand."""
    assert "127.0.0.1" in own_addresses(loopback=True)
    found = [ipaddress.ip_address(item) for item in own_addresses(loopback=False)]
    assert not any(item.is_loopback or item.is_link_local for item in found)


class Scene:
    """A gathered connection whose remote side is known."""

    def __init__(self, rules: AddressRules | None = None) -> None:
        self.connection = HardConnection(["127.0.0.1"], rules or AddressRules())

    async def __aenter__(self) -> Self:
        await self.connection.gather_candidates()
        self.connection.remote_username, self.connection.remote_password = "them", "p" * 22
        (self.socket,) = self.connection._protocols
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.close()

    def check(self, password: str | None = None, source: tuple[str, int] = VIEWER) -> None:
        """Let a connectivity check arrive, signed with our password or another."""
        request = aioice.stun.Message(aioice.stun.Method.BINDING, aioice.stun.Class.REQUEST)
        request.attributes["USERNAME"] = f"{self.connection.local_username}:them"
        request.attributes["PRIORITY"] = 1
        request.add_message_integrity((password or self.connection.local_password).encode())
        self.socket.datagram_received(bytes(request), source)

    @property
    def queued(self) -> int:
        return self.connection._queue.qsize()


def test_candidates_are_gathered_on_the_given_addresses_only() -> None:
    """One host candidate, on loopback, though the machine has other interfaces."""

    async def body() -> None:
        async with Scene() as scene:
            assert [item.host for item in scene.connection.local_candidates] == ["127.0.0.1"]

    asyncio.run(body())


def test_an_address_we_do_not_have_is_counted() -> None:
    """A wrong entry in the configuration costs that candidate, not the session."""

    async def body() -> None:
        connection = HardConnection(["192.0.2.1", "127.0.0.1"], AddressRules())
        await connection.gather_candidates()
        assert len(connection.local_candidates) == 1
        assert connection.dropped["unbindable_address"] == 1
        await connection.close()

    asyncio.run(body())


def test_only_proven_addresses_reach_dtls() -> None:
    """A ClientHello passes from an address that signed a check with our password, from no other."""

    async def body() -> None:
        async with Scene() as scene:
            hello = b"\x16\xfe\xfd" + bytes(100)
            scene.socket.datagram_received(hello, VIEWER)
            scene.check("wrong" * 5)
            scene.socket.datagram_received(hello, VIEWER)
            assert scene.queued == 0
            scene.check()
            scene.socket.datagram_received(hello, VIEWER)
            scene.socket.datagram_received(hello, STRANGER)
            assert scene.queued == 1
            assert scene.connection.dropped["stranger"] == 3

    asyncio.run(body())


def test_proof_is_bounded() -> None:
    """A viewer that signs from a thousand ports does not grow our memory."""

    async def body() -> None:
        async with Scene() as scene:
            for port in range(1000, 1100):
                scene.check(source=("192.0.2.7", port))
            assert len(scene.connection._proven) == MOST_PROVEN

    asyncio.run(body())


def test_checks_from_refused_addresses_are_not_answered() -> None:
    """A viewer cannot point us at the camera network by forging a source there."""

    async def body() -> None:
        async with Scene(AddressRules(refused=(ipaddress.ip_network("10.9.0.0/16"),))) as scene:
            scene.check(source=("10.9.0.5", 80))
            assert scene.connection.dropped["refused_address"] == 1
            assert not scene.connection._early_checks

    asyncio.run(body())


def test_malformed_stun_never_raises() -> None:
    """Short attributes, lying lengths and plain noise are dropped and counted."""

    async def body() -> None:
        async with Scene() as scene:
            head = b"\x00\x01\x00\x08\x21\x12\xa4\x42" + b"x" * 12
            for data in (head + b"\x00\x24\x00\x02" + bytes(4), head + bytes(8), head[:-1] + b"\0", head + b"\xff" * 8):
                scene.socket.datagram_received(data, STRANGER)
            for length in range(60):
                scene.socket.datagram_received(bytes([length]) * length, STRANGER)
            assert scene.connection.dropped["malformed_stun"] >= 3
            assert scene.queued == 0

    asyncio.run(body())


def test_a_flood_from_a_proven_address_is_bounded() -> None:
    """Even the viewer itself cannot fill our memory."""

    async def body() -> None:
        async with Scene() as scene:
            scene.check()
            for _ in range(QUEUE_DATAGRAMS + 50):
                scene.socket.datagram_received(b"\x16" + bytes(1300), VIEWER)
            assert scene.queued == QUEUE_DATAGRAMS
            assert scene.connection.dropped["queue_full"] == 50

    asyncio.run(body())


def test_remote_candidates_pass_the_rules() -> None:
    """Names are not resolved, loopback is not contacted, and the end of candidates is kept from aioice."""

    async def body() -> None:
        async with Scene() as scene:
            for host in ("abc.local", "127.0.0.1", "224.0.0.1", "192.0.2.9"):
                await scene.connection.add_remote_candidate(Candidate("1", 1, "udp", 1, host, 9, "host"))
            await scene.connection.add_remote_candidate(None)
            assert [item.host for item in scene.connection.remote_candidates] == ["192.0.2.9"]
            assert scene.connection.dropped["candidate"] == 3
            assert scene.connection._remote_candidates_expected()

    asyncio.run(body())
