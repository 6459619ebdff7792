"""The moment of a question: now, or a day and a time as people write them.

Pure. Invariants: what cannot be read is named and comes back as it was typed, and is never taken for another moment;
days are told in words and in the order of the country, whatever a browser thinks of dates.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo

DAYS_BACK = DAYS_AHEAD = 14
"""The days offered: hours and plans are known that far ahead, and questions are asked about what was lately."""
MAX_TIME_CHARS = 19
_CLOCK = re.compile(r"(\d{1,2})(?:[:hg.](\d{2})?|(\d{2}))?")
"""11:30, 11h30, 11g30, 11.30, 1130, 11h, 7."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment that was asked about."""

    at_ms: int | None = None
    """None: now, or nothing that can be read."""
    day: str = ""
    """ISO date of the choice, for the form."""
    clock: str = ""
    """As it was typed."""
    wrong: str = ""
    """What cannot be read: `day` or `clock`; empty = nothing."""

    @property
    def iso(self) -> str:
        """Return the local moment for an address, "2026-11-19T11:30"; empty for now."""
        return f"{self.day}T{self.clock}" if self.at_ms is not None else ""


def clock_of(text: str) -> dt.time | None:
    """Return the time of day that somebody wrote, or None."""
    found = _CLOCK.fullmatch(text.strip().lower())
    if found is None:
        return None
    hour, minute = int(found[1]), int(found[2] or found[3] or 0)
    return dt.time(hour, minute) if hour < 24 and minute < 60 else None


def moment_of(day: str, clock: str, zone: str) -> Moment:
    """Return the moment of a form's two fields."""
    try:
        date = dt.date.fromisoformat(day) if len(day) == len("2026-11-19") else None
    except ValueError:
        date = None
    if date is None or not 2000 <= date.year < 2100:
        return Moment(clock=clock, wrong="day")
    time = clock_of(clock)
    if time is None:
        return Moment(day=day, clock=clock, wrong="clock")
    when = dt.datetime.combine(date, time, ZoneInfo(zone))
    return Moment(int(when.timestamp()) * 1000, day, f"{time:%H:%M}")


def moment_in(text: str, zone: str) -> Moment:
    """Return the moment of an address, "2026-11-19T11:30"; empty means now."""
    if not text:
        return Moment()
    day, _, clock = text[:MAX_TIME_CHARS].partition("T")
    return moment_of(day, clock, zone)


def days_around(today: dt.date, chosen: str) -> list[dt.date]:
    """Return the days that are offered, and the chosen one wherever it lies."""
    days = {today + dt.timedelta(days=step) for step in range(-DAYS_BACK, DAYS_AHEAD + 1)}
    if chosen:
        days.add(dt.date.fromisoformat(chosen))
    return sorted(days)
