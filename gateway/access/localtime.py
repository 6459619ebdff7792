"""The site's local days as instants: which minute of which day it is, and when a minute comes.

Owns the arithmetic between UTC milliseconds and a zone's wall clock. Pure. Invariants: exact to the
millisecond; safe where a zone shifts its clock: a skipped minute yields the instant of the shift, a
repeated one yields both instants, so no boundary is ever missed (extra ones may appear).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

DAY = dt.timedelta(days=1)
MS_PER_DAY = 86_400_000


class Moment(NamedTuple):
    """One instant as the school's wall clock shows it; `minute` counts from local midnight."""

    date: dt.date
    minute: int


@lru_cache(maxsize=4096)
def moment(zone: ZoneInfo, at_ms: int) -> Moment:
    """Return the local date and minute of a UTC instant; ValueError far outside year 1 to 9999."""
    local = dt.datetime.fromtimestamp(at_ms // 1000, zone)
    return Moment(local.date(), local.hour * 60 + local.minute)


def instants(zone: ZoneInfo, date: dt.date, minutes: Iterable[int]) -> set[int]:
    """Return every UTC ms at which one of `minutes` (0 to 1440) can begin on this local date.

    Also in the set: local midnight and the zone's own shifts of that day.
    """
    found = set(_edges(zone, date))
    for minute in minutes:
        found.update(_begins(zone, date, minute))
    return found


@lru_cache(maxsize=4096)
def day_instants(zone: ZoneInfo, date: dt.date, minutes: frozenset[int]) -> tuple[int, ...]:
    """Return `instants` in order; remembered, for every guardian of a class asks for the same ones."""
    return tuple(sorted(instants(zone, date, minutes)))


@lru_cache(maxsize=4096)
def _begins(zone: ZoneInfo, date: dt.date, minute: int) -> tuple[int, ...]:
    if minute == 24 * 60:
        date, minute = date + DAY, 0
    wall = dt.datetime.combine(date, dt.time(minute // 60, minute % 60), zone)
    first, second = (int(wall.replace(fold=fold).timestamp()) * 1000 for fold in (0, 1))
    return (first,) if first == second else (first, second)


@lru_cache(maxsize=256)
def _edges(zone: ZoneInfo, date: dt.date) -> tuple[int, ...]:
    """Midnights of this date, and the instant its offset changes, if it does (one shift a day at most)."""
    starts, ends = _begins(zone, date, 0), _begins(zone, date + DAY, 0)
    low, high = starts[0], ends[0]
    before, after = _offset(zone, low), _offset(zone, high)
    if before == after:
        return starts
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if _offset(zone, middle) == before else (low, middle)
    return (*starts, high)


def midnight(zone: ZoneInfo, date: dt.date) -> int:
    """Return the first UTC ms at which the wall clock shows the start of `date`."""
    return _begins(zone, date, 0)[0]


@lru_cache(maxsize=256)
def shifts(zone: ZoneInfo, date: dt.date) -> bool:
    """Say whether the clock shifts on this local date or the one before: yesterday may then be shown once more."""
    return len(_edges(zone, date)) > 1 or len(_edges(zone, date - DAY)) > 1


def _offset(zone: ZoneInfo, at_ms: int) -> dt.timedelta | None:
    return dt.datetime.fromtimestamp(at_ms // 1000, zone).utcoffset()
