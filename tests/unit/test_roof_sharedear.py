"""The channels of a recorder at one subscription: who holds it, whose an event is, what a failure costs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import anyio
import pytest

from drivers.base import CameraEvent, EventKind
from drivers.onvif.profiles import Picture, Profile, pictures
from gateway.core.errors import CameraOverloaded, CameraUnsupported
from gateway.roofs.sharedear import EARLY, MOST_WAITING, Heard, SharedEar
from recorder.cameraevents import DOUBTED_S
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.anyio
HANG_S = 20
CHANNELS = 16
PICTURES = {f"p{n}": Picture(f"vs{n}", frozenset({f"vsc{n}"})) for n in range(CHANNELS)}


def motion(source: str = "", configuration: str = "") -> CameraEvent:
    return CameraEvent("t", True, 0, 0, EventKind.MOTION, video_source=source, video_configuration=configuration)


@dataclass
class Device:
    """A recorder as a subscription shows it."""

    ear: SharedEar
    events: asyncio.Queue[CameraEvent | Exception] = field(default_factory=asyncio.Queue)
    subscribed: int = 0
    left: int = 0

    async def subscribe(self) -> AsyncGenerator[Heard, None]:
        self.subscribed += 1
        try:
            yield PICTURES
            while True:
                item = await self.events.get()
                if isinstance(item, Exception):
                    raise item
                yield item
        finally:
            self.left += 1

    def listen(self, channel: int) -> AsyncGenerator[CameraEvent, None]:
        return self.ear.listen(f"p{channel}", self.subscribe)


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


async def test_the_next_in_line_takes_the_subscription_over() -> None:
    """The holder leaves: its subscription is closed, one of the others makes its own, and hears."""
    device = Device(SharedEar(FakeClock()))
    async with asyncio.timeout(HANG_S):
        first, second = (asyncio.ensure_future(anext(device.listen(n))) for n in (0, 1))
        await settle()
        assert device.subscribed == 1
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        await settle()
        assert (device.subscribed, device.left) == (2, 1)
        device.events.put_nowait(motion("vs1"))
        assert (await second).video_source == "vs1"


@pytest.mark.parametrize("failure", [CameraOverloaded("refused", doubted=True), CameraUnsupported("no events")])
async def test_a_failure_is_everybodys_and_asks_once(failure: Exception) -> None:
    """Sixteen channels do not try one after the other, and who comes later is told without asking the device."""
    clock = FakeClock()
    device = Device(SharedEar(clock))
    async with asyncio.timeout(HANG_S):
        waiting = [asyncio.ensure_future(anext(device.listen(n))) for n in range(CHANNELS)]
        await settle()
        device.events.put_nowait(failure)
        assert await asyncio.gather(*waiting, return_exceptions=True) == [failure] * CHANNELS
        with pytest.raises(type(failure)):
            await anext(device.listen(3))
        assert device.subscribed == 1
        assert not device.ear.idle


async def test_after_its_pause_the_device_is_asked_again() -> None:
    """Once, by whoever comes first."""
    clock = FakeClock()
    device = Device(SharedEar(clock))
    async with asyncio.timeout(HANG_S):
        first = asyncio.ensure_future(anext(device.listen(0)))
        await settle()
        device.events.put_nowait(CameraOverloaded("refused", doubted=True))
        await asyncio.gather(first, return_exceptions=True)
        await clock.advance(DOUBTED_S * EARLY + 1)
        assert device.ear.idle
        heard: dict[str, int] = {}

        async def hear(channel: int) -> None:
            async for event in device.listen(channel):
                heard[event.video_source] = channel

        async with anyio.create_task_group() as tasks:
            for n in range(3):
                tasks.start_soon(hear, n)
            await settle()
            for n in range(3):
                device.events.put_nowait(motion(f"vs{2 - n}"))
            await settle()
            tasks.cancel_scope.cancel()
        assert heard == {"vs0": 0, "vs1": 1, "vs2": 2}
        assert device.subscribed == 2


async def test_what_a_channel_does_not_fetch_is_bounded_and_counted() -> None:
    """A channel that sleeps loses its newest events and costs the others nothing."""
    device = Device(SharedEar(FakeClock()))
    async with asyncio.timeout(HANG_S):
        holder, sleeper = device.listen(0), device.listen(1)
        going = asyncio.ensure_future(anext(holder))
        await settle()
        sleeping = asyncio.ensure_future(anext(sleeper))
        await settle()
        for _ in range(MOST_WAITING + 5):
            device.events.put_nowait(motion("vs1"))
        device.events.put_nowait(motion("vs77"))
        device.events.put_nowait(motion("vs0"))
        assert (await going).video_source == "vs0"
        await sleeping
        assert device.ear.dropped + MOST_WAITING in range(MOST_WAITING + 4, MOST_WAITING + 6)
        assert device.ear.nobodys == 1
        await sleeper.aclose()
        await holder.aclose()
        assert device.ear.idle


def profile(token: str, source: str, configuration: str) -> Profile:
    return Profile(token, "", source, "e", None, 0, 0, 0.0, 0, 0, configuration=configuration)


def test_whose_an_event_is() -> None:
    """Source and configuration are told apart, also where the one's token is the other's of another channel."""
    found = pictures([profile("a", "1", "0"), profile("b", "2", "1"), profile("b2", "2", "1"), profile("c", "3", "2")])
    assert found["b"] == found["b2"] == Picture("2", frozenset({"1"}))
    assert [token for token, picture in found.items() if picture.is_of(motion("1"))] == ["a"]
    assert [token for token, picture in found.items() if picture.is_of(motion("", "1"))] == ["b", "b2"]
    assert [token for token, picture in found.items() if picture.is_of(motion("3", "1"))] == ["c"]
    assert not any(picture.is_of(motion()) for picture in found.values())


def test_what_is_not_clear_names_nothing() -> None:
    """A configuration that two sources claim, an empty one, and a profile without a source."""
    found = pictures([profile("a", "1", "x"), profile("b", "2", "x"), profile("c", "3", ""), profile("d", "", "y")])
    assert set(found) == {"a", "b", "c"}
    assert all(picture.configurations == frozenset() for picture in found.values())
    assert not any(picture.is_of(motion("", "x")) for picture in found.values())
