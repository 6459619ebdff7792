"""One class at one instant: is it paused, answered for, within its hours, in a block that may be seen.

Owns the rules of the class's day, which the policy joins with who asks. Pure. Invariants: each rule
returns why guardians may not see the class at that instant, or None; deny beats allow (one hidden
block hides whatever runs beside it); minutes and weekdays are those of the site's zone, and a special
day of the calendar may run like another weekday.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection
from typing import TypeAlias

from gateway.access.facts import MINUTES_PER_DAY, NEVER_VISIBLE, Block, BlockKind, Facts, Window
from gateway.access.localtime import moment
from gateway.access.noticerules import unsigned
from gateway.access.reasons import Reason
from gateway.core.model import PublicId

Rule: TypeAlias = Callable[[Facts, PublicId, int], Reason | None]

MOST_MEMO = 20_000
_HIDDEN = {
    BlockKind.NAP: Reason.PLAN_NAP,
    BlockKind.TOILET: Reason.PLAN_CARE,
    BlockKind.CHANGING: Reason.PLAN_CARE,
}


def paused(facts: Facts, class_id: PublicId, at_ms: int) -> Reason | None:
    """Hide while somebody of the school hides the class."""
    if any(row.holds(at_ms) for row in facts.index.pauses_of_class.get(class_id, ())):
        return Reason.CLASS_PAUSED
    return None


def consents(facts: Facts, child: PublicId, at_ms: int) -> bool:
    """Say whether this child's family agrees to viewing at this instant: somebody said yes, and nobody no."""
    answers = [row.given for row in facts.index.consents_of_child.get(child, ()) if row.holds(at_ms)]
    return bool(answers) and all(answers)


def observable(facts: Facts, class_id: PublicId, at_ms: int) -> bool:
    """Say whether every enrolled child's family agrees to named observers; no answer is not consent.

    The principal's resolution opens a class to its families only: no guest comes in by it.
    """
    for row in facts.index.enrolments_of_class.get(class_id, ()):
        if row.holds(at_ms):
            rows = facts.index.observe_consents_of_child.get(row.child, ())
            answers = [item.given for item in rows if item.holds(at_ms)]
            if not answers or not all(answers):
                return False
    return True


def unanswered(facts: Facts, class_id: PublicId, at_ms: int) -> Reason | None:
    """No answer is not consent: every enrolled child needs one, or the principal's resolution."""
    for row in facts.index.enrolments_of_class.get(class_id, ()):
        if row.holds(at_ms) and not consents(facts, row.child, at_ms):
            resolved = facts.index.resolutions_of_child.get(row.child, ())
            if not any(item.class_id == class_id and item.holds(at_ms) for item in resolved):
                return Reason.CLASS_NOT_OPEN
    return None


def out_of_hours(facts: Facts, class_id: PublicId, at_ms: int) -> Reason | None:
    """Hide on closed days and outside the class's viewing windows; no windows, no viewing."""
    return _by_hours(facts, class_id, *_weekday(facts, at_ms))


def _by_hours(facts: Facts, class_id: PublicId, weekday: int | None, minute: int) -> Reason | None:
    if weekday is None:
        return Reason.CALENDAR_CLOSED
    windows = facts.index.windows_of_class.get(class_id, ())
    if not windows:
        return Reason.WINDOW_NONE
    return None if any(_runs(row, weekday, minute) for row in windows) else Reason.WINDOW_CLOSED


def off_plan(facts: Facts, class_id: PublicId, at_ms: int) -> Reason | None:
    """Hide unless a visible block runs and no hidden one does."""
    return _by_plan(facts, class_id, *_weekday(facts, at_ms))


def _by_plan(facts: Facts, class_id: PublicId, weekday: int | None, minute: int) -> Reason | None:
    running = [row for row in facts.index.blocks_of_class.get(class_id, ()) if _runs(row, weekday, minute)]
    for row in running:
        if row.kind in NEVER_VISIBLE or not row.guardian_visible:
            return _HIDDEN.get(row.kind, Reason.PLAN_HIDDEN)
    return None if running else Reason.PLAN_NONE


def in_care(facts: Facts, class_id: PublicId, at_ms: int) -> Reason | None:
    """Say which care hides a class from every guest, whatever the plan shows to families; None outside of it."""
    weekday, minute = _weekday(facts, at_ms)
    for row in facts.index.blocks_of_class.get(class_id, ()):
        if row.kind in NEVER_VISIBLE and _runs(row, weekday, minute):
            return _HIDDEN[row.kind]
    return None


HIDDEN_BY: tuple[Rule, ...] = (paused, unanswered, unsigned, out_of_hours, off_plan)
"""Every rule, in the order in which a guardian is told: first what no hour of the day changes."""


def why_hidden(facts: Facts, classes: Collection[PublicId], at_ms: int) -> Reason | None:
    """Return why guardians may not see at least one of the classes, the first reason of `HIDDEN_BY`; None if all open.

    Remembered for one class: between two steps of its facts, and by the minute of the day.
    """
    if len(classes) != 1:
        every = (rule(facts, name, at_ms) for rule in HIDDEN_BY for name in sorted(classes))
        return next((reason for reason in every if reason is not None), None)
    (class_id,) = classes
    memo, step = facts.index.memo, bisect_right(facts.index.steps_of_class.get(class_id, ()), at_ms)
    weekday, minute = _weekday(facts, at_ms)
    now = MINUTES_PER_DAY * 8 if weekday is None else MINUTES_PER_DAY * weekday + minute
    try:
        return memo[class_id, step, now]
    except KeyError:
        reason = next((found for rule in HIDDEN_BY if (found := rule(facts, class_id, at_ms)) is not None), None)
        if len(memo) >= MOST_MEMO:
            memo.clear()
        memo[class_id, step, now] = reason
        return reason


def why_never(facts: Facts, classes: Collection[PublicId], at_ms: int) -> Reason | None:
    """Return why no minute of a week shows guardians all of the classes, by what holds at an instant; None if one does.

    Pauses and the calendar's special days pass, so they have no say.
    """
    index = facts.index
    lasting = (rule(facts, class_id, at_ms) for rule in (unanswered, unsigned) for class_id in classes)
    if (reason := next(filter(None, lasting), None)) is not None:
        return reason
    if not all(index.windows_of_class.get(class_id) for class_id in classes):
        return Reason.WINDOW_NONE
    for weekday in range(7):  # nothing changes between the minutes at which a window or block begins or ends
        edges = {minute for class_id in classes for minute in index.minutes_of_class[class_id][weekday]}
        for minute in edges:
            here = ((name, weekday, minute) for name in classes)
            if not any(_by_hours(facts, *at) or _by_plan(facts, *at) for at in here):
                return None
    return Reason.PLAN_NONE


def _runs(row: Window | Block, weekday: int | None, minute: int) -> bool:
    return weekday in row.days and row.start_min <= minute < row.end_min


def _weekday(facts: Facts, at_ms: int) -> tuple[int | None, int]:
    """Return the weekday the school runs by (None = closed) and the local minute."""
    date, minute = moment(facts.zone, at_ms)
    special = facts.index.days.get(date)
    if special is None:
        return date.weekday(), minute
    if not special.open:
        return None, minute
    return date.weekday() if special.as_weekday is None else special.as_weekday, minute


def minutes(facts: Facts, classes: Collection[PublicId], at_ms: int) -> frozenset[int]:
    """Return the minutes at which a window or block of the local day of `at_ms` begins or ends."""
    weekday, _ = _weekday(facts, at_ms)
    if weekday is None:
        return frozenset()
    found = [rows[weekday] for name in classes if (rows := facts.index.minutes_of_class.get(name)) is not None]
    return found[0] if len(found) == 1 else frozenset().union(*found)
