"""Discovery over real sockets on loopback, with responders we wrote."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from ipaddress import IPv4Interface
from uuid import UUID, uuid4

import anyio
import pytest

from drivers.base import Found
from drivers.discovery import interfaces as ifs
from drivers.discovery import multicast as discovery
from drivers.discovery import wsd
from drivers.discovery.merging import MOST_FOUND
from gateway.core.errors import AddressTaken, ConfigError
from tests.fakes.searched import discover_all
from tests.unit.test_wsd import device, message

pytestmark = pytest.mark.anyio
LO = ifs.Address("lo", IPv4Interface("127.0.0.1/8"))
SECONDS = 0.4
RUN = uuid4().hex[:8]
"""Loopback multicast is heard by everybody on this machine: our probes and devices carry this mark."""


def ours() -> UUID:
    return UUID(RUN + uuid4().hex[8:])


def endpoint(letter: str) -> str:
    return f"urn:{RUN}:{letter}"


class Responder(asyncio.DatagramProtocol):
    """Hears probes on the group and answers each with `answers`, from a port of its own."""

    def __init__(self, answers: list[bytes], *, after: int = 0) -> None:
        self.answers, self.after = answers, after
        self.probes: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.reply = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.reply.bind(("127.0.1.77", 0))

    def connection_lost(self, exc: Exception | None) -> None:
        self.reply.close()

    def datagram_received(self, data: bytes, addr: tuple[str | int, ...]) -> None:
        if f"urn:uuid:{RUN}".encode() not in data:
            return
        self.probes.append(data)
        if len(self.probes) > self.after:
            for answer in self.answers:
                self.reply.sendto(answer, (str(addr[0]), int(addr[1])))


@contextlib.asynccontextmanager
async def responding(responder: Responder) -> AsyncIterator[Responder]:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.setblocking(False)
    sock.bind((wsd.GROUP, wsd.PORT))  # others on this machine may hold the port of an address of theirs
    member = struct.pack("4s4s", socket.inet_aton(wsd.GROUP), socket.inet_aton("127.0.0.1"))
    sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
    transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(lambda: responder, sock=sock)
    try:
        yield responder
    finally:
        transport.close()
        await asyncio.sleep(0)


def match(address: str, uuid: str, name: str = "A") -> bytes:
    inner = device(
        f"http://{address}:8080/onvif/device_service", uuid=uuid, scopes=f"onvif://www.onvif.org/name/{name}"
    )
    return message(f"<d:ProbeMatch>{inner}</d:ProbeMatch>")


async def search(**more: object) -> list[Found]:
    everybody = discovery.discover((), SECONDS, loopback=True, have=lambda: (LO,), message_id=ours, **more)  # type: ignore[arg-type]  # options of one test
    return [found async for found in everybody if RUN in found.endpoint]


async def test_answers_are_merged_by_endpoint() -> None:
    """Six probes answered six times make one device; a device is told again only when more is known."""
    async with responding(
        Responder([match("127.0.1.11", endpoint("a")), match("127.0.1.12", endpoint("b"))])
    ) as responder:
        found = await search()
    assert [(one.endpoint, one.address, one.port, one.interface) for one in found] == [
        (endpoint("a"), "127.0.1.11", 8080, "lo"),
        (endpoint("b"), "127.0.1.12", 8080, "lo"),
    ]
    assert found[0].source == "127.0.1.77"
    assert len(responder.probes) == 2 * discovery.ROUNDS
    assert sum(b"NetworkVideoTransmitter" in probe for probe in responder.probes) == discovery.ROUNDS


async def test_late_answers_are_heard() -> None:
    """A camera that misses the first rounds and answers the last probe is found."""
    async with responding(Responder([match("127.0.1.11", endpoint("a"))], after=2 * discovery.ROUNDS - 1)):
        assert len(await search()) == 1


async def test_progress_names_interface_and_range() -> None:
    """Each step shows where it is sent and which range it reaches."""
    steps: list[discovery.Step] = []
    await search(on_step=steps.append)
    assert steps == [discovery.Step("lo", "127.0.0.0/8", n) for n in (1, 2, 3)]


async def test_garbage_is_counted_and_ends_nothing() -> None:
    """Bombs, noise and foreign devices beside a camera leave the camera."""
    printer = message(f"<d:ProbeMatch>{device('', uuid='urn:p', types='wsdp:Printer', scopes='')}</d:ProbeMatch>")
    noise = [b"\x00\xff", b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', printer, match("127.0.1.11", endpoint("a"))]
    statistics = discovery.Statistics()
    async with responding(Responder(noise)):
        found = await search(statistics=statistics)
    assert [one.endpoint for one in found] == [endpoint("a")]
    assert statistics.unreadable >= 2 * 2 * discovery.ROUNDS


async def test_a_dead_interface_does_not_end_the_search() -> None:
    """An address that is gone when we open it is counted, the others are searched."""
    statistics = discovery.Statistics()
    gone = ifs.Address("eth9", IPv4Interface("203.0.113.7/24"))
    async with responding(Responder([match("127.0.1.11", endpoint("a"))])):
        found = [
            one
            async for one in discovery.discover(
                (), SECONDS, loopback=True, have=lambda: (gone, LO), statistics=statistics, message_id=ours
            )
            if RUN in one.endpoint
        ]
    assert len(found) == 1
    assert statistics.send_errors == 1


async def test_nothing_is_sent_where_nothing_was_chosen() -> None:
    """Without a chosen address there is no probe, and loopback is none by itself."""
    steps: list[discovery.Step] = []
    async with responding(Responder([])) as responder:
        found = [
            one async for one in discovery.discover((), 0.05, have=lambda: (LO,), on_step=steps.append, message_id=ours)
        ]
    assert (found, steps, responder.probes) == ([], [], [])


async def test_unknown_interface_is_an_error() -> None:
    """A wrong name in the configuration is said at once."""
    with pytest.raises(ConfigError):
        await discover_all(("eth9",), 0.05)


async def test_leaving_early_closes_the_sockets() -> None:
    """A caller that stops after the first device leaves nothing open."""
    async with responding(Responder([match("127.0.1.11", endpoint("a"))])):
        search = discovery.discover((), 5, loopback=True, have=lambda: (LO,), message_id=ours)
        async with contextlib.aclosing(search):  # type: ignore[type-var]  # an async generator at run time
            async for found in search:
                if found.endpoint == endpoint("a"):
                    break
            else:
                pytest.fail("the camera was not found")
        await asyncio.sleep(0)  # a socket left open would be a ResourceWarning, which is an error here


async def test_discover_all_keeps_the_last_word() -> None:
    """The finished list has each device once, by address, with all that was told."""
    answers = [
        match("127.0.1.12", endpoint("b")),
        match("127.0.1.11", endpoint("a"), ""),
        match("127.0.1.11", endpoint("a"), "Later"),
    ]
    async with responding(Responder(answers)):
        found = await discover_all(("127.0.0.1",), SECONDS, message_id=ours)
    assert [(one.endpoint, one.name) for one in found if RUN in one.endpoint] == [
        (endpoint("a"), "Later"),
        (endpoint("b"), "A"),
    ]


def test_sockets_speak_from_their_address_only() -> None:
    """The probing socket is bound to the chosen address, multicasts through it, and one hop far."""
    with discovery.sending_socket(LO) as sock:
        assert sock.getsockname()[0] == "127.0.0.1"
        assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL) == 1
        assert sock.getsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, 4) == socket.inet_aton("127.0.0.1")
        assert not sock.getblocking()
    with discovery.listening_socket(LO) as first, discovery.listening_socket(LO) as second:
        assert first.getsockname() == second.getsockname() == (wsd.GROUP, wsd.PORT)


def test_rounds_are_spread_and_leave_time() -> None:
    """Three rounds go out in the first half of the time."""
    assert discovery.probe_times(4) == (0, 1, 2)


def test_a_liar_fills_a_bounded_table() -> None:
    """Invented endpoints beyond the limit are counted, not kept."""
    gathering = discovery.Gathering()
    for n in range(MOST_FOUND + 50):
        gathering.add(discovery.Datagram(match("127.0.1.11", endpoint(str(n))), "127.0.1.11", LO))
    assert len(gathering.collection.devices) == MOST_FOUND
    assert gathering.statistics.dropped == 50


def test_a_slow_reader_loses_datagrams_not_memory() -> None:
    """A full queue drops and counts."""
    statistics = discovery.Statistics()
    receiver = discovery._Receiver(LO, asyncio.Queue(2), statistics)
    for _ in range(5):
        receiver.datagram_received(b"x", ("127.0.0.1", 1))
    receiver.error_received(OSError())
    assert (statistics.datagrams, statistics.dropped, statistics.send_errors) == (5, 3, 1)


async def announce(*bodies: str) -> None:
    with discovery.sending_socket(LO) as sock:
        for body in bodies:
            sock.sendto(body.encode(), (wsd.GROUP, wsd.PORT))
    await asyncio.sleep(0)


async def test_listener_hears_hello_and_bye() -> None:
    """A camera that comes and goes is heard without any probe, beside another listener."""
    async with (
        discovery.Listener((), loopback=True, have=lambda: (LO,)) as listener,
        discovery.Listener((), loopback=True, have=lambda: (LO,)) as other,
    ):
        inner = device("http://127.0.1.11:8080/onvif/device_service", uuid=endpoint("a"))
        hello, bye = (message(f"<d:{kind}>{inner}</d:{kind}>").decode() for kind in ("Hello", "Bye"))
        await announce("garbage", message("<d:Probe/>").decode(), hello, bye)
        for one in (listener, other):
            heard = []
            with anyio.fail_after(10):
                async for entry in one.heard():
                    if RUN not in entry.found.endpoint:
                        continue
                    heard.append((entry.kind, entry.found.endpoint, entry.found.address))
                    if len(heard) == 2:
                        break
            assert heard == [(wsd.Kind.HELLO, endpoint("a"), "127.0.1.11"), (wsd.Kind.BYE, endpoint("a"), "127.0.1.11")]
        assert listener.statistics().unreadable >= 1


async def test_listener_follows_the_addresses() -> None:
    """New addresses are joined, lost ones left; leaving closes all."""
    have = [LO]
    second = ifs.Address("lo", IPv4Interface("127.0.0.2/8"))
    listener = discovery.Listener((), loopback=True, have=lambda: tuple(have))
    async with listener:
        assert list(listener.addresses) == [LO]
        have[:] = [second]
        await listener.refresh()
        assert second in listener.addresses or listener.statistics().send_errors
        have[:] = []
        await listener.refresh()
        assert not listener.addresses
    assert not listener.addresses


async def test_a_listener_follows_the_machine_while_it_hears() -> None:
    """Addresses that come while nobody speaks are joined."""
    have: list[ifs.Address] = []
    looked = asyncio.Event()

    def now() -> tuple[ifs.Address, ...]:
        looked.set()
        return tuple(have)

    async with discovery.Listener((), loopback=True, have=now) as listener, anyio.create_task_group() as group:
        hearing = listener.heard(refresh_s=0.02)
        group.start_soon(anext, hearing, None)
        have.append(LO)
        with anyio.fail_after(20):
            while not listener.addresses:
                looked.clear()
                await looked.wait()
                await asyncio.sleep(0)
        assert listener.addresses == (LO,)
        group.cancel_scope.cancel()


async def test_listener_without_a_usable_address_says_so() -> None:
    """When not one chosen address can be listened on, that is an error."""
    gone = ifs.Address("eth9", IPv4Interface("203.0.113.7/24"))
    with pytest.raises(AddressTaken):
        await discovery.Listener(("eth9",), have=lambda: (gone,)).refresh()
