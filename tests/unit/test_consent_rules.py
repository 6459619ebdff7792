"""The rules of consent alone: what counts, what follows from an answer, when a case is due, which paper counts."""

from __future__ import annotations

import dataclasses
import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access import classday
from gateway.access.consent_rules import (
    NOTHING,
    CaseKind,
    Consequence,
    OnWithdrawal,
    Said,
    Standing,
    agreed,
    consequence,
    counting,
    due_ms,
    paper_fate,
    school_day,
)
from gateway.access.facts import CalendarDay, Consent, Facts, Purpose, Resolution
from gateway.access.policy import decide
from gateway.core.model import Action, PublicId
from tests.fakes.school import CAM, CHILD, DAY, MAM, MATE, MOTHER, NOW, OTHER, camera, facts, local

RULES = settings(max_examples=150, deadline=None, derandomize=True)
yes_no = st.booleans()
answers = st.lists(st.builds(Standing, st.sampled_from((None, MOTHER, OTHER)), yes_no, st.integers(0, NOW)), max_size=4)
MODES: tuple[OnWithdrawal, ...] = ("pause_class", "ask_principal")


@RULES
@given(answers)
def test_no_answer_and_any_no_is_never_consent(found: list[Standing]) -> None:
    """Consent is some answer and no no among them, in whatever order they came."""
    expected = len(found) > 0 and not any(not item.given for item in found)
    assert agreed(found) is expected
    assert agreed(list(reversed(found))) is expected


@RULES
@given(
    st.lists(st.builds(Said, st.sampled_from((None, MOTHER, OTHER)), yes_no)), st.sets(st.sampled_from((MOTHER, OTHER)))
)
def test_a_no_counts_while_its_guardian_stands_for_the_child(found: list[Said], guardians: set[PublicId]) -> None:
    """Nothing else is left out: a yes counts whoever gave it, and the family's no on paper does."""
    left_out = [item for item in found if not item.given and item.person in {MOTHER, OTHER} - guardians]
    assert counting(found, guardians) == [item for item in found if item not in left_out]
    refused = any(not item.given and item.person in {None, *guardians} for item in found)
    assert agreed(counting(found, guardians)) is (any(item.given for item in found) and not refused)


@RULES
@given(st.lists(st.tuples(yes_no, st.integers(-3, 3), st.none() | st.integers(-2, 4)), max_size=5), st.integers(-3, 5))
def test_the_fact_says_the_same_as_the_answers(rows: list[tuple[bool, int, int | None]], at: int) -> None:
    """What the policy reads out of spans is what the answers that stand at that instant say."""
    spans = [
        Consent(
            child=CHILD, purpose=Purpose.VIEW, given=said, since_ms=NOW + start,
            until_ms=None if end is None else NOW + max(start, end),
        )
        for said, start, end in rows
    ]  # fmt: skip
    standing = [Standing(None, span.given, span.since_ms) for span in spans if span.holds(NOW + at)]
    assert classday.consents(facts(consents=tuple(spans)), CHILD, NOW + at) is agreed(standing)


FAMILY_YES, FAMILY_NO = Standing(None, True, 0), Standing(None, False, 0)
MOTHER_YES, MOTHER_NO = Standing(MOTHER, True, 0), Standing(MOTHER, False, 0)
FATHER_YES, FATHER_NO = Standing(OTHER, True, 0), Standing(OTHER, False, 0)


@pytest.mark.parametrize(
    ("purpose", "before", "after", "said", "mode", "again", "expected"),
    [
        (Purpose.VIEW, [], [MOTHER_YES], True, "pause_class", False, NOTHING),
        (Purpose.VIEW, [], [MOTHER_NO], False, "pause_class", False, Consequence(CaseKind.REFUSAL, True)),
        (Purpose.VIEW, [], [MOTHER_NO], False, "ask_principal", False, Consequence(CaseKind.REFUSAL, True)),
        (Purpose.VIEW, [MOTHER_YES], [MOTHER_NO], False, "pause_class", False, Consequence(CaseKind.WITHDRAWAL, True)),
        (Purpose.VIEW, [MOTHER_YES], [MOTHER_NO], False, "ask_principal", False, Consequence(CaseKind.WITHDRAWAL)),
        (Purpose.VIEW, [MOTHER_YES], [MOTHER_NO], False, "pause_class", True, Consequence(CaseKind.REPEAT)),
        (
            *(Purpose.VIEW, [MOTHER_YES, FATHER_YES], [FATHER_YES, MOTHER_NO], False, "pause_class", False),
            Consequence(CaseKind.DISAGREE, True),
        ),
        (Purpose.VIEW, [FATHER_NO], [FATHER_NO, MOTHER_YES], True, "pause_class", False, Consequence(CaseKind.DISAGREE, True)),
        (Purpose.VIEW, [MOTHER_NO], [MOTHER_YES], True, "pause_class", True, NOTHING),
        (Purpose.RECORD, [], [MOTHER_NO], False, "pause_class", False, Consequence(CaseKind.REFUSAL)),
        (Purpose.RECORD, [FAMILY_YES], [FAMILY_NO], False, "pause_class", False, Consequence(CaseKind.WITHDRAWAL)),
        (Purpose.RECORD, [FATHER_NO], [FATHER_NO, MOTHER_YES], True, "pause_class", False, NOTHING),
        (Purpose.OBSERVE, [MOTHER_YES], [MOTHER_NO], False, "pause_class", False, NOTHING),
    ],
)  # fmt: skip
def test_what_follows_from_an_answer(
    purpose: Purpose, before: list[Standing], after: list[Standing], said: bool, mode: OnWithdrawal, again: bool,
    expected: Consequence,
) -> None:  # fmt: skip
    """A refusal or withdrawal opens a case; it closes the class unless the school asks first, or it is a repeat."""
    got = consequence(purpose, before, after, given=said, on_withdrawal=mode, withdrew_before=again)
    assert got == expected


@RULES
@given(answers, answers, yes_no, st.sampled_from(MODES), yes_no, st.sampled_from(Purpose))
def test_nothing_but_viewing_ever_closes_a_class(
    before: list[Standing], after: list[Standing], said: bool, mode: OnWithdrawal, again: bool, purpose: Purpose
) -> None:
    """Recording and observers never close a class; consent leaves nothing to settle; what closes it has a case."""
    got = consequence(purpose, before, after, given=said, on_withdrawal=mode, withdrew_before=again)
    if agreed(after) or purpose is Purpose.OBSERVE:
        assert got == NOTHING
    if purpose is not Purpose.VIEW:
        assert not got.waits
    assert not got.waits or got.case is not None
    if purpose is Purpose.VIEW and not agreed(after):
        assert got.case is not None
        if not agreed(before):
            assert got.waits, "who never agreed is not shown to others, whatever the school's setting"


@pytest.mark.parametrize(
    ("opened", "days", "ends"),
    [
        (local(19, 9), (), local(24, 0)),
        (local(16, 9), (), local(19, 0)),
        (local(20, 18), (), local(25, 0)),
        (local(21, 9), (), local(25, 0)),
        (local(19, 9), (CalendarDay(dt.date(2026, 11, 20), False),), local(25, 0)),
        (local(19, 9), (CalendarDay(dt.date(2026, 11, 21), True, 0),), local(22, 0)),
    ],
    ids=["thursday", "monday", "friday evening", "saturday", "a holiday between", "a saturday that runs"],
)
def test_a_case_is_due_at_the_end_of_the_second_school_day(
    opened: int, days: tuple[CalendarDay, ...], ends: int
) -> None:
    """The day of opening does not count, nor do weekends and holidays; a make-up day does."""
    assert due_ms(facts(days=days), opened) == ends


def test_a_summer_without_school_days_still_has_an_end() -> None:
    """With no school day in sight the case is due when the search ends, not never."""
    first = dt.date(2026, 11, 19)
    closed = tuple(CalendarDay(first + dt.timedelta(days=n), False) for n in range(200))
    assert not school_day(facts(days=closed), first)
    assert due_ms(facts(days=closed), NOW) == local(19, 0) + 121 * DAY


SHEET = (local(18, 0), local(19, 0))


@pytest.mark.parametrize(
    ("given", "signer", "standing", "counts"),
    [
        (True, None, [], "counts"),
        (True, None, [Standing(MOTHER, False, local(17, 9))], "signer"),
        (True, None, [Standing(MOTHER, False, local(18, 9))], "newer"),
        (False, None, [Standing(MOTHER, True, local(18, 9))], "counts"),
        (False, None, [Standing(MOTHER, True, local(19, 0))], "newer"),
        (True, OTHER, [Standing(MOTHER, True, local(19, 9))], "counts"),
        (False, MOTHER, [Standing(MOTHER, True, local(19, 9))], "newer"),
        (False, MOTHER, [Standing(None, True, local(20, 0))], "newer"),
        (True, None, [Standing(None, False, local(18, 0))], "counts"),
    ],
    ids=["first", "older no", "no of that day", "yes of that day", "later yes", "others' answer", "own later",
         "family later", "another sheet of that day"],
)  # fmt: skip
def test_a_paper_counts_unless_the_family_answered_later_or_nobody_signed_over_a_no(
    given: bool, signer: None, standing: list[Standing], counts: str
) -> None:
    """What was answered after the sheet's day stays; of the same day the stricter."""
    assert paper_fate(given, signer, SHEET, standing) == counts


# the policy's legs


def shows(f: Facts, at_ms: int = NOW) -> tuple[bool, str, int | None, int | None]:
    got = decide(f, MOTHER, Action.LIVE, camera(CAM), at_ms)
    return got.allowed, got.reason, got.until_ms, got.next_ms


def with_rows(*rows: Consent, **more: object) -> Facts:
    return dataclasses.replace(facts(), consents=rows, **more)  # type: ignore[arg-type]  # fields by name


OWN = Consent(child=CHILD, purpose=Purpose.VIEW)
MATES = Consent(child=MATE, purpose=Purpose.VIEW)
TEN = local(19, 10)


def test_a_no_beside_a_yes_is_no_consent_until_it_ends() -> None:
    """Two guardians who disagree: the stricter holds, and `until` is the instant the no ends."""
    no = Consent(child=CHILD, purpose=Purpose.VIEW, given=False, until_ms=NOW + 60_000)
    assert shows(with_rows(OWN, no, MATES)) == (False, "consent.missing", NOW + 60_000, NOW + 60_000)
    assert shows(with_rows(OWN, no, MATES), NOW + 60_000) == (True, "role.guardian", TEN, None)
    later = dataclasses.replace(no, since_ms=NOW + 60_000, until_ms=None)
    assert shows(with_rows(OWN, later, MATES)) == (True, "role.guardian", NOW + 60_000, None)


def test_anothers_no_is_the_same_to_this_family_as_anothers_silence() -> None:
    """The decision about the mother is the same, field by field, whether the other family said no or nothing."""
    no = dataclasses.replace(MATES, given=False)
    answers_of_others = [(), (no,), (MATES, no), (dataclasses.replace(MATES, until_ms=NOW),)]
    got = {shows(with_rows(OWN, *rows)) for rows in answers_of_others}
    assert got == {(False, "class.not_open", None, None)}


def test_a_settled_no_opens_the_class_to_others_only() -> None:
    """With the principal's resolution the class goes on, and the family that said no still does not see it."""
    no = dataclasses.replace(MATES, given=False)
    settled = (Resolution(child=MATE, class_id=MAM),)
    assert shows(with_rows(OWN, no, resolutions=settled)) == (True, "role.guardian", TEN, None)
    own_no = dataclasses.replace(OWN, given=False)
    own_settled = (Resolution(child=CHILD, class_id=MAM),)
    assert shows(with_rows(own_no, MATES, resolutions=own_settled))[:2] == (False, "consent.missing")


def test_observers_need_every_familys_own_yes() -> None:
    """A class is observable while each enrolled child has a yes for it and no no; a resolution opens it to no guest."""
    rows = [Consent(child=child, purpose=Purpose.OBSERVE) for child in (CHILD, MATE)]
    assert classday.observable(with_rows(*rows), MAM, NOW)
    assert not classday.observable(with_rows(OWN, MATES), MAM, NOW)
    assert not classday.observable(with_rows(rows[0]), MAM, NOW)
    assert not classday.observable(with_rows(rows[0], resolutions=(Resolution(child=MATE, class_id=MAM),)), MAM, NOW)
    no = dataclasses.replace(rows[1], given=False, since_ms=NOW + 5)
    assert classday.observable(with_rows(*rows, no), MAM, NOW + 4)
    assert not classday.observable(with_rows(*rows, no), MAM, NOW + 5)
