"""The writer thread: segments, rotation, drops, errors of the disk."""

from __future__ import annotations

import errno
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.clock import SystemClock
from gateway.core.errors import StorageError, VolumeFull
from gateway.core.media import CodecConfig
from gateway.core.model import StreamId
from recorder.index import VolumeIndex
from recorder.indexer import Indexer
from recorder.rows import FLAG_SUSPECT, SegmentRow
from recorder.writer import VolumeWriter, WriterOptions
from tests.fakes.disks import FaultyDisk
from tests.fakes.footage import PLAIN, START_MS, Box, plain_unit, plain_units, run_of
from tests.fakes.waiting import wait_until
from tests.fakes.writers import MINUTE, ONE, SHORT, offer, writer_of


def test_a_run_becomes_segments_of_a_minute_with_rows(tmp_path: Path) -> None:
    """150 s of footage become three closed segments, each with a row, without a hole between them."""
    with Box(tmp_path) as box:
        with VolumeWriter(box.files, box.index, box.ring, box.heard, SystemClock(), options=MINUTE) as writer:
            writer.begin_run(run_of(16))
            for unit in plain_units(300):
                assert writer.offer(StreamId(16), unit)
        rows = box.index.find(StreamId(16), START_MS, START_MS + 200_000)
        assert rows == box.heard.closed
        assert [row.duration_ms for row in rows] == [60_000, 60_000, 30_000]
        assert [row.begin_ms - START_MS for row in rows] == [0, 60_000, 120_000]
        assert [row.path for row in rows] == box.segment_files()
        assert sum(row.frames for row in rows) == 300
        assert box.heard.errors == []
        assert box.heard.drops == []
        assert writer.statistics().syncs == 0
        assert not writer.statistics().alive


def test_segments_of_many_streams_do_not_all_end_together(tmp_path: Path) -> None:
    """The first segment of a run is shorter by stream, between half a minute and a whole one."""
    with Box(tmp_path) as box:
        with writer_of(box, WriterOptions()) as writer:
            for stream in range(1, 17):
                offer(writer, plain_units(260), run_of(stream, run=stream))
        first = {row.stream: row.duration_ms for row in box.heard.closed if row.start_ms == START_MS}
        assert len(set(first.values())) > 8
        assert all(30_000 <= length <= 60_000 for length in first.values())
        later = [row.duration_ms for row in box.heard.closed if row.start_ms != START_MS]
        assert max(later) == 60_000


def test_the_end_of_a_run_closes_its_segment_at_once(tmp_path: Path) -> None:
    """Footage of a camera that went away is closed and indexed while the others go on."""
    with Box(tmp_path) as box, writer_of(box) as writer:
        offer(writer, plain_units(9))
        writer.end_run(ONE, "camera")
        wait_until(lambda: len(box.heard.closed) == 1)
        assert box.heard.closed[0].duration_ms == 4_500
        assert box.heard.closed[0].frames == 9
        assert writer.running() == []
        assert writer.last_end_ms(ONE) == START_MS + 4_500
        assert writer.last_end_ms(StreamId(2)) is None


def test_a_new_configuration_or_run_is_a_new_segment(tmp_path: Path) -> None:
    """One file has one run and one set of parameter sets."""
    other: CodecConfig = replace(PLAIN, epoch=2, pps=b"\x68other")
    with Box(tmp_path) as box:
        with writer_of(box) as writer:
            offer(
                writer,
                [replace(unit, config=other) if number >= 8 else unit for number, unit in enumerate(plain_units(12))],
            )
            offer(writer, plain_units(4), run_of(run=2, start_ms=START_MS + 30_000))
        assert [(row.run, row.duration_ms) for row in box.heard.closed] == [(1, 4_000), (1, 2_000), (2, 2_000)]
        assert len({row.config for row in box.heard.closed}) == 2


def test_a_hole_in_a_run_is_a_new_segment(tmp_path: Path) -> None:
    """Inside a segment there is no hole, so that the index shows every one."""
    units = [*plain_units(8), *(replace(plain_unit(number), pts_90k=(number + 60) * 45_000) for number in range(8, 12))]
    with Box(tmp_path) as box:
        with writer_of(box) as writer:
            offer(writer, units)
        assert [(row.begin_ms - START_MS, row.duration_ms) for row in box.heard.closed] == [(0, 4_000), (34_000, 2_000)]


def test_running_files_are_synced_every_few_seconds(tmp_path: Path) -> None:
    """Each sync covers all running files and, once, the folders of new ones."""
    with Box(tmp_path, files=FaultyDisk(tmp_path)) as box:
        with writer_of(box, WriterOptions(sync_s=8, stagger=False)) as writer:
            for stream in (1, 2):
                offer(writer, plain_units(40), run_of(stream, run=stream))
        assert isinstance(box.files, FaultyDisk)
        syncs = writer.statistics().syncs
        assert syncs >= 2
        log = " ".join(box.files.log)
        assert log.count("fdatasync fdatasync fsync_dir") >= 1
        assert box.files.log.count("fdatasync") >= 2 + 2 * syncs


def test_a_clear_volume_needs_no_keys(tmp_path: Path) -> None:
    """Encryption can be off: same files, no key file."""
    with Box(tmp_path, encrypted=False) as box:
        with writer_of(box) as writer:
            offer(writer, plain_units(8))
        assert len(box.heard.closed) == 1
        assert list(tmp_path.rglob("key")) == []
        (row,) = box.heard.closed
        assert b"\x65\0\0\0\0" in (tmp_path / row.path).read_bytes()


def test_an_encrypted_volume_shows_no_picture_bytes(tmp_path: Path) -> None:
    """No coded picture is readable in any file of the volume (the index has pages of zeros, and no pictures)."""
    with Box(tmp_path) as box:
        with writer_of(box) as writer:
            offer(writer, plain_units(8))
        key_frame = plain_unit(0).nals[0]  # all of it: five bytes turn up by chance
        files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith("index.db")]
        assert files
        assert not any(key_frame in path.read_bytes() for path in files)


def test_while_the_disk_is_full_the_newest_stays_in_memory(tmp_path: Path) -> None:
    """Full: told once, tried again, oldest dropped beyond the bound; room again: the rest is stored."""
    with Box(tmp_path, files=FaultyDisk(tmp_path)) as box:
        disk = box.files
        assert isinstance(disk, FaultyDisk)
        writer = writer_of(box, replace(SHORT, queue_bytes=3_000))
        disk.fault = lambda call, name: errno.ENOSPC if name == "write" else 0
        with writer:
            offer(writer, plain_units(12))
            wait_until(lambda: bool(box.heard.errors))
            for number in range(12, 80):
                writer.offer(ONE, plain_unit(number))
            wait_until(lambda: bool(box.heard.drops))
            assert [type(error) for error in box.heard.errors] == [VolumeFull]
            assert isinstance(writer.statistics().failing, VolumeFull)
            disk.fault = lambda call, name: 0
            wait_until(lambda: writer.statistics().waiting_bytes == 0)
            assert writer.statistics().failing is None
        stored = sum(row.duration_ms for row in box.heard.closed)
        dropped = sum(to_ms - from_ms for _, from_ms, to_ms, cause in box.heard.drops if cause == "disk")
        assert stored + dropped == 40_000
        assert box.heard.closed[-1].end_ms == START_MS + 40_000
        assert stored >= 3_000 // (4 * 65) * 2_000


def test_a_failed_sync_makes_the_segment_suspect_and_starts_another(tmp_path: Path) -> None:
    """EIO on fdatasync: the file is closed as suspect, told, and the next key frame opens a new one."""
    with Box(tmp_path, files=FaultyDisk(tmp_path)) as box:
        disk = box.files
        assert isinstance(disk, FaultyDisk)
        failed: list[int] = []

        def once(call: int, name: str) -> int:
            if name == "fdatasync" and not failed and "rename" not in disk.log and disk.log.count("write") > 4:
                failed.append(call)
                return errno.EIO
            return 0

        disk.fault = once
        with writer_of(box, WriterOptions(sync_s=8, stagger=False)) as writer:
            offer(writer, plain_units(80))
        assert failed
        assert [row.flags for row in box.heard.closed] == [FLAG_SUSPECT, 0]
        assert sum(row.duration_ms for row in box.heard.closed) == 40_000
        assert [error.fields["errno"] for error in box.heard.errors] == ["EIO"]
        assert list(box.index.all_rows()) == box.heard.closed


def test_a_dead_disk_is_a_gap_with_its_cause(tmp_path: Path) -> None:
    """Every GOP that cannot be stored is told once, with cause disk; the writer ends in peace."""
    with Box(tmp_path, files=FaultyDisk(tmp_path)) as box:
        disk = box.files
        assert isinstance(disk, FaultyDisk)
        disk.fault = lambda call, name: errno.EIO
        with writer_of(box) as writer:
            offer(writer, plain_units(16))
        assert [(drop[1] - START_MS, drop[3]) for drop in box.heard.drops] == [
            (0, "disk"),
            (2_000, "disk"),
            (4_000, "disk"),
            (6_000, "disk"),
        ]
        assert len(box.heard.errors) == 1
        assert writer.statistics().dropped_fragments == 4
        assert writer.finish()


def test_a_failed_start_of_a_long_gop_takes_its_parts_along(tmp_path: Path) -> None:
    """Parts of a GOP whose key frame was lost are dropped with the same cause, until the next key frame."""
    with Box(tmp_path, files=FaultyDisk(tmp_path)) as box:
        disk = box.files
        assert isinstance(disk, FaultyDisk)
        disk.fault = lambda call, name: errno.EIO if name == "create" and not box.heard.drops else 0
        with writer_of(box) as writer:
            disk.probe = lambda: None  # type: ignore[method-assign]  # the disk as a whole works
            offer(writer, plain_units(24, gop=12))
        assert [(drop[1] - START_MS, drop[3]) for drop in box.heard.drops] == [
            (0, "disk"),
            (2_000, "disk"),
            (4_000, "disk"),
        ]
        assert [row.begin_ms - START_MS for row in box.heard.closed] == [6_000]
        assert len(box.heard.closed[0].table()) == 3


def test_parameter_sets_that_cannot_be_stored_are_the_cameras_fault(tmp_path: Path) -> None:
    """A hostile camera costs its own footage only."""
    absurd = replace(PLAIN, sps=bytes(70_000))
    with Box(tmp_path) as box:
        with writer_of(box) as writer:
            offer(writer, [replace(unit, config=absurd) for unit in plain_units(4)])
            offer(writer, plain_units(4), run_of(2, run=2))
        assert [(drop[0], drop[3]) for drop in box.heard.drops] == [(1, "camera")]
        assert [row.stream for row in box.heard.closed] == [2]
        assert box.heard.errors == []


def test_a_stream_without_key_frames_is_cut_after_an_hour(tmp_path: Path) -> None:
    """The file is closed; what follows waits for a key frame, the gap's cause is the camera."""
    with Box(tmp_path, encrypted=False) as box:
        with writer_of(box) as writer:
            offer(writer, [plain_unit(number, gop=10_000, step_90k=180_000, size=1) for number in range(1_900)])
        (row,) = box.heard.closed
        assert row.duration_ms == 3_600_000
        assert {drop[3] for drop in box.heard.drops} == {"camera"}


def test_two_runs_with_one_name_do_not_overwrite(tmp_path: Path) -> None:
    """Should a start and run id ever repeat, the file that is there stays as it is."""
    with Box(tmp_path) as box:
        with writer_of(box) as writer:
            offer(writer, plain_units(4))
        before = (tmp_path / box.heard.closed[0].path).read_bytes()
        with writer_of(box) as writer:
            offer(writer, plain_units(8))
        assert (tmp_path / box.heard.closed[0].path).read_bytes() == before
        assert box.heard.errors[0].fields["errno"] == "EEXIST"
        assert [row.begin_ms - START_MS for row in box.heard.closed] == [0, 2_000]


class LockedIndex(VolumeIndex):
    """An index whose database is locked for a while."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.locked = threading.Event()
        self.tries = 0

    def add(self, rows: Sequence[SegmentRow]) -> None:
        self.tries += 1
        if self.locked.is_set():
            raise sqlite3.OperationalError("database is locked")
        super().add(rows)


def test_a_locked_index_never_holds_up_footage(tmp_path: Path) -> None:
    """Files are written and closed; their rows follow when the database answers again."""
    with Box(tmp_path) as box:
        box.index.close()
        box.index = index = LockedIndex(tmp_path / "index.db")
        index.open()
        index.locked.set()
        with writer_of(box, SHORT) as writer:
            offer(writer, plain_units(80))
            wait_until(lambda: writer.statistics().closed_segments >= 9 and bool(box.heard.errors) and index.tries > 2)
            assert box.heard.closed == []
            index.locked.clear()
            wait_until(lambda: len(box.heard.closed) >= 9)
        assert len(box.heard.errors) == 1
        assert [row.path for row in index.all_rows()] == box.segment_files()


def test_rows_that_find_no_database_are_left_to_the_next_start(tmp_path: Path) -> None:
    """At the end the indexer gives up and counts: the files are adopted later."""
    index, errors, added = LockedIndex(tmp_path / "index.db"), list[StorageError](), list[SegmentRow]()
    index.locked.set()
    indexer = Indexer(index, added.append, errors.append, retry_s=0.001)
    indexer.start()
    (tmp_path / "other").mkdir()
    with Box(tmp_path / "other") as box:
        with writer_of(box) as writer:
            offer(writer, plain_units(4))
        indexer.put(box.heard.closed[0])
    assert indexer.stop(60)
    assert (indexer.unindexed, len(errors), added) == (1, 1, [])


def test_a_writer_that_never_started_can_be_left(tmp_path: Path) -> None:
    """`finish` before `__enter__` is no error, and takes nothing more."""
    with Box(tmp_path) as box:
        writer = writer_of(box)
        assert writer.finish()
        offer(writer, plain_units(1))
        assert not writer.offer(ONE, plain_unit(1))
        assert not writer.statistics().alive


@pytest.mark.anyio
async def test_the_writer_can_be_owned_by_asynchronous_code(tmp_path: Path) -> None:
    """`async with` starts and stops the threads without blocking the loop."""
    with Box(tmp_path) as box:
        async with writer_of(box) as writer:
            offer(writer, plain_units(8))
        assert len(box.heard.closed) == 1
