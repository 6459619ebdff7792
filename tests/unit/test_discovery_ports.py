"""The port probe on loopback: real sockets, hosts on 127.0.7.x, ports of the test's own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from ipaddress import IPv4Interface, IPv4Network

import pytest

from drivers.base import Found
from drivers.discovery.interfaces import Address
from drivers.discovery.ports import AT_ONCE, Look, Pair, PortStatistics, ask_rtsp, ask_web, connect_tcp, probe_ports
from drivers.discovery.ranges import Range
from tests.fakes.rtsp_server import closed_port

pytestmark = pytest.mark.anyio
LO = Address("lo", IPv4Interface("127.0.7.1/8"))
PART = Range(LO, IPv4Network("127.0.7.0/29"))
HIK = "44:19:b6:00:00:01"
RTSP = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nServer: Dahua Rtsp Server\r\nPublic: OPTIONS\r\n\r\n"
NAMELESS = b"RTSP/1.0 401 Unauthorized\r\nCSeq: 1\r\n\r\n"
WEB = b"HTTP/1.0 301 Moved\r\nServer: uc-httpd 1.0.0\r\nLocation: http://203.0.113.9/\r\n\r\n<html>"


@contextlib.asynccontextmanager
async def device(host: str, answer: bytes, port: int = 0) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A host that answers whatever is asked; yields its port and what it was asked."""
    asked: list[bytes] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            if data := await reader.read(4096):
                asked.append(data)
                writer.write(answer)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(talk, host, port)
    async with server:
        yield server.sockets[0].getsockname()[1], asked


def look(rtsp: int, web: int = 0, mac: str | None = None) -> Look:
    """Two ports, time for a busy machine, and the MAC of every host."""
    ports = (rtsp, web) if web else (rtsp,)
    return Look(ports, (rtsp,), (web,), connect_s=20, answer_s=20, mac_of=lambda _: mac)


async def found_by(how: Look, statistics: PortStatistics | None = None) -> list[Found]:
    return [found async for found in probe_ports([PART], look=how, statistics=statistics)]


async def test_a_camera_that_only_speaks_rtsp_is_found() -> None:
    """With its port and what its header gives away; no login, no path, and it is asked once."""
    statistics = PortStatistics()
    async with device("127.0.7.3", RTSP) as (port, asked):
        (found,) = await found_by(look(port), statistics)
    assert (found.address, found.port, found.rtsp_port, found.interface) == ("127.0.7.3", 0, port, "lo")
    assert found.maker == "Dahua"
    assert asked == [f"OPTIONS rtsp://127.0.7.3:{port}/ RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: vuon\r\n\r\n".encode()]
    assert (statistics.open, statistics.asked) == (1, 5)
    assert statistics.refused == 4


async def test_a_web_page_is_only_a_hint() -> None:
    """A box with a web page alone is no camera; with a camera maker's MAC it is shown, with the page's word."""
    async with device("127.0.7.3", WEB) as (web, asked):
        assert await found_by(look(closed_port(), web)) == []
        assert asked == []
        (found,) = await found_by(look(closed_port(), web, HIK))
    assert (found.rtsp_port, found.maker, found.mac) == (0, "Xiongmai", HIK)
    assert asked == [b"HEAD / HTTP/1.0\r\nHost: 127.0.7.3\r\n\r\n"]


async def test_a_nameless_camera_is_asked_for_its_page() -> None:
    """RTSP that says nothing of its maker: the page, then the MAC."""
    async with device("127.0.7.3", NAMELESS) as (rtsp, _):
        async with device("127.0.7.3", WEB) as (web, _):
            (found,) = await found_by(look(rtsp, web))
        assert found.maker == "Xiongmai"
        (found,) = await found_by(look(rtsp, 0, HIK))
        assert found.maker == "Hikvision"


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.0 400 Bad\r\n\r\n",
        b"\xff" * 9000,
        b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n",
        b"OPTIONS x RTSP/1.0\r\n\r\n",
    ],
)
async def test_what_speaks_no_rtsp_is_no_camera(answer: bytes) -> None:
    """Silence, HTTP, noise, half an answer and a question back."""
    async with device("127.0.7.3", answer) as (port, _):
        assert await found_by(look(port)) == []


async def test_never_more_connections_than_allowed() -> None:
    """However many hosts and ports there are."""
    now = most = 0

    async def connect(host: str, port: int, ours: str) -> Pair:
        nonlocal now, most
        now += 1
        most = max(most, now)
        try:
            await asyncio.sleep(0)
            raise TimeoutError
        finally:
            now -= 1

    steps: list[tuple[int, int]] = []
    wide = Range(LO, IPv4Network("127.0.7.0/24"))
    statistics = PortStatistics()
    how = replace(Look(), connect=connect)
    found = [
        one
        async for one in probe_ports(
            [wide], look=how, statistics=statistics, on_step=lambda part, done, every: steps.append((done, every))
        )
    ]
    assert found == []
    assert most == AT_ONCE
    assert statistics.silent == statistics.asked == 253 * len(how.ports)
    assert steps[-1] == (statistics.asked, statistics.asked)
    assert steps == sorted(steps)


async def test_who_is_there_but_slow_is_tried_again() -> None:
    """Wi-Fi cameras sleep: where a MAC shows that somebody is there, silence is asked once more, and longer."""
    tried: list[tuple[str, int]] = []

    async def connect(host: str, port: int, ours: str) -> Pair:
        tried.append((host, port))
        if tried.count((host, port)) == 1 or host != "127.0.7.3":
            await asyncio.sleep(60)
        return await connect_tcp(host, port, ours)

    async with device("127.0.7.3", RTSP) as (port, _):
        how = Look((port,), (port,), (), connect_s=0.05, again_s=20, answer_s=20, connect=connect)
        how = replace(how, mac_of=lambda host: HIK if host == "127.0.7.3" else None)
        (found,) = await found_by(how)
    assert found.rtsp_port == port
    assert [tried.count((f"127.0.7.{last}", port)) for last in (2, 4, 5, 6)] == [1] * 4


async def test_answers_are_bounded_in_time_and_size() -> None:
    """A page that drips or never ends costs no more than the limits."""
    talks: list[asyncio.Task[None]] = []

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.append(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError), contextlib.closing(writer):
            while True:
                writer.write(b"Server: cam\r\n" if how == "flood" else b"x")
                await writer.drain()
                await asyncio.sleep(0 if how == "flood" else 0.02)

    for how in ("flood", "drip"):
        server = await asyncio.start_server(drip, "127.0.7.3", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            quick = Look(answer_s=20 if how == "flood" else 0.2)
            said = await ask_web("127.0.7.3", port, "", quick)
            assert said == ("cam" if how == "flood" else "")
            assert await ask_rtsp("127.0.7.3", port, "", quick) is None
    for talk in talks:
        talk.cancel()
    await asyncio.gather(*talks, return_exceptions=True)


async def test_connections_leave_from_the_chosen_address() -> None:
    """The camera sees the address of the range, not the route's own."""
    peers: list[str] = []

    async def talk(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peers.append(writer.get_extra_info("peername")[0])
        writer.close()

    server = await asyncio.start_server(talk, "127.0.7.3", 0)
    async with server:
        _, writer = await connect_tcp("127.0.7.3", server.sockets[0].getsockname()[1], "127.0.7.1")
        writer.close()
        await writer.wait_closed()
        await asyncio.sleep(0)
        async with asyncio.timeout(20):
            while not peers:  # noqa: ASYNC110 - the server's task has no event of its own
                await asyncio.sleep(0.01)
    assert peers == ["127.0.7.1"]
