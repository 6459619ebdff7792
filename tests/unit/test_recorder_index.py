"""The index: spans, look-ups, sums, offsets, deletion in two phases."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.model import RunId, StreamId
from recorder.index import INDEX_NAME, VolumeIndex, delete_segments, finish_garbage
from recorder.keys import KeyRing
from recorder.layout import DAY_MS, Hour, hour_of
from recorder.rows import FLAG_MISSING, FLAG_SUSPECT, Gop, SegmentRow, Span, pack_gops
from tests.fakes.footage import START_MS, Box

ONE, TWO = StreamId(1), StreamId(2)
MINUTE = 60_000


def row(
    start_ms: int, *, stream: int = 1, run: int = 1, seconds: int = 60, offset_ms: int = 0, size: int = 1000
) -> SegmentRow:
    """Return a row of 2 s GOPs."""
    count = max(1, seconds // 2)
    gops = [Gop(90 + place * 30, 30, (start_ms + place * 2000) * 90, 180_000, is_key=True) for place in range(count)]
    blob = pack_gops(start_ms, gops)
    return SegmentRow(StreamId(stream), RunId(run), start_ms, offset_ms, count * 2000, size, count * 30, 7, 0, blob)


@pytest.fixture
def index(tmp_path: Path) -> Iterator[VolumeIndex]:
    """An empty index."""
    with VolumeIndex(tmp_path / INDEX_NAME) as opened:
        yield opened


def test_rows_come_back_as_they_went_in(index: VolumeIndex) -> None:
    """Every field, and the table of GOPs with it."""
    rows = [row(START_MS, offset_ms=-5, size=77), row(START_MS + MINUTE, run=2)]
    index.add(rows)
    assert list(index.all_rows()) == rows
    assert index.get(ONE, START_MS, RunId(1)) == rows[0]
    assert index.get(ONE, START_MS, RunId(2)) is None
    assert len(rows[0].table()) == 30


def test_a_look_up_by_time_finds_what_overlaps(index: VolumeIndex) -> None:
    """Half open: what ends at the start, or starts at the end, is outside; other streams are other streams."""
    rows = [row(START_MS + number * MINUTE) for number in range(10)]
    index.add([*rows, row(START_MS, stream=2)])
    assert index.find(ONE, START_MS + MINUTE, START_MS + 3 * MINUTE) == rows[1:3]
    assert index.find(ONE, START_MS + MINUTE - 1, START_MS + MINUTE + 1) == rows[0:2]
    assert index.find(ONE, START_MS - 9, START_MS) == []
    assert index.newest(ONE) == rows[-1]
    assert index.newest(StreamId(9)) is None


def test_a_long_segment_is_found_by_its_end(index: VolumeIndex) -> None:
    """A segment of an hour is found when only its last second is asked for."""
    long = row(START_MS, seconds=7200)
    index.add([long])
    assert index.find(ONE, long.end_ms - 1, long.end_ms + 9) == [long]


def test_an_instant_is_located_to_its_gop(index: VolumeIndex) -> None:
    """The GOP that shows it, else the first after it; files that are missing are not offered."""
    first, second = row(START_MS), row(START_MS + 5 * MINUTE, offset_ms=50)
    index.add([first, second])
    place = index.locate(ONE, START_MS + 3_999)
    assert place is not None
    assert (place.row, place.gop) == (first, first.table()[1])
    after_gap = index.locate(ONE, START_MS + 2 * MINUTE)
    assert after_gap is not None
    assert (after_gap.row, after_gap.gop) == (second, second.table()[0])
    assert index.locate(ONE, START_MS + 5 * MINUTE + 2_049) == (second, second.table()[0])
    assert index.locate(ONE, START_MS + 5 * MINUTE + 2_050) == (second, second.table()[1])
    assert index.locate(ONE, START_MS + 6 * MINUTE + 50) is None
    index.set_flags([first], FLAG_MISSING)
    assert index.locate(ONE, START_MS) == after_gap


def test_spans_leave_out_what_is_missing(index: VolumeIndex) -> None:
    """A timeline shows what can be played."""
    rows = [row(START_MS + number * MINUTE) for number in range(4)]
    index.add(rows)
    index.set_flags(rows[1:2], FLAG_MISSING)
    assert index.spans(ONE, START_MS, START_MS + DAY_MS) == [
        Span(START_MS, START_MS + MINUTE, RunId(1)),
        Span(START_MS + 2 * MINUTE, START_MS + 4 * MINUTE, RunId(1)),
    ]


def test_a_file_added_twice_is_one_row(index: VolumeIndex) -> None:
    """Adopting what is known already changes no sum."""
    index.add([row(START_MS, size=10)])
    index.add([row(START_MS, size=20)])
    assert index.totals() == {ONE: 20}
    assert [(day.segments, day.size_bytes, day.recorded_ms) for day in index.days()] == [(1, 20, MINUTE)]


def test_a_corrected_clock_moves_a_run(index: VolumeIndex) -> None:
    """Rows of a run follow its offset; sums follow to the right day; other runs stay."""
    index.add([row(60_000, run=5), row(120_000, run=5), row(60_000, run=6)])
    assert index.set_offset(RunId(5), START_MS) == 2
    assert [item.begin_ms for item in index.find(ONE, START_MS, START_MS + DAY_MS)] == [
        START_MS + 60_000,
        START_MS + 120_000,
    ]
    assert [(day.day, day.segments) for day in index.days(ONE)] == [(0, 1), (START_MS // DAY_MS, 2)]
    assert index.set_offset(RunId(5), 0) == 2
    assert [(day.day, day.segments) for day in index.days(ONE)] == [(0, 3)]


def test_the_oldest_rows_come_first(index: VolumeIndex) -> None:
    """Of one stream or all, up to a limit, before a time: what retention asks."""
    rows = [row(START_MS + number * MINUTE, stream=1 + number % 2) for number in range(6)]
    index.add(rows)
    assert index.oldest(3) == rows[:3]
    assert index.oldest(9, stream=TWO) == rows[1::2]
    assert index.oldest(9, before_ms=START_MS + 2 * MINUTE) == rows[:2]
    assert index.oldest(9, stream=ONE, before_ms=START_MS + 2 * MINUTE - 1) == rows[:1]


def test_hours_are_folders(index: VolumeIndex) -> None:
    """Rows are grouped by the folder their file lies in: uncorrected start."""
    rows = [row(START_MS - 1, offset_ms=DAY_MS), row(START_MS), row(START_MS, stream=2)]
    index.add(rows)
    assert index.hours() == [hour_of(item.stream, item.start_ms) for item in rows]
    assert index.in_hour(Hour(ONE, START_MS // 3_600_000)) == rows[1:2]


def test_flags_add_up(index: VolumeIndex) -> None:
    """Marking a row missing keeps that it was suspect."""
    item = row(START_MS)
    index.add([item._replace(flags=FLAG_SUSPECT)])
    index.set_flags([item], FLAG_MISSING)
    found = index.get(ONE, START_MS, RunId(1))
    assert found is not None
    assert found.flags == FLAG_MISSING | FLAG_SUSPECT


@pytest.mark.parametrize(
    "bad",
    [
        row(START_MS)._replace(size_bytes=0),
        row(START_MS)._replace(duration_ms=7_200_001),
        row(START_MS)._replace(duration_ms=-1),
        row(START_MS)._replace(flags=8),
        row(START_MS)._replace(stream=StreamId(0)),
    ],
)
def test_the_schema_refuses_nonsense(index: VolumeIndex, bad: SegmentRow) -> None:
    """A bug elsewhere cannot put an impossible row into the index, nor half of a batch."""
    with pytest.raises(sqlite3.IntegrityError):
        index.add([row(START_MS + MINUTE), bad])
    assert list(index.all_rows()) == []


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["add", "condemn", "offset", "apply"]),
            st.integers(0, 5),
            st.integers(1, 3),
            st.integers(1, 9),
        ),
        max_size=12,
    )
)
def test_the_sums_are_always_those_of_the_rows(steps: list[tuple[str, int, int, int]]) -> None:
    """After any sequence of changes stream_day equals what adding up the rows gives."""
    with tempfile.TemporaryDirectory() as folder, VolumeIndex(Path(folder) / INDEX_NAME) as opened:
        for what, minute, run, size in steps:
            item = row(START_MS + minute * 7 * 3_600_000, run=run, size=size)
            if what == "add":
                opened.add([item])
            elif what == "condemn":
                opened.condemn([item])
            elif what == "offset":
                opened.set_offset(RunId(run), size * DAY_MS // 4)
            else:
                opened.apply([item], [row(START_MS, run=run, size=size + 10)])
        sums: dict[int, tuple[int, int, int]] = {}
        for item in opened.all_rows():
            day = item.begin_ms // DAY_MS
            count, size, length = sums.get(day, (0, 0, 0))
            sums[day] = (count + 1, size + item.size_bytes, length + item.duration_ms)
        assert {day.day: (day.segments, day.size_bytes, day.recorded_ms) for day in opened.days()} == sums


def place(box: Box, item: SegmentRow) -> Path:
    """Put a file where a row says it is."""
    path = box.root / item.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    return path


def test_deletion_removes_row_file_key_and_folders(tmp_path: Path) -> None:
    """The last segment of an hour takes the key and the empty folders with it; others stay."""
    with Box(tmp_path) as box:
        assert box.ring is not None
        rows = [row(START_MS), row(START_MS + MINUTE), row(START_MS + 60 * MINUTE)]
        for item in rows[:2]:
            box.ring.for_writing(hour_of(ONE, item.start_ms))
        box.ring.for_writing(hour_of(ONE, rows[2].start_ms))
        paths = [place(box, item) for item in rows]
        box.index.add(rows)
        assert delete_segments(box.index, box.files, box.ring, rows[:1]) == 1000
        assert [path.exists() for path in paths] == [False, True, True]
        assert (paths[0].parent / "key").exists()
        assert delete_segments(box.index, box.files, box.ring, rows[1:2]) == 1000
        assert not paths[0].parent.exists()
        assert paths[2].exists()
        assert list(box.index.all_rows()) == rows[2:]
        assert box.index.garbage() == []


def test_the_hour_that_is_written_to_keeps_its_key(tmp_path: Path) -> None:
    """Deleting all segments of the current hour must not take the key away from the running one."""
    with Box(tmp_path) as box:
        assert box.ring is not None
        item = row(START_MS)
        key = box.ring.for_writing(hour_of(ONE, START_MS))
        path = place(box, item)
        box.index.add([item])
        delete_segments(box.index, box.files, box.ring, [item])
        assert not path.exists()
        assert KeyRing(box.files, box.school).for_reading(hour_of(ONE, START_MS), key.id) == key


def test_deletion_of_what_is_gone_is_no_error(tmp_path: Path) -> None:
    """A file or folder that vanished meanwhile is deleted already; a missing file frees nothing."""
    with Box(tmp_path, encrypted=False) as box:
        rows = [row(START_MS), row(START_MS + 60 * MINUTE)._replace(flags=FLAG_MISSING)]
        place(box, rows[0]).unlink()
        box.index.add(rows)
        assert delete_segments(box.index, box.files, None, rows) == 1000
        assert list(box.index.all_rows()) == []
        assert box.index.garbage() == []
        assert finish_garbage(box.index, box.files, None) == 0


def test_many_segments_are_deleted_in_batches(tmp_path: Path) -> None:
    """Five hundred rows: all gone, over many hours, other days untouched."""
    with Box(tmp_path, encrypted=False) as box:
        rows = [row(START_MS + number * 7 * MINUTE) for number in range(500)]
        for item in rows:
            place(box, item)
        box.index.add(rows)
        assert delete_segments(box.index, box.files, None, rows[:450]) == 450_000
        assert box.segment_files() == sorted(item.path for item in rows[450:])
        assert sum(day.segments for day in box.index.days()) == 50


def test_the_index_of_a_day_of_a_school_answers_at_once(index: VolumeIndex) -> None:
    """A look-up by time uses an index of the table, whatever the number of rows."""
    query = (
        "SELECT * FROM segment WHERE stream = 1 AND begin_ms > 5 AND begin_ms < 9 AND end_ms > 7 ORDER BY begin_ms, run"
    )
    plan = index.database.read_sync(lambda db: " ".join(item[3] for item in db.execute(f"EXPLAIN QUERY PLAN {query}")))
    assert "segment_time" in plan
    assert "SCAN" not in plan
    oldest = index.database.read_sync(
        lambda db: " ".join(
            item[3] for item in db.execute("EXPLAIN QUERY PLAN SELECT * FROM segment ORDER BY begin_ms LIMIT 9")
        )
    )
    assert "segment_oldest" in oldest
    assert "TEMP B-TREE" not in oldest


def test_a_file_that_is_being_deleted_gets_no_row_again(index: VolumeIndex) -> None:
    """Reindexing saw it before retention unlinked it: a row would say that there is footage."""
    gone, stays = row(START_MS), row(START_MS + MINUTE)
    index.add([gone])
    index.condemn([gone])
    index.apply([], [gone, stays])
    assert list(index.all_rows()) == [stays]
