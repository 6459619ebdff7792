"""Leaving, moving, the new school year and the responsible persons: dated, and undone where it is said."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from gateway.access.acts import Acts
from gateway.access.audit import Actor
from gateway.access.enrolment import tonight
from gateway.access.policy import decide
from gateway.access.responsible import ResponsiblePersons
from gateway.access.roster.acts import RosterActs
from gateway.access.roster.rollover import LEAVES, STAYS, Rollover, Turn, proposal, turn_of
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import Action, Decision, ObjectKind, ObjectRef, PublicId, Role
from tests.fakes.access_world import World, add_class, add_family, school
from tests.fakes.school import NOW, ZONE, pid

pytestmark = pytest.mark.anyio
TODAY = dt.date(2026, 11, 19)


def look(w: World, person: PublicId, at_ms: int) -> Decision:
    """What a guardian may see of the class at an instant."""
    return decide(w.access.store.current, person, Action.LIVE, ObjectRef(ObjectKind.CAMERA, w.camera), at_ms)


def enrolled(w: World, child: PublicId, at_ms: int) -> list[PublicId]:
    rows = w.access.store.current.index.enrolments_of_child.get(child, ())
    return [row.class_id for row in rows if row.holds(at_ms)]


async def test_a_child_that_leaves_has_left_tonight(tmp_path: Path) -> None:
    """Until the local midnight the family sees the class, from that instant on it knows of nothing."""
    async with school(tmp_path) as w:
        midnight = tonight(ZONE, NOW)
        await w.access.children.leave(w.actor, w.child)
        assert look(w, w.mother, NOW).allowed
        assert enrolled(w, w.child, midnight - 1) == [w.class_id]
        assert enrolled(w, w.child, midnight) == []
        assert look(w, w.mother, midnight + 10 * 3_600_000).reason == "not_found"
        ties = w.access.store.current.index.guardians_of_person[w.mother]
        assert {row.until_ms for row in ties} == {midnight}


async def test_leaving_at_once_cuts_the_running_stream(tmp_path: Path) -> None:
    """The stream of the family ends before the next beat; another family's goes on."""
    async with school(tmp_path) as w:
        grant = await w.look()
        await w.access.children.leave(w.actor, w.child, at_once=True)
        await w.until(lambda: w.media.why(grant) is not None)
        assert look(w, w.father_of_mate, NOW).allowed


async def test_a_sister_stays(tmp_path: Path) -> None:
    """A guardian of two children goes on for the one that stays."""
    async with school(tmp_path) as w:
        sister = await w.access.children.add(w.actor, "Bé Em", w.class_id)
        await w.access.children.add_guardian(w.actor, w.mother, sister)
        await w.access.children.consent(w.actor, sister)
        await w.access.children.leave(w.actor, w.child, at_once=True)
        assert look(w, w.mother, NOW).allowed
        await w.access.children.leave(w.actor, sister, at_once=True)
        assert look(w, w.mother, NOW).reason == "not_found"


async def test_a_move_of_a_date_begins_with_that_day(tmp_path: Path) -> None:
    """Before that day's first instant the old class, from it on the new one; leaving earlier takes the move back."""
    async with school(tmp_path) as w:
        other = await add_class(w.access, w.actor, "Chồi 1", [])
        day = TODAY + dt.timedelta(days=5)
        begins = tonight(ZONE, NOW) + 4 * 86_400_000
        await w.access.children.enrol(w.actor, w.child, other, day)
        assert (enrolled(w, w.child, begins - 1), enrolled(w, w.child, begins)) == ([w.class_id], [other])
        await w.access.children.leave(w.actor, w.child, last_day=TODAY)
        assert enrolled(w, w.child, begins) == []
        for wrong in (TODAY - dt.timedelta(days=1), TODAY + dt.timedelta(days=401)):
            with pytest.raises(BadInput):
                await w.access.children.enrol(w.actor, w.child, other, wrong)
            with pytest.raises(BadInput):
                await w.access.children.leave(w.actor, w.child, last_day=wrong)


async def test_a_class_is_closed_only_when_nobody_is_in_it(tmp_path: Path) -> None:
    """Children of now or of a day to come keep it; closed, it is in no list and has no teacher."""
    async with school(tmp_path) as w:
        with pytest.raises(BadInput):
            await w.access.classes.end(w.actor, w.class_id)
        other = await add_class(w.access, w.actor, "Chồi 1", [])
        await w.access.children.enrol(w.actor, w.child, other, TODAY + dt.timedelta(days=5))
        with pytest.raises(BadInput):
            await w.access.classes.end(w.actor, other)
        await w.access.children.leave(w.actor, w.child, at_once=True)
        await w.access.classes.end(w.actor, other)
        assert [row.name for row in await w.access.classes.rows()] == ["Mầm 1"]


async def test_the_year_turns_in_one_act_and_back(tmp_path: Path) -> None:
    """Children move or leave, teachers are given anew; undoing puts all of it back."""
    async with school(tmp_path) as w:
        a = w.access
        leavers = await add_class(a, w.actor, "Lá 1", [])
        big = await add_family(a, w.actor, leavers, "Bé Lớn", "Mẹ Lớn")
        teacher = await a.people.add(w.actor, Role.TEACHER, "Cô Hoa")
        await a.people.teach(w.actor, teacher, w.class_id)
        acts = RosterActs(a.store)
        year = Rollover(a.store, acts)
        tables = ("child", "class", "enrolment", "guardian", "teaching")
        before = [[tuple(row) for row in w.rows(f"SELECT * FROM {name}")] for name in tables]
        targets = {w.class_id: "Chồi 1", leavers: LEAVES}
        w.clock.tick(3600)
        later = NOW + 3_600_000
        plan = await year.look(targets)
        assert plan.counts() == {"moved": 2, "left": 1, "same": 0, "classes": 1, "asked_again": 0}
        assert turn_of(plan, later) == Turn(
            frozenset({w.child, w.mate}), frozenset(), frozenset({big.child}), later, ask_again=False
        )
        act, counts = await year.apply(w.actor, targets, (await year.rehearse(targets)).shown())
        assert counts["moved"] == 2
        assert (enrolled(w, big.child, later), enrolled(w, big.child, later - 1)) == ([], [leavers])
        assert enrolled(w, w.child, later - 1) == [w.class_id]  # the past stays true
        (now,) = enrolled(w, w.child, later)
        assert now not in (w.class_id, leavers)
        assert not [row for row in a.store.current.index.teachings_of_person.get(teacher, ()) if row.holds(later)]
        await acts.undo(w.actor, act)
        assert [[tuple(row) for row in w.rows(f"SELECT * FROM {name}")] for name in tables] == before


async def test_a_turned_year_is_undone_by_whoever_may_turn_it(tmp_path: Path) -> None:
    """A vice-principal undoes a list she may enter, not the year, which changes classes and who teaches them."""
    async with school(tmp_path) as w:
        a = w.access
        acts = RosterActs(a.store)
        year, targets = Rollover(a.store, acts), {w.class_id: "Chồi 1"}
        act, _ = await year.apply(w.actor, targets, (await year.rehearse(targets)).shown())
        vice = Actor(await a.people.add(w.actor, Role.VICE_PRINCIPAL, "Cô Phó"))
        with pytest.raises(Denied):
            await acts.undo(vice, act)
        await acts.undo(w.actor, act)


async def test_an_erased_box_undoes_no_list(tmp_path: Path) -> None:
    """The journals go with the names: asking for one afterwards is answered in words."""
    async with school(tmp_path) as w:
        acts = RosterActs(w.access.store)
        year, targets = Rollover(w.access.store, acts), {w.class_id: "Chồi 1"}
        act, _ = await year.apply(w.actor, targets, (await year.rehearse(targets)).shown())
        await Acts(w.access.store).wipe_names("erasure")
        with pytest.raises(BadInput) as refused:
            await acts.undo(w.actor, act)
        assert refused.value.fields["case"] == "undo_over"


async def test_the_year_is_the_principals_and_as_it_was_shown(tmp_path: Path) -> None:
    """Another plan than the shown one is refused; a class left out too; a vice-principal may look only."""
    async with school(tmp_path) as w:
        year = Rollover(w.access.store, RosterActs(w.access.store))
        shown = (await year.rehearse({w.class_id: STAYS}, keep_teachers=True)).shown()
        with pytest.raises(BadInput):
            await year.apply(w.actor, {w.class_id: "Chồi 1"}, shown, keep_teachers=True)
        with pytest.raises(BadInput):
            await year.look({})
        with pytest.raises(NotFound):
            await year.look({w.class_id: STAYS, pid("nowhere"): STAYS})
        vice = Actor(await w.access.people.add(w.actor, Role.VICE_PRINCIPAL, "Cô Phó"), "device")
        with pytest.raises(Denied):
            await year.apply(vice, {w.class_id: STAYS}, shown, keep_teachers=True)


def test_the_usual_steps_are_proposed() -> None:
    """Nursery to Mầm to Chồi to Lá and out; the number and the school's own writing are kept; the rest stays."""
    names = {pid(str(at)): name for at, name in enumerate(["Nhà trẻ 1", "Mầm 1", "Lớp Chồi 2A", "Lá 1", "Hoa Hồng"])}
    assert list(proposal(names).values()) == ["Mầm 1", "Lớp Chồi 1", "Lá 2A", LEAVES, STAYS]


def test_a_class_that_is_made_is_called_as_the_others_are() -> None:
    """Where no class of the next year is there to copy, "Lớp Chồi 1" becomes "Lớp Lá 1" and "Chồi 1" becomes "Lá 1"."""
    assert list(proposal({pid("a"): "Lớp Chồi 1"}).values()) == ["Lớp Lá 1"]
    assert list(proposal({pid("a"): "Chồi 1"}).values()) == ["Lá 1"]
    assert list(proposal({pid("a"): "lớp chồi"}).values()) == ["lớp Lá"]


async def test_two_persons_answer_on_any_day(tmp_path: Path) -> None:
    """A third on a day of theirs is refused; after one has ended the next may be named; past days keep theirs."""
    async with school(tmp_path) as w:
        persons, day = ResponsiblePersons(w.access.store), dt.date(2026, 9, 1)
        first = await persons.add(w.actor, "Một A", "Hiệu trưởng", "12/QĐ", day, day)
        await persons.add(w.actor, "Hai B", "Phó hiệu trưởng", "12/QĐ", day, day)
        with pytest.raises(BadInput):
            await persons.add(w.actor, "Ba C", "Bảo vệ", "13/QĐ", day, day - dt.timedelta(days=9))
        await persons.end(w.actor, first)
        await persons.add(w.actor, "Ba C", "Văn thư", "14/QĐ", TODAY, TODAY + dt.timedelta(days=1))
        assert {row.name for row in await persons.rows(day)} == {"Một A", "Hai B"}
        assert {row.name for row in await persons.rows(TODAY + dt.timedelta(days=1))} == {"Hai B", "Ba C"}
        with pytest.raises(BadInput):
            await persons.add(w.actor, "Bốn D", "Văn thư", "15/QĐ", TODAY, TODAY, day)
        with pytest.raises(BadInput):
            await persons.end(w.actor, first, dt.date(2026, 8, 1))
        assert b"M\xe1\xbb\x99t A" not in b"".join(row[0] for row in w.rows("SELECT name_sealed FROM responsible"))


@pytest.mark.parametrize("ahead", [0, 3])
async def test_a_leaving_that_is_called_off_leaves_the_family_as_it_was(tmp_path: Path, ahead: int) -> None:
    """Put into a class again before its last day is over: its guardians keep their ties, not only until tonight."""
    async with school(tmp_path) as w:
        later = tonight(ZONE, NOW) + 10 * 3_600_000
        before = look(w, w.mother, later + 3 * 86_400_000)
        await w.access.children.leave(w.actor, w.child)
        day = TODAY + dt.timedelta(days=ahead) if ahead else None
        await w.access.children.enrol(w.actor, w.child, w.class_id, day)
        ties = w.access.store.current.index.guardians_of_person[w.mother]
        assert {row.until_ms for row in ties} == {None}
        after = look(w, w.mother, later + 3 * 86_400_000)
        assert (after.allowed, after.reason) == (before.allowed, before.reason) != (False, "not_found")
        gap = look(w, w.mother, later)
        assert (gap.reason == "not_found") == bool(ahead), "on days in no class there is nothing to see"


async def test_a_family_that_has_left_is_not_taken_back_by_a_move(tmp_path: Path) -> None:
    """What ended is over: a child that comes back has guardians only when somebody says so again."""
    async with school(tmp_path) as w:
        await w.access.children.leave(w.actor, w.child, at_once=True)
        await w.clock.advance(1.0)
        await w.access.children.enrol(w.actor, w.child, w.class_id)
        assert look(w, w.mother, w.clock.now_ms()).reason == "not_found"
