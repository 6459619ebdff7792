"""Asking cameras for key frames: for all who want one, rarely, and without harm."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import pytest

from gateway.core.errors import CameraError, CameraUnreachable, CameraUnsupported
from gateway.core.feedwire import Subscription
from gateway.core.model import PublicId, StreamRole
from recorder.host import Gate
from recorder.keyframes import ANSWER_S, DEAF_S, FAILED_S, LEAST_S, KeyFrames, Target
from recorder.registry import Camera, Stream
from tests.fakes.clock import FakeClock

MAIN = Subscription(PublicId("c" * 16), StreamRole.MAIN)
SUB = Subscription(PublicId("c" * 16), StreamRole.SUB)


class Scene:
    """Cameras that answer as told."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.asked: list[Any] = []
        self.faults: list[BaseException] = []
        self.error: Exception | None = None
        self.hangs = False
        self.known = {MAIN, SUB}
        self.keys = KeyFrames(self.find, self.ask, self.clock, lambda _, error: self.faults.append(error))

    def find(self, wanted: Subscription) -> Target | None:
        thing = cast(Any, wanted)  # only handed through
        return Target(cast(Camera, thing), cast(Stream, thing), cast(Gate, thing)) if wanted in self.known else None

    async def ask(self, camera: Camera, stream: Stream, gate: Gate) -> None:
        self.asked.append(stream)
        if self.hangs:
            await asyncio.Event().wait()
        if self.error is not None:
            raise self.error

    async def want(self, *wanted: Subscription) -> int:
        """Say these wishes; returns how many requests followed."""
        before = len(self.asked)
        for item in wanted:
            self.keys.want(item)
        await self.clock.settle()
        return len(self.asked) - before


def play(scenario: Callable[[Scene], Awaitable[None]]) -> Scene:
    async def body() -> Scene:
        scene = Scene()
        running = asyncio.create_task(scene.keys.run())
        await scene.clock.settle()
        await scenario(scene)
        running.cancel()
        return scene

    return asyncio.run(body())


def test_many_wishes_are_one_request() -> None:
    """Of one stream at most one in the least time, each stream for itself."""

    async def scenario(scene: Scene) -> None:
        assert await scene.want(*[MAIN] * 30, *[SUB] * 30) == 2
        assert await scene.want(*[MAIN] * 30) == 0
        scene.clock.tick(LEAST_S)
        assert await scene.want(MAIN) == 1

    scene = play(scenario)
    assert scene.keys.facts() == {"asked": 3, "made": 3, "coalesced": 88}
    assert scene.faults == []


def test_a_stream_that_nobody_plays_is_not_asked_for() -> None:
    """Gone, down, or taken away between wish and request."""

    async def scenario(scene: Scene) -> None:
        scene.known = {SUB}
        assert await scene.want(MAIN) == 0
        scene.keys.want(SUB)
        scene.known = set()
        await scene.clock.settle()
        assert scene.asked == []

    play(scenario)


@pytest.mark.parametrize(
    ("error", "outcome", "rests_s"),
    [
        (CameraUnsupported("no such call"), "unsupported", DEAF_S),
        (CameraUnreachable("nobody answers"), "failed", FAILED_S),
        (CameraError("something else"), "failed", FAILED_S),
    ],
    ids=["unsupported", "unreachable", "other"],
)
def test_who_cannot_is_left_alone(error: CameraError, outcome: str, rests_s: float) -> None:
    """A camera without the call is not asked again for hours, one that failed for a minute; neither is a fault."""

    async def scenario(scene: Scene) -> None:
        scene.error = error
        assert await scene.want(MAIN) == 1
        scene.clock.tick(rests_s - 1)
        assert await scene.want(MAIN) == 0
        scene.clock.tick(1)
        assert await scene.want(MAIN) == 1

    scene = play(scenario)
    assert scene.keys.counts[outcome] == 2
    assert scene.faults == []


def test_a_bug_is_reported_and_ends_nothing() -> None:
    """What is no camera's failure is a fault, and the next stream is asked all the same."""

    async def scenario(scene: Scene) -> None:
        scene.error = ValueError("a bug")
        assert await scene.want(MAIN) == 1
        scene.error = None
        assert await scene.want(SUB) == 1

    scene = play(scenario)
    assert [str(error) for error in scene.faults] == ["a bug"]


def test_a_camera_that_does_not_answer_holds_up_nobody() -> None:
    """Others are asked meanwhile; it is asked once at a time, and given up."""

    async def scenario(scene: Scene) -> None:
        scene.hangs = True
        assert await scene.want(MAIN) == 1
        scene.hangs = False
        assert await scene.want(SUB) == 1
        scene.clock.tick(ANSWER_S - 1)
        assert await scene.want(MAIN) == 0

    play(scenario)
