"""What the step into a new school year takes from guardians at its instant: classes that close, logins that end.

Owns that comparison. Pure. Invariants: two snapshots of the facts are compared at one instant, without the step and
with it; a class counts as open if the policy's own rules show it to the guardian of a child in it at some minute of a
week: pauses, hidden cameras, special days and the switch of the whole box are of the day, not of the year, and who may
look at the school only does look; a class that the step makes was not open before.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.access.ask import Ask, Asking
from gateway.access.classday import why_never
from gateway.access.facts import Facts, Person
from gateway.access.reasons import Reason
from gateway.access.rules_guardian import kept_out, tied
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role

_AT_SCHOOL = Asking(on_site=True)


class Hindrance(StrEnum):
    """Why no guardian sees a class, whatever the hour."""

    NOBODY = "nobody"
    """No child is in it for whom a guardian stands."""
    CAMERA = "camera"
    ANSWERS = "answers"
    NOTICE = "notice"
    HOURS = "hours"
    PLAN = "plan"
    """No visible block of the day plan meets the hours."""
    NEWCOMERS = "newcomers"
    """It is shown in a child's first days only, and these are over for all."""
    MINUTES = "minutes"
    """It is shown for no minute a day."""


_WHY: Mapping[Reason, Hindrance] = {
    Reason.CLASS_NOT_OPEN: Hindrance.ANSWERS,
    Reason.CONSENT_MISSING: Hindrance.ANSWERS,
    Reason.STAFF_NOTICE: Hindrance.NOTICE,
    Reason.WINDOW_NONE: Hindrance.HOURS,
    Reason.PLAN_NONE: Hindrance.PLAN,
    Reason.ADAPTATION_OVER: Hindrance.NEWCOMERS,
    Reason.QUOTA_SPENT: Hindrance.MINUTES,
}
_ORDER = tuple(Hindrance)
"""Of several the first is told."""


@dataclass(frozen=True, slots=True)
class Closing:
    """What ends at an instant (UTC ms)."""

    at_ms: int
    classes: tuple[tuple[PublicId, Hindrance], ...] = ()
    """Open until then, and why not from then on."""
    children: int = 0
    """Whose guardians see a class until then and none from then on."""
    leavers: frozenset[PublicId] = frozenset()
    """Guardians who stand for no child from then on: their logins end."""
    logins: int = 0
    """Logins that these have now."""


@dataclass(frozen=True, slots=True)
class Week:
    """What guardians see at some minute of a week, by the facts that hold at one instant."""

    hindrances: Mapping[PublicId, Hindrance | None]
    """By class; None = somebody sees it."""
    children: frozenset[PublicId]
    """Whose guardians see the class they are in."""


def closing(before: Facts, after: Facts, at_ms: int) -> Closing:
    """Compare two snapshots at an instant; logins are not in them."""
    was, then = week(before, at_ms), week(after, at_ms)
    found = (
        (row, then.hindrances.get(row, Hindrance.NOBODY)) for row, why in sorted(was.hindrances.items()) if why is None
    )
    classes = tuple((row, why) for row, why in found if why is not None)
    leavers = _stand(before, at_ms) - _stand(after, at_ms)
    return Closing(at_ms, classes, len(was.children - then.children), frozenset(leavers))


def week(facts: Facts, at_ms: int) -> Week:
    """Go through every guardian and every camera of the own child's class; some 30 ms for 500 children."""
    cameras, never = _cameras(facts, at_ms), dict[PublicId, Reason | None]()
    found: dict[PublicId, set[Hindrance | None]] = defaultdict(set)
    seen: set[PublicId] = set()
    for row in facts.guardians:
        who = facts.index.persons.get(row.person)
        if not row.holds(at_ms) or who is None or who.disabled or who.role is not Role.GUARDIAN:
            continue
        for place in facts.index.enrolments_of_child.get(row.child, ()):
            if not place.holds(at_ms):
                continue
            whys = {_why(facts, who, camera, at_ms, never) for camera in cameras.get(place.class_id, ())}
            found[place.class_id] |= whys or {Hindrance.CAMERA}
            if None in whys:
                seen.add(row.child)
    return Week({row: _first(found.get(row, {Hindrance.NOBODY})) for row in facts.classes}, frozenset(seen))


def _cameras(facts: Facts, at_ms: int) -> Mapping[PublicId, list[PublicId]]:
    found: dict[PublicId, list[PublicId]] = defaultdict(list)
    for row in facts.class_cameras:
        if row.holds(at_ms) and row.camera in facts.cameras:
            found[row.class_id].append(row.camera)
    return found


def _why(
    facts: Facts, who: Person, camera: PublicId, at_ms: int, never: dict[PublicId, Reason | None]
) -> Hindrance | None:
    """Say why a guardian never sees a camera; `never` keeps what is the same for all of them."""
    ask = Ask(facts, who, Action.LIVE, ObjectRef(ObjectKind.CAMERA, camera), _AT_SCHOOL)
    tie = tied(ask, at_ms)
    if tie is None:
        return Hindrance.NOBODY
    if camera not in never:
        never[camera] = why_never(facts, tie.classes, at_ms)
    reason = never[camera] or kept_out(ask, tie, at_ms)
    if reason is None and tie.most_ms == 0:
        reason = Reason.QUOTA_SPENT
    return None if reason is None else _WHY[reason]


def _first(whys: set[Hindrance | None]) -> Hindrance | None:
    return None if None in whys else min((why for why in whys if why is not None), key=_ORDER.index)


def _stand(facts: Facts, at_ms: int) -> set[PublicId]:
    """Return who stands for a child at an instant or later (`departures` asks the same of the rows)."""
    return {tie.person for tie in facts.guardians if tie.until_ms is None or tie.until_ms > max(at_ms, tie.since_ms)}
