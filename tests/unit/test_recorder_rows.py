"""The packed GOP table and the spans made of rows."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import SegmentCorrupt
from gateway.core.model import RunId, StreamId
from recorder.rows import FLAG_RUNNING, Gop, SegmentRow, Span, join_spans, pack_gops, unpack_gops
from tests.fakes.footage import START_MS

RECORDS = st.lists(
    st.tuples(st.integers(1, 1 << 28), st.integers(0, 1 << 31), st.integers(0, 1 << 20), st.booleans()), max_size=40
)


def gops_of(records: list[tuple[int, int, int, bool]], start_90k: int, offset: int = 100) -> list[Gop]:
    """Lay (bytes, duration, hole before, key) one after the other."""
    out: list[Gop] = []
    at = start_90k
    for size, duration, hole, is_key in records:
        at += hole if out else 0
        out.append(Gop(offset, size, at, duration, is_key))
        offset, at = offset + size, at + duration
    return out


def row(start_ms: int, duration_ms: int, run: int = 1, offset_ms: int = 0) -> SegmentRow:
    """Return a row of one GOP."""
    blob = pack_gops(start_ms, [Gop(90, 10, start_ms * 90, duration_ms * 90, is_key=True)])
    return SegmentRow(StreamId(1), RunId(run), start_ms, offset_ms, duration_ms, 100, 1, 5, 0, blob)


@given(RECORDS, st.integers(0, 89))
def test_the_table_survives_packing(records: list[tuple[int, int, int, bool]], rest_90k: int) -> None:
    """Offsets, sizes, exact times and key flags come back, whatever they are."""
    gops = gops_of(records, START_MS * 90 + rest_90k)
    assert unpack_gops(START_MS, pack_gops(START_MS, gops)) == gops


@given(RECORDS.filter(lambda records: len(records) > 1), st.data())
def test_a_cut_table_is_noticed_or_shorter(records: list[tuple[int, int, int, bool]], data: st.DataObject) -> None:
    """A truncated blob never invents records."""
    gops = gops_of(records, START_MS * 90)
    blob = pack_gops(START_MS, gops)
    try:
        found = unpack_gops(START_MS, blob[: data.draw(st.integers(0, len(blob) - 1))])
    except SegmentCorrupt:
        return
    assert found == gops[: len(found)]


def test_a_minute_takes_some_150_bytes() -> None:
    """The index of a million segments stays small: about five bytes a GOP."""
    gops = gops_of([(500_000 + 997 * number, 180_000, 0, True) for number in range(30)], START_MS * 90)
    assert len(pack_gops(START_MS, gops)) < 170


def test_true_time_is_run_time_plus_offset() -> None:
    """A row knows both: the path by the run's clock, the timeline by the true one."""
    item = row(60_000, 2_000, offset_ms=START_MS)
    assert (item.begin_ms, item.end_ms) == (START_MS + 60_000, START_MS + 62_000)
    assert item.path == "1/1970-01-01/00/60000-1.seg"
    assert item._replace(flags=FLAG_RUNNING).path == "1/1970-01-01/00/60000-1.part"
    assert item.closed
    assert not item._replace(flags=FLAG_RUNNING).closed


def test_rows_of_one_run_join_into_a_span() -> None:
    """Small holes in a run are none on a timeline; another run is another span."""
    rows = [row(0, 1000), row(1000, 1000), row(2400, 600), row(3600, 400), row(4000, 1000, run=2)]
    assert join_spans(rows, 500) == [
        Span(0, 3000, RunId(1)),
        Span(3600, 4000, RunId(1)),
        Span(4000, 5000, RunId(2)),
    ]
    assert join_spans([], 500) == []


def test_an_empty_table_is_empty() -> None:
    """No records, no bytes; one lonely number is a cut table."""
    assert unpack_gops(START_MS, pack_gops(START_MS, [])) == []
    with pytest.raises(SegmentCorrupt):
        unpack_gops(START_MS, b"\x05")
