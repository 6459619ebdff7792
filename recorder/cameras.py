"""All cameras of the box as running tasks: start, stop, find, adopt, and the watch on the clock.

Owns which camera runs. Invariants: every adopted camera has exactly one running `CameraTask`; one that
is taken away has stopped, its last segment is closed, before the call returns; a change that cannot be stored
leaves the camera running as it was; when the wall clock steps,
all runs are cut, and runs written by an untrusted clock get their offset once it is right.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeAlias

import anyio
from anyio.abc import TaskGroup

from gateway.core.errors import NotFound
from gateway.core.feedwire import Subscription
from gateway.core.model import Login, PublicId, RunId, StreamId
from gateway.core.supervise import contained, supervise
from recorder.camera import CameraTask, StreamTask, Tools
from recorder.feed import Feed
from recorder.gaps import GapCause
from recorder.hosts import Hosts
from recorder.registry import Camera, LoginState, NewCamera
from recorder.runs import Step, StepWatch
from recorder.vision.client import Tap, VisionClient

LOOK_AT_CLOCK_S = 1.0
CORRECT_AFTER_S = (0.0, 5.0, 10.0, 45.0)
"""Pauses after a cut; at the last every stream has had a key frame and the segments of the old run are indexed."""

SetOffset: TypeAlias = Callable[[RunId, int], Awaitable[None]]
"""Moves the index rows of a run to true time: `await set_offset(run, offset_ms)`."""


@dataclass(slots=True)
class _Running:
    task: CameraTask
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    stopped: asyncio.Event = field(default_factory=asyncio.Event)
    taps: list[tuple[Feed, Tap]] = field(default_factory=list)


class Cameras:
    """The running cameras; entered = all adopted ones run, left = all have stopped."""

    def __init__(self, tools: Tools, vision: VisionClient | None, set_offset: SetOffset) -> None:
        self._tools, self._vision, self._set_offset = tools, vision, set_offset
        self._running: dict[PublicId, _Running] = {}
        self._hosts = Hosts(lambda suspect: tools.host(suspect=suspect))
        self._tasks: TaskGroup | None = None
        self._watch = StepWatch(tools.clock)
        self._step: Step | None = None
        """The step that is being written down; one that cannot be is tried again."""
        self._changing = asyncio.Lock()

    async def __aenter__(self) -> Self:
        self._tasks = anyio.create_task_group()
        await self._tasks.__aenter__()
        for camera in await self._tools.registry.cameras():
            self._start(camera)
        self._tasks.start_soon(self._supervised, "clock watch", self._watch_clock)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._tasks is not None
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)

    async def _supervised(self, name: str, run: Callable[[], Awaitable[None]]) -> None:
        await supervise(name, run, clock=self._tools.clock, on_fault=self._tools.on_fault)

    def _start(self, camera: Camera, *, suspect: bool = True) -> CameraTask:
        assert self._tasks is not None
        host = self._hosts.of(camera, suspect=suspect)
        host.gate(camera)  # before the first connection of a device its gate has the pins of all its cameras
        running = _Running(CameraTask(camera, self._tools, host))
        self._running[camera.public_id] = running
        if self._vision is not None:
            for task in running.task.streams:
                running.taps.append((task.feed, self._vision.attach(task.feed)))
        self._tasks.start_soon(self._run, running, name=f"camera-{camera.public_id}")
        return running.task

    @staticmethod
    async def _run(running: _Running) -> None:
        try:
            with running.scope:
                await running.task.run()
        finally:
            running.stopped.set()

    def all(self) -> tuple[CameraTask, ...]:
        """Return the running cameras in order of adoption."""
        return tuple(running.task for running in self._running.values())

    def get(self, camera: PublicId) -> CameraTask:
        """Return a running camera; NotFound if it is none of ours."""
        running = self._running.get(camera)
        if running is None:
            raise NotFound("no such camera", key="camera")
        return running.task

    def find_feed(self, wanted: Subscription) -> Feed | None:
        """Return the feed a subscriber asks for."""
        running = self._running.get(wanted.camera)
        tasks: tuple[StreamTask, ...] = running.task.streams if running is not None else ()
        return next((task.feed for task in tasks if task.stream.role is wanted.stream), None)

    def stream(self, stream: StreamId) -> StreamTask | None:
        """Return the running task of a stream id."""
        return next((item for task in self.all() for item in task.streams if item.stream.id == stream), None)

    async def add(self, camera: Camera) -> CameraTask:
        """Start a camera that was just adopted."""
        async with self._changing:
            task = self._start(camera, suspect=False)
            login = camera.about.login
            if login is not None:  # the device took it a moment ago: what the others have of this user is past
                stale = [
                    other
                    for other in self._of_user(task, login.username)
                    if other.camera.about.login != login or other.camera.about.login_state is LoginState.REFUSED
                ]
                if stale:
                    await self._renew([*stale, task], login)
                    task.gate.pin = camera.about.tls_pin  # the certificate that was shown with it a moment ago
            return task

    async def remove(self, camera: PublicId) -> None:
        """Stop a camera for good; its footage stays until retention takes it."""
        async with self._changing:
            gone = await self._stopped(camera, lambda: self._tools.registry.remove(camera))
            if self._vision is not None:
                self._vision.forget(camera)
            for stream in gone.streams:
                await self._tools.ledger.drop(stream, self._tools.clock.now_ms())

    async def retire(self, camera: PublicId) -> None:
        """Stop a camera that the database has removed already, and forget its stills; it may not run any more."""
        async with self._changing:
            running = self._running.get(camera)
            if running is not None:
                await self._stop(camera)
                for task in running.task.streams:
                    await self._tools.ledger.drop(task.stream, self._tools.clock.now_ms())
            if self._vision is not None:
                self._vision.forget(camera)

    async def _stopped(self, camera: PublicId, change: Callable[[], Awaitable[Camera]]) -> Camera:
        """Stop a camera and change what is stored of it; if that fails it runs on as it was."""
        before, after = self.get(camera).camera, None
        await self._stop(camera)
        try:
            after = await change()
        finally:
            if after is None:
                self._start(before)
        return after

    async def _stop(self, camera: PublicId) -> None:
        running = self._running.pop(camera)
        running.task.leaving = GapCause.PAUSED
        running.scope.cancel()
        await running.stopped.wait()
        running.task.host.leave(running.task.streams)
        self._hosts.forget_empty()
        for feed, tap in running.taps:
            feed.detach(tap)

    async def rename(self, camera: PublicId, name: str) -> Camera:
        """Change a camera's name."""
        task = self.get(camera)
        task.camera = await self._tools.registry.rename(camera, name)
        return task.camera

    async def relogin(self, camera: PublicId, login: Login, *, by_hand: bool = True) -> None:
        """Store another login for all cameras of the device that log in as this one does, and try it at once.

        Only a person's login (`by_hand`) accepts the certificate that is shown now.
        """
        async with self._changing:  # else one of them could be taken away between two of these
            task = self.get(camera)
            old = task.camera.about.login
            user = old.username if old is not None else login.username
            await self._renew([*self._of_user(task, user), task], login, keep_pin=not by_hand)

    def _of_user(self, task: CameraTask, username: str) -> list[CameraTask]:
        """Return the other cameras of a task's device that log in as this user."""
        return [
            other
            for other in self.all()
            if other.host is task.host
            and other is not task
            and (known := other.camera.about.login) is not None
            and known.username == username
        ]

    async def _renew(self, tasks: Sequence[CameraTask], login: Login, *, keep_pin: bool = False) -> None:
        """Give cameras of one device another login, all in one turn of the loop: one gate tries it."""
        set_login = self._tools.registry.set_login
        async with AsyncExitStack() as judged:
            for task in tasks:
                await judged.enter_async_context(task.judging)
            changed = [await set_login(task.camera.public_id, login, keep_pin=keep_pin) for task in tasks]
            tasks[0].host.renew(login.username)
            for task, camera in zip(tasks, changed, strict=True):
                task.relogin(camera)

    async def move(self, camera: PublicId, address: str, port: int) -> None:
        """Follow a camera to another address: stop it there, start it here."""
        async with self._changing:
            moved = await self._stopped(camera, lambda: self._tools.registry.move(camera, address, port))
            self._start(moved, suspect=False)

    async def replace(self, camera: PublicId, new: NewCamera) -> Camera:
        """Let another device take a camera's place: its recording goes on under the camera's name."""
        async with self._changing:
            replaced = await self._stopped(camera, lambda: self._tools.registry.replace(camera, new))
            return self._start(replaced, suspect=False).camera

    async def _watch_clock(self) -> None:
        while True:
            await self._tools.clock.sleep(LOOK_AT_CLOCK_S)
            self._step = self._step or self._watch.look()
            if self._step is not None:
                await self.clock_stepped(self._step)
                self._step = None

    async def clock_stepped(self, step: Step) -> None:
        """Cut all runs; give what an untrusted clock told its place once the clock is right."""
        journal, ledger = self._tools.journal, self._tools.ledger
        await journal.note(journal.event("clock.step", step_ms=step.step_ms))
        for task in self.all():
            await task.cut(GapCause.CLOCK)
        assert self._tasks is not None
        await self._tools.runs.note_clock(step.wall_minus_mono_ms, trusted=self._tools.clock.trusted())
        if step.became_trusted:
            runs = await self._tools.runs.correct(step.wall_minus_mono_ms)
            self._tasks.start_soon(self._correct, runs)
            await ledger.stepped(self._tools.clock.now_ms(), sets_right_by_ms=step.step_ms)
        elif self._tools.clock.trusted():
            await ledger.stepped(self._tools.clock.now_ms())
        else:
            await ledger.moved(step.step_ms)

    async def _correct(self, runs: Sequence[tuple[RunId, int]]) -> None:
        """Correct at once what is indexed, and within a minute the segments that were still running.

        What a disk does not take now it gets when it is opened again.
        """
        for pause_s in CORRECT_AFTER_S:
            await self._tools.clock.sleep(pause_s)
            async with contained("clock correction", self._tools.on_fault):
                for run, offset_ms in runs:
                    await self._set_offset(run, offset_ms)


def describe(camera: Camera) -> dict[str, Any]:
    """Return a camera as the control socket shows it; no login, no address of streams."""
    about = camera.about
    return {
        "id": camera.public_id,
        "name": camera.name,
        "driver": about.driver,
        "address": about.address,
        "port": about.port,
        "manufacturer": about.manufacturer,
        "model": about.model,
        "firmware": about.firmware,
        "serial": about.identity.serial,
        "mac": about.identity.mac,
        "login": about.login is not None,
        "login_state": about.login_state.value,
        "channel": about.identity.channel,
        "engine": about.engine,
        "engine_why": about.engine_why,
        "added_ms": camera.added_ms,
        "streams": [
            {
                "stream": stream.role.value,
                "codec": stream.spec.codec,
                "width": stream.spec.width,
                "height": stream.spec.height,
                "fps": stream.spec.fps,
                "bitrate_bps": stream.spec.bitrate_bps,
            }
            for stream in camera.streams
        ],
    }
