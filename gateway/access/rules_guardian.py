"""What a guardian may: see an own child's class while all of it holds, and know who looked at it.

Owns these rules. Pure. Invariants: another family's child, class or camera is not there; every class that a camera
shows must be open, not only the own child's.
"""

from __future__ import annotations

from gateway.access import classday, newcomers, quota
from gateway.access.ask import Answer, Ask, classes_shown, no
from gateway.access.reasons import Reason
from gateway.access.rules_guest import oneself
from gateway.core.model import Action, ObjectKind, PublicId


def guardian(ask: Ask, at_ms: int) -> Answer:
    """Allow what concerns own children now."""
    if ask.obj.kind is ObjectKind.PERSON:
        return oneself(ask, at_ms)
    children = _own_children(ask, at_ms)
    if ask.obj.kind is ObjectKind.REVIEW:
        mine = ask.facts.index.things[ask.obj.kind, ask.obj.id].by == ask.person.id
        return Answer(True, Reason.GUARDIAN) if mine else no(Reason.NOT_FOUND)
    if ask.obj.kind is ObjectKind.CHILD:
        return Answer(True, Reason.OWN_CHILD) if ask.obj.id in children else no(Reason.NOT_FOUND)
    classes = classes_shown(ask, at_ms)
    here = {
        row.child
        for child in children
        for row in ask.facts.index.enrolments_of_child.get(child, ())
        if row.holds(at_ms) and row.class_id in classes
    }
    if not here:
        return no(Reason.NOT_FOUND)
    if ask.action in {Action.AUDIT, Action.REVIEW}:
        return Answer(True, Reason.GUARDIAN)
    return _sharing(ask, here, classes, at_ms)


def _own_children(ask: Ask, at_ms: int) -> set[PublicId]:
    return {row.child for row in ask.facts.index.guardians_of_person.get(ask.person.id, ()) if row.holds(at_ms)}


def _sharing(ask: Ask, here: set[PublicId], classes: set[PublicId], at_ms: int) -> Answer:
    """Go through everything that hides a class from its own guardians; each class of a camera must be open."""
    facts = ask.facts
    if not facts.clock_trusted:
        return no(Reason.CLOCK_UNTRUSTED)
    if facts.sharing_stopped:
        return no(Reason.SHARING_STOPPED)
    if not facts.accepted:
        return no(Reason.NOT_ACCEPTED)
    agreed = {child for child in here if classday.consents(facts, child, at_ms)}
    if not agreed:
        return no(Reason.CONSENT_MISSING)
    of_class = facts.index.rules_of_class
    rules = [of_class[name] for name in classes if name in of_class] if of_class else []
    if not all(newcomers.may_see(facts, row, agreed, at_ms) for row in rules):
        return no(Reason.ADAPTATION_OVER)
    if not ask.asking.on_site and any(row.on_site_only for row in rules):
        return no(Reason.ON_SITE_ONLY)
    if (reason := classday.why_hidden(facts, classes, at_ms)) is not None:
        return no(reason)
    if quota.is_spent(ask, rules, at_ms):
        return no(Reason.QUOTA_SPENT)
    return Answer(True, Reason.GUARDIAN)
