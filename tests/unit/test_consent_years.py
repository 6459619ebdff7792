"""Families' answers when a new school year begins: kept or asked again by the school's word, and undone with the year."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.consent_rules import Remedy
from gateway.access.facts import Purpose
from gateway.access.reasons import Reason
from gateway.core.errors import BadInput
from gateway.core.model import PublicId
from gateway.roofs.roster_lists import RosterLists
from tests.fakes.access_world import add_class, add_family
from tests.fakes.consent_world import VIEW, ConsentWorld, consent_school

pytestmark = pytest.mark.anyio
TABLES = ("consent", "resolution", "enrolment", "guardian", "teaching", "class")


async def turn(
    c: ConsentWorld, target: str, consents: str, day: dt.date | None = None, **others: str
) -> tuple[str, dict[str, int]]:
    """Turn the year as the page does: looked at first, then done as it was shown."""
    lists, targets = RosterLists(c.w.access.store), {str(c.w.class_id): target} | others
    view = await lists.year(c.w.actor, targets, day, keep_teachers=False)
    done = await lists.turn_year(c.w.actor, targets, view["shown"], day, keep_teachers=False, consents=consents)
    return done["act"], done["counts"]


async def said(c: ConsentWorld, child: PublicId) -> dict[Purpose, bool | None]:
    """How a child's questions stand in the class it is in now."""
    links = c.w.access.store.current.index.enrolments_of_child[child]
    here = next(row.class_id for row in links if row.holds(c.w.clock.now_ms()))
    return next(row.answers for row in await c.consents.states(here) if row.child == child)


def tables(c: ConsentWorld) -> dict[str, list[tuple[Any, ...]]]:
    return {name: [tuple(row) for row in c.w.rows(f"SELECT * FROM {name} ORDER BY id")] for name in TABLES}


async def test_a_yes_goes_on_if_the_school_keeps_it(tmp_path: Path) -> None:
    """Answers are a child's and no class's: in the new class nobody is asked anything."""
    async with consent_school(tmp_path) as c:
        _, counts = await turn(c, "Chồi 1", "keep")
        assert (counts["moved"], counts["asked_again"]) == (2, 0)
        assert [(await said(c, child))[VIEW] for child in (c.w.child, c.w.mate)] == [True, True]


async def test_a_yes_ends_if_the_school_asks_again_and_the_class_waits(tmp_path: Path) -> None:
    """Every family is asked anew and the class is shut meanwhile; the year undone, the answers are as they were."""
    async with consent_school(tmp_path) as c:
        before = tables(c)
        act, counts = await turn(c, "=", "again")
        assert (counts["same"], counts["asked_again"]) == (2, 2)
        assert c.sees(c.w.mother) == Reason.CONSENT_MISSING
        assert [(item.given, item.due) for item in await c.consents.mine(c.w.mother) if item.purpose == VIEW] == [
            (None, True)
        ]
        await RosterLists(c.w.access.store).undo(c.w.actor, act)
        assert tables(c) == before
        act, _ = await turn(c, "=", "again")
        await c.say(c.mother, c.w.child, given=True)
        assert (await said(c, c.w.child))[VIEW] is True


async def test_a_no_is_never_forgotten_and_its_settlement_is_of_one_class(tmp_path: Path) -> None:
    """Whatever the school says about the yes: who said no is not shown, and the new class waits for the principal."""
    for word in ("keep", "again"):
        async with consent_school(tmp_path / word) as c:
            await c.consents.withdraw(c.mother, c.w.child, VIEW)
            await c.cases.settle(c.w.actor, c.w.child, c.w.class_id, Remedy.MASK, "Che góc chơi", VIEW)
            assert c.sees(c.w.father_of_mate) == "role.guardian"
            await turn(c, "Chồi 1", word)
            assert (await said(c, c.w.child))[VIEW] is False
            links = c.w.access.store.current.index.enrolments_of_child[c.w.child]
            (state,) = [
                row
                for row in await c.consents.states(next(r.class_id for r in links if r.holds(c.w.clock.now_ms())))
                if row.child == c.w.child
            ]
            assert (state.waits, state.resolved) == (True, False)


async def test_the_answers_of_a_child_that_leaves_end_with_its_last_day(tmp_path: Path) -> None:
    """Turned on a day to come, they hold until that day begins; nobody else's end."""
    async with consent_school(tmp_path) as c:
        leavers = await add_class(c.w.access, c.w.actor, "Lá 1", [])
        big = await add_family(c.w.access, c.w.actor, leavers, "Bé Lớn", "Mẹ Lớn")
        await turn(c, "=", "keep", dt.date(2026, 11, 21), **{str(leavers): "-"})
        ends = {row["until_ms"] for row in c.w.rows("SELECT until_ms FROM consent WHERE child = ?", big.child)}
        assert (len(ends), min(ends) > c.w.clock.now_ms()) == (1, True)
        assert await c.consents.states(leavers) != ()
        assert {row["until_ms"] for row in c.w.rows("SELECT until_ms FROM consent WHERE child != ?", big.child)} == {
            None
        }


async def test_a_leaving_called_off_after_the_year_was_turned_gives_the_answers_back(tmp_path: Path) -> None:
    """A child that repeats its year after all: what its family answered goes on with its ties."""
    async with consent_school(tmp_path) as c:
        leavers = await add_class(c.w.access, c.w.actor, "Lá 1", [])
        big = await add_family(c.w.access, c.w.actor, leavers, "Bé Lớn", "Mẹ Lớn")
        before = c.w.rows("SELECT * FROM consent WHERE child = ? ORDER BY id", big.child)
        await turn(c, "=", "keep", dt.date(2026, 11, 21), **{str(leavers): "-"})
        await c.w.access.children.enrol(c.w.actor, big.child, leavers, dt.date(2026, 11, 21))
        assert c.w.rows("SELECT * FROM consent WHERE child = ? ORDER BY id", big.child) == before
        ties = c.w.rows("SELECT until_ms FROM guardian WHERE child = ?", big.child)
        assert {row["until_ms"] for row in ties} == {None}


async def test_another_class_in_the_new_year_makes_no_yes_out_of_a_question(tmp_path: Path) -> None:
    """What is asked again stays asked again when a child's new class is corrected before the year begins."""
    async with consent_school(tmp_path) as c:
        other = await add_class(c.w.access, c.w.actor, "Lá 1", [])
        await turn(c, "Chồi 1", "again", dt.date(2026, 11, 21), **{str(other): "="})
        yes = "SELECT id, until_ms FROM consent WHERE child = ? AND given = 1 AND purpose = 'view'"
        before = c.w.rows(yes, c.w.child)
        assert all(row["until_ms"] is not None for row in before)
        await c.w.access.children.enrol(c.w.actor, c.w.child, other, dt.date(2026, 11, 21))
        assert c.w.rows(yes, c.w.child) == before


async def test_the_school_has_to_say_it_while_there_is_a_yes(tmp_path: Path) -> None:
    """Unsaid, nothing happens; where nobody said yes nothing is asked; a word that is neither is refused."""
    async with consent_school(tmp_path) as c:
        before = tables(c)
        for word in ("", "perhaps"):
            with pytest.raises(BadInput) as caught:
                await turn(c, "Chồi 1", word)
            assert caught.value.fields["case"] == "rollover_consents"
        assert tables(c) == before
    async with consent_school(tmp_path / "silent", agreed=False) as c:
        _, counts = await turn(c, "Chồi 1", "")
        assert (counts["moved"], counts["asked_again"]) == (2, 0)


@given(
    st.lists(st.tuples(st.sampled_from(["mother", "father"]), st.sampled_from(Purpose), st.booleans()), max_size=6),
    st.sampled_from(["Chồi 1", "=", "-"]),
    st.sampled_from(["keep", "again"]),
)
@settings(deadline=None, max_examples=12)
async def test_no_year_makes_a_yes_and_every_year_can_be_undone(
    tmp_path_factory: Any, answers: list[tuple[str, Purpose, bool]], target: str, word: str
) -> None:
    """After any answers: what was no consent before is none after, a no stays a no, and undoing is exact."""
    async with consent_school(tmp_path_factory.mktemp("year")) as c:
        for who, purpose, given_yes in answers:
            child = c.w.child if who == "mother" else c.w.mate
            await c.say(c.mother if who == "mother" else c.father, child, given=given_yes, purpose=purpose)
        was = {child: await said(c, child) for child in (c.w.child, c.w.mate)}
        before = tables(c)
        act, _ = await turn(c, target, word)
        for child, old in was.items() if target != "-" else ():
            for purpose, answer in (await said(c, child)).items():
                kept = word == "keep" or purpose is Purpose.RECORD
                assert answer is (None if old[purpose] and not kept else old[purpose])
        await RosterLists(c.w.access.store).undo(c.w.actor, act)
        assert tables(c) == before
