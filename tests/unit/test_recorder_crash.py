"""The crash order, proved call by call: whatever the instant, nothing lies and nothing is orphaned."""

from __future__ import annotations

import errno
import random
import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gateway.core.model import StreamId
from recorder.export import fragments, plan
from recorder.files import VolumeFiles
from recorder.fmp4 import rebase
from recorder.index import VolumeIndex, delete_segments
from recorder.keys import KeyRing
from recorder.recovery import recover, reindex
from recorder.rows import FLAG_MISSING, SegmentRow
from recorder.school import SchoolKey
from recorder.syncer import FdatasyncSyncer, Syncer, SyncfsSyncer
from recorder.writer import VolumeWriter, WriterOptions
from tests.fakes.disks import FaultyDisk, StepClock, dies_at, fails_at
from tests.fakes.footage import START_MS, Box, plain_units, run_of

STREAMS = (StreamId(1), StreamId(2))
UNITS = 28
"""14 s: GOPs of 2 s, segments of 4 s, so three closed segments and one that the end closes."""
FIRST_MS = START_MS + 3_594_000
"""6 s before an hour ends, so that a second folder and key are made on the way."""
OPTIONS = WriterOptions(segment_s=4, sync_s=6, stagger=False, retry_s=0.001)


class MortalIndex(VolumeIndex):
    """Dies with the disk: no row is added after the cut."""

    disk: FaultyDisk

    def add(self, rows: Sequence[SegmentRow]) -> None:
        if self.disk.fault(self.disk.calls + 1, "add"):
            raise sqlite3.OperationalError("disk I/O error")
        super().add(rows)


def world(root: Path, fault: Callable[[int, str], int], school: SchoolKey | None = None) -> tuple[Box, FaultyDisk]:
    """Return a box on a faulty disk."""
    root.mkdir(parents=True, exist_ok=True)
    disk = FaultyDisk(root, fault)
    box = Box(root, files=disk, school=school)
    box.index = MortalIndex(root / "index.db")
    box.index.disk = disk
    return box, disk


def record(box: Box, syncer: Syncer) -> VolumeWriter:
    """Offer everything, then let the writer work it off: the calls have one order."""
    writer = VolumeWriter(box.files, box.index, box.ring, box.heard, StepClock(), options=OPTIONS, syncer=syncer)
    for stream in STREAMS:
        writer.begin_run(run_of(stream, run=stream, start_ms=FIRST_MS))
    for unit in plain_units(UNITS):
        for stream in STREAMS:
            writer.offer(stream, unit)
    with writer:
        pass
    return writer


def payloads(files: VolumeFiles, ring: KeyRing | None, rows: list[SegmentRow]) -> list[bytes]:
    """Return every fragment of the rows, decrypted, without its number in the file."""
    return [
        b"".join(rebase(data, 0, gop.start_90k))
        for row in rows
        for clip in plan(files, [row])
        for piece in clip.pieces
        for gop, data in fragments(files, ring, piece)
    ]


def check_world(root: Path, school: SchoolKey, acknowledged: list[SegmentRow]) -> dict[StreamId, list[bytes]]:
    """Recover a tree and prove that index and files agree; return what plays, by stream."""
    files = VolumeFiles(root)
    ring = KeyRing(files, school)
    with VolumeIndex(root / "index.db") as index:
        report = recover(files, index, ring)
        assert report.missing == []
        assert report.damaged == []
        rows = list(index.all_rows())
        on_disk = sorted(str(path.relative_to(root)) for path in root.rglob("*.seg"))
        assert sorted(row.path for row in rows) == on_disk
        assert list(root.rglob("*.part")) == []
        assert not any(row.flags & FLAG_MISSING for row in rows)
        assert set(acknowledged) <= set(rows)
        again = reindex(files, index)
        assert (again.added, again.removed, again.changed, again.segments) == (0, 0, 0, len(rows))
        second = recover(files, index, ring)
        assert (second.adopted, second.garbage, second.removed_empty, second.cut_bytes) == ([], 0, 0, 0)
        played = {stream: payloads(files, ring, index.find(stream, 0, 2 * FIRST_MS)) for stream in STREAMS}
    files.close_root()
    return played


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, dict[StreamId, list[bytes]]]:
    """The number of calls of an undisturbed recording, and all its fragments."""
    root = tmp_path_factory.mktemp("whole") / "disk"
    box, disk = world(root, lambda number, name: 0)
    with box:
        record(box, FdatasyncSyncer())
        assert len(box.heard.closed) == 8
        calls = disk.calls
    return calls, check_world(root, box.school, box.heard.closed)


def test_the_undisturbed_recording_is_whole(whole: tuple[int, dict[StreamId, list[bytes]]]) -> None:
    """Seven GOPs a stream, in order: what the crashes below are compared with."""
    calls, played = whole
    assert calls > 80
    assert [len(played[stream]) for stream in STREAMS] == [7, 7]


@pytest.mark.parametrize("syncer", [FdatasyncSyncer(), SyncfsSyncer()], ids=["fdatasync", "syncfs"])
@pytest.mark.parametrize("rest", range(4))
def test_a_cut_at_any_call_leaves_a_true_index(
    tmp_path: Path, whole: tuple[int, dict[StreamId, list[bytes]]], syncer: Syncer, rest: int
) -> None:
    """For every call n: killed there, or the power cut there, rows and files agree and all of it plays.

    Three trees each: all that reached the kernel (kill), only what was synced (the worst cut), by dice.
    """
    calls, complete = whole
    for number in range(1 + rest, calls + 2, 4):
        root = tmp_path / str(number)
        box, disk = world(root, dies_at(number))
        with box:
            writer = record(box, syncer)
        acknowledged = box.heard.closed
        disk.after_cut(tmp_path / f"{number}-worst")
        disk.after_cut(tmp_path / f"{number}-dice", random.Random(number))
        written = writer.statistics().written_fragments
        for tree in (root, tmp_path / f"{number}-worst", tmp_path / f"{number}-dice"):
            played = check_world(tree, box.school, acknowledged)
            for stream in STREAMS:
                assert played[stream] == complete[stream][: len(played[stream])]
            if tree is root:
                assert sum(map(len, played.values())) == written


@pytest.mark.parametrize("code", [errno.EIO, errno.ENOSPC], ids=["EIO", "ENOSPC"])
@pytest.mark.parametrize("rest", range(4))
def test_one_failing_call_never_stops_the_recording(
    tmp_path: Path, whole: tuple[int, dict[StreamId, list[bytes]]], code: int, rest: int
) -> None:
    """For every call n that fails once: reported, at most one GOP of gap each (none when full), then on."""
    calls, complete = whole
    for number in range(1 + rest, calls + 1, 4):
        root = tmp_path / str(number)
        box, disk = world(root, lambda call, name: 0)
        with box:
            writer = VolumeWriter(
                box.files, box.index, box.ring, box.heard, StepClock(), options=OPTIONS, syncer=FdatasyncSyncer()
            )
            for stream in STREAMS:
                writer.begin_run(run_of(stream, run=stream, start_ms=FIRST_MS))
            for unit in plain_units(UNITS):
                for stream in STREAMS:
                    writer.offer(stream, unit)
            disk.fault = fails_at(number, code)
            with writer:
                deadline = time.monotonic() + 60
                while writer.statistics().waiting_bytes > 300 and time.monotonic() < deadline:
                    time.sleep(0.001)
        disk.fault = lambda call, name: 0
        played = check_world(root, box.school, box.heard.closed)
        lost = sum(map(len, complete.values())) - sum(map(len, played.values()))
        assert lost == sum((to_ms - from_ms) // 2000 for _, from_ms, to_ms, _ in box.heard.drops)
        assert lost <= (0 if code == errno.ENOSPC else 1)
        for stream in STREAMS:
            assert [data for data in complete[stream] if data in played[stream]] == played[stream]


@pytest.mark.parametrize("number", [35, 58, 77, 95])
def test_recovery_cut_at_any_call_is_recovered(tmp_path: Path, number: int) -> None:
    """The start after a crash may itself be cut anywhere: the next one still finds a true state."""
    root = tmp_path / "disk"
    box, disk = world(root, dies_at(number))
    with box:
        record(box, FdatasyncSyncer())
    for again in range(1, 40):
        tree = tmp_path / f"again-{again}"
        shutil.copytree(root, tree)
        later, disk = world(tree, dies_at(again), box.school)
        with later:
            over = True
            try:
                recover(later.files, later.index, later.ring)
            except (OSError, sqlite3.OperationalError):
                over = False
            acknowledged = list(later.index.all_rows())
        disk.after_cut(tmp_path / f"again-{again}-worst")
        check_world(tmp_path / f"again-{again}-worst", box.school, acknowledged)
        check_world(tree, box.school, acknowledged)
        if over:
            assert again > 4
            return
    pytest.fail("recovery never ended")


@pytest.mark.parametrize("rest", range(2))
def test_deletion_cut_at_any_call_is_finished_at_the_next_start(tmp_path: Path, rest: int) -> None:
    """Row, garbage, unlink, folder, drop: wherever it stops, the next start ends it and keys go with their hour."""
    probe, disk = world(tmp_path / "probe", lambda number, name: 0)
    with probe:
        record(probe, FdatasyncSyncer())
        before = disk.calls
        delete_segments(probe.index, probe.files, None, [row for row in probe.heard.closed if row.stream == 1])
        total = disk.calls - before
        assert not (tmp_path / "probe" / "1").exists() or list((tmp_path / "probe" / "1").iterdir()) == []
    for number in range(1 + rest, total + 1, 2):
        root = tmp_path / str(number)
        box, disk = world(root, lambda call, name: 0)
        with box:
            record(box, FdatasyncSyncer())
            victims = [row for row in box.heard.closed if row.stream == 1]
            disk.fault = dies_at(disk.calls + number)
            with pytest.raises(OSError, match="Input/output error"):
                delete_segments(box.index, box.files, None, victims)
        disk.after_cut(tmp_path / f"{number}-worst")
        for tree in (root, tmp_path / f"{number}-worst"):
            played = check_world(tree, box.school, [row for row in box.heard.closed if row.stream == 2])
            assert (played[StreamId(1)], len(played[StreamId(2)])) == ([], 7)
            assert list((tree / "1").rglob("key")) == []
