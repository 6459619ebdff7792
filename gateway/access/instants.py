"""The instants at which an answer can change by time alone.

Owns where spans of facts begin and end, and where the minutes of windows and plans come. Pure. Invariant: between
two instants that `timeline` yields the answer is constant: every fact that a rule reads has its ends here.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from gateway.access import classday
from gateway.access.ask import PICTURE, Ask, classes_ever
from gateway.access.facts import ends
from gateway.access.localtime import DAY, MS_PER_DAY, instants, midnight, moment
from gateway.core.model import Action, Role

HORIZON_DAYS = 14
"""How far ahead hours and plans are searched; an answer that holds longer is asked again then."""


def by_the_day(ask: Ask) -> bool:
    """Say whether hours and plans of the day have a part in the answer."""
    return (ask.person.role is Role.GUARDIAN and ask.action in PICTURE) or ask.action is Action.PAUSE


def timeline(ask: Ask, now_ms: int) -> Iterator[int]:
    """Yield, in order, every instant after `now_ms` at which the answer can change."""
    fixed = sorted(at_ms for at_ms in _fixed(ask) if at_ms > now_ms)
    if not by_the_day(ask):
        yield from fixed
        return
    end_ms, zone = now_ms + HORIZON_DAYS * MS_PER_DAY, ask.facts.zone
    classes = classes_ever(ask)
    pending = {at_ms for at_ms in fixed if at_ms <= end_ms}
    date = moment(zone, now_ms).date - DAY
    last_ms = now_ms
    for offset in range(HORIZON_DAYS + 3):
        day = date + timedelta(days=offset)
        pending |= instants(zone, day, classday.minutes(ask.facts, classes, midnight(zone, day)))
        before_ms = midnight(zone, day + DAY)
        for at_ms in sorted(item for item in pending if item < before_ms):
            if last_ms < at_ms <= end_ms:
                last_ms = at_ms
                yield at_ms
        pending = {item for item in pending if item >= before_ms}


def _fixed(ask: Ask) -> set[int]:
    """Return where the spans behind the answer begin and end."""
    index, obj = ask.facts.index, ask.obj
    found = ends([*index.privacies_of_camera.get(obj.id, ()), *index.classes_of_camera.get(obj.id, ())])
    found |= ends(index.guardians_of_person.get(ask.person.id, ()))
    found |= ends(index.teachings_of_person.get(ask.person.id, ()))
    if ask.person.role is Role.GUARDIAN:
        for class_id in classes_ever(ask):
            found |= index.instants_of_class.get(class_id, frozenset())
    return found
