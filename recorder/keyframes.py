"""Key frames asked of cameras on behalf of those who watch.

Owns which camera is asked when. Invariants: one request for all who want it, at most one in `LEAST_S` a stream and one
at a time; what cannot do it is left alone for `DEAF_S`, what failed for `FAILED_S`; a wish is not kept: who still wants
a key frame says so again; nothing waits for the answer, and no failure concerns the recording.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeAlias

import anyio

from gateway.core.clock import Clock
from gateway.core.errors import CameraError, CameraUnsupported, NotFound
from gateway.core.feedwire import Subscription
from gateway.core.supervise import FaultSink, contained
from recorder.camera import State
from recorder.cameras import Cameras
from recorder.host import Gate
from recorder.registry import Camera, Stream

LEAST_S = 4.0
ANSWER_S = 10.0
"""A camera is asked one thing a second, so an answer may have to wait for others'."""
FAILED_S = 60.0
DEAF_S = 6 * 3600.0
"""Firmware is not changed more often."""

AskKeyFrame: TypeAlias = Callable[[Camera, Stream, Gate], Coroutine[Any, Any, None]]
"""Asks a camera for a key frame of a stream; CameraUnsupported if it makes none, another CameraError if that failed."""


class Target(NamedTuple):
    """Who is to be asked."""

    camera: Camera
    stream: Stream
    gate: Gate


def target_in(cameras: Cameras) -> Callable[[Subscription], Target | None]:
    """Return what finds a stream that plays now; None for every other one."""

    def find(wanted: Subscription) -> Target | None:
        try:
            task = cameras.get(wanted.camera)
        except NotFound:
            return None
        playing = (item for item in task.streams if item.state is State.UP and item.stream.role is wanted.stream)
        return next((Target(task.camera, item.stream, task.gate) for item in playing), None)

    return find


class KeyFrames:
    """Takes wishes (`want`, in the event loop) while `run` runs."""

    def __init__(
        self, find: Callable[[Subscription], Target | None], ask: AskKeyFrame, clock: Clock, on_fault: FaultSink
    ) -> None:
        self._find, self._ask, self._clock, self._on_fault = find, ask, clock, on_fault
        self._wishes: dict[Subscription, None] = {}
        self._not_before_ns: dict[Subscription, int] = {}
        self._something = anyio.Event()
        self.counts: Counter[str] = Counter()
        """`asked`, `made`, `unsupported`, `failed`, and `coalesced`: wishes that needed no request of their own."""

    def want(self, wanted: Subscription) -> None:
        """Take a wish; of a stream that nobody plays, or that was asked a moment ago, it is only counted."""
        if wanted in self._wishes or self._clock.mono_ns() < self._not_before_ns.get(wanted, 0):
            self.counts["coalesced"] += 1
        elif self._find(wanted) is not None:
            self._wishes[wanted] = None
            self._something.set()

    def facts(self) -> dict[str, Any]:
        """Return the counters for the status."""
        return dict(self.counts)

    async def run(self) -> None:
        """Ask for what is wanted, each camera for itself, for ever."""
        async with anyio.create_task_group() as tasks:
            while True:
                await self._something.wait()
                self._something = anyio.Event()
                for wanted in list(self._wishes):
                    del self._wishes[wanted]
                    self._rest(wanted, ANSWER_S + LEAST_S)  # one at a time, however it ends
                    tasks.start_soon(self._one, wanted)

    async def _one(self, wanted: Subscription) -> None:
        target = self._find(wanted)
        if target is None:
            return
        self.counts["asked"] += 1
        rest_s, outcome = FAILED_S, "failed"
        try:
            async with contained("key frame", self._on_fault, passing=(CameraError,)):
                with anyio.move_on_after(ANSWER_S):
                    await self._ask(*target)
                    rest_s, outcome = LEAST_S, "made"
        except CameraUnsupported:
            rest_s, outcome = DEAF_S, "unsupported"
        except CameraError:
            outcome = "failed"  # playing shows what is wrong with it
        self.counts[outcome] += 1
        self._rest(wanted, rest_s)

    def _rest(self, wanted: Subscription, seconds: float) -> None:
        now_ns = self._clock.mono_ns()
        self._not_before_ns = {item: until for item, until in self._not_before_ns.items() if until > now_ns}
        self._not_before_ns[wanted] = now_ns + int(seconds * 1e9)
