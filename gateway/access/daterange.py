"""Which days of the school's calendar can be marked: none that a slip of the finger makes.

Pure. Invariant: whatever may be marked is on the calendar's page, where it can be taken back.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

from gateway.core.errors import BadInput

AHEAD_DAYS = 730
"""How far a calendar is made: this school year, and what is known of the next."""


class DateRange(NamedTuple):
    """Days of the school's own calendar, the last one included."""

    first: dt.date
    last: dt.date


def markable(today: dt.date) -> DateRange:
    """Return the days that can be marked today: from this week's Monday on."""
    return DateRange(today - dt.timedelta(days=today.weekday()), today + dt.timedelta(days=AHEAD_DAYS))


def checked_date(date: dt.date, today: dt.date) -> dt.date:
    """Return a day that can be marked; BadInput names it, and the first and the last that can."""
    span = markable(today)
    if not span.first <= date <= span.last:
        first, last = (f"{day:%d/%m/%Y}" for day in span)
        raise BadInput(
            f"{date.isoformat()} is not from {span.first} to {span.last}",
            case="calendar_day",
            key="date",
            value=f"{date:%d/%m/%Y}",
            first=first,
            last=last,
        )
    return date
