"""Why somebody sees a camera live or not: the answer, and the chain of facts it rests on.

Owns the explanation. Pure; decides nothing: the answer is the policy's own. Invariants: all links hold exactly if the
answer allows; a link names ids, never names; it is for those who may read everybody's rights, so it tells more than
a reason tells the person asked about.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from gateway.access import classday, newcomers, quota
from gateway.access.ask import ANYHOW, Ask, Asking, classes_shown, known, private
from gateway.access.facts import ClassRules, Facts
from gateway.access.instants import HORIZON_DAYS
from gateway.access.localtime import MS_PER_DAY
from gateway.access.noticerules import unsigned
from gateway.access.policy import decide
from gateway.access.reasons import Reason
from gateway.core.model import LEADER_ROLES, Action, Decision, ObjectKind, ObjectRef, PublicId, Role


class Link(NamedTuple):
    """One fact of the chain: the catalogue's `why.<code>.yes` or `.no`."""

    code: str
    holds: bool
    class_id: PublicId | None = None
    child: PublicId | None = None


class Explained(NamedTuple):
    """An answer with what it rests on."""

    decision: Decision
    links: tuple[Link, ...]


def explain(facts: Facts, person: PublicId, camera: PublicId, at_ms: int, asking: Asking = ANYHOW) -> Explained:
    """Return whether the person sees the camera live at `at_ms` (UTC ms), and why."""
    obj = ObjectRef(ObjectKind.CAMERA, camera)
    decision = decide(facts, person, Action.LIVE, obj, at_ms, asking)
    return Explained(decision, tuple(_links(facts, person, obj, at_ms, asking)))


def ends_with_the_search(decision: Decision, at_ms: int) -> bool:
    """Say whether `until_ms` of an answer given at `at_ms` is only how far was searched; it may hold for longer."""
    until_ms = decision.until_ms
    return decision.allowed and until_ms is not None and until_ms >= at_ms + HORIZON_DAYS * MS_PER_DAY


def _links(facts: Facts, person: PublicId, obj: ObjectRef, at_ms: int, asking: Asking) -> Iterator[Link]:
    who = facts.index.persons.get(person)
    yield Link("person", who is not None and not who.disabled)
    yield Link("login", asking.over is None)
    yield Link("camera", known(facts, obj))
    yield Link("private", not private(facts, obj, at_ms))
    if who is None:
        return
    ask = Ask(facts, who, Action.LIVE, obj, asking)
    if who.role in LEADER_ROLES:
        yield Link("role", True)
    elif who.role is Role.TEACHER:
        yield from _teacher(ask, at_ms)
    elif who.role is Role.GUARDIAN:
        yield from _guardian(ask, at_ms)
    elif who.role is Role.OBSERVER:
        yield from _observer(ask, at_ms)
    else:
        yield Link("role", False)


def _box(facts: Facts) -> Iterator[Link]:
    yield Link("clock", facts.clock_trusted)
    yield Link("sharing", not facts.sharing_stopped)
    yield Link("accepted", facts.accepted)


def _teacher(ask: Ask, at_ms: int) -> Iterator[Link]:
    mine = {row.class_id for row in ask.facts.index.teachings_of_person.get(ask.person.id, ()) if row.holds(at_ms)}
    here = sorted(mine & classes_shown(ask, at_ms))
    yield Link("teaches", bool(here), here[0] if here else None)


def _guardian(ask: Ask, at_ms: int) -> Iterator[Link]:
    facts, classes = ask.facts, classes_shown(ask, at_ms)
    ties = ask.facts.index.guardians_of_person.get(ask.person.id, ())
    here = [
        place
        for child in sorted({row.child for row in ties if row.holds(at_ms)})
        for place in facts.index.enrolments_of_child.get(child, ())
        if place.holds(at_ms) and place.class_id in classes
    ]
    for place in here:
        yield Link("tie", True, place.class_id, place.child)
    if not here:
        yield Link("tie", False)
    yield from _box(facts)
    agreed = {place.child for place in here if classday.consents(facts, place.child, at_ms)}
    yield Link("consent", bool(agreed), None, min(agreed) if agreed else (here[0].child if here else None))
    for class_id in sorted(classes):
        yield from _class(ask, class_id, agreed, at_ms)


def _class(ask: Ask, class_id: PublicId, agreed: set[PublicId], at_ms: int) -> Iterator[Link]:
    facts = ask.facts
    rules = facts.index.rules_of_class.get(class_id, ClassRules(class_id))
    if rules.adaptation_days is not None:
        yield Link("newcomer", newcomers.may_see(facts, rules, agreed, at_ms), class_id)
    if rules.on_site_only:
        yield Link("on_site", ask.asking.on_site, class_id)
    yield Link("shown", classday.paused(facts, class_id, at_ms) is None, class_id)
    yield Link("notice", unsigned(facts, class_id, at_ms) is None, class_id)
    yield Link("answered", classday.unanswered(facts, class_id, at_ms) is None, class_id)
    hours, plan = classday.out_of_hours(facts, class_id, at_ms), classday.off_plan(facts, class_id, at_ms)
    yield Link("holiday" if hours is Reason.CALENDAR_CLOSED else "hours", hours is None, class_id)
    yield Link("nap" if plan is Reason.PLAN_NAP else "plan", plan is None, class_id)
    if rules.daily_minutes is not None:
        yield Link("minutes", not quota.is_spent(ask, rules.daily_minutes * quota.MS_PER_MINUTE, at_ms), class_id)


def _observer(ask: Ask, at_ms: int) -> Iterator[Link]:
    facts, classes = ask.facts, classes_shown(ask, at_ms)
    mine = facts.index.observations_of_person.get(ask.person.id, ())
    running = [row for row in mine if row.holds(at_ms)]
    if not classes:
        yield Link("session", False)
    yield from _box(facts)
    for class_id in sorted(classes):
        yield Link("session", any(row.class_id == class_id for row in running), class_id)
        yield Link("assent", any(row.class_id == class_id and row.assented for row in running), class_id)
        yield Link("observe", classday.observable(facts, class_id, at_ms), class_id)
        yield Link("care", classday.in_care(facts, class_id, at_ms) is None, class_id)
