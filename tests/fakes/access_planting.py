"""Hand-made faults of the decision, and how a decision with one of them is made.

Owns the list of the policy's mutants. Each is one edit of one of its modules; the modules after it are executed anew,
so that they use the faulty one. Invariant: the real modules are back in place whatever happens.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import NamedTuple

import gateway.access
from gateway.access import (
    ask,
    classday,
    instants,
    policy,
    roletable,
    rules_guardian,
    rules_guest,
    rules_staff,
)
from tests.fakes.access_suite import Decide

IN_ORDER = (ask, classday, roletable, rules_guest, rules_guardian, rules_staff, instants, policy)
"""The modules of the decision, each after what it imports."""


class Mutant(NamedTuple):
    """One fault: in which module, which text becomes which."""

    module: types.ModuleType
    old: str
    new: str

    def source(self) -> str:
        """The module's source with the fault in it; the text must be there."""
        source = Path(str(self.module.__file__)).read_text(encoding="utf-8")
        assert self.old in source, f"{self.module.__name__} no longer says {self.old!r}"
        return source.replace(self.old, self.new, 1)


def executed(name: str, path: str, source: str) -> types.ModuleType:
    """Execute a source as a module of that name; it stays in `sys.modules`, where dataclasses look it up."""
    made = types.ModuleType(name)
    made.__file__ = path
    sys.modules[name] = made
    exec(compile(source, path, "exec"), made.__dict__)
    return made


def decide_of(mutant: Mutant) -> Decide:
    """The decision with the fault in it."""
    start = IN_ORDER.index(mutant.module)
    made = policy
    try:
        for module in IN_ORDER[start:]:
            path = str(module.__file__)
            source = mutant.source() if module is mutant.module else Path(path).read_text(encoding="utf-8")
            made = executed(module.__name__, path, source)
            setattr(gateway.access, module.__name__.rpartition(".")[2], made)
        decide: Decide = made.decide
        return decide
    finally:
        for module in IN_ORDER[start:]:
            sys.modules[module.__name__] = module
            setattr(gateway.access, module.__name__.rpartition(".")[2], module)


POLICY = [
    Mutant(policy, "if who.disabled:", "if False:"),
    Mutant(policy, "if who is None:\n        return Decision(False", "if who is None:\n        return Decision(True"),
    Mutant(policy, "if action is Action.LIVE_AUDIO:", "if False:"),
    Mutant(policy, "if obj.kind not in MAY[who.role].get(action, ()):", "if action not in MAY[who.role]:"),
    Mutant(policy, "if answer.reason is Reason.NOT_FOUND:", "if False:"),
    Mutant(policy, "if not known(facts, obj):", "if False:"),
    Mutant(ask, "return obj.id in facts.cameras", "return True"),
    Mutant(policy, "if answer.allowed and ask.action in PICTURE and private(", "if False and private("),
    Mutant(policy, "answer.allowed and ask.action in PICTURE and", "answer.allowed and"),
    Mutant(ask, "frozenset({Action.LIVE, Action.SNAPSHOT, Action.AIM})", "frozenset({Action.LIVE})"),
    Mutant(rules_staff, "if ask.action is Action.EXPORT and ask.obj.kind is ObjectKind.CAMERA:", "if False:"),
    Mutant(rules_staff, "order.approver in {None, order.requester}", "order.approver is None"),
    Mutant(rules_staff, "if ask.action is Action.APPROVE and order.requester == ask.person.id:", "if False:"),
    Mutant(rules_staff, "if not mine & classes_shown(ask, at_ms):", "if not mine:"),
    Mutant(rules_staff, ">= PAUSES_A_DAY", "> PAUSES_A_DAY"),
    Mutant(rules_staff, "facts.index.persons[PublicId(row.by)].role is Role.TEACHER and ", ""),
    Mutant(rules_staff, " and moment(facts.zone, row.since_ms).date == today", ""),
    Mutant(rules_guardian, "if ask.obj.id in children else", "if children else"),
    Mutant(rules_guardian, "if row.holds(at_ms) and row.class_id in classes\n", "if row.class_id in classes\n"),
    Mutant(rules_guardian, "if row.holds(at_ms) and row.class_id in classes\n", "if row.holds(at_ms)\n"),
    Mutant(rules_guardian, "if not here:", "if not children:"),
    Mutant(rules_guardian, "if not facts.clock_trusted:", "if False:"),
    Mutant(rules_guardian, "if facts.sharing_stopped:", "if False:"),
    Mutant(rules_guardian, "if not facts.accepted:", "if False:"),
    Mutant(rules_guardian, "classday.consents(facts, child, at_ms) for child in here", "True for child in here"),
    Mutant(rules_guardian, "for class_id in sorted(classes):", "for class_id in sorted(classes)[:1]:"),
    Mutant(rules_guest, "if ask.obj.id == ask.person.id else", "if True else"),
    Mutant(rules_guest, "return no(Reason.ACCEPTED) if ask.facts.accepted else", "return"),
    Mutant(rules_guardian, "children = _own_children(ask, at_ms)", "children = set(ask.facts.children)"),
    Mutant(policy, "until_ms is None and later != answer", "until_ms is None and later.allowed != answer.allowed"),
    Mutant(instants, "if last_ms < at_ms <= end_ms:", "if last_ms < at_ms:"),
    Mutant(instants, "if at_ms > now_ms)", "if at_ms >= now_ms + 60_000_000)"),
    Mutant(instants, "found |= ends(index.guardians_of_person.get(ask.person.id, ()))", "pass"),
    Mutant(instants, "found |= ends(index.teachings_of_person.get(ask.person.id, ()))", "pass"),
    Mutant(instants, "found |= index.instants_of_class.get(class_id, frozenset())", "pass"),
    Mutant(instants, "index.privacies_of_camera.get(obj.id, ()), *index", "index"),
    Mutant(
        instants, "pending |= instants(zone, day, classday.minutes(", "pending |= instants(zone, day, (lambda *_: ())("
    ),
    Mutant(instants, "or ask.action is Action.PAUSE", ""),
    Mutant(
        classday,
        "if any(row.holds(at_ms) for row in facts.index.pauses_of_class",
        "if any(False for row in facts.index.pauses_of_class",
    ),
    Mutant(
        classday,
        "consents_of_child.get(child, ()) if row.holds(at_ms)]",
        "consents_of_child.get(child, ())]",
    ),
    Mutant(classday, "if row.holds(at_ms) and not consents(", "if not consents("),
    Mutant(classday, "item.class_id == class_id and item.holds(at_ms)", "item.holds(at_ms)"),
    Mutant(classday, "item.class_id == class_id and item.holds(at_ms)", "False"),
    Mutant(classday, "return Reason.CLASS_NOT_OPEN", "pass"),
    Mutant(classday, "if weekday is None:\n        return Reason.CALENDAR_CLOSED", "if False:\n        return None"),
    Mutant(classday, "if not windows:\n        return Reason.WINDOW_NONE", "if not windows:\n        return None"),
    Mutant(classday, "weekday in row.days and", ""),
    Mutant(classday, "row.start_min <= minute < row.end_min", "row.start_min <= minute <= row.end_min"),
    Mutant(classday, "row.start_min <= minute < row.end_min", "row.start_min < minute < row.end_min"),
    Mutant(classday, "row.kind in NEVER_VISIBLE or not row.guardian_visible", "not row.guardian_visible"),
    Mutant(classday, "row.kind in NEVER_VISIBLE or not row.guardian_visible", "row.kind in NEVER_VISIBLE"),
    Mutant(classday, "return None if running else Reason.PLAN_NONE", "return None"),
    Mutant(classday, "if special.as_weekday is None else special.as_weekday", ""),
    Mutant(classday, "(paused, unanswered, out_of_hours, off_plan)", "(paused, unanswered, out_of_hours)"),
    Mutant(classday, "(row.start_min, row.end_min)", "(row.start_min,)"),
]
"""Faults of the decision; each must be found by `access_suite.check`."""
