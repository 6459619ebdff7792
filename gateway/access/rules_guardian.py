"""What a guardian may: see an own child's class while all of it holds, and know who looked at it.

Owns these rules. Pure. Invariants: another family's child, class or camera is not there; every class that a camera
shows must be open, not only the own child's.
"""

from __future__ import annotations

import math

from gateway.access import classday, newcomers, quota
from gateway.access.ask import Answer, Ask, classes_ever, classes_shown, no
from gateway.access.facts import Span, ends
from gateway.access.reasons import Reason
from gateway.access.rules_guest import oneself
from gateway.access.tie import Tie
from gateway.core.model import Action, ObjectKind, PublicId, Role

MOST_TIES = 20_000
STANDING = frozenset(
    {
        Reason.NOT_FOUND,
        Reason.CLOCK_UNTRUSTED,
        Reason.SHARING_STOPPED,
        Reason.NOT_ACCEPTED,
        Reason.CONSENT_MISSING,
        Reason.ON_SITE_ONLY,
        Reason.CLASS_PAUSED,
        Reason.CLASS_NOT_OPEN,
        Reason.STAFF_NOTICE,
    }
)
"""Refusals that are given before hours, plan and minutes are looked at."""


def guardian(ask: Ask, at_ms: int) -> Answer:
    """Allow what concerns own children now."""
    if ask.obj.kind is ObjectKind.PERSON:
        return oneself(ask, at_ms)
    if ask.obj.kind is ObjectKind.REVIEW:
        mine = ask.facts.index.things[ask.obj.kind, ask.obj.id].by == ask.person.id
        return Answer(True, Reason.GUARDIAN) if mine else no(Reason.NOT_FOUND)
    if ask.obj.kind is ObjectKind.CHILD:
        mine = ask.obj.id in _own_children(ask, at_ms)
        return Answer(True, Reason.OWN_CHILD) if mine else no(Reason.NOT_FOUND)
    tie = _tie(ask, at_ms)
    if tie is None:
        return no(Reason.NOT_FOUND)
    if ask.action in {Action.AUDIT, Action.REVIEW}:
        return Answer(True, Reason.GUARDIAN)
    return _sharing(ask, tie, at_ms)


def stands(ask: Ask, answer: Answer) -> bool:
    """Say whether only the end of a span can change this answer to a guardian: no hour, no midnight does."""
    if ask.person.role is not Role.GUARDIAN or answer.reason not in STANDING:
        return False
    rules = ask.facts.index.rules_of_class
    return not rules or all(name not in rules or rules[name].adaptation_days is None for name in classes_ever(ask))


def _own_children(ask: Ask, at_ms: int) -> set[PublicId]:
    return {row.child for row in ask.facts.index.guardians_of_person.get(ask.person.id, ()) if row.holds(at_ms)}


def _tie(ask: Ask, at_ms: int) -> Tie | None:
    """Return the tie that holds at an instant, if any; remembered, for it holds until a span behind it ends."""
    ties, key = ask.facts.index.ties, (ask.person.id, ask.obj.kind, ask.obj.id)
    tie = ties.get(key)
    if tie is None or not tie.since_ms <= at_ms < tie.until_ms:
        tie = tied(ask, at_ms)
        if tie is not None:
            if len(ties) >= MOST_TIES:
                ties.clear()
            ties[key] = tie
    return tie


def tied(ask: Ask, at_ms: int) -> Tie | None:
    """Work out the tie that holds at an instant, if any."""
    index = ask.facts.index
    classes = frozenset(classes_shown(ask, at_ms))
    here = {
        row.child
        for child in _own_children(ask, at_ms)
        for row in index.enrolments_of_child.get(child, ())
        if row.holds(at_ms) and row.class_id in classes
    }
    if not here:
        return None
    own = index.guardians_of_person.get(ask.person.id, ())
    spans: list[Span] = [*own, *index.classes_of_camera.get(ask.obj.id, ())]
    for child in {row.child for row in own}:
        spans += [*index.enrolments_of_child.get(child, ()), *index.consents_of_child.get(child, ())]
    rules = tuple(index.rules_of_class[name] for name in classes if name in index.rules_of_class)
    steps = ends(spans)
    return Tie(
        since_ms=max((step for step in steps if step <= at_ms), default=-math.inf),
        until_ms=min((step for step in steps if step > at_ms), default=math.inf),
        classes=classes,
        agreed=frozenset(child for child in here if classday.consents(ask.facts, child, at_ms)),
        rules=rules,
        most_ms=quota.limit_ms(rules),
    )


def _sharing(ask: Ask, tie: Tie, at_ms: int) -> Answer:
    """Go through everything that hides a class from its own guardians; each class of a camera must be open."""
    facts = ask.facts
    if not facts.clock_trusted:
        return no(Reason.CLOCK_UNTRUSTED)
    if facts.sharing_stopped:
        return no(Reason.SHARING_STOPPED)
    if not facts.accepted:
        return no(Reason.NOT_ACCEPTED)
    if (reason := kept_out(ask, tie, at_ms)) is not None:
        return no(reason)
    if (reason := classday.why_hidden(facts, tie.classes, at_ms)) is not None:
        return no(reason)
    if tie.most_ms is not None and quota.is_spent(ask, tie.most_ms, at_ms):
        return no(Reason.QUOTA_SPENT)
    return Answer(True, Reason.GUARDIAN)


def kept_out(ask: Ask, tie: Tie, at_ms: int) -> Reason | None:
    """Return what keeps this guardian out whatever the class does: the own family's answer, the classes' rules."""
    if not tie.agreed:
        return Reason.CONSENT_MISSING
    if tie.rules:
        if not all(newcomers.may_see(ask.facts, row, tie.agreed, at_ms) for row in tie.rules):
            return Reason.ADAPTATION_OVER
        if not ask.asking.on_site and any(row.on_site_only for row in tie.rules):
            return Reason.ON_SITE_ONLY
    return None
