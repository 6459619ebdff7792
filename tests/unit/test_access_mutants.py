"""The tests of access are worth something: hand-made faults in its source are all found.

Each mutant is one edit of policy, class day, grants or sessions, executed as a module of its own. Policy
mutants face the table, the others the running streams; a mutant that passes everything survives.
"""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from gateway.access import classday, grants, policy, sessions
from tests.fakes import access_suite
from tests.fakes.access_world import HANG_S, MAKERS
from tests.unit import test_access_grants as grant_tests
from tests.unit import test_access_revoking as revoking_tests
from tests.unit import test_access_sessions as stream_tests

Suite = Callable[[Path], None]


class Mutant(NamedTuple):
    """One fault: in which module, which text becomes which."""

    module: types.ModuleType
    old: str
    new: str


POLICY = [
    Mutant(policy, "if who.disabled:", "if False:"),
    Mutant(policy, "if who is None:\n        return Decision(False", "if who is None:\n        return Decision(True"),
    Mutant(policy, "if action is Action.LIVE_AUDIO:", "if False:"),
    Mutant(policy, "if obj.kind not in _MAY[who.role].get(action, ()):", "if action not in _MAY[who.role]:"),
    Mutant(policy, "if answer.reason is Reason.NOT_FOUND:", "if False:"),
    Mutant(policy, "if not _known(facts, obj):", "if False:"),
    Mutant(policy, "return obj.id in facts.cameras", "return True"),
    Mutant(policy, "if answer.allowed and ask.action in _PICTURE and _private(", "if False and _private("),
    Mutant(policy, "answer.allowed and ask.action in _PICTURE and", "answer.allowed and"),
    Mutant(policy, "frozenset({Action.LIVE, Action.SNAPSHOT, Action.AIM})", "frozenset({Action.LIVE})"),
    Mutant(policy, "if ask.action is Action.EXPORT and ask.obj.kind is ObjectKind.CAMERA:", "if False:"),
    Mutant(policy, "order.approver in {None, order.requester}", "order.approver is None"),
    Mutant(policy, "if ask.action is Action.APPROVE and order.requester == ask.person.id:", "if False:"),
    Mutant(policy, "if not mine & _classes(ask, at_ms):", "if not mine:"),
    Mutant(policy, ">= PAUSES_A_DAY", "> PAUSES_A_DAY"),
    Mutant(policy, "facts.index.persons[PublicId(row.by)].role is Role.TEACHER and ", ""),
    Mutant(policy, " and moment(facts.zone, row.since_ms).date == today", ""),
    Mutant(policy, "if ask.obj.id in children else", "if children else"),
    Mutant(policy, "if row.holds(at_ms) and row.class_id in classes\n", "if row.class_id in classes\n"),
    Mutant(policy, "if row.holds(at_ms) and row.class_id in classes\n", "if row.holds(at_ms)\n"),
    Mutant(policy, "if not here:", "if not children:"),
    Mutant(policy, "if not facts.clock_trusted:", "if False:"),
    Mutant(policy, "if facts.sharing_stopped:", "if False:"),
    Mutant(policy, "if not facts.accepted:", "if False:"),
    Mutant(policy, "classday.consents(facts, child, at_ms) for child in here", "True for child in here"),
    Mutant(policy, "for class_id in sorted(classes):", "for class_id in sorted(classes)[:1]:"),
    Mutant(policy, "if ask.obj.id == ask.person.id else", "if True else"),
    Mutant(policy, "return _no(Reason.ACCEPTED) if ask.facts.accepted else", "return"),
    Mutant(policy, "children = _own_children(ask, at_ms)", "children = set(ask.facts.children)"),
    Mutant(policy, "until_ms is None and later != answer", "until_ms is None and later.allowed != answer.allowed"),
    Mutant(policy, "if last_ms < at_ms <= end_ms:", "if last_ms < at_ms:"),
    Mutant(policy, "if at_ms > now_ms)", "if at_ms >= now_ms + 60_000_000)"),
    Mutant(policy, "found |= ends(index.guardians_of_person.get(ask.person.id, ()))", "pass"),
    Mutant(policy, "found |= ends(index.teachings_of_person.get(ask.person.id, ()))", "pass"),
    Mutant(policy, "found |= index.instants_of_class.get(class_id, frozenset())", "pass"),
    Mutant(policy, "index.privacies_of_camera.get(obj.id, ()), *index", "index"),
    Mutant(
        policy, "pending |= instants(zone, day, classday.minutes(", "pending |= instants(zone, day, (lambda *_: ())("
    ),
    Mutant(policy, "or ask.action is Action.PAUSE", ""),
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

LIFE = [
    Mutant(
        grants,
        "frozenset({StreamRole.SUB}) if role is Role.GUARDIAN else frozenset(StreamRole)",
        "frozenset(StreamRole)",
    ),
    Mutant(grants, "self._leases_ms[role in STAFF_ROLES]", "self._leases_ms[True]"),
    Mutant(grants, "until_ms=decision.until_ms,\n            lease_ms", "until_ms=None,\n            lease_ms"),
    Mutant(grants, "if over is not None:", "if False:"),
    Mutant(grants, "store.write_denied(conn, request.actor, request.need, decision, now_ms)", "pass"),
    Mutant(
        grants,
        'seq = audit.append(conn, store.body(request.actor, "granted"',
        'seq = len(store.body(request.actor, "granted"',
    ),
    Mutant(grants, "if store.refused_before(request.actor, request.need, early):", "if False:"),
    Mutant(grants, "until_ms=0,", "until_ms=None,"),
    Mutant(grants, "until_ms=decision.until_ms, facts_version=version", "facts_version=version"),
    Mutant(grants, "if old or not decision.allowed or look", "if old or look"),
    Mutant(grants, 'conn.execute("DELETE FROM open_grant WHERE id = ?", (grant.id,))', "pass"),
    Mutant(grants, "if (action in RECORDED) != (", "if False and ("),
    Mutant(sessions, "await self.cut(list(self._held.values()))\n        for reason in", "for reason in"),
    Mutant(
        sessions,
        "def _facts_changed(self, _facts: Facts) -> None:\n        self._changed.set()",
        "def _facts_changed(self, _facts: Facts) -> None:\n        pass",
    ),
    Mutant(sessions, "await self.cut(due)", "pass"),
    Mutant(sessions, "was != trusted or", ""),
    Mutant(sessions, "return None if keep else Reason.POLICY_ERROR", "return None"),
    Mutant(sessions, "keep = grant.role in STAFF_ROLES and (", "keep = True and ("),
    Mutant(sessions, "keep = grant.role in STAFF_ROLES and (", "keep = False and ("),
    Mutant(sessions, "(grant.until_ms is None or now_ms < grant.until_ms)", "True"),
    Mutant(sessions, "return None if answer.allowed else str(answer.reason)", "return None"),
    Mutant(sessions, "if grant.role is Role.GUARDIAN:", "if False:"),
    Mutant(sessions, "if item.grant.device != device]", "if item.grant.device == device]"),
    Mutant(sessions, "self._media.renew([item.ticket for item in running])", "self._media.renew([])"),
    Mutant(sessions, "if held.ended is not None:", "if False:"),
    Mutant(sessions, "self._unanswered |= dict.fromkeys(ids, reason)", "pass"),
    Mutant(sessions, "or not answer.allowed or (newer", "or (newer"),
    Mutant(sessions, "self._fresh_ns = None\n                self._changed.set()", "pass"),
    Mutant(sessions, "> STALE_AFTER_S * 1e9", "> 1e18"),
    Mutant(sessions, "if opened is None:  #", "if False:  #"),
]
"""Faults of grants and of the streams' life; each must be found by a test of a running stream."""

_ACT = revoking_tests.test_a_revoking_act_ends_the_stream_before_the_next_beat
LIFE_TESTS: list[Callable[[Path], Awaitable[None]]] = [
    grant_tests.test_a_grant_says_what_was_decided,
    grant_tests.test_refusals_are_written_once_a_minute_and_counted,
    grant_tests.test_a_dead_login_gets_nothing,
    grant_tests.test_stills_of_a_minute_are_one_look,
    grant_tests.test_a_still_is_no_stream,
    grant_tests.test_left_open_rights_are_void_until_decided,
    stream_tests.test_undecided_rights_of_staff_end_at_their_time,
    stream_tests.test_facts_of_unknown_age_decide_nothing,
    stream_tests.test_the_same_device_replaces_its_stream,
    stream_tests.test_a_cut_while_opening_leaves_nothing_open,
    stream_tests.test_a_failed_open_leaves_no_right,
    stream_tests.test_the_reaper_alone_is_enough,
    partial(_ACT, "window ends"),
    partial(_ACT, "clock not trusted"),
    partial(_ACT, "pause"),
    stream_tests.test_a_longer_right_is_renewed_with_its_new_end,
    stream_tests.test_unreadable_facts_end_guardians_and_keep_staff,
    stream_tests.test_live_that_does_not_answer_is_told_again,
    stream_tests.test_a_restart_ends_what_is_no_longer_granted,
]


def mutated(mutant: Mutant) -> types.ModuleType:
    """Execute the module's source with the fault in it; the text must be there."""
    source = Path(str(mutant.module.__file__)).read_text(encoding="utf-8")
    assert mutant.old in source, f"{mutant.module.__name__} no longer says {mutant.old!r}"
    return module_of(mutant.module, source.replace(mutant.old, mutant.new, 1))


def module_of(original: types.ModuleType, source: str) -> types.ModuleType:
    """Execute a source under another name, beside the real module."""
    made = types.ModuleType(f"{original.__name__}_mutant")
    made.__file__ = original.__file__
    sys.modules[made.__name__] = made  # dataclasses look their module up
    exec(compile(source, str(original.__file__), "exec"), made.__dict__)
    return made


def decide_of(mutant: Mutant) -> access_suite.Decide:
    """The decision with the fault in it, in whichever of its two modules."""
    if mutant.module is policy:
        decide: access_suite.Decide = mutated(mutant).decide
        return decide
    made = module_of(policy, Path(str(policy.__file__)).read_text(encoding="utf-8"))
    made.__dict__["classday"] = mutated(mutant)
    found: access_suite.Decide = made.decide
    return found


@contextmanager
def faulty_life(mutant: Mutant | None) -> Iterator[None]:
    """Let `school()` build with the fault in it, and wait less long for what will not come."""
    makers = (grants.Grants, sessions.OpenGrants)
    if mutant is not None:
        made = mutated(mutant)
        makers = (getattr(made, "Grants", makers[0]), getattr(made, "OpenGrants", makers[1]))
    makers_token, hang_token = MAKERS.set(makers), HANG_S.set(2.0 if mutant else 20.0)
    try:
        yield
    finally:
        MAKERS.reset(makers_token)
        HANG_S.reset(hang_token)


def found_by(mutant: Mutant | None, folder: Path) -> str | None:
    """The name of the first test of running streams that fails."""
    with faulty_life(mutant):
        for number, test in enumerate(LIFE_TESTS):
            place = folder / str(number)
            place.mkdir()
            try:
                asyncio.run(run(test, place))
            except BaseException as error:  # noqa: BLE001 - any failure of any kind finds the fault
                return f"{test}: {error!r}"
    return None


async def run(test: Callable[[Path], Awaitable[None]], folder: Path) -> None:
    await test(folder)


@pytest.mark.parametrize("mutant", POLICY, ids=lambda mutant: f"{mutant.old[:40]}->{mutant.new[:25]}")
def test_faults_of_the_decision_are_found(mutant: Mutant) -> None:
    """A decision with a fault in it fails the table."""
    with pytest.raises((AssertionError, TypeError, KeyError)):
        access_suite.check(decide_of(mutant))


@pytest.mark.parametrize("mutant", LIFE, ids=lambda mutant: f"{mutant.old[:40]}->{mutant.new[:25]}")
def test_faults_of_grants_and_cutters_are_found(mutant: Mutant, tmp_path: Path) -> None:
    """Grants or cutters with a fault in them fail a test of running streams."""
    assert found_by(mutant, tmp_path) is not None


def test_without_a_fault_nothing_is_found(tmp_path: Path) -> None:
    """The gate's own tests pass on the real source, so what they find is the fault."""
    access_suite.check(decide_of(Mutant(policy, "HORIZON_DAYS = 14", "HORIZON_DAYS = 14")))
    assert found_by(None, tmp_path) is None
