"""Hours as people set them, and the week that guardians will see."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access import classday
from gateway.access.classes import Hours, PlanItem, at, usual_plan
from gateway.access.dayhours import USUAL, changed, hours_of, plan_of, seen_week, tried
from gateway.access.facts import SCHOOL_WEEK, BlockKind, CalendarDay
from gateway.core.errors import BadInput
from tests.fakes.school import MAM, MINUTE, NOW, facts

SAT = frozenset({5})
MORNING, EVENING = Hours(480, 600, frozenset({0, 2})), Hours(840, 960, frozenset({4}))


def test_new_hours_keep_the_weekdays_and_new_weekdays_keep_the_hours() -> None:
    """What was not said stays as it is; nothing said changes nothing."""
    assert changed([MORNING], 500, 700, None) == (Hours(500, 700, MORNING.days),)
    assert changed([MORNING], None, 700, None) == (Hours(480, 700, MORNING.days),)
    assert changed([MORNING, EVENING], 500, 700, None) == (Hours(500, 700, frozenset({0, 2, 4})),)
    assert changed([MORNING, EVENING], None, None, SAT) == (Hours(480, 600, SAT), Hours(840, 960, SAT))
    assert changed([MORNING], 500, 700, SAT) == (Hours(500, 700, SAT),)
    assert changed([MORNING, EVENING], None, None, None) == (MORNING, EVENING)


def test_a_class_without_hours_gets_the_usual_ones() -> None:
    """Monday to Friday, and the school's usual day."""
    assert changed([], 500, 700, None) == (Hours(500, 700, SCHOOL_WEEK),)
    assert changed([], None, None, SAT) == (Hours(*USUAL, SAT),)
    assert changed([], 500, None, None) == (Hours(500, USUAL[1], SCHOOL_WEEK),)


def test_one_end_of_several_hours_is_asked_back() -> None:
    """Which of them was meant is not guessed, and hours that run backwards are refused."""
    with pytest.raises(BadInput) as refused:
        changed([MORNING, EVENING], 500, None, None)
    assert refused.value.fields["case"] == "hours_which"
    with pytest.raises(BadInput):
        changed([MORNING], 700, None, None)


@settings(deadline=None, max_examples=40)
@given(
    st.sampled_from(["Asia/Ho_Chi_Minh", "Europe/Berlin", "America/New_York"]),
    st.sampled_from([dt.date(2026, 11, 16), dt.date(2026, 3, 23), dt.date(2026, 10, 19)]),
    st.lists(st.tuples(st.integers(0, 1380), st.integers(1, 400), st.frozensets(st.integers(0, 6), min_size=1)), max_size=3),
    st.lists(st.tuples(st.integers(0, 1380), st.integers(1, 400), st.sampled_from(list(BlockKind)), st.booleans()), max_size=4),
    st.one_of(st.none(), st.tuples(st.integers(0, 6), st.booleans(), st.one_of(st.none(), st.integers(0, 6)))),
)  # fmt: skip
def test_the_week_is_what_the_rules_say_minute_by_minute(
    zone: str, monday: dt.date, hours: list[tuple[int, int, frozenset[int]]],
    blocks: list[tuple[int, int, BlockKind, bool]], mark: tuple[int, bool, int | None] | None,
) -> None:  # fmt: skip
    """A minute is in a span exactly if hours, plan and calendar let it be seen; spans neither touch nor overlap."""
    days = () if mark is None else (CalendarDay(monday + dt.timedelta(days=mark[0]), mark[1], mark[2]),)
    base = facts(zone=ZoneInfo(zone), days=days)
    windows = [Hours(start, min(1440, start + long), on) for start, long, on in hours]
    plan = []
    for start, long, kind, seen in blocks:
        visible = seen and kind not in {BlockKind.NAP, BlockKind.TOILET, BlockKind.CHANGING}
        plan.append(PlanItem(Hours(start, min(1440, start + long), frozenset(range(7))), kind, visible))
    world = tried(base, MAM, windows, plan)
    for day in seen_week(world, MAM, monday):
        edges = [edge for span in day.spans for edge in span]
        assert edges == sorted(set(edges))
        midnight = int(dt.datetime.combine(day.date, dt.time(), ZoneInfo(zone)).timestamp()) * 1000
        for minute in range(0, 1440, 7):
            at_ms = midnight + minute * MINUTE
            if dt.datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)).date() != day.date:
                continue
            seen_now = not classday.out_of_hours(world, MAM, at_ms) and not classday.off_plan(world, MAM, at_ms)
            assert any(first <= at_ms < last for first, last in day.spans) is seen_now


def test_a_usual_week_has_no_nap_and_no_holiday() -> None:
    """Two spans a day, none on the day that is marked; hours and plan are read back as they were set."""
    plan = usual_plan()
    world = tried(
        facts(days=(CalendarDay(dt.date(2026, 11, 18), open=False),)), MAM, [Hours(at("07:30"), at("16:30"))], plan
    )
    week = seen_week(world, MAM, dt.date(2026, 11, 16))
    assert [len(day.spans) for day in week] == [2, 2, 0, 2, 2, 0, 0]
    assert (week[2].marked, week[2].open, week[3].marked) == (True, False, False)
    assert week[3].spans[0] == (NOW - 90 * MINUTE, NOW + 150 * MINUTE)
    assert (hours_of(world, MAM), plan_of(world, MAM)) == ((Hours(450, 990, SCHOOL_WEEK),), plan)
