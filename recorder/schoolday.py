"""When a school day is: the hours for which footage must be whole.

Owns `SchoolHours`. Pure. Invariants: hours are the wall clock's in the site's zone, so a day has its usual hours
also when the zone changes its offset; a day without school has no span; spans are half open, UTC ms.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from zoneinfo import ZoneInfo


class Hours(NamedTuple):
    """One school day: the date in the site's zone and its hours, UTC ms, half open."""

    day: dt.date
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class SchoolHours:
    """The usual week of a site."""

    zone: ZoneInfo
    opens: dt.time = dt.time(6, 30)
    closes: dt.time = dt.time(17, 30)
    weekdays: frozenset[int] = frozenset(range(5))
    """0 is Monday."""

    def on(self, day: dt.date) -> Hours | None:
        """Return the hours of a day; None if there is no school."""
        if day.weekday() not in self.weekdays:
            return None
        return Hours(day, self._at(day, self.opens), self._at(day, self.closes))

    def _at(self, day: dt.date, time: dt.time) -> int:
        return int(dt.datetime.combine(day, time, self.zone).timestamp() * 1000)

    def today(self, now_ms: int) -> dt.date:
        """Return the date in the site's zone."""
        return dt.datetime.fromtimestamp(now_ms / 1000, self.zone).date()

    def back(self, now_ms: int, days: int) -> Iterator[Hours]:
        """Yield the school days that have begun of the last `days` dates, today's included; the newest first."""
        today = self.today(now_ms)
        for number in range(days):
            hours = self.on(today - dt.timedelta(days=number))
            if hours is not None and hours.start_ms < now_ms:
                yield hours

    def latest(self, now_ms: int) -> Hours | None:
        """Return the school day that runs or was last; None if no day of the week is one."""
        return next(self.back(now_ms, 8), None)
