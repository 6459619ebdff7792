"""The box's time server on real sockets of the loopback."""

from __future__ import annotations

import asyncio
import errno
import shutil
import socket
import struct
import subprocess
from collections.abc import Sequence
from ipaddress import IPv4Interface

import pytest

from drivers.discovery.interfaces import Address
from drivers.lan import sntp
from drivers.lan.timeserver import ALL_BURST, BURST, LOOK_S, Port, TimeServer, time_socket
from gateway.core.clock import SystemClock
from tests.fakes.clock import NOON_MS, FakeClock

pytestmark = pytest.mark.anyio
HANG_S = 30
LO = Address("lo", IPv4Interface("127.0.0.1/8"))
REQUEST = bytes([0x23]) + bytes(47)


def server(clock: FakeClock, addresses: Sequence[Address] = (LO,)) -> TimeServer:
    """A time server on a free port."""
    return TimeServer(clock, lambda: addresses, lambda: 0.01, port=0)


async def ask(place: tuple[str, int], packet: bytes = REQUEST, *, source: str = "127.0.0.1") -> bytes:
    """Send a packet and return what comes back; TimeoutError for nothing."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind((source, 0))
        await loop.sock_connect(sock, place)
        await loop.sock_sendall(sock, packet)
        async with asyncio.timeout(HANG_S):
            return await loop.sock_recv(sock, 2048)


async def until_counted(box: TimeServer, name: str, count: int) -> None:
    async with asyncio.timeout(HANG_S):
        while True:
            if getattr(box.counts, name) >= count:
                return
            await asyncio.sleep(0.01)


async def test_a_camera_gets_the_time() -> None:
    """A request on the wire is answered with our clock's time."""
    async with server(FakeClock()) as box:
        (place,) = box.bound()
        packet = await ask(place)
        seconds = struct.unpack_from("!I", packet, 40)[0] - sntp.ERA_MS // 1000
        assert (seconds * 1000, packet[0], box.counts.answered) == (NOON_MS, 0x24, 1)
        assert box.ports == {LO: Port.OPEN}


async def test_trust_is_asked_for_each_answer() -> None:
    """A clock that loses its trust says so from the next packet on."""
    clock = FakeClock()
    async with server(clock) as box:
        (place,) = box.bound()
        assert (await ask(place))[:2] == b"\x24\x0a"
        clock.distrust()
        assert (await ask(place))[:2] == b"\xe4\x10"


async def test_a_camera_that_asks_without_end_is_slowed_down() -> None:
    """It has its burst; others are answered meanwhile, and so is it after a while."""
    clock = FakeClock()
    async with server(clock) as box:
        (place,) = box.bound()
        loop = asyncio.get_running_loop()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.setblocking(False)
            for _ in range(BURST + 5):
                await loop.sock_sendto(sock, REQUEST, place)
            await until_counted(box, "limited", 5)
        assert box.counts.answered == BURST
        assert await ask(place, source="127.0.0.2")
        clock.tick(2)
        assert await ask(place)


async def test_garbage_and_strangers_get_nothing() -> None:
    """Short packets, other modes and hosts of another network are counted and left without an answer."""
    narrow = Address("lo", IPv4Interface("127.0.0.1/32"))
    async with server(FakeClock(), [narrow]) as box:
        (place,) = box.bound()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            sock.bind(("127.0.0.9", 0))
            for packet in (b"", b"\x23", REQUEST[:47], bytes(48), bytes([0x27]) + bytes(47), REQUEST):
                sock.sendto(packet, place)
            await until_counted(box, "ignored", 6)
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(1)
        assert await ask(place)
        assert box.counts.answered == 1


async def test_all_together_have_a_limit() -> None:
    """Requests from many forged addresses are answered at a bounded rate."""
    async with server(FakeClock()) as box:
        told = [box._serve(LO, REQUEST, f"127.1.{n // 250}.{n % 250 + 1}") for n in range(ALL_BURST + 50)]
        assert sum(item is not None for item in told) == ALL_BURST


async def test_a_taken_port_is_a_state_and_tried_again() -> None:
    """Another time server keeps its port; ours comes when that one goes, and recording never notices."""
    clock = FakeClock()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        async with TimeServer(clock, lambda: [LO], lambda: 0.01, port=port) as box:
            assert (box.ports, box.bound()) == ({LO: Port.TAKEN}, ())
            other.close()
            following = asyncio.create_task(box.follow())
            await clock.advance(LOOK_S)
            assert box.ports == {LO: Port.OPEN}
            following.cancel()
            await asyncio.gather(following, return_exceptions=True)
            assert await ask(("127.0.0.1", port))


@pytest.mark.parametrize(("number", "state"), [
    (errno.EACCES, Port.DENIED), (errno.EPERM, Port.DENIED), (errno.EADDRNOTAVAIL, Port.GONE), (errno.ENODEV, Port.GONE),
])  # fmt: skip
async def test_what_the_system_denies_is_told_as_such(number: int, state: Port) -> None:
    """No right to the port and no address any more are two states."""

    def opener(ours: Address, port: int) -> socket.socket:
        raise OSError(number, "no")

    async with TimeServer(FakeClock(), lambda: [LO], lambda: 0.01, opener=opener) as box:
        assert box.ports == {LO: state}


async def test_addresses_that_come_and_go_are_followed() -> None:
    """A new one is served, a lost one is closed and answers no more."""
    second = Address("lo", IPv4Interface("127.0.0.7/8"))
    have = [LO]
    async with TimeServer(FakeClock(), lambda: have, lambda: 0.01, port=0) as box:
        have[:] = [second]
        await box.look()
        assert box.ports == {second: Port.OPEN}
        ((address, port),) = box.bound()
        assert address == "127.0.0.7"
        assert await ask((address, port))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind((address, port))  # closed when left


def test_a_socket_that_fails_is_closed() -> None:
    """No descriptor is left behind by an address that is not there."""
    with pytest.raises(OSError, match="annot assign"):
        time_socket(Address("lo", IPv4Interface("192.0.2.1/24")), 0)


@pytest.mark.skipif(shutil.which("chronyd") is None, reason="Debian's chrony is not installed")
async def test_a_foreign_client_reads_our_time() -> None:
    """The program chrony asks once, takes the answer for good and finds our clock where its own is."""
    async with TimeServer(SystemClock(), lambda: [LO], lambda: 0.01, port=0) as box:
        ((_, port),) = box.bound()
        arguments = [
            "chronyd",
            "-Q",
            "-f",
            "/dev/null",
            "-t",
            str(HANG_S),
            f"server 127.0.0.1 port {port} iburst maxdelay 1",
        ]
        done = await asyncio.to_thread(
            subprocess.run, arguments, capture_output=True, text=True, timeout=HANG_S * 2, check=False
        )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    offset_s = float(said.split("System clock wrong by ")[1].split()[0])
    assert abs(offset_s) < 1
