"""What the school's own people may: principal, vice-principal, teacher.

Owns these rules. Pure. Invariants: one person takes nothing out of the box; the vice-principal decides nothing about
the principal's rights, nor about those of the people who look after the box; a teacher has her own classes.
"""

from __future__ import annotations

from gateway.access.ask import Answer, Ask, classes_shown, no
from gateway.access.localtime import moment
from gateway.access.pauserules import from_the_wall
from gateway.access.reasons import Reason
from gateway.access.rules_guest import oneself
from gateway.core.model import Action, ObjectKind, PublicId, Role

PAUSES_A_DAY = 5
"""How often teachers may hide one class in a local day; the next needs the principal or vice-principal."""
IN_CARE = frozenset({Role.TEACHER, Role.GUARDIAN, Role.OBSERVER})
"""Whose rights a vice-principal gives and takes; all other people's are the principal's."""


def principal(ask: Ask, _at_ms: int) -> Answer:
    """Allow everything in the table, copies by two people."""
    refused = _alone(ask)
    return Answer(True, Reason.PRINCIPAL) if refused is None else no(refused)


def vice_principal(ask: Ask, at_ms: int) -> Answer:
    """Allow what the day takes; with people of the leadership only what concerns oneself."""
    refused = _alone(ask)
    if refused is None and ask.obj.kind is ObjectKind.PERSON and ask.action is not Action.AUDIT:
        if ask.action is Action.PEOPLE and (own := oneself(ask, at_ms)).allowed:
            return own
        if ask.facts.index.persons[ask.obj.id].role not in IN_CARE:
            return no(Reason.LEADERSHIP)
    return Answer(True, Reason.VICE_PRINCIPAL) if refused is None else no(refused)


def _alone(ask: Ask) -> Reason | None:
    """Say why one person cannot do this to recorded time: a copy takes two."""
    if ask.action is Action.EXPORT and ask.obj.kind is ObjectKind.CAMERA:
        return Reason.EXPORT_TWO_PEOPLE
    if ask.obj.kind is ObjectKind.EXPORT:
        order = ask.facts.index.exports[ask.obj.id]
        if ask.action is Action.APPROVE and order.requester == ask.person.id:
            return Reason.EXPORT_SAME_PERSON
        if ask.action is Action.EXPORT and order.approver in {None, order.requester}:
            return Reason.EXPORT_TWO_PEOPLE
    return None


def teacher(ask: Ask, at_ms: int) -> Answer:
    """Allow looking at and hiding one's own classes, a class five times a day."""
    if ask.obj.kind is ObjectKind.PERSON:
        return oneself(ask, at_ms)
    mine = {row.class_id for row in ask.facts.index.teachings_of_person.get(ask.person.id, ()) if row.holds(at_ms)}
    if not mine & classes_shown(ask, at_ms):
        return no(Reason.NOT_FOUND)
    walls = from_the_wall(ask.facts, ask.obj.id, at_ms)
    if ask.action is Action.PAUSE and walls + _pauses_today(ask, at_ms) >= PAUSES_A_DAY:
        return no(Reason.PAUSE_TOO_MANY)
    return Answer(True, Reason.TEACHER)


def _pauses_today(ask: Ask, at_ms: int) -> int:
    facts = ask.facts
    today = moment(facts.zone, at_ms).date
    return sum(
        facts.index.persons[PublicId(row.by)].role is Role.TEACHER and moment(facts.zone, row.since_ms).date == today
        for row in facts.index.pauses_of_class.get(ask.obj.id, ())
        if row.by in facts.index.persons
    )
