"""Listening to cameras: last, gently, and as few rows as tell the story."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import CameraEvent, EventKind
from gateway.core.errors import (
    CameraBadReply,
    CameraError,
    CameraLocked,
    CameraLoginRefused,
    CameraOverloaded,
    CameraUnreachable,
    CameraUnsupported,
)
from gateway.core.model import Login, PublicId, new_public_id
from recorder.camera import State
from recorder.cameraevents import (
    AGAIN_S,
    DOUBTED_S,
    HOPELESS_S,
    LOOK_S,
    MOST_WAITING,
    UP_FOR_S,
    CameraEvents,
    Report,
    pause_s,
)
from recorder.episodes import MOST_SOURCES, QUIET_S, STALE_S, Episodes, Told
from recorder.host import Gate
from recorder.pins import PinKind
from recorder.registry import Camera
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.recording import Books, books, new_camera

pytestmark = pytest.mark.anyio
S = 1_000_000_000


class Door:
    """A gate that only is itself."""

    login: Login | None = None
    pin: str = ""

    def retire(self) -> None:
        """Nobody asks."""


@dataclass
class Running:
    """A camera task as far as it matters."""

    camera: Camera
    state: State = State.UP
    gate: Gate = field(default_factory=Door)


def motion(*, state: bool | None = True, kind: EventKind = EventKind.MOTION) -> CameraEvent:
    return CameraEvent("tns1:X", state, 0, 0, kind, "vs0")


@dataclass
class World:
    """Cameras, what they report, and the journal."""

    own: Books
    clock: FakeClock
    cameras: list[Running] = field(default_factory=list)
    reports: asyncio.Queue[CameraEvent | CameraError | RuntimeError] = field(default_factory=asyncio.Queue)
    began: int = 0
    ended: int = 0
    faults: list[BaseException] = field(default_factory=list)

    def listen(self, camera: Camera, gate: Gate) -> AsyncGenerator[Report, None]:
        return self._heard()

    async def _heard(self) -> AsyncGenerator[Report, None]:
        self.began += 1
        try:
            while True:
                item = await self.reports.get()
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            self.ended += 1

    async def told(self) -> list[tuple[str, str, int]]:
        rows = await self.own.journal.read(0, 1000)
        return [
            (row["data"]["kind"], row["data"]["state"], row["data"]["seconds"])
            for row in rows
            if row["type"] == "camera.reported.v1"
        ]

    async def until(self, check: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not check():  # noqa: ASYNC110 - real threads of the database are between
                await asyncio.sleep(0.002)

    async def has_told(self, *facts: tuple[str, str, int]) -> None:
        async with asyncio.timeout(20):
            while (found := await self.told()) != list(facts):
                assert found == list(facts)[: len(found)]

    async def pass_s(self, seconds: float) -> None:
        await self.clock.advance(seconds)


@asynccontextmanager
async def world(tmp_path: Path) -> AsyncIterator[tuple[World, CameraEvents]]:
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        made = World(own, clock)
        made.cameras.append(Running(await own.registry.add(new_camera())))
        events = CameraEvents(
            lambda: made.cameras, made.listen, own.journal, clock, lambda _, error: made.faults.append(error)
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(events.run)
            await clock.settle()
            yield made, events
            tasks.cancel_scope.cancel()


async def test_what_a_camera_reports_of_tampering_is_pinned_and_its_motion_is_not(tmp_path: Path) -> None:
    """At once when it begins, and to its end when that is sure."""
    pinned: list[tuple[str, str, int, int]] = []

    async def pin(camera: PublicId, kind: PinKind, start_ms: int, end_ms: int) -> None:
        pinned.append((camera, kind.value, start_ms - NOON_MS, end_ms - NOON_MS))

    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        events = CameraEvents(list, lambda camera, gate: None, own.journal, clock, lambda _, error: None, pin=pin)
        camera = new_public_id()
        await events._journal_all([Told(camera, "tamper", "on", 0), Told(camera, "motion", "on", 0)])
        clock.tick(200)
        await events._journal_all([Told(camera, "tamper", "off", 140), Told(camera, "input", "off", 0)])
    assert pinned == [
        (camera, "tamper", 0, 0),
        (camera, "tamper", 0, 200_000),
        (camera, "input", 190_000, 200_000),
    ]


async def test_a_camera_is_listened_to_once_its_video_has_been_up(tmp_path: Path) -> None:
    """Not before half a minute of video, and a break of the video begins the half minute anew."""
    async with world(tmp_path) as (made, _):
        await made.pass_s(UP_FOR_S - 2 * LOOK_S)
        made.cameras[0].state = State.DOWN
        await made.pass_s(LOOK_S)
        made.cameras[0].state = State.UP
        await made.pass_s(UP_FOR_S - LOOK_S)
        assert made.began == 0
        await made.pass_s(2 * LOOK_S)
        assert made.began == 1


async def test_a_motion_is_two_rows_however_often_it_is_reported(tmp_path: Path) -> None:
    """A busy room is one episode: its begin at once, its end when it has long been quiet, with its length."""
    async with world(tmp_path) as (made, _):
        await made.pass_s(UP_FOR_S + LOOK_S)
        for _ in range(30):
            made.reports.put_nowait(motion())
            made.reports.put_nowait(motion(state=False))
            await made.until(made.reports.empty)
            await made.pass_s(20)
        await made.has_told(("motion", "on", 0))
        await made.pass_s(QUIET_S["motion"] + 20)
        async with asyncio.timeout(20):
            while len(found := await made.told()) < 2:
                pass
        kind, state, seconds = found[1]
        assert (kind, state) == ("motion", "off")
        assert 560 <= seconds <= 620


async def test_what_nobody_acts_on_is_not_told(tmp_path: Path) -> None:
    """Events of other kinds, and ends of what never began, make no row; an input does."""
    async with world(tmp_path) as (made, _):
        await made.pass_s(UP_FOR_S + LOOK_S)
        for event in (motion(kind=EventKind.OTHER), motion(state=False), motion(kind=EventKind.INPUT, state=None)):
            made.reports.put_nowait(event)
        await made.has_told(("input", "on", 0))


async def test_a_removed_camera_and_another_login_end_the_listening(tmp_path: Path) -> None:
    """A camera that went is left alone and its open episode ends; another login is listened with anew."""
    async with world(tmp_path) as (made, _):
        await made.pass_s(UP_FOR_S + LOOK_S)
        made.reports.put_nowait(motion())
        await made.has_told(("motion", "on", 0))
        made.cameras[0].gate = Door()
        await made.pass_s(LOOK_S)
        await made.until(lambda: (made.began, made.ended) == (2, 1))
        await made.has_told(("motion", "on", 0), ("motion", "off", 0))
        made.cameras.clear()
        await made.pass_s(LOOK_S)
        await made.until(lambda: made.ended == 2)
        await made.pass_s(AGAIN_S)
        assert made.began == 2


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (CameraUnreachable("no"), AGAIN_S),
        (CameraBadReply("no"), AGAIN_S),
        (CameraOverloaded("no"), AGAIN_S),
        (CameraOverloaded("no", doubted=True), DOUBTED_S),
        (CameraLoginRefused("no"), HOPELESS_S),
        (CameraUnsupported("no"), HOPELESS_S),
        (CameraLocked("no", retry_after_s=1_800), 1_800.0),
        (CameraLocked("no", retry_after_s=5), AGAIN_S),
        (CameraLocked("no"), AGAIN_S),
    ],
)
async def test_after_an_error_it_is_left_alone(tmp_path: Path, error: CameraError, seconds: float) -> None:
    """Each error has its pause; nothing is asked meanwhile, and it is no fault of ours."""
    assert pause_s(error) == seconds
    if seconds != AGAIN_S:
        return
    async with world(tmp_path) as (made, _):
        await made.pass_s(UP_FOR_S + LOOK_S)
        made.reports.put_nowait(error)
        await made.until(lambda: made.ended == 1)
        await made.pass_s(seconds - 10)
        assert (made.began, made.faults) == (1, [])
        await made.pass_s(20)
        assert made.began == 2


async def test_a_bug_is_reported_and_listening_goes_on(tmp_path: Path) -> None:
    """An error that is no camera's is a fault, and the camera is listened to again."""
    async with world(tmp_path) as (made, _):
        await made.pass_s(UP_FOR_S + LOOK_S)
        made.reports.put_nowait(RuntimeError("bug"))
        await made.until(lambda: len(made.faults) == 1)
        await made.pass_s(AGAIN_S)
        assert made.began == 2


async def test_a_flood_is_dropped_and_counted(tmp_path: Path) -> None:
    """A camera that reports faster than rows can be written loses reports, not memory."""
    async with world(tmp_path) as (made, events):
        camera = made.cameras[0].camera.public_id
        for _ in range(MOST_WAITING + 50):
            events._offer(camera, motion())
        assert events.dropped == 50
        await made.has_told(("motion", "on", 0))


def test_something_that_never_ended_is_over_in_the_end() -> None:
    """A state that a camera forgot to take back ends after hours; one that it took back after the quiet time."""
    episodes = Episodes()
    assert episodes.report("c", "tamper", "vs0", True, 0) == Told("c", "tamper", "on", 0)
    assert episodes.ended(int((STALE_S - 1) * S)) == []
    assert episodes.ended(int(STALE_S * S)) == [Told("c", "tamper", "off", 0)]
    episodes.report("c", "tamper", "vs0", True, 0)
    assert episodes.report("c", "tamper", "vs0", False, 5 * S) is None
    assert episodes.ended(int((QUIET_S["tamper"] + 5) * S)) == [Told("c", "tamper", "off", 5)]


def test_the_number_of_things_watched_is_bounded() -> None:
    """A camera that invents a source with every report fills the table, not the memory."""
    episodes = Episodes()
    for number in range(MOST_SOURCES + 7):
        episodes.report("c", "motion", str(number), True, 0)
    assert episodes.unheard == 7
    assert len(episodes.forget("c")) == MOST_SOURCES


@given(
    st.lists(
        st.tuples(st.sampled_from("ab"), st.sampled_from(["motion", "input", "other"]), st.sampled_from([True, False, None]), st.integers(0, 2_000)),
        max_size=60,
    )
)  # fmt: skip
def test_rows_alternate(reports: list[tuple[str, str, bool | None, int]]) -> None:
    """Of one camera and kind there is never a second begin without an end between, nor an end without a begin."""
    episodes, now_s, told = Episodes(), 0, list[Told]()
    for camera, kind, state, later_s in reports:
        now_s += later_s
        told += episodes.ended(now_s * S)
        fact = episodes.report(camera, kind, "x", state, now_s * S)
        told += [fact] if fact else []
    told += episodes.forget("a") + episodes.forget("b")
    for camera in "ab":
        for kind in ("motion", "input"):
            states = [fact.state for fact in told if (fact.camera, fact.kind) == (camera, kind)]
            assert states == (["on", "off"] * len(states))[: len(states)]
            assert len(states) % 2 == 0
    assert all(fact.kind != "other" and fact.seconds >= 0 for fact in told)
