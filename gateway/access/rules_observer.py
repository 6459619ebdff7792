"""What an observer may ("dự giờ"): see one class live while the session runs, and nothing else.

Owns these rules. Pure. Invariants: without the teacher's assent nothing is shown; every class that a camera shows
must be one of the session's; a class is shown only where every family agreed to observers (the principal's resolution
is for families); nap, toilet and changing are hidden from guests too. Hiding a class ("Tạm ẩn hình") concerns
guardians; the teacher ends a guest's view by taking back her assent.
"""

from __future__ import annotations

from gateway.access import classday
from gateway.access.ask import Answer, Ask, classes_shown, no
from gateway.access.facts import Facts
from gateway.access.reasons import Reason
from gateway.access.rules_guest import oneself
from gateway.core.model import ObjectKind, PublicId


def observer(ask: Ask, at_ms: int) -> Answer:
    """Allow the live picture of the session's class while it runs."""
    if ask.obj.kind is ObjectKind.PERSON:
        return oneself(ask, at_ms)
    facts, classes = ask.facts, classes_shown(ask, at_ms)
    mine = ask.facts.index.observations_of_person.get(ask.person.id, ())
    if not classes & {row.class_id for row in mine}:
        return no(Reason.NOT_FOUND)
    running = [row for row in mine if row.holds(at_ms)]
    if not classes <= {row.class_id for row in running}:
        return no(Reason.OBSERVATION_CLOSED)
    if not classes <= {row.class_id for row in running if row.assented}:
        return no(Reason.OBSERVATION_ASSENT)
    if (reason := _box(facts)) is not None:
        return no(reason)
    if not all(classday.observable(facts, class_id, at_ms) for class_id in classes):
        return no(Reason.OBSERVATION_CONSENT)
    care = (classday.in_care(facts, class_id, at_ms) for class_id in sorted(classes))
    if (hidden := next((item for item in care if item is not None), None)) is not None:
        return no(hidden)
    return Answer(True, Reason.OBSERVER)


def unwilling(facts: Facts, class_id: PublicId, at_ms: int) -> int:
    """Return how many children keep a class closed to observers, for the school's own eyes; 0 where it is open."""
    count = 0
    for row in facts.index.enrolments_of_class.get(class_id, ()):
        if row.holds(at_ms):
            consents = facts.index.observe_consents_of_child.get(row.child, ())
            said = [item.given for item in consents if item.holds(at_ms)]
            count += not (said and all(said))
    return count


def _box(facts: Facts) -> Reason | None:
    if not facts.clock_trusted:
        return Reason.CLOCK_UNTRUSTED
    if facts.sharing_stopped:
        return Reason.SHARING_STOPPED
    return None if facts.accepted else Reason.NOT_ACCEPTED
