"""Hand-made faults of the decision, and how a decision with one of them is made.

Owns the list of the policy's mutants. Each is one edit of one of its modules; the modules after it are executed anew,
so that they use the faulty one. Invariant: the real modules are back in place whatever happens.
"""

from __future__ import annotations

import dataclasses
import sys
import types
from pathlib import Path
from typing import Any, NamedTuple

import gateway.access
from gateway.access import (
    ask,
    classday,
    facts,
    instants,
    newcomers,
    noticerules,
    policy,
    quota,
    roletable,
    rules_guardian,
    rules_guest,
    rules_observer,
    rules_staff,
)
from gateway.access.facts import Facts
from gateway.core.model import Decision
from tests.fakes.access_suite import Decide

IN_ORDER = (
    facts, ask, noticerules, classday, newcomers, quota, roletable, rules_guest, rules_guardian, rules_observer, rules_staff,
    instants, policy,
)  # fmt: skip
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

    def planted(self) -> types.ModuleType:
        """The module with the fault in it, executed beside the real one."""
        return executed(f"{self.module.__name__}_mutant", str(self.module.__file__), self.source())


def executed(name: str, path: str, source: str) -> types.ModuleType:
    """Execute a source as a module of that name; it stays in `sys.modules`, where dataclasses look it up."""
    made = types.ModuleType(name)
    made.__file__ = path
    sys.modules[name] = made
    exec(compile(source, path, "exec"), made.__dict__)
    return made


def _with_facts(decide: Decide) -> Decide:
    """The decision about facts that the faulty module indexed."""
    made = sys.modules[facts.__name__].Facts

    def run(given: Facts, *question: Any) -> Decision:
        fields = {item.name: getattr(given, item.name) for item in dataclasses.fields(given) if item.init}
        return decide(made(**fields), *question)

    return run


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
        return _with_facts(made.decide) if mutant.module is facts else made.decide
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
    Mutant(rules_guardian, "mine = ask.obj.id in _own_children(ask, at_ms)", "mine = bool(_own_children(ask, at_ms))"),
    Mutant(rules_guardian, "if row.holds(at_ms) and row.class_id in classes\n", "if row.class_id in classes\n"),
    Mutant(rules_guardian, "if row.holds(at_ms) and row.class_id in classes\n", "if row.holds(at_ms)\n"),
    Mutant(rules_guardian, "if not here:", "if False:"),
    Mutant(rules_guardian, "if not facts.clock_trusted:", "if False:"),
    Mutant(rules_guardian, "if facts.sharing_stopped:", "if False:"),
    Mutant(rules_guardian, "if not facts.accepted:", "if False:"),
    Mutant(rules_guardian, "for child in here if classday.consents(ask.facts, child, at_ms))", "for child in here)"),
    Mutant(rules_guardian, "if not tie.agreed:", "if False:"),
    Mutant(classday, "for name in sorted(classes))", "for name in sorted(classes)[:1])"),
    Mutant(rules_guest, "if ask.obj.id == ask.person.id else", "if True else"),
    Mutant(rules_guest, "return no(Reason.ACCEPTED) if ask.facts.accepted else", "return"),
    Mutant(rules_guardian, "for child in _own_children(ask, at_ms)", "for child in ask.facts.children"),
    Mutant(policy, "until_ms is None and later != answer", "until_ms is None and later.allowed != answer.allowed"),
    Mutant(instants, "if at_ms > end_ms:", "if False:"),
    Mutant(instants, "for at_ms in found if at_ms > now_ms)", "for at_ms in found if at_ms >= now_ms + 60_000_000)"),
    Mutant(instants, "found |= ends(index.guardians_of_person.get(person, ()))", "pass"),
    Mutant(instants, "found |= ends(index.teachings_of_person.get(person, ()))", "pass"),
    Mutant(instants, "found.update(steps[bisect_right(steps, now_ms) :])", "pass"),
    Mutant(instants, "index.privacies_of_camera.get(obj.id, ()), *index", "index"),
    Mutant(instants, "classday.minutes(ask.facts, classes, starts_ms)", "frozenset()"),
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
    Mutant(classday, "out_of_hours, off_plan)", "out_of_hours)"),
    Mutant(facts, "(row.start_min, row.end_min)", "(row.start_min,)"),
    # a class's own rules
    Mutant(policy, "ask = ask._replace(asking=asking.stopped(now_ms))", "pass"),
    Mutant(policy, "if asking.over is not None:", "if False:"),
    Mutant(rules_guardian, "if not all(newcomers.may_see(", "if not any(newcomers.may_see("),
    Mutant(rules_guardian, "if not ask.asking.on_site and any(", "if False and any("),
    Mutant(rules_guardian, "if not ask.asking.on_site and any(", "if any("),
    Mutant(rules_guardian, "any(row.on_site_only for row in tie.rules)", "all(row.on_site_only for row in tie.rules)"),
    Mutant(rules_guardian, "if tie.most_ms is not None and quota.is_spent(ask, tie.most_ms, at_ms):", "if False:"),
    Mutant(rules_guardian, "in {Action.AUDIT, Action.REVIEW}:", "in {Action.AUDIT}:"),
    Mutant(rules_guardian, ".by == ask.person.id", ".by != ask.person.id"),
    Mutant(newcomers, "if rules.adaptation_days is None:", "if False:"),
    Mutant(newcomers, "row.class_id == rules.class_id and row.holds", "row.holds"),
    Mutant(newcomers, "and row.holds(at_ms) and at_ms <", "and at_ms <"),
    Mutant(newcomers, "at_ms < _end_ms", "at_ms <= _end_ms"),
    Mutant(newcomers, "days=days)", "days=days + 1)"),
    Mutant(newcomers, "moment(facts.zone, row.since_ms).date", "moment(facts.zone, row.since_ms + 86_400_000).date"),
    Mutant(instants, "quota.spent_at(ask, classes, starts_ms, next_ms) if ask.asking.viewed else ()", "()"),
    Mutant(quota, "min(limits) * MS_PER_MINUTE if", "max(limits) * MS_PER_MINUTE if"),
    Mutant(quota, "return watched_ms >= most_ms", "return watched_ms > most_ms"),
    Mutant(quota, "max(start_ms, span.since_ms)", "span.since_ms"),
    Mutant(quota, "at_ms if span.until_ms is None or span.until_ms > at_ms else span.until_ms", "span.until_ms or 0"),
    Mutant(quota, "watched_ms += until - since", "watched_ms = until - since"),
    Mutant(quota, "max(span.since_ms, start_ms)", "span.since_ms"),
    Mutant(quota, "end_ms if span.until_ms is None else min(span.until_ms, end_ms)", "min(span.until_ms or 0, end_ms)"),
    Mutant(quota, "-(-(limit_ms - watched_ms) // running)", "(limit_ms - watched_ms)"),
    Mutant(quota, "watched_ms += running * (at_ms - last_ms)", "watched_ms += 0"),
    # the observer
    Mutant(rules_observer, "if not classes & {row.class_id for row in mine}:", "if not mine:"),
    Mutant(rules_observer, "running = [row for row in mine if row.holds(at_ms)]", "running = [*mine]"),
    Mutant(rules_observer, "if not classes <= {row.class_id for row in running}:", "if False:"),
    Mutant(rules_observer, "for row in running if row.assented}", "for row in running}"),
    Mutant(rules_observer, "if not facts.clock_trusted:", "if False:"),
    Mutant(rules_observer, "if facts.sharing_stopped:", "if False:"),
    Mutant(rules_observer, "None if facts.accepted else Reason.NOT_ACCEPTED", "None"),
    Mutant(rules_observer, "if not all(classday.observable(", "if False and not all(classday.observable("),
    Mutant(classday, "if row.holds(at_ms):\n            rows =", "if True:\n            rows ="),
    Mutant(
        classday,
        "answers = [item.given for item in rows if item.holds(at_ms)]",
        "answers = [item.given for item in rows]",
    ),
    Mutant(classday, "if not answers or not all(answers):", "if not answers:"),
    Mutant(classday, "if not answers or not all(answers):", "if not all(answers):"),
    Mutant(
        rules_observer,
        "if (hidden := next((item for item in care if item is not None), None)) is not None:",
        "if False:",
    ),
    Mutant(classday, "if row.kind in NEVER_VISIBLE and _runs(row, weekday, minute):", "if row.kind in NEVER_VISIBLE:"),
    Mutant(
        classday,
        "if row.kind in NEVER_VISIBLE and _runs(row, weekday, minute):",
        "if not row.guardian_visible and _runs(row, weekday, minute):",
    ),
    Mutant(instants, "found |= ends(index.observations_of_person.get(person, ()))", "pass"),
    Mutant(instants, "frozenset({Role.GUARDIAN, Role.OBSERVER})", "frozenset({Role.GUARDIAN})"),
    Mutant(facts, "if class_id in observed:", "if False:"),
    # the notice to the staff
    Mutant(classday, "unanswered, unsigned, out_of_hours", "unanswered, out_of_hours"),
    Mutant(noticerules, "row.version == NOTICE_VERSION and row.holds(at_ms)", "row.holds(at_ms)"),
    Mutant(noticerules, "row.version == NOTICE_VERSION and row.holds(at_ms)", "row.version == NOTICE_VERSION"),
    Mutant(noticerules, "if row.holds(at_ms) and person is not None", "if person is not None"),
    Mutant(noticerules, "person.role is Role.TEACHER and not", "not"),
    Mutant(noticerules, "and not person.disabled:", ":"),
    Mutant(noticerules, "None if all(has_signed", "None if not teachers or any(has_signed"),
    Mutant(facts, "spans += [teaching, *notices.get(teaching.person, ())]", "spans += [teaching]"),
    Mutant(facts, "spans += [teaching, *notices.get(teaching.person, ())]", "pass"),
    # memory of what was worked out
    Mutant(
        rules_guardian, "until_ms=min((step for step in steps if step > at_ms), default=math.inf)", "until_ms=math.inf"
    ),
    Mutant(rules_guardian, "spans: list[Span] = [*own, *index", "spans: list[Span] = [*index"),
    Mutant(rules_guardian, "[*own, *index.classes_of_camera.get(ask.obj.id, ())]", "[*own]"),
    Mutant(rules_guardian, ", *index.consents_of_child.get(child, ())]", "]"),
    Mutant(rules_guardian, "spans += [*index.enrolments_of_child.get(child, ()), *index", "spans += [*index"),
    Mutant(
        rules_guardian, "        Reason.CLASS_PAUSED,\n", "        Reason.CLASS_PAUSED,\n        Reason.PLAN_NAP,\n"
    ),
    Mutant(rules_guardian, "return not rules or all(", "return True or all("),
    Mutant(policy, "if standing and at_ms not in steps:", "if standing:"),
    Mutant(classday, "bisect_right(facts.index.steps_of_class.get(class_id, ()), at_ms)", "0"),
    Mutant(classday, "MINUTES_PER_DAY * weekday + minute", "MINUTES_PER_DAY * weekday"),
    Mutant(classday, "MINUTES_PER_DAY * weekday + minute", "minute"),
    # the vice-principal
    Mutant(rules_staff, "if ask.facts.index.persons[ask.obj.id].role not in IN_CARE:", "if False:"),
    Mutant(rules_staff, "frozenset({Role.TEACHER, Role.GUARDIAN, Role.OBSERVER})", "frozenset(Role)"),
    Mutant(rules_staff, "if ask.action is Action.PEOPLE and (own", "if (own"),
    Mutant(rules_staff, "and ask.action is not Action.AUDIT:", ":"),
    Mutant(
        roletable,
        "Action.APPROVE: frozenset({_K.PERSON, _K.EXPORT}),",
        "Action.APPROVE: frozenset({_K.BOX, _K.PERSON, _K.EXPORT}),",
    ),
    Mutant(
        roletable,
        "Role.VICE_PRINCIPAL: _LEADERS,",
        "Role.VICE_PRINCIPAL: {**_LEADERS, Action.CONFIGURE: frozenset(_K)},",
    ),
    Mutant(
        ask, "return (obj.kind, obj.id) in facts.index.things", "return any(row.id == obj.id for row in facts.things)"
    ),
]
"""Faults of the decision; each must be found by `access_suite.check`."""
