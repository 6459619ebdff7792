"""The recorder's side of the vision child."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

import pytest

from gateway.core.errors import ConfigError, WireError
from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import PublicId, StreamRole
from recorder.feed import Feed
from recorder.vision.client import VisionClient, _Eye, _note, _stands_still
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.vision_child import LOOK

pytestmark = pytest.mark.anyio

A, B = PublicId("a" * 16), PublicId("b" * 16)
CONFIG = CodecConfig(Codec.H264, b"\x67", b"\x68")


def unit(clock: FakeClock, *, key: bool = True, size: int = 10) -> AccessUnit:
    return AccessUnit((b"\x65" * size,), 0, key, clock.mono_ns(), CONFIG)


class World:
    """A client with a fake child, and feeds of two cameras."""

    def __init__(self, behaviour: str, answer_timeout_s: float = 20) -> None:
        self.clock = FakeClock()
        command = (sys.executable, "-m", "tests.fakes.vision_child", behaviour)
        self.client = VisionClient(self.clock, command=command, answer_timeout_s=answer_timeout_s)
        self.feeds = {(camera, role): Feed(camera, role) for camera in (A, B) for role in StreamRole}
        self.taps = {key: self.client.attach(feed) for key, feed in self.feeds.items()}

    def show(self, camera: PublicId = A, role: StreamRole = StreamRole.SUB, *, key: bool = True) -> None:
        self.feeds[camera, role].publish(unit(self.clock, key=key))

    def looked(self, count: int) -> bool:
        return self.client.facts().looked == count

    async def until(self, check: Callable[[], object]) -> None:
        async with asyncio.timeout(30):
            while not check():  # noqa: ASYNC110 - the client tells nobody
                await asyncio.sleep(0.005)


@asynccontextmanager
async def world(behaviour: str = "well") -> AsyncIterator[World]:
    made = World(behaviour)
    running = asyncio.create_task(made.client.run())
    try:
        yield made
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def ended(behaviour: str, answer_timeout_s: float = 20) -> BaseException | None:
    """Run a client whose child behaves so, show it a picture, and return how it ended."""
    made = World(behaviour, answer_timeout_s)
    running = asyncio.create_task(made.client.run())
    made.show()
    async with asyncio.timeout(30):
        await asyncio.wait([running])
    assert not made.client.facts().running
    return running.exception()


async def test_the_newest_still_is_kept_with_its_time() -> None:
    """Captured is when the picture reached the box, in both sizes, from the sub stream."""
    async with world() as made:
        assert made.client.still(A) is None
        made.show()
        made.clock.tick(3)
        await made.until(lambda: made.client.still(A))
        still = made.client.still(A)
        assert still is not None
        assert still.captured_ms == NOON_MS
        assert still.role is StreamRole.SUB
        assert (still.at_width(320).width, still.at_width(321).width, still.at_width(5000).width) == (320, 640, 640)
        assert made.client.still_ms(A) == NOON_MS
        sight = made.client.sight(A)
        assert sight is not None
        assert (sight.look, sight.role, sight.age_ms, sight.frozen) == (LOOK, StreamRole.SUB, 3_000, False)
        assert made.client.still(B) is None


async def test_only_key_frames_are_looked_at() -> None:
    """Others cannot be decoded alone."""
    async with world() as made:
        made.show(key=False)
        made.show(B)
        await made.until(lambda: made.client.facts().looked)
        assert made.client.sight(A) is None
        assert made.client.facts().looked == 1


async def test_the_newest_key_frame_wins() -> None:
    """While the child is busy older ones are dropped and counted, nothing queues."""
    made = World("well")
    for _ in range(5):
        made.show()
        made.clock.tick(2)
    running = asyncio.create_task(made.client.run())
    await made.until(lambda: made.client.still(A))
    assert made.client.facts().looked == 1
    assert made.client.facts().dropped == 4
    assert made.client.still_ms(A) == NOON_MS + 8_000
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_the_main_stream_is_looked_at_only_without_a_fresh_sub() -> None:
    """Sub pictures cost a tenth; when they stop, main takes over."""
    async with world() as made:
        made.show(role=StreamRole.SUB)
        await made.until(lambda: made.client.facts().looked == 1)
        made.clock.tick(5)
        made.show(role=StreamRole.MAIN)
        made.show(B, StreamRole.MAIN)
        await made.until(lambda: made.client.facts().looked == 2)
        still = made.client.still(A)
        assert still is not None
        assert still.role is StreamRole.SUB
        made.clock.tick(6)
        made.show(role=StreamRole.MAIN)
        await made.until(lambda: made.client.facts().looked == 3)


async def test_stills_are_encoded_seldom_until_somebody_asks() -> None:
    """Every ten seconds by itself, at every key frame for a minute after somebody looked."""
    async with world() as made:

        async def shown() -> int | None:
            before = made.client.facts().looked
            made.show()
            await made.until(lambda: made.client.facts().looked == before + 1)
            return made.client.still_ms(A)

        assert await shown() == NOON_MS
        made.clock.tick(2)
        assert await shown() == NOON_MS
        made.client.still(A)
        made.clock.tick(2)
        assert await shown() == NOON_MS + 4_000
        made.clock.tick(61)
        made.client.still_ms(A)
        assert await shown() == NOON_MS + 65_000
        made.clock.tick(2)
        assert await shown() == NOON_MS + 65_000


async def test_a_forgotten_camera_leaves_no_picture() -> None:
    """Neither in memory nor when its last key frame is answered late."""
    async with world() as made:
        made.show()
        await made.until(lambda: made.client.still(A))
        made.client.forget(A)
        made.show()
        made.show(B)
        await made.until(lambda: made.client.still(B))
        assert made.client.still(A) is None
        assert made.client.sight(A) is None


async def test_bad_pictures_are_counted_and_cost_nothing_else() -> None:
    """The child lives on."""
    async with world("bad") as made:
        for number in range(1, 4):
            made.show()
            await made.until(lambda number=number: made.client.facts().bad == number)  # type: ignore[misc]  # bound early
        assert made.client.still(A) is None
        assert made.client.facts().running


async def test_a_giant_picture_is_not_sent() -> None:
    """It would not fit the message; the next one does."""
    async with world() as made:
        made.feeds[A, StreamRole.SUB].publish(unit(made.clock, size=6 << 20))
        made.show(B)
        await made.until(lambda: made.client.facts().looked)
        assert made.client.sight(A) is None


async def test_a_child_that_cannot_be_caged_is_a_matter_of_configuration() -> None:
    """The error names the key and the remedy."""
    error = await ended("refuse")
    assert isinstance(error, ConfigError)
    assert error.fields["key"] == "vision.sandbox"


@pytest.mark.parametrize("behaviour", ["die", "babble", "endless"])
async def test_a_child_that_dies_or_babbles_ends_this_run(behaviour: str) -> None:
    """So that supervise starts another."""
    assert isinstance(await ended(behaviour), WireError)


async def test_a_child_that_hangs_is_killed() -> None:
    """It has a few seconds for a picture."""
    assert isinstance(await ended("hang", answer_timeout_s=0.3), WireError)


async def test_another_run_starts_another_child_and_goes_on() -> None:
    """Pictures that waited are looked at by the new one."""
    made = World("well")
    for number in (1, 2):
        running = asyncio.create_task(made.client.run())
        made.show()
        await made.until(lambda number=number: made.client.facts().looked == number)  # type: ignore[misc]  # bound early
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        assert not made.client.facts().running


@pytest.mark.parametrize(
    ("shown", "apart_s", "frozen"),
    [(4, 3.0, True), (4, 2.0, False), (3, 30.0, False), (12, 1.0, True), (1, 1.0, False)],
)
async def test_the_same_picture_for_too_long_stands_still(shown: int, apart_s: float, frozen: bool) -> None:
    """Four key frames and eight seconds of one and the same picture, bit for bit."""
    async with world() as made:
        for number in range(shown):
            made.clock.tick(apart_s)
            made.show()
            await made.until(partial(made.looked, number + 1))
        sight = made.client.sight(A)
        assert sight is not None
        assert sight.frozen is frozen


async def test_a_picture_that_changes_is_not_frozen() -> None:
    """One other picture between them, or another stream, and counting begins anew; black is no picture at all."""
    eye = _Eye(1)
    for number in range(9):
        _note(eye, replace(LOOK, crc=number // 3), StreamRole.SUB, number * 5_000_000_000)
        assert not _stands_still(eye)
    for number in range(9):
        _note(eye, LOOK, StreamRole.SUB if number % 3 else StreamRole.MAIN, number * 5_000_000_000)
        assert not _stands_still(eye)
    for number in range(9):
        _note(eye, replace(LOOK, luma_sd=0.0, crc=77), StreamRole.SUB, number * 5_000_000_000)
        assert not _stands_still(eye)
    for number in range(9):
        _note(eye, replace(LOOK, crc=78), StreamRole.SUB, number * 5_000_000_000)
    assert _stands_still(eye)
