"""Reading CPU and memory of processes from /proc: against files that we wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.schedstat import Memory, Meter, TaskTime, descendants, memory_of, parse_schedstat, parse_smaps, task_times


class Proc:
    """A /proc of our own."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def task(self, pid: int, tid: int, cpu_ns: int, waited_ns: int = 0, turns: int = 0, children: str = "") -> None:
        folder = self.root / str(pid) / "task" / str(tid)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "schedstat").write_text(f"{cpu_ns} {waited_ns} {turns}\n")
        (folder / "children").write_text(children)

    def end(self, pid: int, tid: int) -> None:
        folder = self.root / str(pid) / "task" / str(tid)
        for path in folder.iterdir():
            path.unlink()
        folder.rmdir()

    def memory(self, pid: int, rss_kb: int, pss_kb: int) -> None:
        (self.root / str(pid)).mkdir(exist_ok=True)
        (self.root / str(pid) / "smaps_rollup").write_text(
            f"55d0-7ffe ---p 00000000 00:00 0  [rollup]\nRss: {rss_kb} kB\nPss: {pss_kb} kB\nPss_Anon: 7 kB\n"
        )


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def test_a_schedstat_line_is_cpu_wait_and_turns() -> None:
    """The kernel's three numbers, in nanoseconds and a count."""
    assert parse_schedstat("123456789 42 7\n") == TaskTime(123_456_789, 42, 7)


@pytest.mark.parametrize("text", ["", "1 2", "1 2 3 4", "a b c"])
def test_other_lines_are_refused(text: str) -> None:
    """A kernel without schedstats must not read as an idle process."""
    with pytest.raises(ValueError):
        parse_schedstat(text)


def test_memory_is_kilobytes_of_the_rollup() -> None:
    """Rss and Pss, not the lines that begin like them."""
    assert parse_smaps("Rss:  2048 kB\nPss:  1024 kB\nPss_Dirty: 9 kB\nShared_Clean: 8 kB\n") == Memory(
        2 << 20, 1 << 20
    )
    assert parse_smaps("") == Memory(0, 0)


def test_all_threads_of_all_processes_count(proc: Proc) -> None:
    """Two processes with three threads that ran 1 s, 0.5 s and 0.5 s of 10 s make 20 % of a core."""
    clock = Clock()
    for pid, tid in ((1, 1), (1, 2), (9, 9)):
        proc.task(pid, tid, 5_000_000_000)
    meter = Meter([1, 9], clock, proc.root)
    meter.look()
    proc.task(1, 1, 6_000_000_000, waited_ns=300_000_000, turns=50)
    proc.task(1, 2, 5_500_000_000)
    proc.task(9, 9, 5_500_000_000, turns=50)
    clock.now_s += 10
    meter.look()
    used = meter.used()
    assert used.cpu_percent == pytest.approx(20.0)
    assert used.waited_percent == pytest.approx(3.0)
    assert (used.turns_per_s, used.wall_s) == (10.0, 10.0)


def test_what_ran_before_the_window_is_not_counted(proc: Proc) -> None:
    """A process that did nothing in the window used nothing."""
    clock = Clock()
    proc.task(1, 1, 99_000_000_000)
    meter = Meter([1], clock, proc.root)
    meter.look()
    clock.now_s += 1
    meter.look()
    assert meter.used().cpu_percent == 0


def test_a_thread_that_begins_in_the_window_counts_from_its_start(proc: Proc) -> None:
    """Its whole time lies within."""
    clock = Clock()
    proc.task(1, 1, 0)
    meter = Meter([1], clock, proc.root)
    meter.look()
    proc.task(1, 2, 100_000_000)
    clock.now_s += 1
    meter.look()
    assert meter.used().cpu_percent == pytest.approx(10.0)


def test_a_thread_that_ends_in_the_window_counts_to_the_last_look(proc: Proc) -> None:
    """Work that was seen does not vanish with its thread."""
    clock = Clock()
    proc.task(1, 1, 0)
    proc.task(1, 2, 0)
    meter = Meter([1], clock, proc.root)
    meter.look()
    proc.task(1, 2, 400_000_000)
    clock.now_s += 1
    meter.look()
    proc.end(1, 2)
    clock.now_s += 1
    meter.look()
    assert meter.used().cpu_percent == pytest.approx(20.0)


def test_a_process_that_is_gone_has_no_threads(proc: Proc) -> None:
    """Neither times nor children nor memory, and no error."""
    assert task_times(77, proc.root) == {}
    assert descendants(77, proc.root) == []
    assert memory_of([77], proc.root) == Memory(0, 0)


def test_a_window_needs_two_looks(proc: Proc) -> None:
    """No figure comes out of an instant."""
    meter = Meter([1], Clock(), proc.root)
    meter.look()
    with pytest.raises(ValueError, match="two looks"):
        meter.used()


def test_children_are_found_at_any_depth(proc: Proc) -> None:
    """Children of any thread, and theirs."""
    proc.task(1, 1, 0, children="2 3 ")
    proc.task(1, 5, 0, children="6 ")
    proc.task(2, 2, 0)
    proc.task(3, 3, 0, children="4 ")
    proc.task(4, 4, 0)
    proc.task(6, 6, 0)
    assert sorted(descendants(1, proc.root)) == [2, 3, 4, 6]


def test_memory_is_summed(proc: Proc) -> None:
    """The daemon and its child."""
    proc.memory(1, 100, 60)
    proc.memory(2, 50, 20)
    assert memory_of([1, 2, 3], proc.root) == Memory(150 * 1024, 80 * 1024)
