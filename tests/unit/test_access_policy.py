"""The decision, case by case."""

from __future__ import annotations

import itertools

import pytest

from gateway.access.policy import decide
from gateway.access.reasons import Reason
from gateway.core.i18n import catalogue
from gateway.core.model import Action, ObjectKind, ObjectRef, Role
from tests.fakes import access_suite
from tests.fakes.access_case import Case
from tests.fakes.access_suite import CASES
from tests.fakes.school import NOW, facts, pid, short


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_case(case: Case) -> None:
    """The table says who may do what, until when, and when next."""
    assert short(decide(case.facts, case.person, case.action, case.obj, case.now_ms, case.asking)) == case.expected


def test_suite_is_the_table() -> None:
    """What the mutation gate runs is this table."""
    access_suite.check(decide)


@pytest.mark.parametrize("role", Role)
def test_unknown_objects_look_alike(role: Role) -> None:
    """Nobody is allowed anything about an object that is not there, and no time is told."""
    person = next(item.id for item in facts().persons if item.role is role)
    for action, kind in itertools.product(Action, set(ObjectKind) - {ObjectKind.BOX}):
        decision = decide(facts(), person, action, ObjectRef(kind, pid("nothere")), NOW)
        assert decision.reason in {Reason.NOT_FOUND, Reason.ROLE, Reason.SOUND_OFF}
        assert (decision.allowed, decision.until_ms, decision.next_ms) == (False, None, None)


@pytest.mark.parametrize("lang", ["vi", "en"])
@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_text(reason: Reason, lang: str) -> None:
    """Each reason code reads as a sentence in both languages."""
    text = catalogue(lang).text(f"reason.{reason}")
    assert text
    assert text != f"reason.{reason}"
