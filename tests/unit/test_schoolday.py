"""When a school day is, in the site's zone."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recorder.schoolday import Hours, SchoolHours
from tests.fakes.clock import NOON_MS

HANOI = SchoolHours(ZoneInfo("Asia/Ho_Chi_Minh"))
HOUR_MS = 3_600_000
FRIDAY = dt.date(2026, 11, 20)


def test_a_day_has_the_usual_hours() -> None:
    """Half past six to half past five: eleven hours, UTC+7."""
    hours = HANOI.on(FRIDAY)
    assert hours is not None
    assert hours.end_ms - hours.start_ms == 11 * HOUR_MS
    assert dt.datetime.fromtimestamp(hours.start_ms / 1000, dt.UTC) == dt.datetime(2026, 11, 19, 23, 30, tzinfo=dt.UTC)


@pytest.mark.parametrize("day", [dt.date(2026, 11, 21), dt.date(2026, 11, 22)])
def test_a_weekend_has_none(day: dt.date) -> None:
    """Saturday and Sunday."""
    assert HANOI.on(day) is None


def test_the_latest_day_is_the_last_one_with_school() -> None:
    """On Saturday noon it is Friday's; on Monday before half past six still; a minute later Monday's."""
    monday = dt.datetime(2026, 11, 23, 6, 30, tzinfo=HANOI.zone)
    opens_ms = int(monday.timestamp() * 1000)
    days = [HANOI.latest(now_ms) for now_ms in (NOON_MS, opens_ms, opens_ms + 60_000)]
    assert [str(hours.day) for hours in days if hours is not None] == ["2026-11-20", "2026-11-20", "2026-11-23"]


def test_looking_back_counts_dates_and_leaves_out_weekends() -> None:
    """Seven dates from a Saturday are five school days, the newest first."""
    found = [hours.day.day for hours in HANOI.back(NOON_MS, 7)]
    assert found == [20, 19, 18, 17, 16]
    assert list(HANOI.back(NOON_MS, 1)) == []


def test_a_week_without_school_has_no_latest_day() -> None:
    """Nothing is found, nothing fails."""
    assert SchoolHours(HANOI.zone, weekdays=frozenset()).latest(NOON_MS) is None


@given(st.dates(dt.date(2026, 1, 1), dt.date(2030, 12, 31)))
def test_hours_are_the_wall_clocks_also_when_the_zone_changes_its_offset(day: dt.date) -> None:
    """On every day of Berlin's year the day opens at half past six by the clock on the wall."""
    hours = SchoolHours(ZoneInfo("Europe/Berlin"), weekdays=frozenset(range(7))).on(day)
    assert isinstance(hours, Hours)
    for at_ms, time in ((hours.start_ms, dt.time(6, 30)), (hours.end_ms, dt.time(17, 30))):
        assert dt.datetime.fromtimestamp(at_ms / 1000, ZoneInfo("Europe/Berlin")).time() == time
