"""What cameras report by themselves: listened to last, slowly, and never at the cost of video.

Owns one listening task for each camera that can be listened to, and the way of its reports into the
journal. Invariants: a camera is listened to only after its video has been up for a while; a failure here
ends nothing but the listening, and comes back after minutes; a refused login is not tried here until
somebody enters another one; the queue is bounded and counts what it drops.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol, TypeAlias

import anyio
from anyio.abc import TaskGroup

from gateway.core.clock import Clock
from gateway.core.errors import CameraError, CameraLocked, CameraLoginRefused, CameraUnsupported
from gateway.core.model import PublicId
from gateway.core.supervise import Backoff, FaultSink, supervise
from recorder.camera import State
from recorder.episodes import QUIET_S, Episodes, Told
from recorder.host import Gate
from recorder.journal import Journal
from recorder.pins import REPORTED, PinKind
from recorder.registry import Camera

LOOK_S = 5.0
"""How often it is looked which cameras run."""
UP_FOR_S = 30.0
"""Some cameras are slow for a while once somebody listens: video comes first."""
MOST_WAITING = 256
BATCH = 64
TELL_ENDS_S = 10.0
AGAIN_S = 300.0
HOPELESS_S = 86_400.0
"""A camera without events, or with another password, is asked again the next day: firmware changes."""
DOUBTED_S = 21_600.0
"""After a login that worked was refused: one try in six hours is far below what locks an account or closes the gate."""


class Report(Protocol):
    """One event of a camera as a driver delivers it."""

    @property
    def kind(self) -> str:
        """motion, tamper, input, hardware or other."""

    @property
    def state(self) -> bool | None:
        """Whether it began or ended; None: it has no state."""

    @property
    def source(self) -> str:
        """What reported it."""


class Listened(Protocol):
    """A running camera, as far as it matters here (`CameraTask` is one)."""

    @property
    def camera(self) -> Camera:
        """Who it is."""

    @property
    def state(self) -> State:
        """How its video is."""

    @property
    def gate(self) -> Gate:
        """Its login budget; another object once the login was changed."""


Listen: TypeAlias = Callable[[Camera, Gate], "AsyncGenerator[Report, None] | None"]
"""`listen(camera, gate)`: its events until an error; None for a camera that cannot be listened to."""


Pin: TypeAlias = Callable[[PublicId, PinKind, int, int], Awaitable[None]]
"""`await pin(camera, kind, start_ms, end_ms)`: keep footage around it longer."""


def pause_s(error: CameraError) -> float:
    """Return how long a camera is left alone after listening failed; pure."""
    if isinstance(error, CameraLocked):
        told = error.fields.get("retry_after_s")
        return max(AGAIN_S, float(told)) if isinstance(told, int | float) else AGAIN_S
    if error.fields.get("doubted"):
        return DOUBTED_S
    return HOPELESS_S if isinstance(error, CameraLoginRefused | CameraUnsupported) else AGAIN_S


@dataclass(slots=True)
class _Ear:
    task: Listened
    gate: Gate
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class CameraEvents:
    """Listens to all cameras while `run` runs."""

    def __init__(
        self,
        cameras: Callable[[], Sequence[Listened]],
        listen: Listen,
        journal: Journal,
        clock: Clock,
        on_fault: FaultSink,
        *,
        pin: Pin | None = None,
    ) -> None:
        """`pin` is told the span of what makes footage an event's; None: nothing does."""
        self._cameras, self._listen, self._journal, self._pin = cameras, listen, journal, pin
        self._clock, self._on_fault = clock, on_fault
        self._queue: asyncio.Queue[tuple[PublicId, Report]] = asyncio.Queue(MOST_WAITING)
        self._ears: dict[PublicId, _Ear] = {}
        self._up_ns: dict[PublicId, int] = {}
        self._episodes = Episodes()
        self.dropped = 0
        """Reports that came faster than they could be written."""

    async def run(self) -> None:
        """Listen until cancelled; what is open then ends with the listening."""
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._write)
                tasks.start_soon(self._tell_ends)
                while True:
                    self._look(tasks)
                    await self._clock.sleep(LOOK_S)
        finally:
            self._ears.clear()
            self._up_ns.clear()

    def _look(self, tasks: TaskGroup) -> None:
        """Begin to listen to cameras that have been up for a while; stop where camera or login changed."""
        running = {task.camera.public_id: task for task in self._cameras()}
        for camera, ear in list(self._ears.items()):
            if running.get(camera) is not ear.task or ear.task.gate is not ear.gate:
                ear.scope.cancel()
                del self._ears[camera]
        now_ns = self._clock.mono_ns()
        for camera, task in running.items():
            if task.state is not State.UP:
                self._up_ns.pop(camera, None)
                continue
            since_ns = self._up_ns.setdefault(camera, now_ns)
            if camera not in self._ears and now_ns - since_ns >= UP_FOR_S * 1e9:
                self._ears[camera] = ear = _Ear(task, task.gate)
                tasks.start_soon(self._hear, ear, name=f"events-{camera}")
        for camera in self._up_ns.keys() - running.keys():
            del self._up_ns[camera]

    async def _hear(self, ear: _Ear) -> None:
        camera = ear.task.camera.public_id

        async def attend() -> None:
            await self._attend(ear)

        with ear.scope:
            backoff = Backoff(first_s=1.0, most_s=AGAIN_S)
            await supervise(f"events of {camera}", attend, clock=self._clock, on_fault=self._on_fault, backoff=backoff)
        await self._journal_all(self._episodes.forget(camera))

    async def _attend(self, ear: _Ear) -> None:
        """Listen once, and after an error wait as long as it deserves; what is no error of a camera goes out."""
        reports = self._listen(ear.task.camera, ear.gate)
        if reports is None:
            await anyio.sleep_forever()
            return
        try:
            async with contextlib.aclosing(reports) as heard:
                async for report in heard:
                    self._offer(ear.task.camera.public_id, report)
        except CameraError as error:
            await self._clock.sleep(pause_s(error))

    def _offer(self, camera: PublicId, report: Report) -> None:
        try:
            self._queue.put_nowait((camera, report))
        except asyncio.QueueFull:
            self.dropped += 1

    async def _write(self) -> None:
        while True:
            batch = [await self._queue.get()]
            while len(batch) < BATCH and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            now_ns = self._clock.mono_ns()
            told = [
                self._episodes.report(camera, str(report.kind), report.source, report.state, now_ns)
                for camera, report in batch
            ]
            await self._journal_all([fact for fact in told if fact is not None])

    async def _tell_ends(self) -> None:
        while True:
            await self._clock.sleep(TELL_ENDS_S)
            await self._journal_all(self._episodes.ended(self._clock.mono_ns()))

    async def _journal_all(self, told: Sequence[Told]) -> None:
        event = self._journal.event
        if told:
            await self._journal.note(
                *(
                    event(
                        "camera.reported",
                        subject=fact.camera,
                        camera=fact.camera,
                        kind=fact.kind,
                        state=fact.state,
                        seconds=fact.seconds,
                    )
                    for fact in told
                )
            )
        if self._pin is not None:
            now_ms = self._clock.now_ms()
            for fact in told:
                if fact.kind in REPORTED:
                    quiet_s = QUIET_S[fact.kind] if fact.state == "off" else 0
                    start_ms = now_ms - round((fact.seconds + quiet_s) * 1000)
                    await self._pin(PublicId(fact.camera), PinKind(fact.kind), start_ms, now_ms)
