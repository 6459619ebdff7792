"""Cameras that announce nothing: found by the TCP ports they keep open.

Owns the connect probe and the two questions that need no login: RTSP `OPTIONS` and the `Server:` header of
a web page. Invariants: at most `AT_ONCE` connections at a time, each from the address that was chosen for
the range; no login, no path and no body is sent; HTTP is only a hint, a device is taken for a camera
because it speaks RTSP, or because only cameras carry its MAC; what comes back is bounded in size and time.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

import anyio

from drivers.base import Found
from drivers.discovery.merging import made_up_endpoint
from drivers.discovery.neighbours import mac_of
from drivers.discovery.oui import maker_of
from drivers.discovery.ranges import Range
from drivers.discovery.vendors import vendor_of
from drivers.rtsp.message import MOST_HEADER_BYTES, read_message, write_request
from gateway.core.errors import CameraBadReply

PORTS = (554, 8554, 80, 8000, 8080, 8899, 2020, 88, 5000)
"""RTSP and its usual second port; web pages; ONVIF of Hikvision, Dahua and OEMs, Xiongmai, TP-Link, others."""
RTSP_PORTS = (554, 8554)
WEB_PORTS = (80, 8080, 88, 8000)
AT_ONCE = 64
CONNECT_S = 0.3
AGAIN_S = 1.5
"""For a second try where a host shows that it is there: Wi-Fi cameras sleep between packets."""
ANSWER_S = 2.0
MOST_HTTP_BYTES = 4096
_SERVER = re.compile(rb"^server:[ \t]*([\x20-\x7e]{1,120})", re.IGNORECASE | re.MULTILINE)

Pair: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect: TypeAlias = Callable[[str, int, str], Awaitable[Pair]]
"""`await connect(host, port, our_address)`; raises OSError."""


async def connect_tcp(host: str, port: int, ours: str) -> Pair:
    """Connect from one of our addresses ("" = the route's own); raises OSError."""
    local = (ours, 0) if ours else None
    return await asyncio.open_connection(host, port, local_addr=local, limit=MOST_HEADER_BYTES)


@dataclass(frozen=True, slots=True)
class Look:
    """How the probe looks: ports, limits and the opener; the defaults are for real networks."""

    ports: tuple[int, ...] = PORTS
    rtsp_ports: tuple[int, ...] = RTSP_PORTS
    web_ports: tuple[int, ...] = WEB_PORTS
    at_once: int = AT_ONCE
    connect_s: float = CONNECT_S
    again_s: float = AGAIN_S
    answer_s: float = ANSWER_S
    connect: Connect = connect_tcp
    mac_of: Callable[[str], str | None] = mac_of


@dataclass(slots=True)
class PortStatistics:
    """What the probe met."""

    asked: int = 0
    refused: int = 0
    """A host is there, but nobody listens."""
    silent: int = 0
    """Neither yes nor no in time, or no such host."""
    open: int = 0


@dataclass(slots=True)
class _Host:
    address: str
    part: Range
    open: list[int] = field(default_factory=list)
    refused: list[int] = field(default_factory=list)

    def is_there(self, look: Look) -> bool:
        """Say whether anything shows that this host exists."""
        return bool(self.open or self.refused) or look.mac_of(self.address) is not None

    def undecided(self, look: Look) -> list[int]:
        """Return the ports that said neither yes nor no."""
        return [port for port in look.ports if port not in {*self.open, *self.refused}]


async def probe_ports(
    ranges: Sequence[Range],
    *,
    look: Look | None = None,
    on_step: Callable[[Range, int, int], None] | None = None,
    statistics: PortStatistics | None = None,
) -> AsyncIterator[Found]:
    """Connect to the ports of every host and yield the cameras among them, range by range.

    Args:
        ranges: whom to ask (`ranges.ranges_of`).
        look: ports and limits.
        on_step: called with range, connections tried and connections in all.
        statistics: filled while it runs.

    """
    how, counts = look or Look(), statistics or PortStatistics()
    for part in ranges:
        hosts = [_Host(str(host), part) for host in part.hosts()]
        first = [(port, host) for port in how.ports for host in hosts]  # no host gets all at once
        tell = partial(on_step, part) if on_step is not None else _to_nobody
        await _try_all(first, how, how.connect_s, counts, tell)
        again = list[tuple[int, _Host]]()
        for host in hosts:
            await asyncio.sleep(0)  # with a thousand neighbours one look into their table takes a millisecond
            if host.is_there(how):
                again += [(port, host) for port in host.undecided(how)]
        await _try_all(again, how, how.again_s, counts, _to_nobody)
        for host in hosts:
            if host.open and (found := await _identify(host, how)) is not None:
                yield found


def _to_nobody(done: int, every: int) -> None:
    """Stand in for whoever watches."""
    del done, every


async def _try_all(
    tries: Sequence[tuple[int, _Host]],
    look: Look,
    connect_s: float,
    counts: PortStatistics,
    tell: Callable[[int, int], object],
) -> None:
    """Try ports, `look.at_once` at a time."""
    left, done = iter(tries), 0

    async def work() -> None:
        nonlocal done
        for port, host in left:
            await _try(host, port, look, connect_s, counts)
            done += 1
            if done % AT_ONCE == 0 or done == len(tries):
                tell(done, len(tries))

    async with anyio.create_task_group() as group:
        for _ in range(min(look.at_once, len(tries))):
            group.start_soon(work)


async def _try(host: _Host, port: int, look: Look, connect_s: float, counts: PortStatistics) -> None:
    counts.asked += 1
    try:
        async with asyncio.timeout(connect_s):
            _, writer = await look.connect(host.address, port, str(host.part.ours.ip.ip))
    except ConnectionRefusedError:
        counts.refused += 1
        host.refused.append(port)
    except OSError:  # TimeoutError is one
        counts.silent += 1
    else:
        await _close(writer)
        counts.open += 1
        host.open.append(port)


async def _identify(host: _Host, look: Look) -> Found | None:
    """Return the camera behind open ports; None for printers, boxes and everything else."""
    ours = str(host.part.ours.ip.ip)
    mac, rtsp_port, server = look.mac_of(host.address), 0, ""
    for port in look.rtsp_ports:
        if port in host.open and (said := await ask_rtsp(host.address, port, ours, look)) is not None:
            rtsp_port, server = port, said
            break
    maker = maker_of(mac)
    if not rtsp_port and not (maker is not None and maker.only_cameras):
        return None
    named = vendor_of(None, server)
    web = next((port for port in look.web_ports if port in host.open), 0)
    if not named and web:
        named = vendor_of(mac, await ask_web(host.address, web, ours, look))
    return Found(
        endpoint=made_up_endpoint(host.address, rtsp_port or host.open[0]),
        address=host.address,
        port=0,
        xaddrs=(),
        name="",
        hardware="",
        mac=mac,
        interface=host.part.ours.interface,
        source=host.address,
        maker=named or vendor_of(mac),
        rtsp_port=rtsp_port,
    )


async def ask_rtsp(host: str, port: int, ours: str, look: Look) -> str | None:
    """Ask for the options of RTSP, which needs no login; return the Server header ("" for none).

    None when what answers speaks no RTSP.
    """
    request = write_request("OPTIONS", f"rtsp://{host}:{port}/", 1, {})
    data = await _exchange(host, port, ours, look, request, MOST_HEADER_BYTES)
    try:
        message, _ = read_message(data, 0)
    except CameraBadReply:
        return None
    return message.header("server")[:120] if message is not None and message.status else None


async def ask_web(host: str, port: int, ours: str, look: Look) -> str:
    """Return the Server header of the device's web page, "" for none; the page itself is not read."""
    request = f"HEAD / HTTP/1.0\r\nHost: {host}\r\n\r\n".encode("ascii")
    named = _SERVER.search(await _exchange(host, port, ours, look, request, MOST_HTTP_BYTES))
    return named[1].decode("ascii").strip() if named is not None else ""


async def _exchange(host: str, port: int, ours: str, look: Look, request: bytes, most_bytes: int) -> bytes:
    """Send a request and return what comes until a blank line, the limit, the end or the time."""
    data = b""
    with contextlib.suppress(OSError):  # TimeoutError is one: what came until then counts
        async with asyncio.timeout(look.answer_s):
            reader, writer = await look.connect(host, port, ours)
            try:
                writer.write(request)
                while len(data) < most_bytes and b"\r\n\r\n" not in data and b"\n\n" not in data:
                    more = await reader.read(most_bytes - len(data))
                    if not more:
                        break
                    data += more
            finally:
                await _close(writer)
    return data


async def _close(writer: asyncio.StreamWriter) -> None:
    """Close without waiting for the other side."""
    writer.transport.abort()
    await asyncio.sleep(0)  # asyncio closes the socket in the next turn of the loop
