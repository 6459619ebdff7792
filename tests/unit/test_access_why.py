"""Why: the chain of facts says what the policy says."""

from __future__ import annotations

import random

import pytest

from gateway.access.ask import Asking
from gateway.access.facts import Block, BlockKind, ClassRules, Guardian, Window
from gateway.access.why import Explained, ends_with_the_search, explain
from gateway.core.i18n import catalogue
from gateway.core.model import Role
from tests.fakes.access_oracle import CAMERAS, Chance
from tests.fakes.school import AUTHORITY, CAM, CHILD, DAY, MAM, MOTHER, NOW, PRINCIPAL, TEACHER, facts, local, pid

CODES = {
    *("person", "login", "camera", "private", "role", "teaches", "tie", "clock", "sharing", "accepted", "consent"),
    *("newcomer", "on_site", "shown", "notice", "answered", "hours", "holiday", "plan", "nap", "minutes"),
    *("session", "assent", "observe", "care"),
}


def links(found: Explained) -> dict[str, bool]:
    return {link.code: link.holds for link in found.links}


def test_the_chain_holds_exactly_if_the_answer_allows() -> None:
    """Over 3,000 made-up schools of all roles: all links hold where it is allowed, one fails where not."""
    seen: set[str] = set()
    for seed in range(3000):
        source = random.Random(seed)
        chance, role = Chance(source), source.choice(list(Role))
        f, how, cam = chance.facts(role), chance.asking(), source.choice(CAMERAS)
        found = explain(f, MOTHER, cam, NOW, how)
        assert all(link.holds for link in found.links) is found.decision.allowed, (seed, found)
        seen |= {link.code for link in found.links}
    assert seen <= CODES
    assert {"tie", "teaches", "session", "role", "hours", "plan", "minutes", "newcomer", "on_site", "notice"} <= seen


def test_the_nap_is_named_with_its_class_and_child() -> None:
    """The mother at noon: everything holds but the nap."""
    found = explain(facts(), MOTHER, CAM, local(19, 12))
    assert [link.code for link in found.links if not link.holds] == ["nap"]
    tie = next(link for link in found.links if link.code == "tie")
    assert (tie.class_id, tie.child) == (MAM, CHILD)


def test_roles_have_their_own_chains() -> None:
    """Leadership, teacher, authority, a stranger."""
    assert links(explain(facts(), PRINCIPAL, CAM, NOW))["role"]
    assert links(explain(facts(), TEACHER, CAM, NOW))["teaches"]
    assert links(explain(facts(), AUTHORITY, CAM, NOW))["role"] is False
    assert links(explain(facts(), pid("nobody"), CAM, NOW)) == {
        "person": False, "login": True, "camera": True, "private": True,
    }  # fmt: skip


DAILY = frozenset(range(7))
ALWAYS = {
    "windows": (Window(MAM, DAILY, 0, 24 * 60),),
    "blocks": (Block(MAM, DAILY, 0, 24 * 60, BlockKind.LESSON, True),),
}


@pytest.mark.parametrize(("days", "at_least"), [(None, True), (13, False), (14, True), (15, True)])
def test_the_end_of_the_search_is_told_from_an_end(days: int | None, at_least: bool) -> None:
    """A class shown around the clock: "until" is how far was searched, unless a tie ends before that."""
    until_ms = None if days is None else NOW + days * DAY
    world = facts(**ALWAYS, guardians=(Guardian(person=MOTHER, child=CHILD, until_ms=until_ms),))
    decision = explain(world, MOTHER, CAM, NOW).decision
    assert decision.allowed
    assert decision.until_ms == NOW + min(days or 14, 14) * DAY
    assert ends_with_the_search(decision, NOW) is at_least


def test_a_refusal_and_an_answer_without_an_end_have_no_least_time() -> None:
    """The nap ends at its time; the principal's right has no end at all."""
    for who, at_ms in ((MOTHER, local(19, 12)), (PRINCIPAL, NOW), (MOTHER, NOW)):
        assert not ends_with_the_search(explain(facts(), who, CAM, at_ms).decision, at_ms)


def test_what_narrows_a_class_is_in_the_chain_only_where_it_is_set() -> None:
    """On-site, minutes and first days appear with the class that has them."""
    f = facts(rules=(ClassRules(MAM, on_site_only=True, daily_minutes=10, adaptation_days=5),))
    narrow = {"on_site", "minutes", "newcomer"}
    assert narrow <= set(links(explain(f, MOTHER, CAM, NOW, Asking(on_site=True))))
    assert not narrow & set(links(explain(facts(), MOTHER, CAM, NOW)))


def test_a_teacher_who_has_not_signed_is_in_the_chain() -> None:
    """The mother is refused because of the notice: one link fails, and it says so."""
    assert links(explain(facts(), MOTHER, CAM, NOW))["notice"]
    found = explain(facts(staff_notices=()), MOTHER, CAM, NOW)
    assert not found.decision.allowed
    assert [(link.code, link.class_id) for link in found.links if not link.holds] == [("notice", MAM)]


@pytest.mark.parametrize("lang", ["vi", "en"])
def test_every_link_has_words_for_yes_and_no(lang: str) -> None:
    """Both readings of every link are sentences in both languages."""
    for code in CODES:
        for said in ("yes", "no"):
            assert catalogue(lang).text(f"why.{code}.{said}", **{"class": "Mầm", "child": "An"})
