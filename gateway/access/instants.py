"""The instants at which an answer can change by time alone.

Owns where spans of facts begin and end, and where the minutes of windows and plans come. Pure. Invariant: between
two instants that `timeline` yields the answer is constant: every fact that a rule reads has its ends here.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from datetime import timedelta

from gateway.access import classday, quota
from gateway.access.ask import PICTURE, Ask, classes_ever
from gateway.access.facts import ends
from gateway.access.localtime import DAY, MS_PER_DAY, day_instants, midnight, moment, shifts
from gateway.core.model import Action, Role

HORIZON_DAYS = 14
"""How far ahead hours and plans are searched; an answer that holds longer is asked again then."""
BY_PLAN = frozenset({Role.GUARDIAN, Role.OBSERVER})
"""Whose view depends on what the class does just then."""


def by_the_day(ask: Ask) -> bool:
    """Say whether hours and plans of the day have a part in the answer."""
    return (ask.person.role in BY_PLAN and ask.action in PICTURE) or ask.action is Action.PAUSE


def timeline(ask: Ask, now_ms: int, fixed: Sequence[int]) -> Iterator[int]:
    """Yield, in order, every instant after `now_ms` at which the answer can change; `fixed` are its `span_ends`."""
    if not by_the_day(ask):
        yield from fixed
        return
    end_ms, zone = now_ms + HORIZON_DAYS * MS_PER_DAY, ask.facts.zone
    classes = classes_ever(ask)
    pending = [at_ms for at_ms in fixed if at_ms <= end_ms]
    date = moment(zone, now_ms).date
    if shifts(zone, date):  # a clock that is set back may show yesterday once more
        date -= DAY
    last_ms = now_ms
    for offset in range(HORIZON_DAYS + 3):
        day = date + timedelta(days=offset)
        starts_ms, next_ms = midnight(zone, day), midnight(zone, day + DAY)
        coming: Sequence[int] = day_instants(zone, day, classday.minutes(ask.facts, classes, starts_ms))
        spent = quota.spent_at(ask, classes, starts_ms, next_ms) if ask.asking.viewed else ()
        if pending or spent:
            coming = sorted([*coming, *pending, *spent])
        before = bisect_left(coming, next_ms)
        for at_ms in coming[bisect_right(coming, last_ms) : before]:
            if at_ms > end_ms:
                return
            if at_ms > last_ms:
                last_ms = at_ms
                yield at_ms
        pending = list(coming[before:])


def span_ends(ask: Ask, now_ms: int) -> list[int]:
    """Return, in order, where the spans behind the answer begin and end after `now_ms`."""
    index, obj = ask.facts.index, ask.obj
    found = ends([*index.privacies_of_camera.get(obj.id, ()), *index.classes_of_camera.get(obj.id, ())])
    role, person = ask.person.role, ask.person.id
    if role is Role.GUARDIAN:
        found |= ends(index.guardians_of_person.get(person, ()))
    elif role is Role.OBSERVER:
        found |= ends(index.observations_of_person.get(person, ()))
    elif role is Role.TEACHER:
        found |= ends(index.teachings_of_person.get(person, ()))
    if role in BY_PLAN:
        for class_id in classes_ever(ask):
            steps = index.steps_of_class.get(class_id, ())
            found.update(steps[bisect_right(steps, now_ms) :])
    return sorted(at_ms for at_ms in found if at_ms > now_ms)
