"""A real SIGKILL at random moments: at most the GOP in memory is lost, and nothing is left over."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from gateway.core.model import StreamId
from recorder.export import fragments, plan
from recorder.recovery import recover, reindex
from tests.fakes.footage import START_MS, Box
from tests.fakes.recording_child import STREAMS

pytestmark = pytest.mark.system
ROOT = Path(__file__).parents[2]


def run_and_kill(volume: Path, run: int, after_gops: int, then_s: float) -> int:
    """Start the recorder, kill it a moment after it has written so many GOPs; return how many it said."""
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.fakes.recording_child", str(volume), str(run)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child:
        while int(child.stdout.readline() or "-1") not in {after_gops, -1}:
            pass
        time.sleep(then_s)
        child.send_signal(signal.SIGKILL)
        said = [int(line) for line in child.stdout if line.endswith("\n")]
        assert child.wait(30) == -signal.SIGKILL
    return said[-1] if said else after_gops


def test_a_killed_recorder_loses_no_written_gop(tmp_path: Path) -> None:
    """Eight kills in a row on one volume: each GOP that was written plays, index and files agree, no orphan."""
    dice = random.Random(7)
    said: list[int] = []
    for run in range(8):
        said.append(run_and_kill(tmp_path, run, dice.randrange(1, 40), dice.random() * 0.01))
        with Box(tmp_path) as box:
            report = recover(box.files, box.index, box.ring)
            assert report.missing == []
            assert report.damaged == []
            rows = list(box.index.all_rows())
            assert sorted(row.path for row in rows) == box.segment_files()
            again = reindex(box.files, box.index)
            assert (again.added, again.removed, again.changed, again.segments) == (0, 0, 0, len(rows))
            for stream in range(1, STREAMS + 1):
                begin_ms = START_MS + run * 1_000_000
                found = box.index.find(StreamId(stream), begin_ms, begin_ms + 1_000_000)
                (clip,) = plan(box.files, found)
                played = [gop for piece in clip.pieces for gop, _ in fragments(box.files, box.ring, piece)]
                assert said[run] <= len(played) <= said[run] + 1
                assert clip.end_ms - clip.start_ms == len(played) * 2000
    assert sum(said) > 8
