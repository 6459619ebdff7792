"""One camera: a supervised task per stream, and the state people see.

Owns the loop connect - play - fail - wait of each stream and the camera's state machine. Invariants: a
refused login stops all streams of the camera until it is changed, also over restarts; the main stream
logs in before the sub stream; nothing plays before the host (host.py) says that the device is ours and has room;
every failure becomes a gap cause and a state, never a silent retry; the state is journalled when it changes and
not otherwise; when `run` returns, the run is closed, the segment ordered to close, and the gap opened.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import anyio

from gateway.core.clock import Clock
from gateway.core.errors import (
    CameraClosed,
    CameraError,
    CameraLoginRefused,
    CameraSessionLimit,
    CameraSilent,
    CameraSwapped,
)
from gateway.core.model import Login
from gateway.core.supervise import FaultSink, supervise
from recorder.budget import StartBudget
from recorder.feed import Feed
from recorder.gaps import GapCause, GapLedger, cause_of
from recorder.host import Gate, Host, HostTools, Witness
from recorder.journal import Journal
from recorder.meter import StreamMeter
from recorder.player import StreamPlayer, Wait
from recorder.registry import NATIVE, Camera, LoginState, Registry, Stream, StreamSpec
from recorder.runs import RunBook, quality_of
from recorder.session import ClockLies, Footage, Notice, Playing, RunBegan, RunEnded, SessionSink

HEALTHY_NS = 60_000_000_000
"""A session that delivered for a minute was fine: the next failure counts as the first again."""


class State(StrEnum):
    """How a camera or a stream is."""

    CONNECTING = "connecting"
    UP = "up"
    DOWN = "down"
    SILENT = "silent"
    LOGIN_REFUSED = "login_refused"
    SWAPPED = "swapped"


@dataclass(frozen=True, slots=True)
class Tools:
    """What all cameras of the box share; drivers' parts come in from the roof."""

    clock: Clock
    player: StreamPlayer
    make_gate: Callable[[Login | None, LoginState], Gate]
    """`make_gate(login, state)`: the login budget of one camera, with what is known of the login."""
    make_source: Callable[[StreamSpec], Any]
    retry: Callable[[CameraError, int, float], Wait]
    knock: Callable[[str, int], Awaitable[bool]]
    jitter: Callable[[], float]
    budget: StartBudget
    footage: Footage
    runs: RunBook
    ledger: GapLedger
    journal: Journal
    registry: Registry
    on_fault: FaultSink
    witness: Witness | None = None
    """Says who answers at a camera's address; None: nobody can tell."""
    pinned: Mapping[str, StreamPlayer] = field(default_factory=dict)
    """The other engines by name, for cameras that are pinned to one."""

    def host(self, *, suspect: bool = True) -> Host:
        """Return what the cameras of one device share (see `Host`)."""
        return Host(
            HostTools(self.clock, self.make_gate, self.jitter, self.budget.connect, self.witness), suspect=suspect
        )

    def player_of(self, camera: Camera) -> StreamPlayer:
        """Return what plays this camera: what is stored decides, never a failure."""
        return self.player if camera.about.engine == NATIVE else self.pinned[camera.about.engine]


def _state_of(error: CameraError) -> State:
    if isinstance(error, CameraLoginRefused):
        return State.LOGIN_REFUSED
    if isinstance(error, CameraSwapped):
        return State.SWAPPED
    return State.SILENT if isinstance(error, CameraSilent) else State.DOWN


class StreamTask:
    """The loop of one stream."""

    def __init__(self, owner: CameraTask, stream: Stream, tools: Tools) -> None:
        self._owner, self.stream, self._tools = owner, stream, tools
        self.feed = Feed(stream.camera, stream.role)
        self.meter = StreamMeter(tools.clock.mono_ns)
        self.feed.attach(self.meter)
        self.state, self.why = State.CONNECTING, ""
        self.run_number: int | None = None
        self.tried = asyncio.Event()
        """Set once this stream has played or failed: the login is then known to be good or not."""
        self._again = asyncio.Event()
        self._yields = False
        self._gate: Gate | None = None
        """Of the session, or of the question who the device is: a login that is entered again, even the same one, gets
        a gate of its own, and what the old one met does not concern it."""
        self._sink: SessionSink | None = None

    @property
    def clock_lies(self) -> bool:
        """Say whether the camera's clock was found wrong in the session that plays."""
        return self._sink is not None and self._sink.clock_lies

    @property
    def time_quality(self) -> str | None:
        """What the time of the running run is worth; None without one."""
        run = self._sink.run if self._sink is not None else None
        if run is None:
            return None
        return quality_of(trusted=run.anchor.trusted, offset_ms=run.offset_ms, by_arrival=self.clock_lies).value

    async def run(self) -> None:
        """Keep the stream playing until cancelled; what is changed from the beginning of a session on ends its wait."""
        failures = 0
        while True:
            began_ns = self._tools.clock.mono_ns()
            error = await self._session()
            if self._yields:
                self._again.clear()  # the place is given back, that is all that was asked for
            if error is None:  # another login: it is tried at once
                failures = 0
                continue
            lasted = self._tools.clock.mono_ns() - began_ns
            failures = 1 if lasted >= HEALTHY_NS else failures + 1
            await self._fail(error)
            await self._wait(error, failures)

    async def _session(self) -> CameraError | None:
        """Play once, if the host lets us; returns why it ended, None if a person changed the login meanwhile."""
        owner, tools = self._owner, self._tools
        await owner.host.turn(self)
        self._yields = False
        self._again.clear()
        self._gate = owner.gate
        try:
            await owner.host.verify(owner.camera, self._gate)
            await owner.host.open(self)
        except CameraError as error:
            owner.host.closed(self, error)
            sure = tools.clock.trusted()
            await tools.ledger.open(self.stream, tools.clock.now_ms(), owner.cause_of(error), sure=sure)
            return error if owner.gate is self._gate else None
        ended: CameraError | None = None
        try:
            ended = await self._play()
        finally:
            ended = owner.host.closed(self, ended)
        return ended

    async def _play(self) -> CameraError | None:
        tools, began_ms = self._tools, self._tools.clock.now_ms()
        sink = SessionSink(
            self.stream.id, await tools.runs.reserve(), feed=self.feed, footage=tools.footage, clock=tools.clock
        )
        self._sink = sink
        error: CameraError | None = None
        ended = GapCause.RECORDER_RESTART  # unless we learn better: a bug ended it, supervise starts it again
        try:
            async with await tools.budget.place() as place, anyio.create_task_group() as tasks:
                tasks.start_soon(self._follow, sink, place.give_back)
                if not self._yields:
                    self._again.clear()  # a login changed before now is the one this session uses
                self._gate = self._owner.gate
                tasks.start_soon(self._wake, tasks.cancel_scope)
                try:
                    player = tools.player_of(self._owner.camera)
                    await player.play(tools.make_source(self.stream.spec), self._gate, sink)
                except CameraError as failure:
                    error = failure
                except asyncio.CancelledError:
                    changed = self._changed if self._again.is_set() else GapCause.RECORDER_STOPPED
                    ended = self._owner.leaving or changed
                    raise
                tasks.cancel_scope.cancel()
            if self._again.is_set():  # whatever the old login met does not concern the new one
                ended = self._changed
                return CameraSessionLimit("it gave way to a main stream") if self._yields else None
            error = error or CameraClosed("the stream ended")
            ended = self._owner.cause_of(error)
        finally:
            with anyio.CancelScope(shield=True):
                self._sink = None
                await self._settle(sink, ended, error.code if error is not None else "daemon_unavailable", began_ms)
        return error

    @property
    def _changed(self) -> GapCause:
        """Why `_again` ended what played."""
        return GapCause.CAMERA if self._yields else GapCause.LOGIN

    async def _settle(self, sink: SessionSink, cause: GapCause, code: str, began_ms: int) -> None:
        """Close the run and account for the time from its end on."""
        run = sink.close(cause)
        self.feed.end(code)
        await asyncio.sleep(0)  # the notice of the end is delivered by the loop
        while not sink.notices.empty():
            await self._notice(sink.notices.get_nowait())
        if run is None:  # no footage at all: the time since the attempt began (or longer) is missing
            at_ms = began_ms if self.state is State.CONNECTING else self._tools.clock.now_ms()
            await self._tools.ledger.open(self.stream, at_ms, cause, sure=self._tools.clock.trusted())

    async def _follow(self, sink: SessionSink, give_back: Callable[[], None]) -> None:
        while True:
            notice = await sink.notices.get()
            give_back()
            with anyio.CancelScope(shield=True):  # a notice taken is a notice written down
                await self._notice(notice)

    async def _notice(self, notice: Notice) -> None:
        match notice:
            case Playing():
                self.tried.set()
                self._owner.host.plays(self)
            case RunBegan(run):
                self.tried.set()
                self.run_number = run.id
                await self._tools.runs.opened(run)
                await self._tools.ledger.close(self.stream, run.anchor.wall_ms, run.id, sure=run.anchor.trusted)
                await self._owner.login_worked(self._gate)
                await self._become(State.UP, "")
            case ClockLies(run):
                await self._tools.runs.lies(run.id)
            case RunEnded(run, at_ms, cause):
                self.run_number = None
                told = await self._tools.runs.closed(run, at_ms, cause)
                await self._tools.ledger.open(self.stream, at_ms + told.offset_ms, cause, sure=told.sure)

    async def _fail(self, error: CameraError) -> None:
        self.tried.set()
        if isinstance(error, CameraLoginRefused):
            await self._owner.login_refused(self._gate)
        await self._become(_state_of(error), error.code)

    async def _become(self, state: State, why: str) -> None:
        self.state, self.why = state, why
        await self._owner.note_state()

    async def _wait(self, error: CameraError, failures: int) -> None:
        wait = self._tools.retry(error, failures, self._tools.jitter())
        with anyio.CancelScope() as scope:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._wake, scope)
                match str(wait.kind):
                    case _ if isinstance(error, CameraSessionLimit):
                        await self._owner.host.room(self)
                    case "stop":
                        await anyio.sleep_forever()
                    case "knock":
                        await self._knock(wait.seconds)
                    case _:
                        await self._tools.clock.sleep(wait.seconds)
                scope.cancel()

    async def _wake(self, scope: anyio.CancelScope) -> None:
        await self._again.wait()
        scope.cancel()

    async def _knock(self, every_s: float) -> None:
        spec = self.stream.spec
        while True:
            await self._tools.clock.sleep(every_s)
            if await self._owner.host.knock(lambda: self._knock_once(spec), every_s):
                return

    async def _knock_once(self, spec: StreamSpec) -> bool:
        await self._tools.budget.connect()
        return await self._tools.knock(spec.host, spec.port)

    def again(self) -> None:
        """End a wait, or what plays with the old login, at once: a person changed it."""
        self.tried.clear()
        self._yields = False
        self._again.set()

    def give_way(self) -> None:
        """End the session: a main stream of the same host needs its place."""
        self._yields = True
        self._again.set()

    async def cut(self, cause: GapCause) -> None:
        """Begin a new run at the next key frame, if one is running."""
        if self._sink is not None:
            self._sink.cut(await self._tools.runs.reserve(), cause)


class CameraTask:
    """All streams of one camera and its state; `run` until cancelled."""

    def __init__(self, camera: Camera, tools: Tools, host: Host | None = None) -> None:
        """Make the tasks of a camera; `host` is shared with the other cameras of its device."""
        self.camera, self._tools = camera, tools
        self.host = host or tools.host()
        self.streams = tuple(StreamTask(self, stream, tools) for stream in camera.streams)
        self.host.join(self.streams)
        self.leaving: GapCause | None = None
        """Why the streams are about to be cancelled, when it is not the end of the recorder."""
        self._journalled: tuple[State, str] | None = None
        self.judging = asyncio.Lock()
        """Held while what a login met is written down, and while another login is: each counts whole."""

    @property
    def gate(self) -> Gate:
        """The login budget of this camera's user on its device."""
        return self.host.gate(self.camera)

    @property
    def state(self) -> State:
        """State of the camera: its leading stream's, unless the login was refused."""
        if any(task.state is State.LOGIN_REFUSED for task in self.streams):
            return State.LOGIN_REFUSED
        return self.streams[0].state

    @property
    def why(self) -> str:
        """Error code behind the state; empty when up."""
        return next((task.why for task in self.streams if task.state is self.state), "")

    def cause_of(self, error: CameraError) -> GapCause:
        """Return why there is no footage: a host that is silent while others of the box play is itself at fault."""
        return cause_of(error, others_play=self.host.others_play())

    async def run(self) -> None:
        """Keep all streams playing until cancelled."""
        async with anyio.create_task_group() as tasks:
            for task in self.streams:
                tasks.start_soon(self._stream, task)

    async def _stream(self, task: StreamTask) -> None:
        name = f"camera {task.stream.camera} {task.stream.role}"
        await supervise(name, task.run, clock=self._tools.clock, on_fault=self._tools.on_fault)

    async def note_state(self) -> None:
        """Journal the camera's state if it changed."""
        now = (self.state, self.why)
        if now == self._journalled or now[0] is State.CONNECTING:
            return
        self._journalled = now
        camera = self.camera.public_id
        event = self._tools.journal.event("camera.state", subject=camera, camera=camera, state=now[0].value, why=now[1])
        await self._tools.journal.note(event)

    async def login_worked(self, gate: Gate | None) -> None:
        """Remember that the camera took a login, and which certificate it showed; nothing if that is in use no more."""
        async with self.judging:
            if gate is not self.gate:
                return
            await self._note_login(LoginState.ACCEPTED)
            if gate.pin != self.camera.about.tls_pin:
                self.camera = await self._tools.registry.note_pin(self.camera.public_id, gate.pin)

    async def login_refused(self, gate: Gate | None) -> None:
        """Remember over restarts that a password is wrong, unless it was entered again meanwhile."""
        async with self.judging:
            if gate is self.gate:
                await self._note_login(LoginState.REFUSED)

    async def _note_login(self, state: LoginState) -> None:
        about = self.camera.about
        if about.login is not None and about.login_state is not state:
            self.camera = await self._tools.registry.note_login(self.camera.public_id, state)

    def relogin(self, camera: Camera) -> None:
        """Take another login and try again at once; the host knows nothing of that login yet."""
        self.camera = camera
        for task in self.streams:
            task.again()

    async def cut(self, cause: GapCause) -> None:
        """Begin a new run in every stream."""
        for task in self.streams:
            await task.cut(cause)
