"""Sessions on a fake clock, with connections that have no network."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import Grant, PublicId
from gateway.live.feedclient import Feeds
from gateway.live.sessions import Sessions
from gateway.live.stream import LiveStream
from tests.fakes.clock import FakeClock
from tests.fakes.connection import Connections, FakeConnection
from tests.fakes.live_box import make_grant

OFFER = (Path(__file__).parent / "chromium_offer.sdp").read_text()
CONFIG = CodecConfig(Codec.H264, b"\x67s", b"\x68p")


class Scene:
    """Sessions on a fake clock; the feed socket does not exist, pictures are put in by hand."""

    def __init__(self, folder: Path, max_viewers: int = 10) -> None:
        self.clock = FakeClock()
        self.connections = Connections()
        self.faults: list[BaseException] = []
        self.feeds = Feeds(folder / "none.sock", clock=self.clock, on_fault=lambda *_: None)
        self.sessions = Sessions(
            self.feeds,
            self.connections,
            max_viewers=max_viewers,
            clock=self.clock,
            on_fault=lambda _name, error: self.faults.append(error),
            random_bits=lambda count: 1 << 52 if count == 53 else 5,  # 53 bits are a fraction: one half
        )
        self._number = 0

    async def settle(self) -> None:
        await self.clock.settle()

    def picture(self, stream: LiveStream, *, key: bool = False) -> None:
        self._number += 1
        nal = bytes([0x65 if key else 0x41]) * 100
        received = self.clock.mono_ns() + self._number
        stream.take(AccessUnit((nal,), self._number * 4500, key, received, CONFIG), skipped=False)

    async def watching(self, **grant: object) -> tuple[FakeConnection, LiveStream, PublicId]:
        """Open a session that is live and has got one key frame."""
        return await self.watching_by(make_grant(self.clock, **grant))  # type: ignore[arg-type]  # handed through

    async def watching_by(self, issued: Grant) -> tuple[FakeConnection, LiveStream, PublicId]:
        """Do the same with a grant of the caller's."""
        session, _ = await self.sessions.open(issued, None, OFFER)
        connection = self.connections.made[-1]
        connection.connect()
        await self.settle()
        (stream,) = {id(item): item for item in self.feeds.streams}.values()
        self.picture(stream, key=True)
        return connection, stream, session


def play(folder: Path, scenario: Callable[[Scene], Awaitable[None]], *, max_viewers: int = 10) -> Scene:
    """Run a scenario with feeds and sessions entered; nothing may have failed inside."""

    async def body() -> Scene:
        scene = Scene(folder, max_viewers)
        async with scene.feeds, scene.sessions:
            await scenario(scene)
        assert scene.faults == []
        return scene

    return asyncio.run(body())
