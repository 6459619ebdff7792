"""Which process runs which files of tests."""

from __future__ import annotations

from collections import OrderedDict
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.lanes import HEAVY, Lanes, choose, lanes

FILES = st.lists(
    st.builds(str.__add__, st.sampled_from([*HEAVY, "tests/unit/", "tests/docs/"]), st.from_regex(r"[a-z]{1,6}", fullmatch=True)),
    unique=True,
    min_size=1,
)  # fmt: skip


@given(FILES, st.lists(st.booleans(), min_size=1, max_size=4))
def test_every_file_is_taken_once(files: list[str], turns: list[bool]) -> None:
    """Whoever asks in whatever order: nothing is lost, nothing comes twice."""
    waiting, taken = list(files), list[str]()
    while waiting:
        taken.append(choose(waiting, heavy_lane=turns[len(taken) % len(turns)]))
        waiting.remove(taken[-1])
    assert sorted(taken) == sorted(files)


@given(FILES)
def test_a_lane_takes_its_own_while_there_are_any(files: list[str]) -> None:
    """The heavy lane begins with the first heavy file, the others with the first light one, or the last heavy."""
    heavy = [file for file in files if file.startswith(HEAVY)]
    light = [file for file in files if not file.startswith(HEAVY)]
    assert choose(files, heavy_lane=True) == [*heavy, *light][0]
    assert choose(files, heavy_lane=False) == [*light, *reversed(heavy)][0]


@pytest.mark.parametrize(("workers", "expected"), [(1, 1), (2, 1), (3, 1), (4, 2), (8, 4)])
def test_one_lane_for_two_cores(workers: int, expected: int) -> None:
    """A single process runs everything."""
    assert lanes(workers) == expected


class _Node:
    """A process of xdist that keeps what it is told to run."""

    shutting_down = False
    gateway = SimpleNamespace(id="gw")

    def __init__(self) -> None:
        self.told: list[int] = []

    def send_runtest_some(self, indices: list[int]) -> None:
        self.told += indices

    def shutdown(self) -> None:
        self.shutting_down = True


def test_the_scheduler_keeps_the_lanes() -> None:
    """Two processes, two heavy and two light files: each begins with its own kind, all tests are given out once."""
    tests = [f"tests/{folder}/{n}.py::t{m}" for folder in ("browser", "unit") for n in range(2) for m in range(3)]
    option = SimpleNamespace(loadscopereorder=False)
    config: Any = SimpleNamespace(option=option, getvalue=lambda name: ["2*popen"] if name == "tx" else [])
    schedule, nodes = Lanes(config), [_Node(), _Node()]
    assert isinstance(schedule.workqueue, OrderedDict)
    for node in nodes:
        schedule.add_node(node)
        schedule.add_node_collection(node, tests)
    schedule.schedule()
    heavy, light = nodes
    assert {tests[n].split("/")[1] for n in heavy.told} == {"browser"}
    assert {tests[n].split("/")[1] for n in light.told} == {"unit"}
    while not schedule.tests_finished:
        for node in nodes:
            for n in list(node.told):
                if schedule.assigned_work[node].get(tests[n].split("::")[0], {}).get(tests[n]) is False:
                    schedule.mark_test_complete(node, n)
    assert sorted(heavy.told + light.told) == list(range(len(tests)))
