"""The one decision: may this person do this to that, now, and until when.

Owns `decide`; what each role may is in `roletable` and the `rules_*` rooms. Pure: no clock, no I/O, no state.
Invariants: default deny, a deny beats every allow; `until_ms` is the first instant after `now_ms` at which the
answer differs by time alone (every instant of `instants.timeline` is tried); what the asker may not know of is
`not_found`, without any time.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.access.ask import ANYHOW, PICTURE, Answer, Ask, Asking, Rule, known, no, private
from gateway.access.facts import Facts
from gateway.access.instants import HORIZON_DAYS, by_the_day, span_ends, timeline
from gateway.access.localtime import MS_PER_DAY
from gateway.access.reasons import Reason
from gateway.access.roletable import MAY
from gateway.access.rules_guardian import guardian, stands
from gateway.access.rules_guest import authority, installer
from gateway.access.rules_observer import observer
from gateway.access.rules_staff import principal, teacher, vice_principal
from gateway.core.model import Action, Decision, ObjectKind, ObjectRef, PublicId, Role

BOX = ObjectRef(ObjectKind.BOX, PublicId("box"))

_RULES: Mapping[Role, Rule] = {
    Role.PRINCIPAL: principal,
    Role.VICE_PRINCIPAL: vice_principal,
    Role.TEACHER: teacher,
    Role.GUARDIAN: guardian,
    Role.OBSERVER: observer,
    Role.AUTHORITY_IT: authority,
    Role.INSTALLER: installer,
}


def decide(
    facts: Facts, person: PublicId, action: Action, obj: ObjectRef, now_ms: int, asking: Asking = ANYHOW
) -> Decision:
    """Answer one question at one instant; unknown objects and other families' look the same.

    `until_ms` of a refusal is when its reason may change, `next_ms` when it first becomes allowed; both
    are None if nothing within `HORIZON_DAYS` changes it. `asking` stays as it is while time passes; a span of
    `viewed` without an end goes on while it is allowed.
    """
    if asking.over is not None:
        return Decision(False, asking.over)
    who = facts.index.persons.get(person)
    if who is None:
        return Decision(False, Reason.PERSON_UNKNOWN)
    if who.disabled:
        return Decision(False, Reason.PERSON_DISABLED)
    if action is Action.LIVE_AUDIO:
        return Decision(False, Reason.SOUND_OFF)
    if obj.kind not in MAY[who.role].get(action, ()):
        return Decision(False, Reason.ROLE)
    ask = Ask(facts, who, action, obj, asking)
    answer = _answer(ask, now_ms)
    if answer.reason is Reason.NOT_FOUND:
        return Decision(False, Reason.NOT_FOUND)
    if not answer.allowed:  # a refused stream does not run on
        ask = ask._replace(asking=asking.stopped(now_ms))
    until_ms, next_ms = _search(ask, answer, now_ms)
    return Decision(answer.allowed, answer.reason, until_ms, next_ms)


def decide_at_console(facts: Facts, camera: PublicId, now_ms: int, *, knowingly: bool) -> Decision:
    """Answer whether whoever holds the box's control socket may see what a camera sees now.

    As for an installer: until the box is accepted. Afterwards only `knowingly`, for a repair, and a camera that
    is hidden for privacy is hidden from the console too.
    """
    picture = ObjectRef(ObjectKind.CAMERA, camera)
    if not known(facts, picture):
        return Decision(False, Reason.NOT_FOUND)
    if private(facts, picture, now_ms):
        return Decision(False, Reason.CAMERA_PRIVATE)
    if facts.accepted and not knowingly:
        return Decision(False, Reason.ACCEPTED)
    return Decision(True, Reason.CONSOLE)


def _search(ask: Ask, answer: Answer, now_ms: int) -> tuple[int | None, int | None]:
    """Walk forward through the instants at which the answer can change; what stands waits for the end of a span."""
    until_ms: int | None = None
    steps = span_ends(ask, now_ms)
    later, standing = answer, stands(ask, answer)
    for at_ms in timeline(ask, now_ms, steps):
        if standing and at_ms not in steps:
            if not steps or at_ms > steps[-1]:
                break
            continue
        was, later = later, _answer(ask, at_ms)
        if later != was:
            standing = stands(ask, later)
        if until_ms is None and later != answer:
            until_ms = at_ms
        if answer.allowed:
            if until_ms is not None:
                return until_ms, None
        elif later.allowed:
            return until_ms, at_ms
    if answer.allowed and by_the_day(ask):
        return now_ms + HORIZON_DAYS * MS_PER_DAY, None
    return until_ms, None


def _answer(ask: Ask, at_ms: int) -> Answer:
    """Give the whole answer at one instant, without until and next."""
    facts, obj = ask.facts, ask.obj
    if not known(facts, obj):
        return no(Reason.NOT_FOUND)
    answer = _RULES[ask.person.role](ask, at_ms)
    if answer.allowed and ask.action in PICTURE and private(facts, obj, at_ms):
        return no(Reason.CAMERA_PRIVATE)
    return answer
