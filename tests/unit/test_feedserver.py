"""The feed socket."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core import feedwire
from gateway.core.errors import AddressTaken
from gateway.core.feedwire import Subscription
from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import PublicId, StreamRole
from recorder.feed import Feed
from recorder.feedserver import FeedServer

pytestmark = pytest.mark.anyio

CAMERA = PublicId("c" * 16)
CONFIG = CodecConfig(Codec.H264, b"\x67sps", b"\x68pps", width=640, height=360, epoch=1)


def unit(number: int, *, key: bool = False, config: CodecConfig = CONFIG, size: int = 10) -> AccessUnit:
    return AccessUnit((b"\x65" * size, b"\x41"), number * 6000, key, number, config)


class Peer:
    """A subscriber that reads frame by frame."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.configs: dict[int, CodecConfig] = {}

    async def frame(self) -> tuple[int, bytes]:
        kind, length = feedwire.HEAD.unpack(await self.reader.readexactly(feedwire.HEAD.size))
        return kind, await self.reader.readexactly(length)

    async def config(self) -> CodecConfig:
        kind, body = await self.frame()
        assert kind == feedwire.CONFIG
        config = feedwire.decode_config(body)
        self.configs[config.epoch] = config
        return config

    async def unit(self) -> tuple[int, bool]:
        kind, body = await self.frame()
        assert kind == feedwire.UNIT
        item, skipped = feedwire.decode_unit(body, self.configs)
        return item.pts_90k // 6000, skipped

    async def end(self) -> str:
        kind, body = await self.frame()
        assert kind == feedwire.END
        return str(json.loads(body)["code"])

    async def hung_up(self) -> bool:
        return await self.reader.read() == b""


class World:
    """One feed behind a server."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.feed = Feed(CAMERA, StreamRole.MAIN)
        self.faults: list[BaseException] = []
        self.peers: list[Peer] = []
        self.watched: list[bool] = []
        self.wishes: list[Subscription] = []

    def find(self, wanted: Subscription) -> Feed | None:
        return self.feed if wanted == Subscription(CAMERA, StreamRole.MAIN) else None

    async def connect(self) -> Peer:
        peer = Peer(*await asyncio.open_unix_connection(str(self.path)))
        self.peers.append(peer)
        return peer

    async def subscribe(self, camera: PublicId = CAMERA, role: StreamRole = StreamRole.MAIN) -> Peer:
        peer = await self.connect()
        peer.writer.write(feedwire.encode_subscribe(Subscription(camera, role)))
        return peer

    async def until_readers(self, count: int) -> None:
        while self.feed.facts().readers != count:  # noqa: ASYNC110 - the feed tells nobody who reads
            await asyncio.sleep(0.005)


@asynccontextmanager
async def world(tmp_path: Path, uids: frozenset[int] | None = None) -> AsyncIterator[World]:
    own = World(tmp_path / "run" / "feed.sock")
    server = FeedServer(
        own.path,
        own.find,
        allowed_uids=uids,
        watched=own.watched.append,
        wants_key=own.wishes.append,
        on_fault=lambda _, error: own.faults.append(error),
    )
    async with server:
        yield own
    for peer in own.peers:
        peer.writer.close()
    assert own.faults == []


async def test_a_subscriber_gets_the_configuration_then_the_current_gop(tmp_path: Path) -> None:
    """CONFIG first, then the pictures since the key frame, then what is new."""
    async with world(tmp_path) as own:
        for number in range(3):
            own.feed.publish(unit(number, key=number == 0))
        peer = await own.subscribe()
        assert await peer.config() == CONFIG
        assert [await peer.unit() for _ in range(3)] == [(0, False), (1, False), (2, False)]
        own.feed.publish(unit(3))
        assert await peer.unit() == (3, False)


async def test_a_new_epoch_is_announced_before_its_first_picture(tmp_path: Path) -> None:
    """When the camera changes its parameter sets a second CONFIG comes in time."""
    second = replace(CONFIG, epoch=2, width=320)
    async with world(tmp_path) as own:
        own.feed.publish(unit(0, key=True))
        peer = await own.subscribe()
        await peer.config()
        await peer.unit()
        own.feed.publish(unit(1, key=True, config=second))
        own.feed.publish(unit(2, config=second))
        assert await peer.config() == second
        assert await peer.unit() == (1, False)
        assert await peer.unit() == (2, False)


async def test_the_end_of_the_stream_is_told_with_its_code(tmp_path: Path) -> None:
    """END carries the error code, then the server hangs up."""
    async with world(tmp_path) as own:
        own.feed.publish(unit(0, key=True))
        peer = await own.subscribe()
        await peer.config()
        await peer.unit()
        own.feed.end("camera_silent")
        assert await peer.end() == "camera_silent"
        assert await peer.hung_up()
        await own.until_readers(0)


@pytest.mark.parametrize(("camera", "role"), [("d" * 16, StreamRole.MAIN), (CAMERA, StreamRole.SUB)])
async def test_what_is_not_there_is_not_found(tmp_path: Path, camera: str, role: StreamRole) -> None:
    """An unknown camera and a stream it does not have look the same."""
    async with world(tmp_path) as own:
        peer = await own.subscribe(PublicId(camera), role)
        assert await peer.end() == "not_found"
        assert await peer.hung_up()


async def test_a_stream_that_is_down_says_so_at_once(tmp_path: Path) -> None:
    """A subscriber does not wait in the dark."""
    async with world(tmp_path) as own:
        own.feed.end("camera_login")
        peer = await own.subscribe()
        assert await peer.end() == "camera_login"


async def test_a_subscriber_that_hangs_up_is_let_go(tmp_path: Path) -> None:
    """Its reader leaves the feed although no picture comes."""
    async with world(tmp_path) as own:
        own.feed.publish(unit(0, key=True))
        peer = await own.subscribe()
        await peer.config()
        await own.until_readers(1)
        peer.writer.close()
        await own.until_readers(0)


async def test_a_wish_for_a_key_frame_is_heard_and_ends_nothing(tmp_path: Path) -> None:
    """KEY names the stream that is subscribed; pictures go on. Anything else is a hang-up, also a KEY with a body."""
    async with world(tmp_path) as own:
        own.feed.publish(unit(0, key=True))
        peer, other = await own.subscribe(), await own.subscribe()
        for each in (peer, other):
            await each.config()
            await each.unit()
        peer.writer.write(2 * feedwire.encode_key_wanted())
        async with asyncio.timeout(30):
            while len(own.wishes) < 2:  # noqa: ASYNC110 - the server tells nobody else
                await asyncio.sleep(0.005)
        assert set(own.wishes) == {Subscription(CAMERA, StreamRole.MAIN)}
        own.feed.publish(unit(1))
        assert await peer.unit() == (1, False)
        other.writer.write(feedwire.frame(feedwire.KEY, b"x"))
        await own.until_readers(1)
        assert len(own.wishes) == 2


async def test_a_slow_subscriber_skips_and_the_others_do_not(tmp_path: Path) -> None:
    """Whoever does not read loses pictures up to a key frame, with the flag; the other gets all."""
    big = 300_000
    async with world(tmp_path) as own:
        own.feed.publish(unit(0, key=True))
        slow, fast = await own.subscribe(), await own.subscribe()
        await own.until_readers(2)
        await fast.config()
        got = [await fast.unit()]
        for number in range(1, 80):
            own.feed.publish(unit(number, key=number % 10 == 0, size=big))
            got.append(await fast.unit())
        assert got == [(number, False) for number in range(80)]
        await slow.config()
        seen = [await slow.unit()]
        while seen[-1][0] < 79:
            seen.append(await slow.unit())
        skips = [number for number, skipped in seen if skipped]
        assert skips
        assert all(number % 10 == 0 for number in skips)
        assert own.feed.facts().dropped > 0


@pytest.mark.parametrize(
    "opening",
    [
        b"\x02\x00\x00\x00\x02{}",
        b"\x01\x00\x00\x00\x02[]",
        b"\x01\xff\xff\xff\xff",
        feedwire.frame(feedwire.SUBSCRIBE, b'{"protocol": 99, "camera": "cccccccccccccccc", "stream": "main"}'),
        feedwire.frame(feedwire.SUBSCRIBE, b'{"protocol": 1, "camera": "../../etc", "stream": "main"}'),
        b"GET / HTTP/1.1\r\n\r\n",
    ],
)
async def test_whoever_speaks_something_else_is_hung_up_on(tmp_path: Path, opening: bytes) -> None:
    """No answer, no reader, no fault report."""
    async with world(tmp_path) as own:
        peer = await own.connect()
        peer.writer.write(opening)
        assert await peer.hung_up()
        assert own.feed.facts().readers == 0


async def test_other_users_of_the_machine_are_not_answered(tmp_path: Path) -> None:
    """The peer's uid is checked before anything is read."""
    async with world(tmp_path, frozenset({os.getuid() + 1})) as own:
        own.feed.publish(unit(0, key=True))
        peer = await own.connect()
        assert await peer.hung_up()


async def test_the_socket_is_private_and_goes_with_the_server(tmp_path: Path) -> None:
    """Mode 0660 while it serves, gone afterwards."""
    async with world(tmp_path) as own:
        assert own.path.stat().st_mode & 0o777 == 0o660
    assert not own.path.exists()


async def test_a_second_server_does_not_take_the_socket(tmp_path: Path) -> None:
    """The one that answers keeps it."""
    async with world(tmp_path) as own:
        with pytest.raises(AddressTaken):
            await FeedServer(own.path, own.find, on_fault=lambda *_: None).__aenter__()
        peer = await own.subscribe()
        assert await peer.end() == "camera_unreachable"


async def test_who_batches_packets_hears_that_somebody_watches(tmp_path: Path) -> None:
    """Once when the first subscriber comes and once when the last has gone, also when the stream ends."""
    async with world(tmp_path) as own:
        own.feed.publish(unit(0, key=True))
        first, second = await own.subscribe(), await own.subscribe()
        await own.until_readers(2)
        first.writer.close()
        await own.until_readers(1)
        assert own.watched == [True]
        own.feed.end("camera_closed")
        assert await second.hung_up() is False
        await own.until_readers(0)
        assert own.watched == [True, False]


async def test_leaving_the_server_hangs_up_on_everybody(tmp_path: Path) -> None:
    """No subscription outlives it."""
    async with world(tmp_path) as own:
        own.feed.publish(unit(0, key=True))
        peer = await own.subscribe()
        await peer.config()
        await peer.unit()
    assert await peer.hung_up()
    assert own.feed.facts().readers == 0
