"""What a process costs: CPU time of all its threads by the scheduler's own account, and its memory.

Owns the reading of /proc. Invariants: CPU is nanoseconds the scheduler gave a task (proc(5), schedstat), not
clock ticks; a thread that begins within the window counts from 0; one that ends within it counts up to
the last look, so look often (`Meter.look`, every half second); memory is summed over the given processes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

PROC = Path("/proc")


class TaskTime(NamedTuple):
    """One line of /proc/PID/task/TID/schedstat."""

    cpu_ns: int
    waited_ns: int
    """On a run queue without a CPU: how crowded the machine was."""
    turns: int


class Memory(NamedTuple):
    """Resident bytes; `pss` shares pages out among the processes that map them."""

    rss_bytes: int
    pss_bytes: int


class Used(NamedTuple):
    """What processes used in a window."""

    cpu_percent: float
    """Of one core."""
    waited_percent: float
    turns_per_s: float
    wall_s: float


def parse_schedstat(text: str) -> TaskTime:
    """Parse one schedstat line; ValueError if it is none."""
    cpu_ns, waited_ns, turns = (int(part) for part in text.split())
    return TaskTime(cpu_ns, waited_ns, turns)


def parse_smaps(text: str) -> Memory:
    """Parse /proc/PID/smaps_rollup; missing fields count 0 (kernel threads have none)."""
    found = {"Rss": 0, "Pss": 0}
    for line in text.splitlines():
        name, _, rest = line.partition(":")
        if name in found and rest.split():
            found[name] = int(rest.split()[0]) * 1024
    return Memory(found["Rss"], found["Pss"])


def task_times(pid: int, proc: Path = PROC) -> dict[int, TaskTime]:
    """Return the time of each thread of a process; empty when it is gone."""
    times: dict[int, TaskTime] = {}
    try:
        tasks = list((proc / str(pid) / "task").iterdir())
    except OSError:
        return times
    for task in tasks:
        try:
            times[int(task.name)] = parse_schedstat((task / "schedstat").read_text())
        except OSError:
            continue  # it ended between the two calls
    return times


def descendants(pid: int, proc: Path = PROC) -> list[int]:
    """Return the children of a process, and theirs."""
    found: list[int] = []
    for task in task_times(pid, proc):
        try:
            children = (proc / str(pid) / "task" / str(task) / "children").read_text()
        except OSError:
            continue
        for child in map(int, children.split()):
            found += [child, *descendants(child, proc)]
    return found


def memory_of(pids: Iterable[int], proc: Path = PROC) -> Memory:
    """Return the memory of processes, summed; those that are gone count nothing."""
    rss_bytes = pss_bytes = 0
    for pid in pids:
        try:
            one = parse_smaps((proc / str(pid) / "smaps_rollup").read_text())
        except OSError:
            continue
        rss_bytes, pss_bytes = rss_bytes + one.rss_bytes, pss_bytes + one.pss_bytes
    return Memory(rss_bytes, pss_bytes)


class Meter:
    """The CPU time of processes over a window: `look` at its start, now and then, and at its end."""

    def __init__(self, pids: Iterable[int], now_s: Callable[[], float], proc: Path = PROC) -> None:
        self._pids, self._now_s, self._proc = tuple(pids), now_s, proc
        self._first: dict[int, TaskTime] = {}
        self._last: dict[int, TaskTime] = {}
        self._began_s = self._ended_s = 0.0
        self._looks = 0

    def look(self) -> None:
        """Read all threads."""
        times = {task: time for pid in self._pids for task, time in task_times(pid, self._proc).items()}
        self._ended_s = self._now_s()
        if not self._looks:
            self._first, self._began_s = times, self._ended_s
        self._last.update(times)
        self._looks += 1

    def used(self) -> Used:
        """Return what was used between the first look and the last; ValueError without a window."""
        wall_s = self._ended_s - self._began_s
        if wall_s <= 0:
            raise ValueError("a window needs two looks")
        none = TaskTime(0, 0, 0)
        cpu_ns = waited_ns = turns = 0
        for task, last in self._last.items():
            first = self._first.get(task, none)
            cpu_ns += last.cpu_ns - first.cpu_ns
            waited_ns += last.waited_ns - first.waited_ns
            turns += last.turns - first.turns
        return Used(cpu_ns / wall_s / 1e7, waited_ns / wall_s / 1e7, turns / wall_s, wall_s)
