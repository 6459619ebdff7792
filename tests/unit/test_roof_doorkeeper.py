"""The door of a web server: silence ends, one client is not everybody, and whoever asks is served."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from gateway.roofs.doorkeeper import CROWDED, SLOW, TELL_EVERY_S, DoorLimits, Drops, client_of
from gateway.roofs.http import HttpServer
from tests.fakes.waiting import until
from tests.unit.test_roofs_http import server, today_ms, trusting

pytestmark = pytest.mark.anyio
HANG_S = 30
HASTY = DoorLimits(head_s=0.05)
COUNTED = DoorLimits(per_address=2, exempt=())
ASK = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


Line: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Knock: TypeAlias = Callable[[bytes], Awaitable[Line]]


@asynccontextmanager
async def door(folder: Path, limits: DoorLimits, **changes: Any) -> AsyncIterator[tuple[HttpServer, Knock]]:
    """A server and a way to connect to it and say something; what was opened is closed."""
    lines: list[Line] = []

    async def knock(said: bytes) -> Line:
        tls = trusting(folder) if changes.get("trust") else None
        line = await asyncio.open_connection("127.0.0.1", running.port, ssl=tls)
        lines.append(line)
        line[1].write(said)
        await line[1].drain()
        return line

    options = {name: value for name, value in changes.items() if name != "trust"}
    async with server(folder, limits=limits, **options) as running:
        try:
            yield running, knock
        finally:
            for line in lines:
                await leave(line)


async def leave(line: Line) -> None:
    line[1].close()
    with suppress(OSError, ssl.SSLError):
        await line[1].wait_closed()


async def rest(reader: asyncio.StreamReader) -> bytes:
    """What comes until the server ends the connection."""
    try:
        async with asyncio.timeout(HANG_S):
            return await reader.read()
    except ConnectionResetError:
        return b""


async def page(reader: asyncio.StreamReader) -> bytes:
    """One answer."""
    async with asyncio.timeout(HANG_S):
        head = await reader.readuntil(b"\r\n\r\n")
        return head + await reader.readexactly(len(b'{"school":"Hoa Sen"}'))


@pytest.mark.parametrize("said", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: a\r\n"])
async def test_who_asks_nothing_is_let_go(tmp_path: Path, said: bytes) -> None:
    """Silence and half a head end alike, are counted, and free their place."""
    async with door(tmp_path, replace(HASTY, exempt=())) as (running, knock):
        reader, _ = await knock(said)
        assert await rest(reader) == b""
        assert running.drops.counts == {SLOW: 1}
        async with asyncio.timeout(HANG_S):
            await until(lambda: running.keeper.clients == {})


@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00"])
async def test_a_handshake_that_does_not_come_is_let_go(tmp_path: Path, said: bytes) -> None:
    """TLS counts into the time for the head: who opens the port and says nothing holds nothing."""
    async with door(tmp_path, HASTY, insecure=False) as (running, knock):
        reader, _ = await knock(said)
        await rest(reader)
        assert running.drops.counts == {SLOW: 1}


async def test_the_next_head_has_to_come_whole_as_well(tmp_path: Path) -> None:
    """A kept connection is no way around: half a second request ends it, a whole one is served."""
    async with door(tmp_path, DoorLimits()) as (running, knock):
        reader, writer = await knock(ASK)
        assert b"200 OK" in await page(reader)
        writer.write(ASK[:-2])
        async with asyncio.timeout(HANG_S):
            await until(lambda: running.keeper.waiting == 1)
        writer.write(ASK[-2:])
        assert b"200 OK" in await page(reader)
        assert (running.drops.counts, running.keeper.waiting) == ({}, 0)
        running.keeper.limits = HASTY
        writer.write(ASK[:-2])
        assert await rest(reader) == b""
        assert running.drops.counts == {SLOW: 1}


@pytest.mark.parametrize("insecure", [True, False], ids=["plain", "tls"])
async def test_an_answer_may_take_as_long_as_it_likes(tmp_path: Path, insecure: bool) -> None:
    """The time for the head runs until the request is there, and no longer: an event stream stays open."""
    async with door(tmp_path, DoorLimits(), insecure=insecure, now_ms=today_ms(), trust=not insecure) as (
        running,
        knock,
    ):
        reader, _ = await knock(ASK.replace(b"/ ", b"/events "))
        async with asyncio.timeout(HANG_S):
            await reader.readuntil(b"data: x")
            assert running.keeper.waiting == 0
            await knock(b"")
            await until(lambda: running.keeper.waiting == 1)
            await reader.readuntil(b"data: x")
        assert running.drops.counts == {}


async def test_a_kept_connection_ends_when_nothing_follows(tmp_path: Path) -> None:
    """After its idle time, which is no drop."""
    async with door(tmp_path, DoorLimits(idle_s=0)) as (running, knock):
        reader, _ = await knock(ASK)
        assert b"200 OK" in await rest(reader)
        assert running.drops.counts == {}


async def test_one_client_has_so_many_places(tmp_path: Path) -> None:
    """One too many gets nothing, those that are in are served, and a place that is left is free again."""
    async with door(tmp_path, COUNTED) as (running, knock):
        first, second = await knock(ASK), await knock(ASK)
        assert b"200 OK" in await page(first[0])
        assert b"200 OK" in await page(second[0])
        assert running.keeper.clients == {"127.0.0.1": 2}
        third = await knock(b"")
        assert await rest(third[0]) == b""
        assert running.drops.counts == {CROWDED: 1}
        await leave(first)
        async with asyncio.timeout(HANG_S):
            await until(lambda: running.keeper.clients == {"127.0.0.1": 1})
        fourth = await knock(ASK)
        assert b"200 OK" in await page(fourth[0])


async def test_many_at_once_are_turned_away_and_the_rest_served(tmp_path: Path) -> None:
    """More than are turned away in one turn of the loop."""
    async with door(tmp_path, replace(COUNTED, per_address=1)) as (running, knock):
        reader, writer = await knock(ASK)
        assert b"200 OK" in await page(reader)
        crowd = [await knock(b"") for _ in range(40)]
        assert [await rest(line[0]) for line in crowd] == [b""] * 40
        assert running.drops.counts == {CROWDED: 40}
        writer.write(ASK)
        assert b"200 OK" in await page(reader)


async def test_a_proxy_on_this_machine_is_not_counted(tmp_path: Path) -> None:
    """It speaks for all its clients."""
    async with door(tmp_path, DoorLimits(per_address=1)) as (running, knock):
        for line in [await knock(ASK) for _ in range(5)]:
            assert b"200 OK" in await page(line[0])
        assert (running.drops.counts, running.keeper.clients) == ({}, {})


@pytest.mark.parametrize(
    ("host", "client"),
    [
        ("192.168.1.20", "192.168.1.20"),
        ("::ffff:192.168.1.20", "192.168.1.20"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
    ],
)
def test_what_counts_as_one_client(host: str, client: str) -> None:
    """An IPv4 address, however it is written; of IPv6 the network, since one client has all of it."""
    assert client_of(host, DoorLimits().exempt) == client


@contextmanager
def lines() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """What the server's log says meanwhile."""
    told: list[tuple[str, dict[str, Any]]] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            told.append((record.levelname, dict(getattr(record, "fields", {}))))

    keep, logger = Keep(), logging.getLogger("vuon.http")
    level = logger.level
    logger.addHandler(keep)
    logger.setLevel(logging.INFO)
    try:
        yield told
    finally:
        logger.removeHandler(keep)
        logger.setLevel(level)


def test_drops_are_told_once_a_minute_at_most() -> None:
    """At once the first time, then in sums; browsers with connections to spare are no warning."""
    now_s = [100.0]
    drops = Drops(lambda: now_s[0])
    with lines() as told:
        for _ in range(500):
            drops.note(SLOW)
        now_s[0] += TELL_EVERY_S - 1
        drops.note(CROWDED)
        assert told == [("INFO", {"crowded": 0, "slow": 1})]
        now_s[0] += 1
        drops.note(SLOW)
        assert told[1:] == [("WARNING", {"crowded": 1, "slow": 500})]
        drops.note(SLOW)
        drops.tell()
        drops.tell()
        assert told[2:] == [("INFO", {"crowded": 0, "slow": 1})]
    assert drops.counts == {SLOW: 502, CROWDED: 1}
