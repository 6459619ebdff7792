"""The pure plan of what must go."""

from __future__ import annotations

import dataclasses

import pytest

from gateway.core.model import RunId
from recorder.retention import DAY_MS, RESERVE_S, Disk, Hold, Pin, Plan, Protected, Reason, Rule, plan
from recorder.rows import FLAG_MISSING, SegmentRow
from recorder.spans import Unsure
from tests.fakes.planned import HOUR, MB, MIN_MS, NOW_MS, ROOMY, A, B, footage, made, minutes, row


def begins(found: Plan) -> list[tuple[int, int, Reason]]:
    return [(item.row.stream, (NOW_MS - item.row.begin_ms) // MIN_MS, item.reason) for item in found.victims]


def test_nothing_goes_while_there_is_room_and_nothing_is_old() -> None:
    """The usual minute."""
    found = made({A: minutes(A, 10), B: minutes(B, 10)})
    assert found == Plan((), 0, full_by_hold=False, complete=True, reserve_bytes=10 * MB)


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


def test_with_every_camera_removed_the_configurations_days_hold() -> None:
    """There is no other camera's rule to go by: 90 days are not cut to 30 by taking the last camera away."""
    rows = [row(A, NOW_MS - days * DAY_MS) for days in (100, 80, 40)]
    found = plan(footage({A: rows}), {}, Protected(), ROOMY, now_ms=NOW_MS, usual=Rule(90))
    assert [item.row for item in found.victims] == rows[:1]


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
    read: list[SegmentRow] = []
    rows = {A: [row(A, NOW_MS - 40 * DAY_MS + number * DAY_MS) for number in range(10_000)]}
    found = plan(footage(rows, read=read), {A: Rule(30)}, Protected(), ROOMY, now_ms=NOW_MS)
    assert len(found.victims) == 10
    assert len(read) <= 12


def test_held_footage_is_jumped_over_and_not_read() -> None:
    """A disk that is full of held and pinned footage costs a look at the holds, each minute."""
    read: list[SegmentRow] = []
    rows = {A: minutes(A, 20_000)}
    start_ms = rows[A][0].begin_ms
    hold = Hold(A, start_ms, start_ms + 15_000 * MIN_MS, until_ms=NOW_MS + 1)
    pins = [Pin(A, start_ms + 15_000 * MIN_MS, start_ms + 19_990 * MIN_MS)]
    found = plan(
        footage(rows, read=read),
        {A: Rule(30, event_days=90)},
        Protected([hold], pins),
        Disk(7 * MB, 10 * MB),
        now_ms=NOW_MS,
    )
    assert [item.row for item in found.victims] == rows[A][19_990:19_993]
    assert len(read) < 20


def test_pinned_footage_outlives_its_days_and_then_goes() -> None:
    """It is kept for the event days after the event's end, and is ordinary footage afterwards."""
    for age_days, gone in ((31, False), (89, False), (91, True)):
        old = row(A, NOW_MS - age_days * DAY_MS)
        found = made({A: [old]}, pins=[Pin(A, old.begin_ms, old.end_ms)])
        assert [item.reason for item in found.victims] == [Reason.AGE] * gone
    old = row(A, NOW_MS - 91 * DAY_MS)
    assert made({A: [old]}, pins=[Pin(A, old.begin_ms, old.end_ms)], now_ms=None).victims == ()


def test_few_event_days_shorten_nothing() -> None:
    """Footage whose pin is over still has its days."""
    young = row(A, NOW_MS - 20 * DAY_MS)
    found = made({A: [young]}, pins=[Pin(A, young.begin_ms, young.end_ms)], rules={A: Rule(30, event_days=7)})
    assert found.victims == ()


def test_a_streams_own_bytes_cost_no_event_footage() -> None:
    """A quota takes what is normal; only the disk's need takes events."""
    rows = minutes(A, 10)
    pins = [Pin(A, rows[0].begin_ms, rows[4].end_ms)]
    found = made({A: rows}, pins=pins, rules={A: Rule(30, max_bytes=MB, event_days=90)})
    assert [item.row for item in found.victims] == rows[5:]


def test_the_order_of_sacrifice() -> None:
    """Step by step as the disk needs more: normal footage of all streams, then events, held footage never."""
    rows = {A: minutes(A, 6), B: minutes(B, 6)}
    pins = [Pin(A, rows[A][0].begin_ms, rows[A][1].end_ms), Pin(B, rows[B][0].begin_ms, rows[B][2].end_ms)]
    holds = [Hold(B, rows[B][0].begin_ms, rows[B][0].end_ms, NOW_MS + 1)]
    normal = [*rows[A][2:], *rows[B][3:]]
    events = [*rows[A][:2], *rows[B][1:3]]
    for need in range(14):
        found = made(rows, pins=pins, holds=holds, disk=Disk(0, need * MB))
        gone = [item.row for item in found.victims]
        assert len(gone) == min(need, 11)
        assert gone[:7] == sorted(normal, key=lambda item: (item.begin_ms, item.stream))[:need]
        assert gone[7:] == sorted(events, key=lambda item: (item.begin_ms, item.stream))[: max(0, need - 7)]
        assert [item.reason for item in found.victims] == [Reason.SPACE] * min(need, 7) + [Reason.EVENT] * len(gone[7:])
        assert found.full_by_hold is (need > 11)


def test_footage_of_an_hour_in_1970_counts_as_the_newest() -> None:
    """A full disk in a box that does not know the time loses what is oldest, not what is being recorded."""
    lost_hour = [row(A, number * MIN_MS, run=9) for number in range(60)]
    rows = {A: [*lost_hour, *minutes(A, 10)]}
    unsure = {RunId(9): Unsure(None, 9)}
    found = made(rows, unsure=unsure, disk=Disk(5 * MB, 10 * MB), now_ms=None)
    assert [item.row for item in found.victims] == rows[A][60:65]
    everything = made(rows, unsure=unsure, disk=Disk(0, 400 * MB), now_ms=None)
    assert [item.row for item in everything.victims] == rows[A][60:] + lost_hour


def test_of_the_newest_hour_only_what_recording_needs_goes() -> None:
    """With all else held the alarm comes while two hours are free, and then the hour rolls on, held footage never."""
    rows = {A: minutes(A, 100)}
    fresh = {A: rows[A][40].begin_ms}
    hold = Hold(A, 0, rows[A][30].begin_ms, NOW_MS + 1)
    pin = Pin(A, rows[A][30].begin_ms, rows[A][35].begin_ms)
    for free, gone, held in ((120, [], False), (112, [*rows[A][35:40], *rows[A][30:33]], False),
                             (109, [*rows[A][35:40], *rows[A][30:35]], True),
                             (17, [*rows[A][35:40], *rows[A][30:35], *rows[A][40:43]], True)):  # fmt: skip
        disk = Disk(free * MB, 120 * MB)
        made_of = dataclasses.replace(footage(rows), fresh_from_ms=fresh)
        found = plan(made_of, {A: Rule(30, event_days=90)}, Protected([hold], [pin]), disk, now_ms=NOW_MS)
        assert [item.row for item in found.victims] == gone
        assert found.full_by_hold is held


def test_a_row_that_was_not_moved_yet_counts_as_the_newest() -> None:
    """Its run was set right a moment ago; rows that follow the correction are where they belong."""
    moved, waiting = row(A, NOW_MS - HOUR, run=9)._replace(offset_ms=NOW_MS - HOUR, start_ms=0), row(A, MIN_MS, run=9)
    unsure = {RunId(9): Unsure(None, 9, NOW_MS - HOUR)}
    rows = {A: [waiting, moved, *minutes(A, 3)]}
    found = made(rows, unsure=unsure, disk=Disk(6 * MB, 10 * MB))
    assert [item.row for item in found.victims] == rows[A][1:]
    assert made({A: [waiting]}, unsure=unsure).victims == ()


def test_what_was_never_dated_goes_when_it_is_surely_old_enough() -> None:
    """It had ended when the next boot with a right clock began to record; before that nothing is known."""
    lost = [row(A, number * MIN_MS, run=9) for number in range(3)]
    for by_ms, gone in ((None, False), (NOW_MS - 29 * DAY_MS, False), (NOW_MS - 30 * DAY_MS, True)):
        found = made({A: lost}, unsure={RunId(9): Unsure(by_ms, 9)})
        assert [item.row for item in found.victims] == lost * gone


def test_a_file_that_is_missing_frees_nothing() -> None:
    """Its row goes with the others, and the disk's need is met by files that are there."""
    rows = minutes(A, 4)
    rows[0] = rows[0]._replace(flags=FLAG_MISSING)
    found = made({A: rows}, disk=Disk(8 * MB, 10 * MB))
    assert [item.row for item in found.victims] == rows[:3]
    assert found.short_bytes == 0


@pytest.mark.parametrize("how", ["held", "pinned"])
@pytest.mark.parametrize("first", [0, 45], ids=["long_ago", "just_now"])
def test_protected_footage_that_fills_a_streams_bytes_does_not_cost_its_newest_hour(how: str, first: int) -> None:
    """A hold of half an hour on a stream with room for twenty minutes: otherwise each new minute would go at once."""
    rows = minutes(A, 100)
    span = (A, rows[first].begin_ms, rows[first + 30].end_ms)
    protected = Protected([Hold(*span, NOW_MS + 1)]) if how == "held" else Protected((), [Pin(*span)])
    there = dataclasses.replace(footage({A: rows}), fresh_from_ms={A: rows[40].begin_ms})
    found = plan(there, {A: Rule(30, max_bytes=20 * MB, event_days=90)}, protected, ROOMY, now_ms=NOW_MS)
    gone = [item.row for item in found.victims]
    assert gone == [item for item in rows[: max(40, first)] if item not in rows[first : first + 31]]
    unprotected = plan(there, {A: Rule(30, max_bytes=20 * MB)}, Protected(), ROOMY, now_ms=NOW_MS)
    assert [item.row for item in unprotected.victims] == rows[:80]
