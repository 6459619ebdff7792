"""A real SIGKILL at random moments: at most the GOP in memory is lost, and nothing is left over."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.fakes.cutdisk import ROOT
from tests.fakes.footage import START_MS, school_key
from tests.fakes.lockstep import GOP_MS, LIFE_MS, lost_ms
from tests.fakes.proof import prove_start

pytestmark = [pytest.mark.system, pytest.mark.timeout(1200)]
KILLS_A_VOLUME = 5


@contextmanager
def recorders(*wrapper: str) -> Iterator[subprocess.Popen[str]]:
    """The process that makes recorders, below a wrapper such as strace."""
    command = [*wrapper, sys.executable, "-m", "tests.fakes.recording_child"]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield child
        finally:
            child.kill()


def life(child: subprocess.Popen[str], volume: Path, number: int, film_ms: int = 0, then_s: float = 0.0) -> int:
    """Let a recorder live until it has filmed so long and a moment more, or dies; return until when all was safe."""
    assert child.stdin is not None
    assert child.stdout is not None
    child.stdin.write(f"{volume} {number}\n")
    child.stdin.flush()
    said, pid, until_ms = [START_MS + number * LIFE_MS], 0, START_MS + number * LIFE_MS + film_ms
    for line in child.stdout:
        if line == "end\n":
            return said[-1]
        if len(line) < 13:
            pid = int(line)
        else:
            said.append(int(line))
        if pid and film_ms and said[-1] >= until_ms:
            time.sleep(then_s)
            os.kill(pid, signal.SIGKILL)
            film_ms = 0
    raise AssertionError("the recorders died")


def killed_again_and_again(tmp_path: Path, seed: int) -> None:
    dice, school = random.Random(seed), school_key(tmp_path / "keys")
    with recorders() as child:
        for number in range(KILLS_A_VOLUME):
            film_ms = dice.randrange(1, 60_000)
            safe_ms = life(child, tmp_path / "disk", number, film_ms, dice.random() * 0.01)
            start_ms = START_MS + number * LIFE_MS
            assert safe_ms >= start_ms + film_ms
            rows = prove_start(tmp_path / "disk", school, fresh=tmp_path / f"fresh-{number}.db")
            assert max(lost_ms(safe_ms, rows, start_ms).values()) <= GOP_MS


@pytest.mark.parametrize("seed", range(4))
def test_a_killed_recorder_loses_at_most_the_gop_in_memory(tmp_path: Path, seed: int) -> None:
    """Promise 2: five kills in a row on one volume, at any moment: at most a GOP a stream, every file plays.

    Index and files agree row by row, also an index made anew from the files; nothing is left over.
    """
    killed_again_and_again(tmp_path, seed)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(100, 140))
def test_two_hundred_kills(tmp_path: Path, seed: int) -> None:
    """Promise 2: the same with 200 kills."""
    killed_again_and_again(tmp_path, seed)


def below_strace(tmp_path: Path, inject: str, film_ms: int) -> None:
    """Let one recorder live below strace, which injects what happens at some system calls of its threads."""
    school, log = school_key(tmp_path / "keys"), tmp_path / "strace.log"
    with recorders("strace", "-f", "-qq", "--seccomp-bpf", "-o", str(log), "-e", inject) as child:
        safe_ms = life(child, tmp_path / "disk", 0, film_ms)
    assert ("(INJECTED)" if film_ms else "killed by SIGKILL") in log.read_text()
    rows = prove_start(tmp_path / "disk", school, fresh=tmp_path / "fresh.db")
    assert max(lost_ms(safe_ms, rows).values()) <= GOP_MS


@pytest.mark.parametrize(
    "inject",
    [
        "inject=fdatasync:signal=SIGKILL:when=9",
        "inject=/^pwritev:signal=SIGKILL:when=50",
        "inject=syncfs:signal=SIGKILL:when=3",
        "inject=/^rename:signal=SIGKILL:when=3",
    ],
)
def test_a_recorder_killed_at_a_system_call_loses_at_most_the_gop_in_memory(tmp_path: Path, inject: str) -> None:
    """Promises 1 and 2, crash order: SIGKILL at the n-th call of a kind, of whichever thread comes there first."""
    below_strace(tmp_path, inject, 0)


@pytest.mark.parametrize(
    "inject",
    [
        "inject=fdatasync:error=EIO:when=5+7",
        "inject=syncfs:error=EIO:when=2+3",
        "inject=/^pwritev:error=ENOSPC:when=20..25",
        "inject=/^pwritev:error=EIO:when=30+40",
        "inject=/^rename:error=EIO:when=2+3",
    ],
)
def test_a_recorder_whose_system_calls_fail_goes_on(tmp_path: Path, inject: str) -> None:
    """Promise 7: the kernel's EIO, again and again, and ENOSPC, from a real kernel: all files play afterwards."""
    below_strace(tmp_path, inject, 90_000)
