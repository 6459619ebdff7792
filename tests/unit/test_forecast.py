"""The days a box really has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.model import StreamId
from recorder.forecast import LAST_DAYS, LEAST_MS, Rate, rates, real_days
from recorder.index import StreamDay
from recorder.retention import DAY_MS, Rule

A, B = StreamId(1), StreamId(2)
TODAY = 20_000
GB = 1 << 30


def day(ago: int, size: int, *, stream: StreamId = A, recorded_ms: int = DAY_MS) -> StreamDay:
    return StreamDay(stream, TODAY - ago, 1440, size, recorded_ms)


def test_a_rate_is_the_mean_of_the_last_whole_days() -> None:
    """Neither the first day, nor today, nor what lies longer ago."""
    days = [day(30, 99 * GB), *(day(ago, 10 * GB) for ago in range(LAST_DAYS, 0, -1)), day(0, 3 * GB)]
    assert rates(days, TODAY) == {A: Rate(10 * GB, LAST_DAYS)}


def test_days_without_footage_count() -> None:
    """A camera that is off at weekends needs less room."""
    days = [day(9, GB), *(day(ago, 7 * GB) for ago in (7, 6, 5, 2, 1))]
    assert rates(days, TODAY) == {A: Rate(5 * GB, 7)}


def test_less_than_a_day_is_told_as_a_guess() -> None:
    """As if it recorded round the clock."""
    assert rates([day(0, GB, recorded_ms=DAY_MS // 4)], TODAY) == {A: Rate(4 * GB, 0)}
    assert rates([day(1, GB, recorded_ms=DAY_MS // 4), day(0, GB, recorded_ms=DAY_MS // 4)], TODAY) == {
        A: Rate(4 * GB, 0)
    }


def test_of_less_than_an_hour_nothing_is_said() -> None:
    """No number is better than a wrong one."""
    assert rates([day(0, GB, recorded_ms=LEAST_MS - 1)], TODAY) == {}
    assert rates([], TODAY) == {}
    assert rates([day(20, GB)], TODAY) == {}


def test_enough_room_is_no_horizon() -> None:
    """Every stream has the days of its rule."""
    found = {A: Rate(GB, 7), B: Rate(2 * GB, 7)}
    assert real_days(found, {A: Rule(30), B: Rule(10)}, 50 * GB) == (None, {A: 30, B: 10})


def test_what_a_rule_ends_early_leaves_room_to_the_others() -> None:
    """One horizon for all: 10 days of both, then 15 GB for the one that goes on."""
    found = {A: Rate(GB, 7), B: Rate(2 * GB, 7)}
    assert real_days(found, {A: Rule(30), B: Rule(10)}, 35 * GB) == (15, {A: 15, B: 10})
    assert real_days(found, {A: Rule(30), B: Rule(10, max_bytes=4 * GB)}, 24 * GB) == (20, {A: 20, B: 2})


@pytest.mark.parametrize("room", [0, -5 * GB])
def test_without_room_there_are_no_days(room: int) -> None:
    """Held footage and the reserve fill the disk."""
    assert real_days({A: Rate(GB, 7)}, {A: Rule(30)}, room) == (0, {A: 0})


@given(
    st.dictionaries(
        st.integers(1, 9).map(StreamId),
        st.tuples(st.integers(1, 100), st.integers(1, 60), st.integers(0, 500)),
        min_size=1,
        max_size=9,
    ),
    st.integers(0, 50_000),
)
def test_what_the_days_need_fits_the_room(streams: dict[StreamId, tuple[int, int, int]], room: int) -> None:
    """Exactly, if there is a horizon; and no stream has more than its rule."""
    found = {stream: Rate(rate, 7) for stream, (rate, _, _) in streams.items()}
    rules = {stream: Rule(days, most) for stream, (_, days, most) in streams.items()}
    horizon, real = real_days(found, rules, room)
    needed = sum(found[stream].bytes_a_day * days for stream, days in real.items())
    assert needed == pytest.approx(room) if horizon is not None else needed <= room + 1e-6
    for stream, days in real.items():
        assert days <= rules[stream].days
        assert not rules[stream].max_bytes or days * found[stream].bytes_a_day <= rules[stream].max_bytes + 1e-6
