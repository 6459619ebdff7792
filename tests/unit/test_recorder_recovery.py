"""Start-up and reindexing: adopt, mark, finish, rebuild; with or without a key."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable
from pathlib import Path

import pytest

from gateway.core.clock import SystemClock
from gateway.core.media import AccessUnit
from gateway.core.model import RunId, StreamId
from recorder.export import fragments, plan
from recorder.files import VolumeFiles
from recorder.gop import RunInfo
from recorder.keys import KeyRing
from recorder.layout import KEY_NAME, hour_of
from recorder.recovery import RecoveryReport, recover, reindex
from recorder.rows import FLAG_MISSING, FLAG_RECOVERED, SegmentRow
from recorder.scan import read_head, scan
from recorder.school import SchoolKey
from recorder.segment import Sealer
from recorder.writer import VolumeWriter, WriterOptions
from tests.fakes.footage import START_MS, Box, plain_units, run_of
from tests.fakes.waiting import wait_until

ONE = StreamId(1)
OPTIONS = WriterOptions(segment_s=4, stagger=False)


def record(box: Box, units: Iterable[AccessUnit], run: RunInfo | None = None) -> list[SegmentRow]:
    """Record a run to its end; return its rows."""
    run, before = run or run_of(), len(box.heard.closed)
    with VolumeWriter(box.files, box.index, box.ring, box.heard, SystemClock(), options=OPTIONS) as writer:
        writer.begin_run(run)
        for unit in units:
            writer.offer(run.stream, unit)
    return box.heard.closed[before:]


def reopen_as_part(box: Box, row: SegmentRow, tail: bytes = b"", cut: int = 0) -> Path:
    """Turn a closed segment into what a crash leaves: no footer, a tail, the running name, no row."""
    path = box.root / row.path
    data = path.read_bytes()
    last = row.table()[-1]
    part = path.with_suffix(".part")
    part.write_bytes(data[: last.offset + last.record_bytes - cut] + tail)
    path.unlink()
    box.index.apply([row], [])
    return part


def again(box: Box, ring: KeyRing | None = None) -> RecoveryReport:
    """Recover; prove that doing it twice changes nothing, and that rows and files agree."""
    report = recover(box.files, box.index, ring or box.ring)
    second = recover(box.files, box.index, ring or box.ring)
    assert (second.adopted, second.missing, second.garbage, second.cut_bytes) == ([], [], 0, 0)
    assert [row.path for row in box.index.all_rows() if not row.flags & FLAG_MISSING] == box.segment_files()
    return report


def test_a_clean_volume_needs_nothing(tmp_path: Path) -> None:
    """After an orderly stop the start finds nothing to do; an empty volume neither."""
    with Box(tmp_path) as box:
        assert again(box) == RecoveryReport()
        record(box, plain_units(20))
        assert again(box) == RecoveryReport()


@pytest.mark.parametrize("tail", [b"", b"\0" * 500, b"VGOP" + b"\1" * 90])
def test_a_running_file_is_cut_closed_and_adopted(tmp_path: Path, tail: bytes) -> None:
    """The torn tail goes, the complete records stay, the row says that it was recovered."""
    with Box(tmp_path) as box:
        *_, row = record(box, plain_units(24))
        part = reopen_as_part(box, row, tail)
        report = again(box)
        (adopted,) = report.adopted
        assert report.cut_bytes == len(tail)
        assert not part.exists()
        assert adopted == row._replace(flags=FLAG_RECOVERED, size_bytes=adopted.size_bytes)
        assert (box.root / adopted.path).stat().st_size == adopted.size_bytes  # the footer is its end: found at once
        assert box.index.get(ONE, row.start_ms, row.run) == adopted


def test_a_torn_last_record_is_lost_alone(tmp_path: Path) -> None:
    """One missing byte costs one GOP, and its length is counted."""
    with Box(tmp_path) as box:
        *_, row = record(box, plain_units(24))
        reopen_as_part(box, row, cut=1)
        report = again(box)
        assert len(report.adopted[0].table()) == len(row.table()) - 1
        assert report.cut_bytes == row.table()[-1].record_bytes - 1
        assert (box.root / report.adopted[0].path).stat().st_size == report.adopted[0].size_bytes


def test_an_unlocked_box_authenticates_what_it_recovers(tmp_path: Path) -> None:
    """With the key at hand the new footer carries its MAC; without, it says so by having none."""
    for unlocked in (True, False):
        root = tmp_path / str(unlocked)
        root.mkdir()
        with Box(root) as box:
            (row,) = record(box, plain_units(8))
            reopen_as_part(box, row)
            school = box.school if unlocked else SchoolKey(box.school.recipients)
            (adopted,) = again(box, KeyRing(box.files, school)).adopted
            data = (root / adopted.path).read_bytes()
            found = scan(lambda length, at, data=data: data[at : at + length], len(data))  # type: ignore[misc]  # a default argument binds the loop's value
            assert found.footer is not None
            assert box.ring is not None
            key = box.ring.for_reading(hour_of(ONE, START_MS), found.head.header.key_id)
            assert Sealer(found.head.header, found.head.data, key.key).check_footer(found.footer) is unlocked
            (clip,) = plan(box.files, [adopted])
            assert len(list(fragments(box.files, box.ring, clip.pieces[0]))) == 2


def test_a_part_with_its_footer_is_only_renamed(tmp_path: Path) -> None:
    """The crash between footer and rename: nothing is rewritten."""
    with Box(tmp_path) as box:
        (row,) = record(box, plain_units(8))
        path = tmp_path / row.path
        before = path.read_bytes()
        path.rename(path.with_suffix(".part"))
        box.index.apply([row], [])
        assert again(box).adopted == [row]
        assert path.read_bytes() == before


@pytest.mark.parametrize("content", [b"", b"VUONSEG\x01", bytes(5000)])
def test_a_part_without_records_is_removed(tmp_path: Path, content: bytes) -> None:
    """Created and never written, or zeros where data never arrived: nothing to keep."""
    with Box(tmp_path) as box:
        (row,) = record(box, plain_units(8))
        part = (tmp_path / row.path).with_name(f"{START_MS + 9_000}-2.part")
        part.write_bytes(content)
        report = again(box)
        assert (report.removed_empty, report.damaged, part.exists()) == (1, [], False)


def test_a_part_with_a_rotten_head_is_kept_and_told(tmp_path: Path) -> None:
    """A big file whose head is unreadable may hold footage: it is not ours to delete."""
    with Box(tmp_path) as box:
        (row,) = record(box, plain_units(8, size=100_000))
        part = reopen_as_part(box, row)
        data = bytearray(part.read_bytes())
        data[30] ^= 1
        part.write_bytes(data)
        report = recover(box.files, box.index, box.ring)
        assert report.damaged == [str(part.relative_to(tmp_path))]
        assert part.exists()


def test_a_file_without_row_is_adopted(tmp_path: Path) -> None:
    """The crash between rename and row: the report says which footage it was."""
    with Box(tmp_path) as box:
        rows = record(box, plain_units(24))
        box.index.apply(rows[1:], [])
        assert again(box).adopted == rows[1:]


def test_a_row_without_file_is_marked(tmp_path: Path) -> None:
    """The row stays, flagged, so that the gap can be told; it comes back with the file by reindexing."""
    with Box(tmp_path) as box:
        rows = record(box, plain_units(24))
        away = tmp_path / "away"
        (tmp_path / rows[1].path).rename(away)
        assert again(box).missing == [rows[1]]
        assert box.index.spans(ONE, START_MS, START_MS + 60_000)[0].end_ms == rows[0].end_ms
        away.rename(tmp_path / rows[1].path)
        assert reindex(box.files, box.index).changed == 1
        assert list(box.index.all_rows()) == rows


def test_a_vanished_folder_is_noticed(tmp_path: Path) -> None:
    """The newest hour may be gone as a whole."""
    with Box(tmp_path) as box:
        rows = record(box, plain_units(8))
        (old,) = record(box, plain_units(4), run_of(run=2, start_ms=START_MS - 9 * 3_600_000))
        shutil.rmtree((tmp_path / rows[0].path).parent)
        assert again(box).missing == rows
        assert box.index.get(ONE, old.start_ms, old.run) == old


def test_only_the_newest_hours_are_looked_at(tmp_path: Path) -> None:
    """Start-up does not grow with the footage: an old file without row waits for `vuon reindex`."""
    with Box(tmp_path) as box:
        hours = [
            record(box, plain_units(4), run_of(run=run, start_ms=START_MS + run * 3_600_000)) for run in range(1, 6)
        ]
        box.index.apply([rows[0] for rows in hours], [])
        assert recover(box.files, box.index, box.ring).adopted == hours[3] + hours[4]
        found = reindex(box.files, box.index)
        assert (found.files, found.segments, found.added, found.removed) == (5, 5, 3, 0)
        assert list(box.index.all_rows()) == [row for rows in hours for row in rows]


def test_what_a_crash_left_long_ago_is_closed_by_reindexing(tmp_path: Path) -> None:
    """Promise 13: a running file of an old hour is no longer footage for ever unseen; the writer's own stay."""
    with Box(tmp_path) as box:
        (old,) = record(box, plain_units(8), run_of(run=1, start_ms=START_MS - 9 * 3_600_000))
        for hours in (1, 2):
            record(box, plain_units(4), run_of(run=1 + hours, start_ms=START_MS - hours * 3_600_000))
        path, part = tmp_path / old.path, (tmp_path / old.path).with_suffix(".part")
        path.rename(part)
        with part.open("r+b") as file:
            file.truncate(old.size_bytes - 150)
        box.index.apply([old], [])
        recover(box.files, box.index, box.ring)  # the start looks at the newest hours only
        assert part.exists()
        with VolumeWriter(box.files, box.index, box.ring, box.heard, SystemClock()) as writer:
            writer.begin_run(run_of(2, run=4))
            for unit in plain_units(9):
                writer.offer(StreamId(2), unit)
            wait_until(lambda: writer.statistics().written_fragments == 2)
            (running,) = writer.busy()
            report = reindex(box.files, box.index, ring=box.ring, busy=writer.busy)
            assert (report.closed, report.added, report.damaged) == (1, 1, [])
            assert (tmp_path / running).exists()
            assert not part.exists()
            row = box.index.get(ONE, old.start_ms, old.run)
            assert row is not None
            assert row.flags == FLAG_RECOVERED
            assert (old.duration_ms, row.duration_ms) == (4000, 2000)
        assert writer.busy() == frozenset()
        assert box.heard.closed[-1].stream == 2


def test_an_index_made_anew_equals_the_live_one(tmp_path: Path) -> None:
    """Delete index.db, reindex: the same rows, byte for byte, without any key."""
    with Box(tmp_path) as box:
        for stream in (1, 2, 3):
            record(box, plain_units(40), run_of(stream, run=stream, offset_ms=stream * 7))
        live = list(box.index.all_rows())
    for name in ("index.db", "index.db-wal", "index.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    for key in tmp_path.rglob(KEY_NAME):
        key.unlink()
    with Box(tmp_path) as box:
        report = reindex(box.files, box.index)
        assert (report.added, report.damaged) == (len(live), [])
        assert list(box.index.all_rows()) == live


def test_the_offsets_of_the_run_book_win(tmp_path: Path) -> None:
    """A clock corrected after the file was written is applied when files are read again."""
    with Box(tmp_path) as box:
        (row,) = record(box, plain_units(4), run_of(run=7, start_ms=60_000))
        box.index.apply([row], [])
        recover(box.files, box.index, box.ring, {RunId(7): START_MS})
        assert [item.begin_ms for item in box.index.all_rows()] == [START_MS + 60_000]
        assert reindex(box.files, box.index, {RunId(7): START_MS}).changed == 0
        assert reindex(box.files, box.index).changed == 1
        assert [item.begin_ms for item in box.index.all_rows()] == [60_000]


def test_damaged_files_are_counted_and_left(tmp_path: Path) -> None:
    """A rotten footer still gives the records; a rotten head is told by name; strangers are ignored."""
    with Box(tmp_path) as box:
        rows = record(box, plain_units(24))
        footer, head = (tmp_path / row.path for row in rows[:2])
        footer.write_bytes(footer.read_bytes()[:-3] + b"xyz")
        head.write_bytes(b"rotten" + head.read_bytes()[6:])
        (head.parent / "notes.txt").write_bytes(b"x")
        (head.parent / f"{START_MS + 99 * 3_600_000}-1.seg").write_bytes(b"not of this hour")
        (tmp_path / "lost+found").mkdir()
        report = reindex(box.files, box.index)
        assert report.damaged == [rows[1].path]
        assert (report.files, report.segments, report.changed, report.removed) == (3, 2, 1, 0)
        found = box.index.get(ONE, rows[0].start_ms, rows[0].run)
        assert found == rows[0]._replace(flags=FLAG_RECOVERED)
        assert box.index.get(ONE, rows[1].start_ms, rows[1].run) == rows[1]


def test_a_file_under_a_false_name_is_not_believed(tmp_path: Path) -> None:
    """A segment copied under another run's name does not become that run's footage."""
    with Box(tmp_path) as box:
        (row,) = record(box, plain_units(4))
        copy = (tmp_path / row.path).with_name(f"{row.start_ms}-99.seg")
        shutil.copy(tmp_path / row.path, copy)
        assert recover(box.files, box.index, box.ring).adopted == []
        assert reindex(box.files, box.index).added == 0
        assert read_head(lambda length, at: copy.read_bytes()[at : at + length]).header.run == 1


def test_reindexing_drops_rows_of_vanished_folders(tmp_path: Path) -> None:
    """Rows whose whole hour is gone go too; files of the running writer are left to it."""
    with Box(tmp_path) as box:
        rows = record(box, plain_units(8))
        with VolumeWriter(box.files, box.index, box.ring, box.heard, SystemClock()) as writer:
            writer.begin_run(run_of(2, run=2))
            for unit in plain_units(9):
                writer.offer(StreamId(2), unit)
            while writer.statistics().written_fragments < 2:
                pass
            shutil.rmtree(tmp_path / "1")
            report = reindex(box.files, box.index)
            assert (report.removed, report.files, report.added) == (len(rows), 0, 0)
        assert [row.stream for row in box.index.all_rows()] == [2]


class Sour(VolumeFiles):
    """A disk on which one file cannot be read."""

    def __init__(self, root: Path, bad: Path) -> None:
        super().__init__(root)
        self._bad = bad.stat().st_ino

    def read(self, fd: int, length: int, offset: int) -> bytes:
        if os.fstat(fd).st_ino == self._bad:
            raise OSError(errno.EIO, "bad sector")
        return super().read(fd, length, offset)


@pytest.mark.parametrize("part", [False, True], ids=["closed", "running"])
def test_a_file_on_a_bad_sector_costs_neither_the_disk_nor_the_index_of_the_others(tmp_path: Path, part: bool) -> None:
    """It is told and left; the start goes on, and what was lost of the index is made anew but for it."""
    with Box(tmp_path) as box:
        rows = record(box, plain_units(24))
        bad = reopen_as_part(box, rows[-1]) if part else box.root / rows[-1].path
        box.index.apply(rows, [])
        sour = Sour(box.root, bad)
        try:
            assert recover(sour, box.index, box.ring).damaged == [str(bad.relative_to(box.root))]
            box.index.apply(rows, [])
            report = reindex(sour, box.index, ring=box.ring, busy=list)
        finally:
            sour.close_root()
        assert report.damaged == [str(bad.relative_to(box.root))]
        assert list(box.index.all_rows()) == rows[:-1]
        assert bad.exists()
