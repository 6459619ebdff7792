"""Subscriptions to the recorder's feed."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

from gateway.core import feedwire
from gateway.core.clock import SystemClock
from gateway.core.errors import DaemonUnavailable, WireError
from gateway.core.media import Codec, CodecConfig
from gateway.core.model import PublicId, StreamRole
from gateway.live.ends import End
from gateway.live.feedclient import Feeds
from tests.fakes.feed import FakeFeed
from tests.fakes.live_box import CAMERA

SUB = StreamRole.SUB


class Scene:
    """A feed by hand, a client, and the faults it reported."""

    def __init__(self, folder: Path) -> None:
        self.faults: list[BaseException] = []
        self.feed = FakeFeed(folder / "feed.sock", play=False)
        self.feeds = Feeds(
            folder / "feed.sock",
            clock=SystemClock(),
            on_fault=lambda _name, error: self.faults.append(error),
            jitter=lambda: 0.0,
        )


def play(folder: Path, scenario: Callable[[Scene], Awaitable[None]]) -> Scene:
    """Run a scenario with feed and client entered."""
    scene = Scene(folder)

    async def body() -> None:
        async with scene.feed, scene.feeds:
            await scenario(scene)

    asyncio.run(body())
    return scene


async def until(what: Callable[[], bool]) -> None:
    """Wait for something to come true; a hang limit, no timing."""
    async with asyncio.timeout(60):
        while not what():  # noqa: ASYNC110 - what is waited for happens in other tasks and sockets
            await asyncio.sleep(0.005)


def test_a_stream_is_subscribed_while_somebody_holds_it(tmp_path: Path) -> None:
    """Two holders share one subscription; it ends with the second one's release, not the first one's."""

    async def scenario(scene: Scene) -> None:
        first, second = scene.feeds.hold(CAMERA, SUB), scene.feeds.hold(CAMERA, SUB)
        assert first is second
        await until(lambda: scene.feed.readers == 1)
        scene.feeds.release(first)
        await asyncio.sleep(0.05)
        assert scene.feed.readers == 1
        scene.feeds.release(second)
        await until(lambda: scene.feed.readers == 0)
        assert scene.feeds.streams == ()
        assert scene.feed.subscribed == [feedwire.Subscription(CAMERA, SUB)]

    play(tmp_path, scenario)


def test_main_and_sub_are_streams_of_their_own(tmp_path: Path) -> None:
    """Each encoding has its own subscription and history."""

    async def scenario(scene: Scene) -> None:
        main, sub = scene.feeds.hold(CAMERA, StreamRole.MAIN), scene.feeds.hold(CAMERA, SUB)
        assert main is not sub
        await until(lambda: scene.feed.readers == 2)
        assert {item.stream for item in scene.feed.subscribed} == {StreamRole.MAIN, SUB}

    play(tmp_path, scenario)


def test_the_current_gop_comes_first(tmp_path: Path) -> None:
    """A new subscription begins with the GOP the recorder has, then follows live."""

    async def scenario(scene: Scene) -> None:
        for _ in range(25):
            scene.feed.send(scene.feed.next_unit())
        stream = scene.feeds.hold(CAMERA, SUB)
        await until(lambda: stream.counters.units == 5)
        scene.feed.send(scene.feed.next_unit())
        await until(lambda: stream.counters.units == 6)
        start = stream.history.gop_start
        assert start is not None
        assert (start.number, start.is_key) == (0, True)

    play(tmp_path, scenario)


def test_a_lost_recorder_is_found_again_without_a_hole(tmp_path: Path) -> None:
    """After the connection broke the stream goes on: what was repeated is left out, the numbers count on."""

    async def scenario(scene: Scene) -> None:
        stream = scene.feeds.hold(CAMERA, SUB)
        await until(lambda: scene.feed.readers == 1)
        for _ in range(3):
            scene.feed.send(scene.feed.next_unit())
        await until(lambda: stream.counters.units == 3)
        scene.feed.hang_up()
        await until(lambda: scene.feeds.reconnects == 2 and scene.feed.readers == 1)
        scene.feed.send(scene.feed.next_unit())
        await until(lambda: stream.counters.units == 7)
        assert stream.counters.repeated == 3
        assert stream.history.last is not None
        assert stream.history.last.number == 3

    scene = play(tmp_path, scenario)
    assert [type(error) for error in scene.faults] == [DaemonUnavailable]


def test_a_recorder_that_is_not_there_is_a_typed_fault(tmp_path: Path) -> None:
    """A missing socket ends nothing: it is reported, and tried again until the recorder comes."""
    scene = Scene(tmp_path)

    async def body() -> None:
        async with scene.feeds:
            stream = scene.feeds.hold(CAMERA, SUB)
            await until(lambda: len(scene.faults) >= 1)
            async with scene.feed:
                await until(lambda: scene.feed.readers == 1)
                scene.feed.send(scene.feed.next_unit())
                await until(lambda: stream.counters.units == 1)
            scene.feeds.release(stream)

    asyncio.run(body())
    assert {type(error) for error in scene.faults} == {DaemonUnavailable}


def test_a_camera_the_recorder_does_not_know_ends_its_stream(tmp_path: Path) -> None:
    """END with not_found is a reason for the viewers; a feed that comes back takes it away."""

    async def scenario(scene: Scene) -> None:
        stream = scene.feeds.hold(CAMERA, SUB)
        await until(lambda: scene.feed.readers == 1)
        scene.feed.end("not_found")
        await until(lambda: stream.ended is End.CAMERA_GONE)
        await until(lambda: stream.ended is None and len(scene.feed.subscribed) == 2)

    assert play(tmp_path, scenario).faults == []


def test_a_camera_that_closed_is_waited_for(tmp_path: Path) -> None:
    """Any other END leaves the viewers where they are until the camera is back."""

    async def scenario(scene: Scene) -> None:
        stream = scene.feeds.hold(CAMERA, SUB)
        await until(lambda: scene.feed.readers == 1)
        scene.feed.end("camera_closed")
        await until(lambda: len(scene.feed.subscribed) == 2)
        assert stream.ended is None

    assert play(tmp_path, scenario).faults == []


def test_an_h265_stream_is_marked_by_its_configuration(tmp_path: Path) -> None:
    """Viewers of an H.265 stream are told before the first picture."""

    async def scenario(scene: Scene) -> None:
        scene.feed.clip = scene.feed.clip.__class__(
            CodecConfig(Codec.H265, b"\x42s", b"\x44p", b"\x40v", epoch=1), scene.feed.clip.pictures, 20
        )
        stream = scene.feeds.hold(CAMERA, SUB)
        await until(lambda: stream.ended is End.CODEC)

    play(tmp_path, scenario)


def test_a_peer_that_breaks_the_protocol_costs_that_connection(tmp_path: Path) -> None:
    """An unknown kind, an oversized frame or a unit without configuration: WireError, and a new try."""

    async def scenario(scene: Scene) -> None:
        scene.feeds.hold(CAMERA, SUB)
        for n, garbage in enumerate(
            [
                feedwire.frame(77, b""),
                feedwire.HEAD.pack(feedwire.UNIT, feedwire.MAX_BODY_BYTES + 1),
                feedwire.frame(feedwire.UNIT, struct.pack(">IBBHqq", 99, 0, 1, 0, 0, 0)),
                feedwire.frame(feedwire.END, b"{"),
            ]
        ):
            await until(lambda: scene.feed.readers == 1)
            for writer in list(scene.feed._writers):
                writer.write(garbage)
            await until(lambda n=n: len(scene.faults) == n + 1)  # type: ignore[misc]  # a bound loop variable
            await until(lambda n=n: len(scene.feed.subscribed) == n + 2)  # type: ignore[misc]  # a bound loop variable

    assert {type(error) for error in play(tmp_path, scenario).faults} == {WireError}


def test_release_of_what_is_not_held_is_nothing(tmp_path: Path) -> None:
    """A second release of the same hold harms nobody."""

    async def scenario(scene: Scene) -> None:
        stream = scene.feeds.hold(CAMERA, SUB)
        scene.feeds.release(stream)
        scene.feeds.release(stream)
        again = scene.feeds.hold(CAMERA, SUB)
        assert again is not stream
        scene.feeds.release(stream)
        assert scene.feeds.streams == (again,)
        assert PublicId(again.camera) == CAMERA

    play(tmp_path, scenario)
