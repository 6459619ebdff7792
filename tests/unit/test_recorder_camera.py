"""One camera: connect, play, fail, wait, and the state people see."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import (
    CameraClosed,
    CameraError,
    CameraLoginRefused,
    CameraOverloaded,
    CameraSilent,
    CameraUnreachable,
)
from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import Login, Secret
from recorder.budget import StartBudget
from recorder.camera import CameraTask, State, StreamTask, Tools
from recorder.gaps import GapCause, gaps_between
from recorder.registry import LoginState
from tests.fakes.clock import FakeClock
from tests.fakes.recording import Books, FakeFootage, FakeGate, FakePlayer, Session, books, new_camera

pytestmark = pytest.mark.anyio

CONFIG = CodecConfig(Codec.H264, b"\x67", b"\x68")


@dataclass(frozen=True)
class Wait:
    """What the retry rule says."""

    kind: str
    seconds: float


class World:
    """A camera task with a conducted player."""

    def __init__(self, own: Books, clock: FakeClock) -> None:
        self.own, self.clock = own, clock
        self.player, self.footage = FakePlayer(), FakeFootage()
        self.gates: list[FakeGate] = []
        self.retries: list[tuple[str, int]] = []
        self.knocks: list[tuple[str, int]] = []
        self.answers = False
        self.faults: list[BaseException] = []
        self.task: CameraTask

    def tools(self) -> Tools:
        own = self.own
        return Tools(
            clock=self.clock,
            player=self.player,
            make_gate=self._gate,
            make_source=lambda spec: spec,
            retry=self._retry,
            knock=self._knock,
            jitter=lambda: 0.5,
            budget=StartBudget(self.clock, connects_per_s=2_000_000_000),
            footage=self.footage,
            runs=own.runs,
            ledger=own.ledger,
            journal=own.journal,
            registry=own.registry,
            on_fault=lambda _, error: self.faults.append(error),
        )

    def _gate(self, login: Login | None, state: LoginState) -> FakeGate:
        self.gates.append(FakeGate(login, state))
        return self.gates[-1]

    def _retry(self, error: CameraError, failures: int, jitter: float) -> Wait:
        self.retries.append((error.code, failures))
        if isinstance(error, CameraLoginRefused):
            return Wait("stop", 0)
        return Wait("knock", 2) if isinstance(error, CameraUnreachable) else Wait("pause", 10)

    async def _knock(self, host: str, port: int) -> bool:
        self.knocks.append((host, port))
        return self.answers

    @property
    def main(self) -> StreamTask:
        return self.task.streams[0]

    async def until(self, check: Callable[[], bool]) -> None:
        """Let real threads (the database) and tasks run until something is so."""
        async with asyncio.timeout(20):
            while not check():  # noqa: ASYNC110 - states of many parts, none of them tells
                await asyncio.sleep(0.002)

    async def feed(self, session: Session, *, start: int = 0, count: int = 3) -> None:
        """Deliver a GOP."""
        for number in range(start, start + count):
            self.clock.tick(0.1)
            now_ns = self.clock.mono_ns()
            session.sink.unit(AccessUnit((b"\x65",), number * 9000, number == start, now_ns, CONFIG))
        await asyncio.sleep(0)

    async def gaps(self) -> list[tuple[str, bool]]:
        stream = self.main.stream.id
        found = await self.own.db.read(lambda db: gaps_between(db, [stream], 0, 10**15))
        return [(gap.cause.value, gap.end_ms is None) for gap in found]

    async def states(self) -> list[tuple[str, str]]:
        found = await self.own.journal.read(0, 1000)
        return [(e["data"]["state"], e["data"]["why"]) for e in found if e["type"] == "camera.state.v1"]

    async def has_told(self, *states: tuple[str, str]) -> None:
        """Wait until these states, and no others, are journalled: the task shows a state before it is written."""
        async with asyncio.timeout(20):
            while (found := await self.states()) != list(states):
                assert found == list(states)[: len(found)]


@asynccontextmanager
async def world(tmp_path: Path, *, streams: int = 1, state: LoginState | None = None) -> AsyncIterator[World]:
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        made = World(own, clock)
        camera = await own.registry.add(new_camera(streams=streams))
        if state is not None:
            camera = await own.registry.note_login(camera.public_id, state)
        made.task = CameraTask(camera, made.tools())
        running = asyncio.create_task(made.task.run())
        try:
            yield made
        finally:
            running.cancel()
            await asyncio.wait([running])
        assert made.faults == []
        assert made.player.left == len(made.player.sessions)


async def test_a_camera_that_plays_is_up_and_recorded(tmp_path: Path) -> None:
    """The first key frame makes it so: run, state, journal, accepted login."""
    async with world(tmp_path) as made:
        session = await made.player.wait_for(1)
        assert made.task.state is State.CONNECTING
        session.sink.playing(None)
        await made.feed(session)
        await made.until(lambda: made.task.state is State.UP)
        assert made.main.run_number == made.footage.runs[0].id
        assert len(made.footage.units[made.main.stream.id]) == 3
        await made.until(lambda: made.task.camera.about.login_state is LoginState.ACCEPTED)
        await made.has_told(("up", ""))
        assert await made.gaps() == []


@pytest.mark.parametrize(
    ("error", "state", "cause"),
    [
        (CameraClosed("x"), State.DOWN, "camera"),
        (CameraUnreachable("x"), State.DOWN, "network"),
        (CameraSilent("x"), State.SILENT, "camera"),
        (CameraOverloaded("x"), State.DOWN, "camera"),
        (CameraLoginRefused("x"), State.LOGIN_REFUSED, "login"),
    ],
)
async def test_every_end_has_a_state_and_a_cause(tmp_path: Path, error: CameraError, state: State, cause: str) -> None:
    """After footage: the run is closed, the gap opened, the state journalled with its code."""
    async with world(tmp_path) as made:
        session = await made.player.wait_for(1)
        await made.feed(session)
        await made.until(lambda: made.task.state is State.UP)
        session.fail(error)
        await made.until(lambda: len(made.retries) == 1)
        assert made.task.state is state
        assert made.task.why == error.code
        assert made.main.run_number is None
        assert await made.gaps() == [(cause, True)]
        assert made.footage.ended == [(made.main.stream.id, GapCause(cause))]
        await made.has_told(("up", ""), (state.value, error.code))
        assert made.main.feed.facts().connected is False


async def test_a_camera_that_never_answered_has_a_gap_from_the_first_try(tmp_path: Path) -> None:
    """Adopted and never seen: its footage is missing since then."""
    async with world(tmp_path) as made:
        (await made.player.wait_for(1)).fail(CameraUnreachable("x"))
        await made.until(lambda: len(made.retries) == 1)
        assert await made.gaps() == [("network", True)]


async def test_an_unreachable_camera_is_knocked_at_and_opened_when_it_answers(tmp_path: Path) -> None:
    """Every two seconds a bare connect, no login, until it answers."""
    async with world(tmp_path) as made:
        (await made.player.wait_for(1)).fail(CameraUnreachable("x"))
        await made.until(lambda: len(made.retries) == 1)
        await made.clock.advance(9)
        assert made.knocks == [("10.0.0.1", 554)] * 4
        assert len(made.player.sessions) == 1
        made.answers = True
        await made.clock.advance(2)
        session = await made.player.wait_for(2)
        await made.feed(session)
        await made.until(lambda: made.task.state is State.UP)
        assert await made.gaps() == [("network", False)]


async def test_a_pause_is_a_pause(tmp_path: Path) -> None:
    """An overloaded camera is left alone as long as the rule says, then opened without knocking."""
    async with world(tmp_path) as made:
        (await made.player.wait_for(1)).fail(CameraOverloaded("x"))
        await made.until(lambda: len(made.retries) == 1)
        await made.clock.advance(9)
        assert len(made.player.sessions) == 1
        await made.clock.advance(2)
        await made.player.wait_for(2)
        assert made.knocks == []


async def test_failures_in_a_row_are_counted_and_a_healthy_minute_forgives(tmp_path: Path) -> None:
    """The rule hears 1, 2, 3; after a session of a minute it hears 1 again."""
    async with world(tmp_path) as made:
        for number in range(1, 4):
            (await made.player.wait_for(number)).fail(CameraClosed("x"))
            await made.until(lambda number=number: len(made.retries) == number)  # type: ignore[misc]  # bound early
            await made.clock.advance(11)
        session = await made.player.wait_for(4)
        await made.feed(session)
        made.clock.tick(61)
        session.fail(CameraClosed("x"))
        await made.until(lambda: len(made.retries) == 4)
        assert [failures for _, failures in made.retries] == [1, 2, 3, 1]


async def test_a_refused_login_is_remembered_and_nothing_is_tried(tmp_path: Path) -> None:
    """Neither time nor the other stream opens another session."""
    async with world(tmp_path, streams=2) as made:
        (await made.player.wait_for(1)).fail(CameraLoginRefused("x"))
        second = await made.player.wait_for(2)
        second.fail(CameraLoginRefused("x"))
        await made.until(lambda: len(made.retries) == 2)
        await made.clock.advance(3600)
        assert len(made.player.sessions) == 2
        (stored,) = await made.own.registry.cameras()
        assert stored.about.login_state is LoginState.REFUSED
        await made.has_told(("login_refused", "camera_login"))


@pytest.mark.parametrize("state", LoginState)
async def test_what_was_known_of_a_login_before_the_restart_is_known_to_its_gate(
    tmp_path: Path, state: LoginState
) -> None:
    """A refused one is not sent; a 401 for one that was accepted is no reason to give it up."""
    async with world(tmp_path, state=state) as made:
        session = await made.player.wait_for(1)
        assert made.gates == [FakeGate(Login("admin", Secret("Mat-khau 1")), state)]
        assert session.gate is made.gates[0]


async def test_the_certificate_a_camera_showed_is_remembered(tmp_path: Path) -> None:
    """With the first picture; another login begins without it."""
    async with world(tmp_path) as made:
        session, made.gates[0].pin = await made.player.wait_for(1), "ab" * 32
        await made.feed(session)
        await made.until(lambda: made.task.camera.about.tls_pin == "ab" * 32)
        assert CameraTask(made.task.camera, made.tools()).gate.pin == "ab" * 32
        made.task.relogin(await made.own.registry.set_login(made.task.camera.public_id, Login("a", Secret("b"))))
        assert made.task.gate.pin == ""


async def test_another_login_is_tried_at_once(tmp_path: Path) -> None:
    """A new gate, no waiting, and the state recovers."""
    async with world(tmp_path) as made:
        (await made.player.wait_for(1)).fail(CameraLoginRefused("x"))
        await made.until(lambda: len(made.retries) == 1)
        login = Login("admin", Secret("richtig"))
        made.task.relogin(await made.own.registry.set_login(made.task.camera.public_id, login))
        session = await made.player.wait_for(2)
        assert session.gate is made.gates[1]
        assert made.gates[1] == FakeGate(login, LoginState.UNTRIED)
        await made.feed(session)
        await made.until(lambda: made.task.state is State.UP)
        await made.until(lambda: made.task.camera.about.login_state is LoginState.ACCEPTED)
        assert await made.gaps() == [("login", False)]


async def test_another_login_replaces_what_plays_with_the_old_one(tmp_path: Path) -> None:
    """A working session ends, the new login is tried without a wait, and the hole says why."""
    async with world(tmp_path) as made:
        session = await made.player.wait_for(1)
        await made.feed(session)
        await made.until(lambda: made.task.state is State.UP)
        login = Login("admin", Secret("anders"))
        made.task.relogin(await made.own.registry.set_login(made.task.camera.public_id, login))
        other = await made.player.wait_for(2)
        assert other.gate is made.gates[1]
        assert made.retries == []
        other.fail(CameraLoginRefused("x"))
        await made.until(lambda: made.task.state is State.LOGIN_REFUSED)
        await made.clock.advance(3600)
        assert len(made.player.sessions) == 2
        assert await made.gaps() == [("login", True)]


async def test_a_late_refusal_of_the_old_login_does_not_touch_the_new_one(tmp_path: Path) -> None:
    """The password was changed while the wrong one was under way: the new one is tried at once, not marked refused."""
    async with world(tmp_path) as made:
        first = await made.player.wait_for(1)
        login = Login("admin", Secret("richtig"))
        made.task.relogin(await made.own.registry.set_login(made.task.camera.public_id, login))
        first.fail(CameraLoginRefused("x"))
        session = await made.player.wait_for(2)
        assert session.gate is made.gates[1]
        (stored,) = await made.own.registry.cameras()
        assert stored.about.login_state is LoginState.UNTRIED
        assert made.retries == []


async def test_the_main_stream_tries_the_login_first(tmp_path: Path) -> None:
    """The sub stream is opened only when the main stream plays."""
    async with world(tmp_path, streams=2) as made:
        first = await made.player.wait_for(1)
        await asyncio.sleep(0.05)
        assert [session.path for session in made.player.sessions] == ["/main"]
        first.sink.playing(None)
        second = await made.player.wait_for(2)
        assert second.path == "/sub?a=1"
        assert second.gate is first.gate


async def test_the_camera_is_up_when_its_main_stream_is(tmp_path: Path) -> None:
    """A sub stream that fails does not make the camera down; a refused login of either does."""
    async with world(tmp_path, streams=2) as made:
        first = await made.player.wait_for(1)
        await made.feed(first)
        second = await made.player.wait_for(2)
        second.fail(CameraClosed("x"))
        await made.until(lambda: made.task.streams[1].state is State.DOWN)
        await made.until(lambda: made.task.state is State.UP)
        await made.clock.advance(11)
        (await made.player.wait_for(3)).fail(CameraLoginRefused("x"))
        await made.until(lambda: made.task.state is State.LOGIN_REFUSED)


async def test_the_state_is_told_once_however_often_it_is_tried(tmp_path: Path) -> None:
    """Ten vain knocks are one event."""
    async with world(tmp_path) as made:
        made.answers = True
        for number in range(1, 6):
            (await made.player.wait_for(number)).fail(CameraUnreachable("x"))
            await made.until(lambda number=number: len(made.retries) == number)  # type: ignore[misc]  # bound early
            await made.clock.advance(3)
        await made.has_told(("down", "camera_unreachable"))
        assert await made.gaps() == [("network", True)]


async def test_a_clock_step_begins_a_new_run_in_the_same_session(tmp_path: Path) -> None:
    """At the next key frame, without a new connection."""
    async with world(tmp_path) as made:
        session = await made.player.wait_for(1)
        await made.feed(session)
        await made.until(lambda: made.main.run_number is not None)
        before = made.main.run_number
        await made.task.cut(GapCause.CLOCK)
        await made.feed(session, start=3)
        await made.until(lambda: made.main.run_number not in (None, before))
        assert len(made.player.sessions) == 1
        assert [run.id for run in made.footage.runs] == [before, made.main.run_number]


async def test_leaving_closes_the_run_and_opens_the_gap(tmp_path: Path) -> None:
    """When the task is cancelled everything is settled before it returns: `recorder_stopped`."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        made = World(own, clock)
        made.task = CameraTask(await own.registry.add(new_camera(streams=1)), made.tools())
        running = asyncio.create_task(made.task.run())
        await made.feed(await made.player.wait_for(1))
        await made.until(lambda: made.task.state is State.UP)
        running.cancel()
        await asyncio.wait([running])
        assert made.footage.ended == [(made.main.stream.id, GapCause.RECORDER_STOPPED)]
        assert await made.gaps() == [("recorder_stopped", True)]
        rows: list[Any] = await own.db.read(lambda db: db.execute("SELECT cause FROM run").fetchall())
        assert [row["cause"] for row in rows] == ["recorder_stopped"]


async def test_a_bug_in_a_player_costs_its_stream_a_pause_only(tmp_path: Path) -> None:
    """What is no CameraError is reported, accounted for, and the stream is opened again."""
    async with world(tmp_path) as made:
        session = await made.player.wait_for(1)
        await made.feed(session)
        await made.until(lambda: made.task.state is State.UP)
        session.over.set_exception(RuntimeError("a bug"))
        await made.until(lambda: len(made.faults) == 1)
        assert await made.gaps() == [("recorder_restart", True)]
        await made.clock.advance(2)
        await made.player.wait_for(2)
        made.faults.clear()
