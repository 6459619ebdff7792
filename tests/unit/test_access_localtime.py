"""Local minutes as instants, also where the clock is shifted."""

from __future__ import annotations

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.localtime import instants, midnight, moment

ZONES = [
    "Asia/Ho_Chi_Minh",
    "Europe/Berlin",
    "America/Sao_Paulo",
    "America/Havana",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
]
"""None, an hour, at midnight, at midnight back, half an hour, twice around Ramadan."""


def test_minutes_of_the_school() -> None:
    """Seven in the morning in Việt Nam is midnight UTC."""
    zone = ZoneInfo("Asia/Ho_Chi_Minh")
    assert moment(zone, 0) == (dt.date(1970, 1, 1), 8 * 60)  # the country's own zone until 1975
    assert moment(zone, 1_795_046_400_000) == (dt.date(2026, 11, 19), 7 * 60)
    assert midnight(zone, dt.date(2026, 11, 19)) == 1_795_046_400_000 - 7 * 3_600_000


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(ZONES), st.dates(dt.date(2010, 1, 1), dt.date(2030, 12, 31)), st.integers(0, 1440))
def test_no_boundary_is_missed(name: str, date: dt.date, minute: int) -> None:
    """Whenever "before or after this minute" changes in a local day, that instant is among the candidates."""
    zone = ZoneInfo(name)
    start = midnight(zone, date)
    found = instants(zone, date, [minute])

    def side(at_ms: int) -> tuple[dt.date, bool]:
        local = moment(zone, at_ms)
        return local.date, local.minute >= minute

    step = 15 * 60_000
    for at_ms in range(start, midnight(zone, date + dt.timedelta(days=1)), step):
        if side(at_ms) != side(at_ms + step):
            assert any(at_ms < item <= at_ms + step for item in found | instants(zone, date + dt.timedelta(days=1), []))


@pytest.mark.parametrize("name", ZONES)
def test_shifts_of_a_year_are_exact(name: str) -> None:
    """Each change of the zone's offset in 2018 is found to the millisecond."""
    zone = ZoneInfo(name)
    day, found = dt.date(2018, 1, 1), set[int]()
    while day.year == 2018:
        found |= instants(zone, day, [])
        day += dt.timedelta(days=1)

    def offset(at_ms: int) -> object:
        return dt.datetime.fromtimestamp(at_ms / 1000, zone).utcoffset()

    start = int(dt.datetime(2018, 1, 1, tzinfo=zone).timestamp()) * 1000
    for hour in range(364 * 24):
        at_ms = start + hour * 3_600_000
        if offset(at_ms) != offset(at_ms + 3_600_000):
            assert any(offset(item - 1) != offset(item) for item in found if at_ms < item <= at_ms + 3_600_000)
