"""The tests of access are worth something: hand-made faults in its source are all found.

Each mutant is one edit of policy, class day, grants or open grants, executed as a module of its own. Policy
mutants face the table, the others the running streams; a mutant that passes everything survives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from gateway.access import grants, instants, opengrants
from tests.fakes import access_suite
from tests.fakes.access_planting import POLICY, Mutant, decide_of
from tests.fakes.access_world import HANG_S, MAKERS
from tests.unit import test_access_circumstances as minutes_tests
from tests.unit import test_access_grants as grant_tests
from tests.unit import test_access_opengrants as stream_tests
from tests.unit import test_access_revoking as revoking_tests

Suite = Callable[[Path], None]


LIFE = [
    Mutant(
        grants,
        "frozenset({StreamRole.SUB}) if role in ONE_SMALL else frozenset(StreamRole)",
        "frozenset(StreamRole)",
    ),
    Mutant(grants, "self._leases_ms[role in STAFF_ROLES]", "self._leases_ms[True]"),
    Mutant(grants, "until_ms=decision.until_ms,\n            lease_ms", "until_ms=None,\n            lease_ms"),
    Mutant(grants, "person, device, over, begins_ms", "person, device, None, begins_ms"),
    Mutant(grants, "begins_ms = now_ms if need.action is Action.LIVE else None", "begins_ms = None"),
    Mutant(grants, "store.circumstances.began(grant)", "pass"),
    Mutant(grants, "store.circumstances.ended(grant, store.clock.now_ms())", "pass"),
    Mutant(grants, "write_viewed(conn, grant, now_ms)", "pass"),
    Mutant(opengrants, "self._store.circumstances.listeners.append(self.recheck)", "pass"),
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
    Mutant(opengrants, "await self.cut(list(self._held.values()))\n        for reason in", "for reason in"),
    Mutant(
        opengrants,
        "def _facts_changed(self, _facts: Facts) -> None:\n        self._changed.set()",
        "def _facts_changed(self, _facts: Facts) -> None:\n        pass",
    ),
    Mutant(opengrants, "await self.cut(due)", "pass"),
    Mutant(opengrants, "was != trusted or", ""),
    Mutant(opengrants, "return None if keep else Reason.POLICY_ERROR", "return None"),
    Mutant(opengrants, "keep = grant.role in STAFF_ROLES and (", "keep = True and ("),
    Mutant(opengrants, "keep = grant.role in STAFF_ROLES and (", "keep = False and ("),
    Mutant(opengrants, "(grant.until_ms is None or now_ms < grant.until_ms)", "True"),
    Mutant(opengrants, "return None if answer.allowed else str(answer.reason)", "return None"),
    Mutant(opengrants, "if grant.role in ONE_SMALL:", "if False:"),
    Mutant(opengrants, "if item.grant.device != device]", "if item.grant.device == device]"),
    Mutant(opengrants, "self._media.renew([item.ticket for item in running])", "self._media.renew([])"),
    Mutant(opengrants, "if held.ended is not None:", "if False:"),
    Mutant(opengrants, "self._unanswered |= dict.fromkeys(ids, reason)", "pass"),
    Mutant(opengrants, "or not answer.allowed or (newer", "or (newer"),
    Mutant(opengrants, "self._fresh_ns = None\n                self._changed.set()", "pass"),
    Mutant(opengrants, "> STALE_AFTER_S * 1e9", "> 1e18"),
    Mutant(opengrants, "if opened is None:  #", "if False:  #"),
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
    minutes_tests.test_minutes_survive_a_second_phone_and_a_restart,
    minutes_tests.test_minutes_are_counted_from_streams_and_end_them,
    minutes_tests.test_a_class_seen_at_school_only_follows_the_phone,
]


@contextmanager
def faulty_life(mutant: Mutant | None) -> Iterator[None]:
    """Let `school()` build with the fault in it, and wait less long for what will not come."""
    makers = (grants.Grants, opengrants.OpenGrants)
    if mutant is not None:
        made = mutant.planted()
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
    planted = decide_of(mutant)  # outside: a text that is no longer there must not count as a fault that was found
    with pytest.raises((AssertionError, TypeError, KeyError)):
        access_suite.check(planted)


@pytest.mark.parametrize("mutant", LIFE, ids=lambda mutant: f"{mutant.old[:40]}->{mutant.new[:25]}")
def test_faults_of_grants_and_cutters_are_found(mutant: Mutant, tmp_path: Path) -> None:
    """Grants or cutters with a fault in them fail a test of running streams."""
    assert found_by(mutant, tmp_path) is not None


def test_without_a_fault_nothing_is_found(tmp_path: Path) -> None:
    """The gate's own tests pass on the real source, so what they find is the fault."""
    access_suite.check(decide_of(Mutant(instants, "HORIZON_DAYS = 14", "HORIZON_DAYS = 14")))
    assert found_by(None, tmp_path) is None
