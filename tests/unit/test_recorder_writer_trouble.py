"""The writer in trouble: cameras that change, long GOPs, one bad file, one bad folder, a disk to be left."""

from __future__ import annotations

import errno
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.model import StreamId
from recorder.backlog import Backlog
from recorder.rows import FLAG_SUSPECT
from recorder.syncer import FdatasyncSyncer
from recorder.writer import VolumeWriter
from tests.fakes.disks import FaultyDisk, StepClock
from tests.fakes.footage import PLAIN, START_MS, Box, plain_unit, plain_units, run_of
from tests.fakes.waiting import wait_until
from tests.fakes.writers import ONE, SHORT, offer, writer_of


@pytest.mark.parametrize("gop_s", [10, 60])
def test_a_camera_with_long_gops_is_written_every_two_seconds(tmp_path: Path, gop_s: int) -> None:
    """Promise 2, long GOPs: no more than 2 s wait in memory, whatever the camera's key frame interval."""
    with Box(tmp_path) as box:
        with writer_of(box) as writer:
            writer.begin_run(run_of())
            for number in range(121):  # a minute
                writer.offer(ONE, plain_unit(number, gop=2 * gop_s))
            wait_until(lambda: writer.statistics().waiting_bytes == 0)
            (running,) = [*box.heard.closed, *writer.running()] if gop_s == 60 else writer.running()
            assert running.end_ms == START_MS + 60_000
            assert {gop.duration_90k for gop in running.table()} == {180_000}
            assert [gop.is_key for gop in running.table()] == [n % (gop_s // 2) == 0 for n in range(30)]
        assert box.heard.drops == []


def test_a_camera_that_changes_its_size_is_noticed_by_nobody_else(tmp_path: Path) -> None:
    """Promise 16: a new segment of that stream, without a hole; the other stream's file goes on."""
    wider = replace(PLAIN, sps=PLAIN.sps + b"\x01", width=1280, height=720)
    with Box(tmp_path) as box:
        with writer_of(box) as writer:
            for stream in (1, 2):
                writer.begin_run(run_of(stream, run=stream))
            for number in range(24):
                writer.offer(ONE, plain_unit(number, config=PLAIN if number < 12 else wider))
                writer.offer(StreamId(2), plain_unit(number))
        rows = sorted(box.heard.closed)
        assert [(row.stream, row.begin_ms - START_MS, row.duration_ms) for row in rows] == [
            (1, 0, 6_000),
            (1, 6_000, 6_000),
            (2, 0, 12_000),
        ]
        assert box.heard.drops == []


def test_a_file_that_fails_costs_nothing_when_the_next_one_works(tmp_path: Path) -> None:
    """Promise 7: a key frame that cannot be written goes into a new file at once."""
    with Box(tmp_path, files=FaultyDisk(tmp_path)) as box:
        disk = box.files
        assert isinstance(disk, FaultyDisk)
        done: list[int] = []

        def once(call: int, name: str) -> int:
            if name == "write" and disk.log.count("write") == 4 and not done:
                done.append(call)
                return errno.EIO
            return 0

        disk.fault = once
        with writer_of(box) as writer:
            offer(writer, plain_units(24))
        assert done
        assert [row.flags for row in box.heard.closed] == [FLAG_SUSPECT, 0]
        assert sum(row.duration_ms for row in box.heard.closed) == 12_000
        assert box.heard.drops == []


def test_one_bad_folder_does_not_stop_the_others(tmp_path: Path) -> None:
    """Promise 7: when the disk works and one stream's files do not, that stream alone loses footage."""
    with Box(tmp_path, files=FaultyDisk(tmp_path), encrypted=False) as box:
        disk = box.files
        assert isinstance(disk, FaultyDisk)
        create = disk.create

        def bad(path: str) -> int:
            if path.startswith("1/"):
                raise OSError(errno.EIO, "bad sector")
            return create(path)

        disk.create = bad  # type: ignore[method-assign]  # one folder fails, the disk does not
        with writer_of(box) as writer:
            for stream in (1, 2):
                offer(writer, plain_units(8), run_of(stream, run=stream))
        assert [(row.stream, row.duration_ms) for row in box.heard.closed] == [(2, 4_000)]
        assert {(drop[0], drop[3]) for drop in box.heard.drops} == {(1, "disk")}
        assert not writer.statistics().stuck


def test_a_writer_that_leaves_gives_the_rest_to_the_next(tmp_path: Path) -> None:
    """What a disk did not take waits in the backlog, and another writer stores it: nothing is lost."""
    with Box(tmp_path, files=FaultyDisk(tmp_path)) as box:
        disk, backlog = box.files, Backlog(1 << 20)
        assert isinstance(disk, FaultyDisk)
        disk.fault = lambda call, name: errno.ENODEV

        def writer() -> VolumeWriter:
            return VolumeWriter(
                disk, box.index, box.ring, box.heard, StepClock(), options=SHORT, syncer=FdatasyncSyncer(), backlog=backlog
            )  # fmt: skip

        first = writer()
        offer(first, plain_units(24))
        with first:
            wait_until(lambda: first.statistics().stuck)
            assert first.leave()
        assert box.heard.closed == []
        disk.fault = lambda call, name: 0
        with writer():
            pass
        assert sum(row.duration_ms for row in box.heard.closed) == 12_000
        assert box.heard.drops == []
