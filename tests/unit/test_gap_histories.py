"""Random lives of a camera with two streams: every second since its adoption is footage, or a gap with a cause."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.core.errors import CameraClosed, CameraError, CameraLoginRefused, CameraSilent, CameraUnreachable
from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import Login, Secret, StreamId
from recorder.budget import StartBudget
from recorder.camera import CameraTask, Tools
from recorder.cameras import Cameras
from recorder.gaps import Gap, GapCause, gaps_between
from recorder.losses import Losses
from recorder.reckoning import last_known
from recorder.runs import Run
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.recording import BOOT, Books, FakeGate, FakePlayer, books, new_camera

FRAME_S, GOP_FRAMES = 0.5, 4
FRAME_MS = 500
TOLERANCE_MS = FRAME_MS + 2
LATE_CUT_MS = 1_000 + GOP_FRAMES * FRAME_MS + TOLERANCE_MS
"""After a clock was set back: until the watch sees it and a key frame comes, pictures are dated by the old clock."""
CONFIG = CodecConfig(Codec.H264, b"\x67", b"\x68")


class Act(NamedTuple):
    """One thing that happens, and for how many seconds (of the clock, for `step`)."""

    what: str
    seconds: int


ERRORS: dict[str, CameraError] = {
    "dead": CameraUnreachable("x", reason="EHOSTUNREACH"),
    "rebooting": CameraUnreachable("x", reason="ECONNREFUSED"),
    "silent": CameraSilent("x"),
    "closed": CameraClosed("x"),
}
CAUSES = {
    "dead": "network", "rebooting": "camera", "silent": "camera", "closed": "camera", "login": "login",
    "disk": "disk", "overload": "overload", "power": "power", "kill": "recorder_restart", "stop": "recorder_stopped",
    "step": "clock",
}  # fmt: skip


class Wait(NamedTuple):
    """What the retry rule says."""

    kind: str
    seconds: float


@dataclass
class Kept:
    """The disk: per stream the pictures' times, and what is lost now. Lives on when the recorder dies."""

    walls_ms: dict[StreamId, list[int]] = field(default_factory=dict)
    gop_ms: dict[StreamId, list[int]] = field(default_factory=dict)
    losing: GapCause | None = None
    losses: Losses | None = None

    def begin_run(self, run: Run) -> None:
        self.flush(run.stream)

    def offer(self, stream: StreamId, unit: AccessUnit, wall_90k: int) -> None:
        if self.losing is not None:
            assert self.losses is not None
            self.losses.note(stream, wall_90k // 90, wall_90k // 90 + FRAME_MS, self.losing)
            return
        if unit.is_key:
            self.flush(stream)
        self.gop_ms.setdefault(stream, []).append(wall_90k // 90)

    def end_run(self, stream: StreamId, cause: GapCause) -> None:
        del cause
        self.flush(stream)

    def flush(self, stream: StreamId) -> None:
        self.walls_ms.setdefault(stream, []).extend(self.gop_ms.pop(stream, []))

    def dies(self, now_ms: int) -> dict[StreamId, int]:
        """Forget the pictures that were in memory; returns the end of each stream's footage up to now."""
        self.gop_ms.clear()
        past = {stream: [wall for wall in walls if wall < now_ms] for stream, walls in self.walls_ms.items()}
        return {stream: max(walls) + FRAME_MS for stream, walls in past.items() if walls}


class Life:
    """One run of the recorder, from its start to its end or death."""

    def __init__(self, own: Books, clock: FakeClock, kept: Kept) -> None:
        self.own, self.clock, self.kept = own, clock, kept
        self.player = FakePlayer()
        self.answers = True
        self.faults: list[BaseException] = []
        kept.losses = self.losses = Losses(clock, quiet_s=0)
        tools = Tools(
            clock=clock,
            player=self.player,
            make_gate=FakeGate,
            make_source=lambda spec: spec,
            retry=lambda error, failures, jitter: Wait("stop" if isinstance(error, CameraLoginRefused) else "knock", 2),
            knock=self._knock,
            jitter=lambda: 0.5,
            budget=StartBudget(clock, connects_per_s=2_000_000_000),
            footage=kept,
            runs=own.runs,
            ledger=own.ledger,
            journal=own.journal,
            registry=own.registry,
            on_fault=lambda _, error: self.faults.append(error),
        )
        self.cameras = Cameras(tools, None, self._set_offset)

    async def _set_offset(self, run: int, offset_ms: int) -> None:
        raise AssertionError("the clock was trusted all the time")

    async def _knock(self, host: str, port: int) -> bool:
        return self.answers

    @property
    def task(self) -> CameraTask:
        (task,) = self.cameras.all()
        return task

    async def settle(self) -> None:
        """Let tasks run and the database's thread come to rest."""
        for _ in range(4):
            await self.clock.settle()
            await self.own.db.write(lambda _: None)

    async def sessions(self) -> list[int]:
        """Return the numbers of the sessions that play, main before sub; waits for both."""
        for _ in range(100):
            found = [number for number, item in enumerate(self.player.sessions) if not item.over.done()]
            live = [number for number in found if not self.player.sessions[number].ended]
            if len(live) == 2:
                return live
            for number in live:
                self.player.sessions[number].sink.playing(None)
            await self.settle()
        raise AssertionError("the streams are not opened")

    async def play(self, seconds: float) -> None:
        """Deliver pictures in step with the clock, the first of them a key frame."""
        live = [self.player.sessions[number] for number in await self.sessions()]
        for number in range(round(seconds / FRAME_S)):
            for session in live:
                pts_90k = self.clock.mono_ns() * 9 // 100_000
                is_key = number % GOP_FRAMES == 0
                session.sink.unit(AccessUnit((b"\x65",), pts_90k, is_key, self.clock.mono_ns(), CONFIG))
            await self.settle()
            await self.clock.advance(FRAME_S)
        await self.settle()

    async def fail(self, error: CameraError, seconds: float) -> None:
        """End both sessions; the camera answers the knock again after some seconds."""
        live = await self.sessions()
        self.answers = False
        for number in live:
            self.player.sessions[number].fail(error)
        await self.settle()
        await self.clock.advance(seconds)
        await self.settle()
        self.answers = True
        await self.clock.advance(2.1)
        await self.settle()

    async def refuse(self, seconds: float) -> None:
        """Refuse the password; a person enters another one later."""
        for number in await self.sessions():
            self.player.sessions[number].fail(CameraLoginRefused("x"))
        await self.settle()
        await self.clock.advance(seconds)
        await self.cameras.relogin(self.task.camera.public_id, Login("admin", Secret(f"word {self.clock.mono_ns()}")))
        await self.settle()

    async def lose(self, seconds: float, cause: GapCause) -> None:
        """Play on while the disk takes nothing."""
        for stream in self.task.streams:
            self.kept.flush(stream.stream.id)
        self.kept.losing = cause
        await self.play(seconds)
        self.kept.losing = None
        streams = {item.stream.id: item.stream for item in self.task.streams}
        for loss in self.losses.take(everything=True):
            await self.own.ledger.add(streams[loss.stream], loss.start_ms, loss.end_ms, loss.cause)

    async def step(self, seconds: float) -> None:
        """Set the clock; the watch sees it within a second, the run is cut at the next key frame."""
        self.clock.step_wall(round(seconds * 1_000))
        await self.play(4)
        await self.play(2)


@asynccontextmanager
async def life(folder: Path, clock: FakeClock, kept: Kept, boot: str) -> AsyncIterator[Life]:
    """Start a recorder as `Recorder` does: books, the accounts of what happened meanwhile, cameras."""
    async with books(folder, clock, boot) as own:
        made = Life(own, clock, kept)
        ends = kept.dies(clock.now_ms())
        recording = await own.runs.unfinished()
        same = await own.runs.recover(ends)
        last = last_known(await own.registry.cameras(), ends, recording)
        await own.ledger.recover(last.items(), clock.now_ms(), same_boot=same, sure=True)
        async with made.cameras:
            yield made
        assert made.faults == []


@dataclass
class History:
    """All lives of a box, one after the other."""

    root: Path
    clock: FakeClock = field(default_factory=FakeClock)
    kept: Kept = field(default_factory=Kept)
    boots: int = 1
    deaths: int = 0

    @property
    def folder(self) -> Path:
        return self.root / str(self.deaths)

    @property
    def boot(self) -> str:
        return BOOT[:-3] + f"{self.boots:03}"

    async def live(self, acts: list[Act]) -> None:
        """Live through the acts; a death ends one life and begins the next."""
        rest = iter(acts)
        while True:
            async with life(self.folder, self.clock, self.kept, self.boot) as made:
                await made.play(2)
                act = await self._until_death(made, rest)
                ends, frozen = dict[StreamId, int](), dict[StreamId, list[int]]()
                if act is not None and act.what != "stop":
                    await made.settle()
                    shutil.copytree(self.folder, self.root / str(self.deaths + 1))
                    ends = self.kept.dies(self.clock.now_ms())
                    frozen = {stream: list(walls) for stream, walls in self.kept.walls_ms.items()}
            if act is None:
                return
            if act.what != "stop":  # what the tasks wrote when they were cancelled never happened
                self.deaths += 1
                self.kept.walls_ms = frozen
                assert self.kept.dies(self.clock.now_ms()) == ends
            self.boots += act.what == "power"
            self.clock.tick(act.seconds)

    @staticmethod
    async def _until_death(made: Life, rest: Iterator[Act]) -> Act | None:
        for act in rest:
            match act.what:
                case "kill" | "power" | "stop":
                    return act
                case "login":
                    await made.refuse(act.seconds)
                case "disk" | "overload":
                    await made.lose(act.seconds, GapCause(act.what))
                case "step":
                    await made.step(act.seconds)
                case what:
                    await made.fail(ERRORS[what], act.seconds)
            await made.play(3)
        return None

    async def gaps(self) -> dict[StreamId, tuple[Gap, ...]]:
        async with books(self.folder, self.clock, self.boot) as own:
            streams = [stream.id for camera in await own.registry.cameras() for stream in camera.streams]
            found = await own.db.read(lambda db: gaps_between(db, streams, 0, 10**15))
        return {stream: tuple(gap for gap in found if gap.stream == stream) for stream in streams}


def holes(covered: list[tuple[int, int]], start_ms: int, end_ms: int, tolerance_ms: int) -> list[tuple[int, int]]:
    """Return what of a span nothing covers, beyond the tolerance; what is yet to come counts for nothing."""
    at_ms, found = start_ms, []
    past = sorted(item for item in covered if item[0] < end_ms)
    for from_ms, to_ms in [*past, (end_ms, end_ms)]:
        if from_ms - at_ms > tolerance_ms:
            found.append((at_ms, from_ms))
        at_ms = max(at_ms, to_ms)
    return found


def lived(acts: list[Act]) -> tuple[History, dict[StreamId, tuple[Gap, ...]]]:
    """Live a history in a folder of its own."""

    async def run(root: Path) -> tuple[History, dict[StreamId, tuple[Gap, ...]]]:
        history = History(root)
        history.folder.mkdir()
        async with books(history.folder, history.clock, history.boot) as own:
            await own.registry.add(new_camera())
        await history.live(acts)
        return history, await history.gaps()

    with tempfile.TemporaryDirectory(prefix="vuon-histories-") as folder:
        return asyncio.run(run(Path(folder)))


def check(acts: list[Act]) -> dict[StreamId, tuple[Gap, ...]]:
    """Assert that footage and gaps tile the time since the adoption; returns the gaps."""
    history, gaps = lived(acts)
    now_ms, back = history.clock.now_ms(), any(act.what == "step" and act.seconds < 0 for act in acts)
    for stream, walls in history.kept.walls_ms.items():
        footage = [(wall, wall + FRAME_MS) for wall in walls]
        missing = [(gap.start_ms, now_ms if gap.end_ms is None else gap.end_ms) for gap in gaps[stream]]
        assert holes(footage + missing, NOON_MS, now_ms, LATE_CUT_MS if back else TOLERANCE_MS) == []
        assert all(from_ms <= to_ms for from_ms, to_ms in missing)
        assert all(one[1] <= other[0] + TOLERANCE_MS for one, other in itertools.pairwise(sorted(missing)))
        if not back:  # an hour that the clock went through twice holds what it held the first time, too
            inside = [
                wall for wall in walls for start, end in missing if start + TOLERANCE_MS < wall < end - TOLERANCE_MS
            ]
            assert inside == []
    return gaps


ACTS = st.builds(Act, st.sampled_from(sorted(set(CAUSES) - {"step"})), st.integers(1, 90)) | st.builds(
    Act, st.just("step"), st.sampled_from([-3_600, -3, 2, 3_600, 400 * 86_400])
)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(ACTS, min_size=1, max_size=5))
@example([Act("step", 3_600), Act("step", -3_600), Act("kill", 3)])
@example([Act("kill", 1), Act("power", 5), Act("dead", 20), Act("stop", 9)])
def test_every_second_since_the_adoption_is_footage_or_a_gap(acts: list[Act]) -> None:
    """Whatever happens, in whatever order, on both streams: nothing is unexplained, nothing is explained twice."""
    check(acts)


@pytest.mark.parametrize("what", sorted(CAUSES))
def test_each_kind_of_outage_has_its_own_cause(what: str) -> None:
    """37 seconds of it: a gap of 37 to 44 s on both streams, with that cause and no other."""
    for gaps in check([Act(what, 37)]).values():
        (gap,) = [item for item in gaps if item.cause is not GapCause.RECORDER_STOPPED or what == "stop"][:1]
        assert gap.cause.value == CAUSES[what]
        assert gap.end_ms is not None
        assert 36_500 <= gap.end_ms - gap.start_ms <= 44_000


def test_a_pause_ends_what_is_expected_and_opens_no_gap() -> None:
    """A camera that is taken away misses nothing from then on; its gap is closed."""

    async def run(root: Path) -> tuple[Gap, ...]:
        history = History(root)
        history.folder.mkdir()
        async with books(history.folder, history.clock, history.boot) as own:
            await own.registry.add(new_camera())
        async with life(history.folder, history.clock, history.kept, history.boot) as made:
            await made.play(4)
            main = made.task.streams[0].stream
            await made.fail(CameraClosed("x"), 10)
            await made.cameras.remove(main.camera)
            history.clock.tick(1_000)
            found: tuple[Gap, ...] = await made.own.db.read(lambda db: gaps_between(db, [main.id], 0, 10**15))
        return found

    with tempfile.TemporaryDirectory(prefix="vuon-histories-") as folder:
        found = asyncio.run(run(Path(folder)))
    assert all(gap.end_ms is not None and gap.end_ms <= NOON_MS + 60_000 for gap in found)
    assert {gap.cause for gap in found} <= {GapCause.CAMERA, GapCause.PAUSED}
