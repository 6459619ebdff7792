"""Searching for cameras that are away: when, for whom, and what is followed."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import CameraId, PublicId
from recorder.adoption import FoundCamera
from recorder.camera import State
from recorder.finder import Absences, Finder, FindRule, is_away
from recorder.registry import Camera
from tests.fakes.clock import FakeClock
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
    """The running cameras; notes who was moved where."""

    def __init__(self, *cameras: Camera) -> None:
        self.tasks = [Task(camera) for camera in cameras]
        self.moved: list[tuple[PublicId, str, int]] = []

    def all(self) -> Sequence[Task]:
        return self.tasks

    async def move(self, camera: PublicId, address: str, port: int) -> None:
        self.moved.append((camera, address, port))
        for task in self.tasks:
            if task.camera.public_id == camera:
                task.camera = replace(task.camera, about=replace(task.camera.about, address=address))
                task.state, task.why = State.UP, ""

    def lose(self, *numbers: int, state: State = State.DOWN, why: str = "camera_unreachable") -> None:
        for number in numbers:
            self.tasks[number].state, self.tasks[number].why = state, why


def adopted(number: int) -> Camera:
    return Camera(CameraId(number), PublicId(f"{number:016d}"), new_camera(number), (), 0)


def found(number: int, address: str, *, reachable: bool = True) -> FoundCamera:
    marks = new_camera(number).identity
    return FoundCamera(marks.endpoint, address, 8080, "", "", marks.mac, reachable)


class Search:
    """Returns what the test says, and notes how often it was asked."""

    def __init__(self, *answers: FoundCamera) -> None:
        self.answers, self.asked = list(answers), list[float]()

    async def __call__(self, seconds: float) -> Sequence[FoundCamera]:
        self.asked.append(seconds)
        return self.answers


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


# whom


async def test_a_camera_that_moved_is_followed() -> None:
    """To the address where its marks are, once."""
    running, search = Running(adopted(1), adopted(2)), Search(found(1, "10.0.0.99"), found(2, "10.0.0.2"))
    running.lose(0)
    await after(120, running, search)
    assert running.moved == [(adopted(1).public_id, "10.0.0.99", 8080)]
    assert search.asked == [4]


async def test_all_channels_of_a_recorder_move_together() -> None:
    """They are one device."""
    channels = [Camera(CameraId(n), PublicId(f"{n:016d}"), new, (), 0) for n, new in enumerate(new_recorder(3).cameras)]
    running = Running(*channels)
    running.lose(0, 1, 2)
    await after(70, running, Search(found(1, "10.0.0.99")))
    assert {address for _, address, _ in running.moved} == {"10.0.0.99"}
    assert len(running.moved) == 3


async def test_cameras_that_exchanged_addresses_find_their_own() -> None:
    """Each sees a stranger at its address, and the stranger is the other."""
    running = Running(adopted(1), adopted(2))
    running.lose(0, 1, state=State.SWAPPED, why="camera_swapped")
    await after(70, running, Search(found(1, "10.0.0.2"), found(2, "10.0.0.1")))
    assert {(camera, address) for camera, address, _ in running.moved} == {
        (adopted(1).public_id, "10.0.0.2"),
        (adopted(2).public_id, "10.0.0.1"),
    }


@pytest.mark.parametrize("case", ["up", "stranger", "elsewhere", "same place", "marks differ"])
async def test_nobody_else_is_followed(case: str) -> None:
    """A camera that is up, a stranger, one on another network, one at its own address, half a match."""
    item = {
        "up": found(1, "10.0.0.99"),
        "stranger": found(9, "10.0.0.99"),
        "elsewhere": found(1, "192.168.1.64", reachable=False),
        "same place": found(1, "10.0.0.1"),
        "marks differ": replace(found(1, "10.0.0.99"), mac="02:ff:ff:ff:ff:ff"),
    }[case]
    running, search = Running(adopted(1), adopted(2)), Search(item)
    running.lose(1 if case == "up" else 0)
    await after(70, running, search)
    assert running.moved == []
    assert search.asked


async def test_while_nobody_is_away_nobody_searches() -> None:
    """Not a packet."""
    search = Search(found(1, "10.0.0.99"))
    await after(3600, Running(adopted(1)), search)
    assert search.asked == []


async def test_a_camera_that_stays_away_is_searched_for_again_and_again() -> None:
    """Every five minutes, for as long as it takes."""
    running, search = Running(adopted(1)), Search()
    running.lose(0)
    await after(60 + 5 + 3 * 305, running, search)
    assert len(search.asked) == 4
