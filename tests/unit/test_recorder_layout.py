"""Paths on a volume come from integers and go back to them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import BadInput
from gateway.core.model import RunId, StreamId
from recorder.layout import (
    LAST_MS,
    Hour,
    SegmentName,
    hour_folder,
    hour_of,
    parse_hour,
    parse_name,
    parse_stream,
    segment_path,
)

IDS = st.integers(1, 10**18)
TIMES = st.integers(0, LAST_MS)


@given(IDS, TIMES, IDS, st.booleans())
def test_a_path_says_what_it_was_made_of(stream: int, start_ms: int, run: int, part: bool) -> None:
    """Stream, hour, start and run are read back from the four parts of a path."""
    path = segment_path(StreamId(stream), start_ms, RunId(run), part=part)
    folder, day, hour, name = path.split("/")
    assert parse_stream(folder) == stream
    assert parse_hour(StreamId(stream), day, hour) == hour_of(StreamId(stream), start_ms)
    assert parse_name(name) == SegmentName(start_ms, RunId(run), part)
    assert hour_folder(hour_of(StreamId(stream), start_ms)) == f"{folder}/{day}/{hour}"


def test_a_segment_lies_in_the_utc_hour_of_its_start() -> None:
    """The scheme of the design, literally."""
    path = segment_path(StreamId(12), 1_795_222_799_999, RunId(34))
    assert path == "12/2026-11-21/00/1795222799999-34.seg"
    assert Hour(StreamId(12), 498_673).folder == "12/2026-11-21/01"


@pytest.mark.parametrize(
    "name",
    [
        "key",
        "",
        "1-2",
        "1-2.mp4",
        "01-2.seg",
        "1-0.seg",
        "-1-2.seg",
        "1-2.seg.part",
        "../1-2.seg",
        "1-2.seg\n",
        "x-2.seg",
    ],
)
def test_foreign_names_are_no_segments(name: str) -> None:
    """Whatever else lies in a folder is left alone."""
    assert parse_name(name) is None


@pytest.mark.parametrize(("day", "hour"), [("2026-02-30", "00"), ("2026-1-1", "00"), ("2026-01-01", "24"), ("x", "00")])
def test_foreign_folders_are_no_hours(day: str, hour: str) -> None:
    """A folder that names no hour is not walked into."""
    assert parse_hour(StreamId(1), day, hour) is None


@pytest.mark.parametrize("name", ["0", "01", "-1", "1a", "index.db", ".vuon-volume.json", "lost+found"])
def test_foreign_root_entries_are_no_streams(name: str) -> None:
    """Only positive integers are streams."""
    assert parse_stream(name) is None


@pytest.mark.parametrize(
    ("stream", "start_ms", "run"), [(0, 0, 1), (1, -1, 1), (1, LAST_MS + 1, 1), (1, 0, 0), (-5, 0, 1)]
)
def test_impossible_numbers_make_no_path(stream: int, start_ms: int, run: int) -> None:
    """A path never leaves the scheme, whatever numbers arrive."""
    with pytest.raises(BadInput):
        segment_path(StreamId(stream), start_ms, RunId(run))
