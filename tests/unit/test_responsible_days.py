"""On which days two persons answer for the cameras already: the rule alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.access.responsible import MOST, full_day

DAYS = [f"2026-11-{day:02d}" for day in range(1, 13)]
at = st.integers(0, len(DAYS) - 1)


def there(day: str, spans: list[tuple[str, str | None]]) -> int:
    return sum(first <= day and (last is None or day <= last) for first, last in spans)


@given(st.lists(st.tuples(at, at | st.none()), max_size=6), at)
def test_the_first_full_day_is_found_by_looking_at_beginnings(rows: list[tuple[int, int | None]], since: int) -> None:
    """As if every day from the new one's first had been counted, the days far after the last beginning included."""
    spans = [(DAYS[first], None if last is None else DAYS[max(first, last)]) for first, last in rows]
    counted = [day for day in DAYS[since:] if there(day, spans) >= MOST]
    assert full_day(spans, DAYS[since]) == (counted[0] if counted else None)


def test_nobody_and_one_leave_room() -> None:
    """Two is what the unit names; the second one fits in."""
    assert full_day([], DAYS[0]) is None
    assert full_day([(DAYS[0], None)], DAYS[5]) is None
    assert full_day([(DAYS[0], None)] * MOST, DAYS[5]) == DAYS[5]
