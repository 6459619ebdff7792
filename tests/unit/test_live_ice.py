"""Rules about addresses, and what is gathered."""

from __future__ import annotations

import asyncio
import ipaddress

import pytest
from aioice.candidate import Candidate

from gateway.live.ice import AddressRules, HardConnection, HardGatherer, own_addresses
from tests.fakes.ice_scene import IceScene


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
        connection = HardGatherer(["127.0.0.1"], AddressRules()).connection
        assert connection.stun_server is None
        assert connection.turn_server is None

    asyncio.run(body())


def test_own_addresses_hold_no_link_local_ones() -> None:
    """Gathering everywhere means everywhere a viewer can be, loopback only on demand."""
    assert "127.0.0.1" in own_addresses(loopback=True)
    found = [ipaddress.ip_address(item) for item in own_addresses(loopback=False)]
    assert not any(item.is_loopback or item.is_link_local for item in found)


def test_candidates_are_gathered_on_the_given_addresses_only() -> None:
    """One host candidate, on loopback, though the machine has other interfaces."""

    async def body() -> None:
        async with IceScene() as scene:
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


def test_remote_candidates_pass_the_rules() -> None:
    """Names are not resolved, loopback is not contacted, and the end of candidates is kept from aioice."""

    async def body() -> None:
        async with IceScene() as scene:
            for host in ("abc.local", "127.0.0.1", "224.0.0.1", "192.0.2.9"):
                await scene.connection.add_remote_candidate(Candidate("1", 1, "udp", 1, host, 9, "host"))
            await scene.connection.add_remote_candidate(None)
            assert [item.host for item in scene.connection.remote_candidates] == ["192.0.2.9"]
            assert scene.connection.dropped["candidate"] == 3
            assert scene.connection._remote_candidates_expected()

    asyncio.run(body())
