"""What the step into a new school year takes from guardians at its instant: classes that close, logins that end.

Owns that comparison. Pure. Invariants: two snapshots of the facts are compared at one instant, without the step and
with it; a class counts as open if some camera shows it to a guardian at some hour: pauses, hidden cameras and the
switch of the whole box are of the day, not of the year; a class that the step makes was not open before.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from gateway.access.classday import unanswered
from gateway.access.facts import Facts
from gateway.access.noticerules import unsigned
from gateway.core.model import PublicId


class Hindrance(StrEnum):
    """Why no guardian sees a class, whatever the hour."""

    NOBODY = "nobody"
    """No child is in it for whom a guardian stands."""
    CAMERA = "camera"
    HOURS = "hours"
    ANSWERS = "answers"
    NOTICE = "notice"


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


def closing(before: Facts, after: Facts, at_ms: int) -> Closing:
    """Compare two snapshots at an instant; logins are not in them."""
    open_before = {row for row in before.classes if hindrance(before, row, at_ms) is None}
    found = ((row, hindrance(after, row, at_ms)) for row in sorted(open_before))
    classes = tuple((row, why) for row, why in found if why is not None)
    open_after = {row for row in after.classes if hindrance(after, row, at_ms) is None}
    seen = _seen(before, open_before, at_ms) - _seen(after, open_after, at_ms)
    leavers = _stand(before, at_ms) - _stand(after, at_ms)
    return Closing(at_ms, classes, len(seen), frozenset(leavers))


def hindrance(facts: Facts, class_id: PublicId, at_ms: int) -> Hindrance | None:
    """Say why no guardian sees a class at any hour of a day like this one; None if some do."""
    children = {row.child for row in facts.index.enrolments_of_class.get(class_id, ()) if row.holds(at_ms)}
    if not any(tie.child in children and tie.holds(at_ms) for tie in facts.guardians):
        return Hindrance.NOBODY
    cameras = [row.camera for row in facts.class_cameras if row.class_id == class_id and row.holds(at_ms)]
    found = [_of_camera(facts, camera, at_ms) for camera in cameras]
    return None if None in found else next(iter(found), Hindrance.CAMERA)


def _of_camera(facts: Facts, camera: PublicId, at_ms: int) -> Hindrance | None:
    """Every class that a camera shows has a say."""
    classes = [row.class_id for row in facts.index.classes_of_camera.get(camera, ()) if row.holds(at_ms)]
    if any(unanswered(facts, row, at_ms) for row in classes):
        return Hindrance.ANSWERS
    if any(unsigned(facts, row, at_ms) for row in classes):
        return Hindrance.NOTICE
    if not all(facts.index.windows_of_class.get(row) for row in classes):
        return Hindrance.HOURS
    return None


def _seen(facts: Facts, classes: Iterable[PublicId], at_ms: int) -> set[PublicId]:
    """Return the children with a guardian, in one of these classes."""
    with_guardian = {tie.child for tie in facts.guardians if tie.holds(at_ms)}
    rows = (row for item in classes for row in facts.index.enrolments_of_class.get(item, ()))
    return {row.child for row in rows if row.holds(at_ms)} & with_guardian


def _stand(facts: Facts, at_ms: int) -> set[PublicId]:
    """Return who stands for a child at an instant or later (`departures` asks the same of the rows)."""
    return {tie.person for tie in facts.guardians if tie.until_ms is None or tie.until_ms > max(at_ms, tie.since_ms)}
