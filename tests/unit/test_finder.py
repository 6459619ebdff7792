"""Searching for cameras that are away: when, and how often."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import CameraId, PublicId
from recorder.camera import State
from recorder.discovery import FoundCamera
from recorder.finder import Absences, Finder, FindRule, is_away
from recorder.registry import Camera
from tests.fakes.clock import FakeClock
from tests.fakes.recorder_box import RecorderBox, adopt, recorder_box
from tests.fakes.recording import new_camera, new_recorder

pytestmark = pytest.mark.anyio
RULE = FindRule(away_s=60, every_s=300, search_s=4)
SECOND_NS = 1_000_000_000
A, B = PublicId("a" * 16), PublicId("b" * 16)


@dataclass
class Task:
    """A running camera."""

    camera: Camera
    state: State = State.UP
    why: str = ""


class Running:
    """The running cameras."""

    def __init__(self, *cameras: Camera) -> None:
        self.tasks = [Task(camera) for camera in cameras]

    def all(self) -> Sequence[Task]:
        return self.tasks

    def lose(self, *numbers: int, state: State = State.DOWN, why: str = "camera_unreachable") -> None:
        for number in numbers:
            self.tasks[number].state, self.tasks[number].why = state, why


def adopted(number: int) -> Camera:
    return Camera(CameraId(number), PublicId(f"{number:016d}"), new_camera(number), (), 0)


class Search:
    """Finds nobody, and notes how often it was asked."""

    def __init__(self) -> None:
        self.asked = list[float]()

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)


async def after(seconds: float, running: Running, search: Search) -> None:
    """Let a finder run for a while."""
    clock = FakeClock()
    task = asyncio.create_task(Finder(running, search, clock, lambda: 0.5, RULE).run())
    await clock.advance(seconds)
    task.cancel()
    await asyncio.wait([task])


# when


@pytest.mark.parametrize(
    ("state", "why", "away"),
    [(State.DOWN, "camera_unreachable", True), (State.SWAPPED, "camera_swapped", True), (State.UP, "", False),
     (State.CONNECTING, "", False), (State.LOGIN_REFUSED, "camera_login", False), (State.SILENT, "camera_silent", False),
     (State.DOWN, "camera_closed", False), (State.DOWN, "camera_session_limit", False)],
)  # fmt: skip
def test_only_a_camera_out_of_reach_is_away(state: State, why: str, away: bool) -> None:
    """One that answers, however badly, is where it is."""
    assert is_away(state, why) is away


def test_a_reboot_is_waited_for() -> None:
    """Nobody searches before the time is over, and coming back begins it anew."""
    absences = Absences(RULE)
    assert absences.look([A], 0) == frozenset()
    assert absences.look([A], 59 * SECOND_NS) == frozenset()
    assert absences.look([], 60 * SECOND_NS) == frozenset()
    assert absences.look([A], 61 * SECOND_NS) == frozenset()
    assert absences.look([A, B], 121 * SECOND_NS) == {A, B}


@given(st.lists(st.tuples(st.integers(1, 90), st.sets(st.sampled_from((A, B)))), max_size=60), st.floats(0, 0.999))
def test_searches_are_rare(steps: list[tuple[int, set[PublicId]]], jitter: float) -> None:
    """Whoever comes and goes: two searches are at least three quarters of the interval apart."""
    absences, now_ns, searches = Absences(RULE), 0, list[int]()
    for seconds, away in steps:
        now_ns += seconds * SECOND_NS
        wanted = absences.look(away, now_ns)
        assert wanted <= away
        if wanted:
            absences.searched(now_ns, jitter)
            searches.append(now_ns)
    assert all(later - earlier >= 225 * SECOND_NS for earlier, later in itertools.pairwise(searches))


async def test_a_camera_that_is_away_starts_one_search() -> None:
    """After a minute, for as long as the configuration says."""
    running, search = Running(adopted(1), adopted(2)), Search()
    running.lose(0)
    await after(59, running, search)
    assert search.asked == []
    await after(120, running, search)
    assert search.asked == [4]


async def test_while_nobody_is_away_nobody_searches() -> None:
    """Not a packet."""
    search = Search()
    await after(3600, Running(adopted(1)), search)
    assert search.asked == []


async def test_a_camera_that_stays_away_is_searched_for_again_and_again() -> None:
    """Every five minutes, for as long as it takes."""
    running, search = Running(adopted(1)), Search()
    running.lose(0)
    await after(60 + 5 + 3 * 305, running, search)
    assert len(search.asked) == 4


# whom the search follows


async def addresses(box: RecorderBox) -> list[str]:
    return [row["address"] for row in (await box.call("camera.list"))["cameras"]]


async def test_all_channels_of_a_recorder_move_together(tmp_path: Path) -> None:
    """They are one device, found once; the search names its channels that are ours."""
    async with recorder_box(tmp_path) as box:
        box.learnable["10.0.0.1"] = new_recorder(3, streams=1)
        await box.call("adopt", address="10.0.0.1", port=80, username="admin", password="x")
        box.found = [FoundCamera("urn:uuid:1", "10.0.0.99", 8080, "", "")]
        (row,) = (await box.call("discover"))["found"]
        assert row["channels"] == [1, 2, 3]
        assert await addresses(box) == ["10.0.0.99"] * 3


async def test_cameras_that_exchanged_addresses_find_their_own(tmp_path: Path) -> None:
    """Each is where the other was, and neither answers at its own address."""
    async with recorder_box(tmp_path) as box:
        for number in (1, 2):
            await adopt(box, number, streams=1)
        box.found = [
            FoundCamera("urn:uuid:1", "10.0.0.2", 80, "", ""),
            FoundCamera("urn:uuid:2", "10.0.0.1", 80, "", ""),
        ]
        await box.call("discover")
        assert await addresses(box) == ["10.0.0.2", "10.0.0.1"]
