"""The pure plan of what must go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import RunId, StreamId
from recorder.retention import DAY_MS, MAX_VICTIMS, RESERVE_S, Disk, Hold, Plan, Reason, Rule, plan
from recorder.rows import SegmentRow

MIN_MS = 60_000
NOW_MS = 1_800_000_000_000
MB = 1 << 20
ROOMY = Disk(free_bytes=100 * MB, min_free_bytes=10 * MB)
A, B = StreamId(1), StreamId(2)


def row(stream: StreamId, begin_ms: int, *, size: int = MB, minutes: int = 1) -> SegmentRow:
    return SegmentRow(stream, RunId(1), begin_ms, 0, minutes * MIN_MS, size, 900, 0, 0, b"")


def minutes(stream: StreamId, count: int, *, end_ms: int = NOW_MS, size: int = MB) -> list[SegmentRow]:
    """Return `count` one-minute segments that end at `end_ms`, oldest first."""
    return [row(stream, end_ms - number * MIN_MS, size=size) for number in range(count, 0, -1)]


def made(
    rows: Mapping[StreamId, Sequence[SegmentRow]],
    *,
    rules: Mapping[StreamId, Rule] | None = None,
    holds: Sequence[Hold] = (),
    disk: Disk = ROOMY,
    now_ms: int | None = NOW_MS,
    limit: int = MAX_VICTIMS,
) -> Plan:
    used = {stream: sum(item.size_bytes for item in items) for stream, items in rows.items()}
    return plan(
        rows,
        {A: Rule(30), B: Rule(30)} if rules is None else rules,
        used,
        holds,
        disk,
        now_ms=now_ms,
        limit=limit,
    )


def begins(found: Plan) -> list[tuple[int, int, Reason]]:
    return [(item.row.stream, (NOW_MS - item.row.begin_ms) // MIN_MS, item.reason) for item in found.victims]


def test_nothing_goes_while_there_is_room_and_nothing_is_old() -> None:
    """The usual minute."""
    found = made({A: minutes(A, 10), B: minutes(B, 10)})
    assert found == Plan((), 0, full_by_hold=False, complete=True)


def test_footage_older_than_its_days_goes() -> None:
    """By its end: a segment that is partly young enough stays."""
    cut_ms = NOW_MS - 30 * DAY_MS
    rows = [row(A, cut_ms - 2 * MIN_MS), row(A, cut_ms - MIN_MS), row(A, cut_ms - 1), row(A, cut_ms)]
    assert [item.row for item in made({A: rows}).victims] == rows[:2]


def test_each_stream_has_its_own_days() -> None:
    """A longer rule keeps what a shorter one deletes."""
    old = NOW_MS - 10 * DAY_MS
    found = made({A: [row(A, old)], B: [row(B, old)]}, rules={A: Rule(7), B: Rule(14)})
    assert [item.row.stream for item in found.victims] == [A]


def test_a_removed_cameras_footage_follows_the_longest_rule() -> None:
    """It has no rule of its own and must not stay for ever."""
    found = made({B: [row(B, NOW_MS - 20 * DAY_MS), row(B, NOW_MS - 10 * DAY_MS)]}, rules={A: Rule(14)})
    assert len(found.victims) == 1


def test_nothing_goes_by_age_while_the_clock_is_not_trusted() -> None:
    """A box that booted in the year 2038 deletes nothing for that."""
    rows = {A: [row(A, 0), row(A, NOW_MS - 400 * DAY_MS)]}
    assert made(rows, now_ms=None).victims == ()
    assert len(made(rows).victims) == 2


def test_a_stream_over_its_bytes_loses_its_oldest() -> None:
    """As much as is over, no more; other streams are left alone."""
    found = made({A: minutes(A, 10), B: minutes(B, 10)}, rules={A: Rule(30, max_bytes=7 * MB), B: Rule(30)})
    assert begins(found) == [(A, 10, Reason.QUOTA), (A, 9, Reason.QUOTA), (A, 8, Reason.QUOTA)]


def test_what_went_by_age_counts_for_the_quota() -> None:
    """Bytes that are freed already are not freed again."""
    old = [row(A, NOW_MS - 40 * DAY_MS + number * MIN_MS) for number in range(3)]
    found = made({A: [*old, *minutes(A, 7)]}, rules={A: Rule(30, max_bytes=7 * MB)})
    assert [item.reason for item in found.victims] == [Reason.AGE] * 3


def test_a_disk_below_its_reserve_loses_the_oldest_of_all_streams() -> None:
    """In order of time, across streams, until the reserve is free again."""
    rows = {A: minutes(A, 4), B: minutes(B, 4, end_ms=NOW_MS - 30_000)}
    found = made(rows, disk=Disk(free_bytes=7 * MB, min_free_bytes=10 * MB))
    assert [item.row.stream for item in found.victims] == [B, A, B]
    assert {item.reason for item in found.victims} == {Reason.SPACE}
    assert found.short_bytes == 0
    assert found.freed_bytes == 3 * MB


def test_the_reserve_is_at_least_two_hours_of_writing() -> None:
    """A busy night must not fill the disk."""
    assert Disk(0, 10 * MB, write_bytes_per_s=MB).reserve_bytes == MB * RESERVE_S
    assert Disk(0, 10 * MB, write_bytes_per_s=1).reserve_bytes == 10 * MB


def test_space_goes_without_a_trusted_clock_too() -> None:
    """A full disk is a fact, whatever time it is."""
    found = made({A: minutes(A, 5)}, disk=Disk(8 * MB, 10 * MB), now_ms=None)
    assert len(found.victims) == 2


def test_held_footage_never_goes() -> None:
    """Not by age, not by quota, not for space."""
    rows = [row(A, NOW_MS - 40 * DAY_MS), *minutes(A, 5)]
    hold = Hold(A, 0, NOW_MS + DAY_MS, until_ms=NOW_MS + DAY_MS)
    found = made({A: rows}, rules={A: Rule(30, max_bytes=1)}, holds=[hold], disk=Disk(0, 10 * MB))
    assert found.victims == ()
    assert found.full_by_hold
    assert found.short_bytes == 10 * MB


def test_a_hold_covers_what_it_touches_and_nothing_else() -> None:
    """A segment that overlaps by a millisecond is held; its neighbours and other streams are not."""
    rows = minutes(A, 4)
    hold = Hold(A, rows[1].end_ms - 1, rows[2].begin_ms + 1, until_ms=NOW_MS + 1)
    found = made({A: rows, B: minutes(B, 4)}, holds=[hold], disk=Disk(0, 100 * MB))
    gone = {(item.row.stream, item.row.begin_ms) for item in found.victims}
    assert gone == {(A, rows[0].begin_ms), (A, rows[3].begin_ms), *((B, item.begin_ms) for item in minutes(B, 4))}


def test_a_hold_that_is_over_holds_nothing() -> None:
    """At its `until` the footage is ordinary again; an untrusted clock ends no hold."""
    rows = {A: [row(A, NOW_MS - 40 * DAY_MS)]}
    over = Hold(A, 0, NOW_MS, until_ms=NOW_MS)
    assert len(made(rows, holds=[over]).victims) == 1
    assert made(rows, holds=[over], now_ms=None, disk=Disk(0, 100 * MB)).victims == ()


def test_a_full_disk_without_holds_is_only_short() -> None:
    """`full_by_hold` blames holds only where there are some."""
    found = made({A: minutes(A, 2)}, disk=Disk(0, 10 * MB))
    assert len(found.victims) == 2
    assert found.short_bytes == 8 * MB
    assert not found.full_by_hold


def test_a_plan_has_a_limit_and_says_so() -> None:
    """The rest is left to the next plan, which is made at once."""
    rows = [row(A, NOW_MS - 40 * DAY_MS + number * MIN_MS) for number in range(10)]
    found = made({A: rows}, limit=4)
    assert [item.row for item in found.victims] == rows[:4]
    assert not found.complete
    assert made({A: rows}).complete


def test_no_more_rows_are_read_than_needed() -> None:
    """A million rows are not looked at to find none to delete."""
    read = 0

    def endless() -> Iterator[SegmentRow]:
        nonlocal read
        number = 0
        while True:
            read += 1
            yield row(A, NOW_MS - 40 * DAY_MS + number * DAY_MS)
            number += 1

    found = plan({A: endless()}, {A: Rule(30)}, {A: MB}, [], ROOMY, now_ms=NOW_MS)
    assert len(found.victims) == 10
    assert read <= 12


@given(
    ages=st.lists(st.tuples(st.sampled_from([A, B]), st.integers(0, 60 * 24 * 60)), max_size=60, unique=True),
    holds=st.lists(
        st.tuples(st.sampled_from([A, B]), st.integers(0, 60 * 24 * 60), st.integers(1, 10_000), st.integers(-10, 10)),
        max_size=5,
    ),
    free=st.integers(0, 40),
    quota=st.integers(0, 20),
    trusted=st.booleans(),
    limit=st.integers(1, 50),
)
def test_whatever_is_there_the_rules_hold(
    *,
    ages: list[tuple[StreamId, int]],
    holds: list[tuple[StreamId, int, int, int]],
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
    disk = Disk(free * MB, 20 * MB)
    rules = {A: Rule(30, quota * MB), B: Rule(10)}
    found = made(rows, rules=rules, holds=placed, disk=disk, now_ms=NOW_MS if trusted else None, limit=limit)
    victims = [item.row for item in found.victims]
    assert len(victims) == len(set(victims)) <= limit
    held = {
        item
        for items in rows.values()
        for item in items
        for hold in placed
        if hold.stream == item.stream
        and (hold.until_ms > NOW_MS or not trusted)
        and hold.start_ms < item.end_ms
        and hold.end_ms > item.begin_ms
    }
    assert held.isdisjoint(victims)
    for item in found.victims:
        if item.reason is Reason.AGE:
            assert trusted
            assert item.row.end_ms <= NOW_MS - rules[item.row.stream].days * DAY_MS
    for stream in (A, B):
        mine = [item for item in victims if item.stream == stream]
        free_rows = [item for item in rows[stream] if item not in held]
        assert mine == free_rows[: len(mine)]
    spaced = [item for item in found.victims if item.reason is Reason.SPACE]
    if spaced:
        assert disk.free_bytes + found.freed_bytes - spaced[-1].row.size_bytes < disk.reserve_bytes
    assert found.short_bytes == max(0, disk.reserve_bytes - disk.free_bytes - found.freed_bytes)
