"""Viewing hours as people set them: what a half-said change means, and what a week looks like to guardians.

Pure. Invariants: what was not said stays as it is; a week is found by the same rules the policy asks, with everything
but the hour left out, so the preview cannot promise what the policy refuses at that hour.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from gateway.access import classday
from gateway.access.classes import Hours, PlanItem
from gateway.access.facts import SCHOOL_WEEK, Block, Facts, Window
from gateway.access.localtime import DAY, instants, midnight
from gateway.core.errors import BadInput
from gateway.core.model import PublicId

USUAL = (7 * 60, 16 * 60 + 30)
"""Hours of a class that has none yet, minutes of the day."""


def changed(
    have: Sequence[Hours], start_min: int | None, end_min: int | None, days: Collection[int] | None
) -> tuple[Hours, ...]:
    """Return the windows after a change that says hours, weekdays or both; the rest stays as it is.

    BadInput if one end of the hours is said and the class has several windows: which one is meant?
    """
    if start_min is None and end_min is None:
        if days is None:
            return tuple(have)
        spans = dict.fromkeys((item.start_min, item.end_min) for item in have) or {USUAL: None}
        return tuple(Hours(start, end, frozenset(days)) for start, end in spans)
    if (start_min is None or end_min is None) and len(have) > 1:
        raise BadInput("the class has several hours: say both ends", case="hours_which", key="start")
    usual = (have[0].start_min, have[0].end_min) if have else USUAL
    kept = frozenset().union(*(item.days for item in have)) or SCHOOL_WEEK
    wanted = kept if days is None else frozenset(days)
    return (Hours(usual[0] if start_min is None else start_min, usual[1] if end_min is None else end_min, wanted),)


@dataclass(frozen=True, slots=True)
class SeenDay:
    """One day as guardians may see it: spans of UTC ms, half open; `marked` if the calendar says something of it."""

    date: dt.date
    spans: tuple[tuple[int, int], ...]
    marked: bool
    open: bool


def seen_week(facts: Facts, class_id: PublicId, monday: dt.date) -> tuple[SeenDay, ...]:
    """Return when guardians may see a class in the week from `monday`, as far as hours, plan and calendar say."""
    return tuple(_seen_day(facts, class_id, monday + dt.timedelta(days=number)) for number in range(7))


def _seen_day(facts: Facts, class_id: PublicId, date: dt.date) -> SeenDay:
    start_ms, end_ms = midnight(facts.zone, date), midnight(facts.zone, date + DAY)
    edges = instants(facts.zone, date, classday.minutes(facts, {class_id}, start_ms))
    marks = sorted({start_ms, end_ms, *(edge for edge in edges if start_ms < edge < end_ms)})
    spans: list[tuple[int, int]] = []
    for first, last in pairwise(marks):
        if classday.out_of_hours(facts, class_id, first) or classday.off_plan(facts, class_id, first):
            continue
        if spans and spans[-1][1] == first:
            spans[-1] = (spans[-1][0], last)
        else:
            spans.append((first, last))
    special = facts.index.days.get(date)
    return SeenDay(date, tuple(spans), special is not None, special is None or special.open)


def tried(facts: Facts, class_id: PublicId, hours: Iterable[Hours], plan: Iterable[PlanItem]) -> Facts:
    """Return the facts as they would be with other hours and another plan of one class."""
    windows = [row for row in facts.windows if row.class_id != class_id]
    windows += [Window(class_id, item.days, item.start_min, item.end_min) for item in hours]
    blocks = [row for row in facts.blocks if row.class_id != class_id]
    for item in plan:
        span = item.hours
        blocks.append(Block(class_id, span.days, span.start_min, span.end_min, item.kind, item.guardian_visible))
    return dataclasses.replace(facts, windows=tuple(windows), blocks=tuple(blocks))


def hours_of(facts: Facts, class_id: PublicId) -> tuple[Hours, ...]:
    """Return the windows of a class."""
    rows = facts.index.windows_of_class.get(class_id, ())
    return tuple(Hours(row.start_min, row.end_min, row.days) for row in rows)


def plan_of(facts: Facts, class_id: PublicId) -> tuple[PlanItem, ...]:
    """Return the day plan of a class, by its hours."""
    rows = sorted(facts.index.blocks_of_class.get(class_id, ()), key=lambda row: (row.start_min, row.end_min))
    return tuple(PlanItem(Hours(row.start_min, row.end_min, row.days), row.kind, row.guardian_visible) for row in rows)
