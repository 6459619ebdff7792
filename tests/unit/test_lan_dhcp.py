"""The DHCP server around its rules: what it refuses, what it looks for, what it promises."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface

import pytest

from drivers.discovery.interfaces import Address
from drivers.lan import dhcpmessage as dhcp
from drivers.lan.dhcp import (
    BURST,
    DhcpServer,
    Wire,
    _destination,
    another,
    card_socket,
    choose_address,
    leads_out,
    other_server,
)
from drivers.lan.dhcpmessage import BROADCAST, Kind, Message, Option
from drivers.lan.leases import Pool
from gateway.core.errors import AddressTaken, ConfigError, NotPermitted
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.anyio
HANG_S = 30
A, B = "44:19:b6:00:00:01", "44:19:b6:00:00:02"
OURS = IPv4Interface("192.168.10.1/24")
FIRST, LAST = IPv4Address("192.168.10.100"), IPv4Address("192.168.10.103")
POOL = Pool(OURS, FIRST, LAST)
HAVE = (
    Address("eth0", IPv4Interface("192.168.1.5/24")),
    Address("eth1", IPv4Interface("10.0.0.1/30")),
    Address("eth1", OURS),
)


class FakeBook:
    """Leases in memory; `broken` makes keeping fail."""

    def __init__(self) -> None:
        self.kept: dict[str, IPv4Address] = {}
        self.broken = False

    async def leases(self) -> Mapping[str, IPv4Address]:
        return dict(self.kept)

    async def remember(self, mac: str, address: IPv4Address) -> None:
        if self.broken:
            raise OSError("the disk is full")
        self.kept[mac] = address

    async def forget(self, mac: str) -> None:
        self.kept.pop(mac, None)


async def nobody(address: IPv4Address, mac: str) -> bool:
    return False


def server(book: FakeBook | None = None, held: frozenset[IPv4Address] = frozenset()) -> DhcpServer:
    async def is_held(address: IPv4Address, mac: str) -> bool:
        return address in held

    return DhcpServer(POOL, book or FakeBook(), FakeClock(), is_held)


def discover(mac: str = A, **changes: int) -> Message:
    return Message(Kind.DISCOVER, changes.get("xid", 1), mac)


def request(mac: str, address: IPv4Address, server_id: IPv4Address = OURS.ip) -> Message:
    return Message(Kind.REQUEST, 2, mac, options={Option.SERVER: server_id.packed, Option.WANTED: address.packed})


# where it may serve


def test_the_address_is_that_of_the_ranges_network() -> None:
    """Of several addresses of the card, the one whose network holds the whole range."""
    assert choose_address("eth1", FIRST, LAST, HAVE).ip == OURS


@pytest.mark.parametrize(("interface", "first", "last", "case"), [
    ("eth7", FIRST, LAST, "camera_lan_address"),
    ("eth0", FIRST, LAST, "camera_lan_range"),
    ("eth1", FIRST, IPv4Address("192.168.10.255"), "camera_lan_range"),
    ("eth1", IPv4Address("192.168.10.0"), LAST, "camera_lan_range"),
    ("eth1", FIRST, IPv4Address("192.168.11.9"), "camera_lan_range"),
])  # fmt: skip
def test_a_range_that_does_not_fit_the_card_is_named(
    interface: str, first: IPv4Address, last: IPv4Address, case: str
) -> None:
    """Key, value and remedy, for a card without an address and for a range outside its networks."""
    with pytest.raises(ConfigError) as error:
        choose_address(interface, first, last, HAVE)
    assert error.value.fields["case"] == case
    assert str(error.value.fields["key"]).startswith("camera_lan.")
    assert error.value.fields["remedy"]


def test_a_card_with_the_default_route_is_no_camera_network() -> None:
    """As the kernel writes its routes; garbage leads nowhere."""
    table = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t0101A8C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "eth1\t000AA8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
    )
    assert leads_out("eth0", table)
    assert not leads_out("eth1", table)
    assert not leads_out("eth0", "")
    assert not leads_out("eth0", "a\nb c\n")


def test_a_taken_port_a_missing_right_and_a_missing_card_are_told_apart() -> None:
    """Each with its own remedy."""
    with card_socket("lo", 0) as first:
        port = first.getsockname()[1]
        for asked, case in ((port, "dhcp_port"),):
            with pytest.raises(AddressTaken) as taken:
                card_socket("lo", asked)
            assert taken.value.fields["case"] == case
    with pytest.raises(ConfigError) as gone:
        card_socket("nonesuch0", 0)
    assert gone.value.fields["case"] == "no_interface"


def test_a_denied_port_names_the_right() -> None:
    """What the kernel says without CAP_NET_BIND_SERVICE becomes NotPermitted."""
    from drivers.lan.dhcp import _typed

    error = _typed(PermissionError(13, "Permission denied"), "eth1", 67)
    assert isinstance(error, NotPermitted)
    assert error.fields["case"] == "low_port"


# who else serves


async def probe(*answers: Message) -> IPv4Address | None:
    """Ask a stranger who answers with these messages to whatever comes."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger, card_socket("lo", 0) as asking:
        stranger.setblocking(False)
        stranger.bind(("127.0.0.1", 0))

        async def reply() -> None:
            while True:
                packet, source = await loop.sock_recvfrom(stranger, 2048)
                told = dhcp.read(packet)
                assert told is not None
                assert (told.kind, told.mac, told.flags) == (Kind.DISCOVER, A, BROADCAST)
                for answer in answers:
                    await loop.sock_sendto(stranger, dhcp.write(answer), source)

        replying = asyncio.create_task(reply())
        try:
            async with asyncio.timeout(HANG_S):
                return await other_server(asking, A, 99, to=stranger.getsockname(), wait_s=0.05)
        finally:
            replying.cancel()
            await asyncio.gather(replying, return_exceptions=True)


async def test_another_server_is_found_by_its_offer() -> None:
    """By the name it gives itself, else by where its packet came from."""
    named = Message(Kind.OFFER, 99, A, options={Option.SERVER: LAST.packed})
    assert await probe(named) == LAST
    assert await probe(Message(Kind.OFFER, 99, A)) == IPv4Address("127.0.0.1")


async def test_offers_to_others_and_silence_are_no_server() -> None:
    """An offer with another number, another client's question, garbage, nothing."""
    assert await probe(Message(Kind.OFFER, 98, A), Message(Kind.DISCOVER, 99, B)) is None
    assert await probe() is None


# serving


async def test_an_address_somebody_holds_is_passed_over() -> None:
    """A camera with a fixed address in the range keeps it alone."""
    box = server(held=frozenset({FIRST, FIRST + 1}))
    offer = await box.decide(discover())
    assert offer is not None
    assert offer.message.yours == FIRST + 2


async def test_a_range_full_of_strangers_offers_nothing() -> None:
    """After a few tries it is silent, and the next question goes on from there."""
    box = server(held=frozenset({FIRST, FIRST + 1, FIRST + 2, LAST}))
    assert await box.decide(discover()) is None
    assert box.leases.full or await box.decide(discover(B)) is None


async def test_a_known_camera_is_not_looked_for_on_the_wire() -> None:
    """Its address is its own, also when it answers there already."""
    book = FakeBook()
    box = server(book)
    await box.decide(discover())
    accepted = await box.decide(request(A, FIRST))
    assert accepted is not None
    assert accepted.remember

    async def never(address: IPv4Address, mac: str) -> bool:
        raise AssertionError("asked")

    box._is_held = never
    assert await box.decide(discover()) is not None


async def test_a_declined_address_is_forgotten_in_the_book_too() -> None:
    """After a restart the camera does not get it again by itself."""
    book = FakeBook()
    book.kept[A] = FIRST
    box = server(book)
    box.leases.known[A] = FIRST
    declined = Message(Kind.DECLINE, 3, A, options=dict(request(A, FIRST).options))
    assert await box.decide(declined) is None
    assert book.kept == {}


@pytest.mark.parametrize("kind", [Kind.RELEASE, Kind.INFORM, Kind.ACK, Kind.NAK])
async def test_what_asks_for_nothing_gets_nothing(kind: Kind) -> None:
    """A release least of all: the address stays the camera's."""
    box = server()
    box.leases.known[A] = FIRST
    assert await box.decide(Message(kind, 1, A, client=FIRST)) is None
    assert box.leases.known == {A: FIRST}


async def test_relays_offers_and_floods_are_not_answered() -> None:
    """Another network's relay, other servers' offers, and more than a client's share are counted."""
    box = server()
    relayed = Message(Kind.DISCOVER, 1, A, relay=IPv4Address("10.9.9.9"))
    for message in (relayed, Message(Kind.OFFER, 1, A)):
        assert await box._answer(dhcp.write(message)) is None
    assert await box._answer(b"garbage") is None
    told = [await box._answer(dhcp.write(discover())) for _ in range(BURST + 3)]
    assert sum(item is not None for item in told) == BURST
    assert (box.counts.ignored, box.counts.limited, box.counts.answered) == (3, 3, BURST)


async def test_a_client_of_another_server_stops_ours() -> None:
    """With the other server's address in the error."""
    with pytest.raises(AddressTaken) as error:
        await server()._answer(dhcp.write(request(A, FIRST, LAST)))
    assert error.value.fields == another(LAST).fields


def test_an_answer_goes_where_its_client_can_hear_it() -> None:
    """To its address when it renews, else to everybody on the wire; a refusal always."""
    renewed = Message(Kind.ACK, 1, A, client=FIRST, yours=FIRST)
    assert _destination(renewed) == str(FIRST)
    assert _destination(Message(Kind.ACK, 1, A, BROADCAST, client=FIRST, yours=FIRST)) == "255.255.255.255"
    assert _destination(Message(Kind.OFFER, 1, A, yours=FIRST)) == "255.255.255.255"
    assert _destination(Message(Kind.NAK, 1, A, client=FIRST)) == "255.255.255.255"


async def test_the_wire_says_who_holds_an_address() -> None:
    """Somebody with another MAC does; the asker itself and nobody do not; nor does a card that is gone."""
    for table, held in (({}, False), ({str(FIRST): A}, False), ({str(FIRST): B}, True)):
        assert await Wire("lo", dict[str, str](table).get, wait_s=0).is_held(FIRST, A) is held
    assert not await Wire("nonesuch0", lambda _address: B, wait_s=0).is_held(FIRST, A)
