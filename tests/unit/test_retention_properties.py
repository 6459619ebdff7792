"""What holds for every plan of what must go."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import StreamId
from recorder.retention import DAY_MS, Disk, Hold, Pin, Reason, Rule
from recorder.rows import SegmentRow
from tests.fakes.planned import MB, MIN_MS, NOW_MS, A, B, made, row


@given(
    ages=st.lists(st.tuples(st.sampled_from([A, B]), st.integers(0, 60 * 24 * 60)), max_size=60, unique=True),
    holds=st.lists(
        st.tuples(st.sampled_from([A, B]), st.integers(0, 60 * 24 * 60), st.integers(1, 10_000), st.integers(-10, 10)),
        max_size=5,
    ),
    pins=st.lists(st.tuples(st.sampled_from([A, B]), st.integers(0, 60 * 24 * 60), st.integers(1, 10_000)), max_size=5),
    free=st.integers(0, 40),
    quota=st.integers(0, 20),
    trusted=st.booleans(),
    limit=st.integers(1, 50),
)
def test_whatever_is_there_the_rules_hold(
    *,
    ages: list[tuple[StreamId, int]],
    holds: list[tuple[StreamId, int, int, int]],
    pins: list[tuple[StreamId, int, int]],
    free: int,
    quota: int,
    trusted: bool,
    limit: int,
) -> None:
    """No victim twice, none held, none by age without trust, the oldest of a stream first, no waste."""
    rows = {
        stream: sorted(
            (row(stream, NOW_MS - age * MIN_MS) for owner, age in ages if owner == stream), key=lambda r: r.begin_ms
        )
        for stream in (A, B)
    }
    placed = [
        Hold(stream, NOW_MS - start * MIN_MS, NOW_MS - start * MIN_MS + length * MIN_MS, NOW_MS + until)
        for stream, start, length, until in holds
    ]
    events = [
        Pin(stream, NOW_MS - start * MIN_MS, NOW_MS - start * MIN_MS + length * MIN_MS)
        for stream, start, length in pins
    ]
    disk = Disk(free * MB, 20 * MB)
    rules = {A: Rule(30, quota * MB, event_days=40), B: Rule(10, event_days=50)}
    found = made(
        rows, rules=rules, holds=placed, pins=events, disk=disk, now_ms=NOW_MS if trusted else None, limit=limit
    )
    victims = [item.row for item in found.victims]
    assert len(victims) == len(set(victims)) <= limit
    held = touched(
        rows, [(hold.stream, hold.start_ms, hold.end_ms) for hold in placed if hold.until_ms > NOW_MS or not trusted]
    )
    pinned = touched(
        rows,
        [
            (pin.stream, pin.start_ms, pin.end_ms)
            for pin in events
            if not trusted or pin.end_ms + rules[pin.stream].event_days * DAY_MS > NOW_MS
        ],
    )
    assert held.isdisjoint(victims)
    for item in found.victims:
        assert (item.row in pinned) is (item.reason is Reason.EVENT)
        if item.reason is Reason.AGE:
            assert trusted
            assert item.row.end_ms <= NOW_MS - rules[item.row.stream].days * DAY_MS
    order = [list(Reason).index(item.reason) for item in found.victims if item.reason in {Reason.SPACE, Reason.EVENT}]
    assert order == sorted(order)
    for stream in (A, B):
        mine = [item for item in victims if item.stream == stream and item not in pinned]
        assert mine == [item for item in rows[stream] if item not in held | pinned][: len(mine)]
        lost = [item for item in victims if item.stream == stream and item in pinned]
        assert lost == [item for item in rows[stream] if item in pinned - held][: len(lost)]
        if lost:
            assert set(rows[stream]) - held - pinned <= set(victims)
    spaced = [item for item in found.victims if item.reason in {Reason.SPACE, Reason.EVENT}]
    if spaced:
        assert disk.free_bytes + found.freed_bytes - spaced[-1].row.size_bytes < disk.reserve_bytes
    assert found.short_bytes == max(0, disk.reserve_bytes - disk.free_bytes - found.freed_bytes)


def touched(
    rows: Mapping[StreamId, Sequence[SegmentRow]], spans: Sequence[tuple[StreamId, int, int]]
) -> set[SegmentRow]:
    """Return the rows that any of the spans touches."""
    return {
        item
        for stream, start_ms, end_ms in spans
        for item in rows[stream]
        if start_ms < item.end_ms and end_ms > item.begin_ms
    }
