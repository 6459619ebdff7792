"""Closing many segments, and what waits for a full disk."""

from __future__ import annotations

import errno
import threading
from pathlib import Path

import pytest

from gateway.core.clock import SystemClock
from gateway.core.model import StreamId
from recorder.syncer import SyncfsSyncer
from recorder.writer import VolumeWriter
from tests.fakes.disks import FaultyDisk, StepClock
from tests.fakes.footage import Box, plain_unit, plain_units, run_of
from tests.fakes.waiting import wait_until
from tests.fakes.writers import MINUTE, ONE, SHORT, offer, writer_of


@pytest.mark.parametrize("ends_first", [True, False])
def test_stopping_takes_a_few_syncs_however_many_segments_run(tmp_path: Path, ends_first: bool) -> None:
    """Records, footers and names of all of them get one sync each: a slow disk stops in time."""
    with Box(tmp_path, files=FaultyDisk(tmp_path), encrypted=False) as box:
        disk, busy = box.files, threading.Event()
        assert isinstance(disk, FaultyDisk)
        writer = VolumeWriter(disk, box.index, None, box.heard, SystemClock(), options=MINUTE, syncer=SyncfsSyncer())
        streams = [StreamId(number) for number in range(1, 33)]
        for stream in streams:
            offer(writer, plain_units(9), run_of(stream))
        with writer:
            wait_until(lambda: writer.statistics().written_fragments == 2 * len(streams))
            disk.log.clear()
            disk.fault = lambda _, name: int(name == "write" and not busy.wait(60))  # the disk is slow
            for number in range(9, 13):
                writer.offer(ONE, plain_unit(number))
            for stream in streams if ends_first else ():
                writer.end_run(stream, "recorder_stopped")
            busy.set()
            assert writer.finish()
        assert len(box.heard.closed) == len(streams)
        assert len([call for call in disk.log if call in {"syncfs", "fdatasync", "fsync_dir"}]) < 10


@pytest.mark.parametrize("step", ["syncfs", "write", "rename"])
@pytest.mark.parametrize("times", [1, 3])
def test_what_fails_while_all_close_is_closed_by_itself(tmp_path: Path, step: str, times: int) -> None:
    """Whichever step fails, of every file or of one: all files end up closed, with rows."""
    left = [times]

    def fault(_: int, name: str) -> int:
        if name != step or not left[0]:
            return 0
        left[0] -= 1
        return errno.EIO

    with Box(tmp_path, files=FaultyDisk(tmp_path), encrypted=False) as box:
        disk = box.files
        assert isinstance(disk, FaultyDisk)
        writer = VolumeWriter(disk, box.index, None, box.heard, StepClock(), options=SHORT, syncer=SyncfsSyncer())
        for stream in (1, 2, 3):
            offer(writer, plain_units(5), run_of(stream))
        with writer:
            wait_until(lambda: writer.statistics().written_fragments == 3)
            disk.fault = fault
    assert {row.stream for row in box.heard.closed} == {1, 2, 3}
    assert list(tmp_path.rglob("*.part")) == []
    assert left == [0]


def test_what_was_written_before_the_disk_was_full_is_synced_meanwhile(tmp_path: Path) -> None:
    """The power may go before there is room again."""
    with Box(tmp_path, files=FaultyDisk(tmp_path)) as box:
        disk = box.files
        assert isinstance(disk, FaultyDisk)
        writer = writer_of(box, SHORT)
        offer(writer, plain_units(9), run_of())
        with writer:
            wait_until(lambda: writer.statistics().written_fragments == 2)
            disk.fault = lambda call, name: errno.ENOSPC if name == "write" else 0
            syncs = writer.statistics().syncs
            for number in range(9, 20):
                writer.offer(ONE, plain_unit(number))
            wait_until(lambda: bool(box.heard.errors))
            wait_until(lambda: writer.statistics().syncs > syncs)
            disk.fault = lambda call, name: 0


def test_a_file_that_was_erased_before_it_could_be_closed_is_no_fault_for_ever(tmp_path: Path) -> None:
    """A full disk takes no name, the camera is erased: nothing is left to close, and the disk is well again."""
    with Box(tmp_path, files=FaultyDisk(tmp_path), encrypted=False) as box:
        disk = box.files
        assert isinstance(disk, FaultyDisk)
        with writer_of(box, SHORT) as writer:
            offer(writer, plain_units(5), run_of())
            wait_until(lambda: writer.statistics().written_fragments == 1)
            disk.fault = lambda _, name: errno.ENOSPC if name == "rename" else 0
            writer.end_run(ONE, "paused")
            wait_until(lambda: writer.statistics().unfinished_segments == 1)
            for path in tmp_path.rglob("*.part"):
                path.unlink()
            disk.fault = lambda _, name: 0
            wait_until(lambda: writer.statistics().unfinished_segments == 0)
            wait_until(lambda: writer.running() == [])
            offer(writer, plain_units(5), run_of(StreamId(2), run=2))
            wait_until(lambda: writer.statistics().failing is None)
