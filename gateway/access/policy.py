"""The one decision: may this person do this to that, now, and until when.

Owns the rules of ACCESS. Pure: no clock, no I/O, no state. Invariants: default deny, a deny beats every
allow; `until_ms` is the first instant after `now_ms` at which the answer differs by time alone (the
answer is constant in between, because every instant at which a fact or the plan of the day begins or
ends is tried); what the asker may not know of is `not_found`, without any time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import NamedTuple, TypeAlias

from gateway.access import classday
from gateway.access.facts import Facts, Person, ends
from gateway.access.localtime import DAY, MS_PER_DAY, instants, midnight, moment
from gateway.access.pauserules import from_the_wall
from gateway.access.reasons import Reason
from gateway.core.model import Action, Decision, ObjectKind, ObjectRef, PublicId, Role

HORIZON_DAYS = 14
"""How far ahead hours and plans are searched; an answer that holds longer is asked again then."""
PAUSES_A_DAY = 5
"""How often teachers may hide one class in a local day; the next needs the principal."""

BOX = ObjectRef(ObjectKind.BOX, PublicId("box"))

_K = ObjectKind
_MAY: Mapping[Role, Mapping[Action, frozenset[ObjectKind]]] = {
    Role.PRINCIPAL: {
        Action.LIVE: frozenset({_K.CAMERA, _K.CLASS}),
        Action.SNAPSHOT: frozenset({_K.CAMERA}),
        Action.PLAYBACK: frozenset({_K.CAMERA}),
        Action.EXPORT: frozenset({_K.CAMERA, _K.EXPORT}),
        Action.HOLD: frozenset({_K.CAMERA}),
        Action.HEALTH: frozenset({_K.BOX, _K.CAMERA}),
        Action.PEOPLE: frozenset({_K.BOX, _K.CLASS, _K.CHILD, _K.PERSON}),
        Action.CONFIGURE: frozenset({_K.BOX, _K.CAMERA, _K.CLASS}),
        Action.AUDIT: frozenset({_K.BOX, _K.CAMERA, _K.CLASS, _K.PERSON}),
        Action.PAUSE: frozenset({_K.CLASS}),
        Action.STOP_ALL: frozenset({_K.BOX}),
        Action.APPROVE: frozenset({_K.BOX, _K.PERSON, _K.EXPORT}),
        Action.AIM: frozenset({_K.CAMERA}),
    },
    Role.TEACHER: {
        Action.LIVE: frozenset({_K.CAMERA, _K.CLASS}),
        Action.SNAPSHOT: frozenset({_K.CAMERA}),
        Action.PAUSE: frozenset({_K.CLASS}),
        Action.AUDIT: frozenset({_K.CLASS}),
        Action.PEOPLE: frozenset({_K.PERSON}),
    },
    Role.GUARDIAN: {
        Action.LIVE: frozenset({_K.CAMERA, _K.CLASS}),
        Action.SNAPSHOT: frozenset({_K.CAMERA}),
        Action.AUDIT: frozenset({_K.CLASS}),
        Action.PEOPLE: frozenset({_K.PERSON, _K.CHILD}),
    },
    Role.OBSERVER: {Action.PEOPLE: frozenset({_K.PERSON})},
    Role.AUTHORITY_IT: {
        Action.HEALTH: frozenset({_K.BOX, _K.CAMERA}),
        Action.PEOPLE: frozenset({_K.PERSON}),
    },
    Role.INSTALLER: {
        Action.CONFIGURE: frozenset({_K.BOX, _K.CAMERA}),
        Action.AIM: frozenset({_K.CAMERA}),
        Action.HEALTH: frozenset({_K.BOX, _K.CAMERA}),
        Action.PEOPLE: frozenset({_K.PERSON}),
    },
}
"""Which kinds of object a role may do something to at all; everything else is `role.action`."""

_PICTURE = frozenset({Action.LIVE, Action.SNAPSHOT, Action.AIM})
"""Actions that show what the camera sees now: privacy hides it from everyone."""


class _Ask(NamedTuple):
    facts: Facts
    person: Person
    action: Action
    obj: ObjectRef


class _Answer(NamedTuple):
    allowed: bool
    reason: Reason


_Rule: TypeAlias = Callable[[_Ask, int], _Answer]


def _no(reason: Reason) -> _Answer:
    return _Answer(False, reason)


def decide(facts: Facts, person: PublicId, action: Action, obj: ObjectRef, now_ms: int) -> Decision:
    """Answer one question at one instant; unknown objects and other families' look the same.

    `until_ms` of a refusal is when its reason may change, `next_ms` when it first becomes allowed; both
    are None if nothing within `HORIZON_DAYS` changes it.
    """
    who = facts.index.persons.get(person)
    if who is None:
        return Decision(False, Reason.PERSON_UNKNOWN)
    if who.disabled:
        return Decision(False, Reason.PERSON_DISABLED)
    if action is Action.LIVE_AUDIO:
        return Decision(False, Reason.SOUND_OFF)
    if obj.kind not in _MAY[who.role].get(action, ()):
        return Decision(False, Reason.ROLE)
    ask = _Ask(facts, who, action, obj)
    answer = _answer(ask, now_ms)
    if answer.reason is Reason.NOT_FOUND:
        return Decision(False, Reason.NOT_FOUND)
    until_ms, next_ms = _search(ask, answer, now_ms)
    return Decision(answer.allowed, answer.reason, until_ms, next_ms)


def decide_at_console(facts: Facts, camera: PublicId, now_ms: int, *, knowingly: bool) -> Decision:
    """Answer whether whoever holds the box's control socket may see what a camera sees now.

    As for an installer: until the box is accepted. Afterwards only `knowingly`, for a repair, and a camera that
    is hidden for privacy is hidden from the console too.
    """
    picture = ObjectRef(ObjectKind.CAMERA, camera)
    if not _known(facts, picture):
        return Decision(False, Reason.NOT_FOUND)
    if _private(facts, picture, now_ms):
        return Decision(False, Reason.CAMERA_PRIVATE)
    if facts.accepted and not knowingly:
        return Decision(False, Reason.ACCEPTED)
    return Decision(True, Reason.CONSOLE)


def _search(ask: _Ask, answer: _Answer, now_ms: int) -> tuple[int | None, int | None]:
    """Walk forward through the instants at which the answer can change."""
    until_ms: int | None = None
    for at_ms in _timeline(ask, now_ms):
        later = _answer(ask, at_ms)
        if until_ms is None and later != answer:
            until_ms = at_ms
        if answer.allowed:
            if until_ms is not None:
                return until_ms, None
        elif later.allowed:
            return until_ms, at_ms
    if answer.allowed and _by_the_day(ask):
        return now_ms + HORIZON_DAYS * MS_PER_DAY, None
    return until_ms, None


def _answer(ask: _Ask, at_ms: int) -> _Answer:
    """Give the whole answer at one instant, without until and next."""
    facts, obj = ask.facts, ask.obj
    if not _known(facts, obj):
        return _no(Reason.NOT_FOUND)
    answer = _RULES[ask.person.role](ask, at_ms)
    if answer.allowed and ask.action in _PICTURE and _private(facts, obj, at_ms):
        return _no(Reason.CAMERA_PRIVATE)
    return answer


def _known(facts: Facts, obj: ObjectRef) -> bool:
    match obj.kind:
        case ObjectKind.BOX:
            return True
        case ObjectKind.CAMERA:
            return obj.id in facts.cameras
        case ObjectKind.CLASS:
            return obj.id in facts.classes
        case ObjectKind.CHILD:
            return obj.id in facts.children
        case ObjectKind.PERSON:
            return obj.id in facts.index.persons
        case ObjectKind.EXPORT:
            return obj.id in facts.index.exports
        case _:
            return False


def _private(facts: Facts, obj: ObjectRef, at_ms: int) -> bool:
    return any(row.holds(at_ms) for row in facts.index.privacies_of_camera.get(obj.id, ()))


# roles


def _principal(ask: _Ask, _at_ms: int) -> _Answer:
    if ask.action is Action.EXPORT and ask.obj.kind is ObjectKind.CAMERA:
        return _no(Reason.EXPORT_TWO_PEOPLE)
    if ask.obj.kind is ObjectKind.EXPORT:
        order = ask.facts.index.exports[ask.obj.id]
        if ask.action is Action.APPROVE and order.requester == ask.person.id:
            return _no(Reason.EXPORT_SAME_PERSON)
        if ask.action is Action.EXPORT and order.approver in {None, order.requester}:
            return _no(Reason.EXPORT_TWO_PEOPLE)
    return _Answer(True, Reason.PRINCIPAL)


def _teacher(ask: _Ask, at_ms: int) -> _Answer:
    if ask.obj.kind is ObjectKind.PERSON:
        return _self(ask, at_ms)
    mine = {row.class_id for row in ask.facts.index.teachings_of_person.get(ask.person.id, ()) if row.holds(at_ms)}
    if not mine & _classes(ask, at_ms):
        return _no(Reason.NOT_FOUND)
    if (
        ask.action is Action.PAUSE
        and _pauses_today(ask, at_ms) + from_the_wall(ask.facts, ask.obj.id, at_ms) >= PAUSES_A_DAY
    ):
        return _no(Reason.PAUSE_TOO_MANY)
    return _Answer(True, Reason.TEACHER)


def _pauses_today(ask: _Ask, at_ms: int) -> int:
    facts = ask.facts
    today = moment(facts.zone, at_ms).date
    return sum(
        facts.index.persons[PublicId(row.by)].role is Role.TEACHER and moment(facts.zone, row.since_ms).date == today
        for row in facts.index.pauses_of_class.get(ask.obj.id, ())
        if row.by in facts.index.persons
    )


def _guardian(ask: _Ask, at_ms: int) -> _Answer:
    if ask.obj.kind is ObjectKind.PERSON:
        return _self(ask, at_ms)
    children = _own_children(ask, at_ms)
    if ask.obj.kind is ObjectKind.CHILD:
        return _Answer(True, Reason.OWN_CHILD) if ask.obj.id in children else _no(Reason.NOT_FOUND)
    classes = _classes(ask, at_ms)
    here = {
        row.child
        for child in children
        for row in ask.facts.index.enrolments_of_child.get(child, ())
        if row.holds(at_ms) and row.class_id in classes
    }
    if not here:
        return _no(Reason.NOT_FOUND)
    if ask.action is Action.AUDIT:
        return _Answer(True, Reason.GUARDIAN)
    return _sharing(ask, here, classes, at_ms)


def _sharing(ask: _Ask, here: set[PublicId], classes: set[PublicId], at_ms: int) -> _Answer:
    """Go through everything that hides a class from its own guardians; each class of a camera must be open."""
    facts = ask.facts
    if not facts.clock_trusted:
        return _no(Reason.CLOCK_UNTRUSTED)
    if facts.sharing_stopped:
        return _no(Reason.SHARING_STOPPED)
    if not facts.accepted:
        return _no(Reason.NOT_ACCEPTED)
    if not any(classday.consents(facts, child, at_ms) for child in here):
        return _no(Reason.CONSENT_MISSING)
    for hidden_by in classday.HIDDEN_BY:
        for class_id in sorted(classes):
            if (reason := hidden_by(facts, class_id, at_ms)) is not None:
                return _no(reason)
    return _Answer(True, Reason.GUARDIAN)


def _self(ask: _Ask, _at_ms: int) -> _Answer:
    """One's own sessions and devices are everyone's own business; another person is not there."""
    return _Answer(True, Reason.SELF) if ask.obj.id == ask.person.id else _no(Reason.NOT_FOUND)


def _authority(ask: _Ask, at_ms: int) -> _Answer:
    return _Answer(True, Reason.HEALTH) if ask.action is Action.HEALTH else _self(ask, at_ms)


def _installer(ask: _Ask, at_ms: int) -> _Answer:
    if ask.action in {Action.HEALTH, Action.PEOPLE}:
        return _authority(ask, at_ms)
    return _no(Reason.ACCEPTED) if ask.facts.accepted else _Answer(True, Reason.INSTALLER)


_RULES: Mapping[Role, _Rule] = {
    Role.PRINCIPAL: _principal,
    Role.TEACHER: _teacher,
    Role.GUARDIAN: _guardian,
    Role.OBSERVER: _self,
    Role.AUTHORITY_IT: _authority,
    Role.INSTALLER: _installer,
}

# what holds at an instant


def _classes(ask: _Ask, at_ms: int) -> set[PublicId]:
    """Return the classes an object shows: itself, or those of the camera."""
    if ask.obj.kind is ObjectKind.CLASS:
        return {ask.obj.id}
    return {row.class_id for row in ask.facts.index.classes_of_camera.get(ask.obj.id, ()) if row.holds(at_ms)}


def _own_children(ask: _Ask, at_ms: int) -> set[PublicId]:
    return {row.child for row in ask.facts.index.guardians_of_person.get(ask.person.id, ()) if row.holds(at_ms)}


# the instants at which an answer can change


def _by_the_day(ask: _Ask) -> bool:
    """Say whether hours and plans of the day have a part in the answer."""
    return (ask.person.role is Role.GUARDIAN and ask.action in _PICTURE) or ask.action is Action.PAUSE


def _timeline(ask: _Ask, now_ms: int) -> Iterator[int]:
    """Yield, in order, every instant after `now_ms` at which the answer can change."""
    fixed = sorted(at_ms for at_ms in _fixed(ask) if at_ms > now_ms)
    if not _by_the_day(ask):
        yield from fixed
        return
    end_ms, zone = now_ms + HORIZON_DAYS * MS_PER_DAY, ask.facts.zone
    classes = _all_classes(ask)
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


def _fixed(ask: _Ask) -> set[int]:
    """Return where the spans behind the answer begin and end."""
    index, obj = ask.facts.index, ask.obj
    found = ends([*index.privacies_of_camera.get(obj.id, ()), *index.classes_of_camera.get(obj.id, ())])
    found |= ends(index.guardians_of_person.get(ask.person.id, ()))
    found |= ends(index.teachings_of_person.get(ask.person.id, ()))
    if ask.person.role is Role.GUARDIAN:
        for class_id in _all_classes(ask):
            found |= index.instants_of_class.get(class_id, frozenset())
    return found


def _all_classes(ask: _Ask) -> set[PublicId]:
    """Return the classes an object shows at any time."""
    if ask.obj.kind is ObjectKind.CLASS:
        return {ask.obj.id}
    return {row.class_id for row in ask.facts.index.classes_of_camera.get(ask.obj.id, ())}
