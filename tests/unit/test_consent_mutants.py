"""Faults planted in the rules of consent: each is found by a test of the rules."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import pytest

from gateway.access import classday, consent_rules
from gateway.access.facts import CalendarDay, Consent, Purpose, Resolution
from tests.fakes.access_planting import Mutant
from tests.fakes.school import CHILD, MAM, MATE, MOTHER, NOW, OTHER, facts, local

RULE = consent_rules
MUTANTS = [
    Mutant(classday, "return bool(answers) and all(answers)\n\n\ndef observable", "return all(answers)\n\n\ndef observable"),
    Mutant(classday, "return bool(answers) and all(answers)\n\n\ndef observable", "return any(answers)\n\n\ndef observable"),
    Mutant(classday, "if not answers or not all(answers):", "if not all(answers):"),
    Mutant(classday, "if not answers or not all(answers):", "if not any(answers):"),
    Mutant(classday, "answers = [item.given for item in rows if item.holds(at_ms)]", "answers = [item.given for item in rows]"),
    Mutant(RULE, "return bool(given) and all(given)", "return all(given)"),
    Mutant(RULE, "return bool(given) and all(given)", "return any(given)"),
    Mutant(RULE, "if item.given or item.person is None or item.person in guardians]", "if item.given]"),
    Mutant(RULE, "if item.given or item.person is None or item.person in guardians]", "]"),
    Mutant(RULE, "if item.given or item.person is None or", "if item.given or"),
    Mutant(RULE, "purpose is Purpose.OBSERVE or agreed(standing)", "agreed(standing)"),
    Mutant(RULE, "return NOTHING if given else Consequence(", "return Consequence("),
    Mutant(RULE, "if purpose is Purpose.RECORD:", "if False:"),
    Mutant(RULE, "if not was:", "if False:"),
    Mutant(RULE, "if withdrew_before:", "if False:"),
    Mutant(RULE, 'waits=on_withdrawal == "pause_class"', "waits=True"),
    Mutant(RULE, 'waits=on_withdrawal == "pause_class"', "waits=False"),
    Mutant(RULE, "return special.open if special is not None else", "return"),
    Mutant(RULE, "date += DAY\n        school_days -=", "school_days -="),
    Mutant(RULE, "return midnight(facts.zone, date + DAY)", "return midnight(facts.zone, date)"),
    Mutant(RULE, "item.answered_ms >= end_ms", "item.answered_ms > end_ms"),
    Mutant(RULE, "given and not item.given", "given"),
    Mutant(RULE, "item.answered_ms > start_ms and", "item.answered_ms >= start_ms and"),
    Mutant(RULE, "if signer is not None and item.person not in {signer, None}:", "if False:"),
    Mutant(RULE, "if given and signer is None and any(", "if False and any("),
    Mutant(RULE, "if given and signer is None and any(", "if signer is None and any("),
    Mutant(RULE, "if given and signer is None and any(", "if given and any("),
    Mutant(RULE, "item.person is not None and not item.given for", "not item.given for"),
    Mutant(RULE, "return given and all(", "return all("),
    Mutant(RULE, "for item in standing if item.person not in {signer, None})", "for item in standing)"),
    Mutant(RULE, "for item in standing if item.person not in {signer, None})", "for item in standing if item.person)"),
]  # fmt: skip


def check_facts(day: Any) -> None:
    """The legs of the policy."""
    yes = Consent(child=CHILD, purpose=Purpose.VIEW)
    no = dataclasses.replace(yes, given=False, until_ms=NOW)
    for rows, agrees in (
        ((), False),
        ((yes,), True),
        ((yes, no), True),
        ((yes, dataclasses.replace(no, until_ms=None)), False),
    ):
        assert day.consents(facts(consents=rows), CHILD, NOW) is agrees
    seen = tuple(Consent(child=child, purpose=Purpose.OBSERVE) for child in (CHILD, MATE))
    no = dataclasses.replace(seen[1], given=False)
    past, future = dataclasses.replace(no, until_ms=NOW), dataclasses.replace(no, since_ms=NOW + 1)
    settled = (Resolution(child=MATE, class_id=MAM),)
    assert day.observable(facts(consents=(*seen, past, future)), MAM, NOW)
    assert not day.observable(facts(consents=(*seen, future)), MAM, NOW + 1)
    assert not day.observable(facts(consents=seen[:1], resolutions=settled), MAM, NOW)


def check_rules(rule: Any) -> None:
    """What follows from an answer, when it is due, which paper counts."""
    yes, no, others = rule.Standing(MOTHER, True, 0), rule.Standing(MOTHER, False, 0), rule.Standing(OTHER, True, 0)
    assert [rule.agreed(rows) for rows in ([], [yes], [no], [yes, no])] == [False, True, False, False]
    hers, his, familys, kept = (
        rule.Said(*item) for item in ((MOTHER, False), (OTHER, False), (None, False), (OTHER, True))
    )
    assert rule.counting([hers, his, familys, kept], {MOTHER}) == [hers, familys, kept]

    def follows(
        purpose: Purpose, before: list[Any], after: list[Any], mode: str = "pause_class", **more: bool
    ) -> tuple[str, bool]:
        options = {"given": False, "withdrew_before": False} | more
        got = rule.consequence(purpose, before, after, on_withdrawal=mode, **options)
        return str(got.case), got.waits

    assert follows(Purpose.VIEW, [yes], [no]) == ("withdrawal", True)
    assert follows(Purpose.VIEW, [yes], [no], "ask_principal") == ("withdrawal", False)
    assert follows(Purpose.VIEW, [yes], [no], withdrew_before=True) == ("repeat", False)
    assert follows(Purpose.VIEW, [], [no], "ask_principal") == ("refusal", True)
    assert follows(Purpose.VIEW, [yes, others], [others, no]) == ("disagree", True)
    assert follows(Purpose.OBSERVE, [yes], [no]) == ("None", False)
    assert follows(Purpose.RECORD, [yes], [no]) == ("withdrawal", False)
    assert follows(Purpose.RECORD, [], [no, others], given=True) == ("None", False)
    assert rule.due_ms(facts(), local(19, 9)) == local(24, 0)
    closed = (rule.dt.date(2026, 11, 20),)
    assert rule.due_ms(facts(days=tuple(CalendarDay(day, False) for day in closed)), local(19, 9)) == local(25, 0)
    day = (local(18, 0), local(19, 0))

    def counts(given: bool, signer: Any, day: tuple[int, int], found: Any) -> bool:
        return str(rule.paper_fate(given, signer, day, found)) == "counts"

    assert not counts(False, None, day, [rule.Standing(MOTHER, True, local(19, 0))])
    assert counts(True, None, day, [rule.Standing(MOTHER, True, local(18, 9))])
    assert not counts(True, None, day, [rule.Standing(MOTHER, False, local(18, 9))])
    assert counts(True, None, day, [rule.Standing(None, False, local(18, 0))])
    assert counts(True, OTHER, day, [rule.Standing(MOTHER, True, local(19, 9))])
    before = [rule.Standing(MOTHER, False, local(17, 9))]
    assert str(rule.paper_fate(True, None, day, before)) == "signer"
    assert counts(False, None, day, before)
    assert counts(True, MOTHER, day, before)
    assert rule.on_paper(True, MOTHER, before)
    assert not rule.on_paper(False, MOTHER, before)
    assert not rule.on_paper(True, OTHER, before)
    assert rule.on_paper(True, OTHER, [rule.Standing(None, False, local(17, 9))])


CHECKS: dict[Any, Callable[[Any], None]] = {classday: check_facts, RULE: check_rules}


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: f"{mutant.old[-40:]}->{mutant.new[:25]}")
def test_faults_of_consent_are_found(mutant: Mutant) -> None:
    """A rule of consent with a fault in it fails its check."""
    made = mutant.planted()
    with pytest.raises(AssertionError):
        CHECKS[mutant.module](made)


def test_without_a_fault_nothing_is_found() -> None:
    """The checks pass on the real rules, so what they find is the fault."""
    for module, check in CHECKS.items():
        check(module)
