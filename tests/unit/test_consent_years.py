"""Families' answers when a new school year begins: kept or asked again by the school's word, and undone with the year."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.access.audit import Actor
from gateway.access.consent_rules import Remedy
from gateway.access.departures import has_left
from gateway.access.facts import Purpose
from gateway.access.reasons import Reason
from gateway.core.errors import BadInput
from gateway.core.model import PublicId, Role
from gateway.roofs.roster_lists import RosterLists
from tests.fakes.access_world import Family, add_class, add_family
from tests.fakes.consent_world import VIEW, ConsentWorld, consent_school

pytestmark = pytest.mark.anyio
YEAR = dt.date(2026, 11, 21)
"""When the year begins that is planned."""
LATER_S = 4 * 86_400
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


async def leaving(c: ConsentWorld, word: str) -> tuple[PublicId, Family]:
    """Plan a year that begins on the 21st: the eldest class leaves."""
    leavers = await add_class(c.w.access, c.w.actor, "Lá 1", [])
    big = await add_family(c.w.access, c.w.actor, leavers, "Bé Lớn", "Mẹ Lớn")
    await turn(c, "=", word, YEAR, **{str(leavers): "-"})
    return leavers, big


async def how(c: ConsentWorld, class_id: PublicId) -> list[tuple[bool | None, bool]]:
    """What each child of a class answered about live pictures, and whether the class waits for it."""
    return [(row.answers[VIEW], row.waits) for row in await c.consents.states(class_id)]


async def test_leaving_ends_no_answer(tmp_path: Path) -> None:
    """With the year's last day the ties end, what the family said does not; called off, all of it goes on."""
    async with consent_school(tmp_path) as c:
        leavers, big = await leaving(c, "keep")
        assert {row["until_ms"] for row in c.w.rows("SELECT until_ms FROM consent")} == {None}
        assert None not in {
            row["until_ms"] for row in c.w.rows("SELECT until_ms FROM guardian WHERE child = ?", big.child)
        }
        await c.w.access.children.enrol(c.w.actor, big.child, leavers, YEAR)
        c.w.clock.tick(LATER_S)
        assert await how(c, leavers) == [(True, False)]
        assert c.sees(big.guardian) is not Reason.NOT_FOUND


async def test_who_stays_after_all_is_asked_again_like_everybody(tmp_path: Path) -> None:
    """The school asks every family again: a leaving that is called off makes no exception."""
    async with consent_school(tmp_path) as c:
        leavers, big = await leaving(c, "again")
        await c.w.access.children.enrol(c.w.actor, big.child, leavers)
        c.w.clock.tick(LATER_S)
        assert await how(c, leavers) == [(None, True)]


async def test_a_no_outlives_a_leaving_that_is_planned_moved_and_called_off(tmp_path: Path) -> None:
    """Mother said no; whatever the school does with the child's last day, father's yes opens nothing."""
    async with consent_school(tmp_path) as c:
        leavers = await add_class(c.w.access, c.w.actor, "Lá 1", [])
        big = await add_family(c.w.access, c.w.actor, leavers, "Bé Lớn", "Mẹ Lớn")
        father = await c.w.access.people.add(c.w.actor, Role.GUARDIAN, "Bố Lớn")
        await c.w.access.children.add_guardian(c.w.actor, father, big.child)
        await c.say(Actor(big.guardian, "d"), big.child, given=False)
        await turn(c, "=", "keep", YEAR, **{str(leavers): "-"})
        await c.w.access.children.leave(c.w.actor, big.child, last_day=dt.date(2026, 11, 19))
        await c.w.access.children.enrol(c.w.actor, big.child, leavers)
        c.w.clock.tick(LATER_S)
        assert await how(c, leavers) == [(False, True)]
        await c.say(Actor(father, "e"), big.child, given=True)
        assert await how(c, leavers) == [(False, True)]


async def test_ties_go_on_when_a_leaving_beside_a_planned_year_is_called_off(tmp_path: Path) -> None:
    """The year moves the child on the 21st, its last day is said to be the 20th, then it stays: nobody has left."""
    async with consent_school(tmp_path) as c:
        await turn(c, "Chồi 1", "keep", YEAR)
        await c.w.access.children.leave(c.w.actor, c.w.child, last_day=dt.date(2026, 11, 20))
        await c.w.access.children.enrol(c.w.actor, c.w.child, c.w.class_id)
        c.w.clock.tick(LATER_S)
        here = c.w.access.store.db.read_sync(lambda conn: has_left(conn, c.w.mother, c.w.clock.now_ms()))
        assert not here
        assert c.sees(c.w.mother) is not Reason.NOT_FOUND


async def test_a_tie_that_somebody_ended_is_not_prolonged_by_a_class(tmp_path: Path) -> None:
    """Ended for the very night in which the child changes its class: correcting the class gives no right back."""
    async with consent_school(tmp_path) as c:
        other = await add_class(c.w.access, c.w.actor, "Lá 1", [])
        await turn(c, "Chồi 1", "keep", YEAR, **{str(other): "="})
        night = c.w.rows("SELECT until_ms FROM enrolment WHERE child = ? AND until_ms IS NOT NULL", c.w.child)[0][0]
        end = "UPDATE guardian SET until_ms = ? WHERE child = ?"
        await c.w.access.store.db.write(lambda conn: conn.execute(end, (night, c.w.child)))
        await c.w.access.children.enrol(c.w.actor, c.w.child, other, YEAR)
        ends = c.w.rows("SELECT until_ms FROM guardian WHERE child = ?", c.w.child)
        assert {row["until_ms"] for row in ends} == {night}


async def test_another_class_in_the_new_year_makes_no_yes_out_of_a_question(tmp_path: Path) -> None:
    """What is asked again stays asked again when a child's new class is corrected before the year begins."""
    async with consent_school(tmp_path) as c:
        other = await add_class(c.w.access, c.w.actor, "Lá 1", [])
        await turn(c, "Chồi 1", "again", YEAR, **{str(other): "="})
        yes = "SELECT id, until_ms FROM consent WHERE child = ? AND given = 1 AND purpose = 'view'"
        before = c.w.rows(yes, c.w.child)
        assert all(row["until_ms"] is not None for row in before)
        await c.w.access.children.enrol(c.w.actor, c.w.child, other, YEAR)
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
