"""Families added by hand: all or nothing, one person for brothers and sisters, and a form that was sent twice."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from gateway.access.families import Families, NewKin, new_kin
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import GuardianKind, PublicId, Role
from tests.fakes.access_world import World, add_class, school
from tests.fakes.school import pid

pytestmark = pytest.mark.anyio
MOTHER = GuardianKind.MOTHER


async def counted(w: World) -> tuple[int, int, int]:
    """Children, guardians, and ties that go on."""
    people = [row for row in await w.access.people.rows() if row.role is Role.GUARDIAN]
    now_ms = w.clock.now_ms()
    ties = [row for row in w.access.store.current.guardians if row.holds(now_ms)]
    return len(await w.access.children.rows()), len(people), len(ties)


def mark_erased(conn: sqlite3.Connection, child: PublicId, person: PublicId) -> None:
    """Leave what an erasure leaves: that there was one."""
    sql = "INSERT INTO erasure (subject, kind, why, at_ms, audit_seq) SELECT ?, ?, 'test', 0, max(seq) FROM audit"
    conn.executemany(sql, [(child, "child"), (person, "person")])


def kin(name: str = "Mẹ Chi", phone: str = "0912 345 678") -> NewKin:
    return new_kin(name, MOTHER, phone)


async def test_a_child_and_its_guardian_are_one_change(tmp_path: Path) -> None:
    """One row of the audit, one version of the facts; number and tie are there."""
    async with school(tmp_path) as w:
        families, before, version = Families(w.access.store), await counted(w), w.access.store.current.version
        child = await families.add_child(w.actor, "  Bé   Chi ", w.class_id, kin())
        children, people, ties = await counted(w)
        assert (children - before[0], people - before[1], ties - before[2]) == (1, 1, 1)
        assert w.access.store.current.version == version + 1
        assert "0912345678" in (await w.access.phones.all()).values()
        row = next(item for item in await w.access.children.rows() if item.id == child)
        assert (row.name, row.class_id) == ("Bé Chi", w.class_id)


async def test_a_child_without_a_guardian(tmp_path: Path) -> None:
    """The school may not know them yet."""
    async with school(tmp_path) as w:
        before = await counted(w)
        await Families(w.access.store).add_child(w.actor, "Bé Chi", w.class_id, None)
        assert await counted(w) == (before[0] + 1, before[1], before[2])


@pytest.mark.parametrize(
    ("name", "phone"), [("", "0912345678"), ("Mẹ Chi", "12"), ("Mẹ Chi", "không nhớ"), ("x" * 81, "")]
)
def test_what_was_typed_wrong_is_refused_before_anything_is_written(name: str, phone: str) -> None:
    """A bad number or name is found without a transaction, so nothing half is left behind."""
    with pytest.raises(BadInput):
        new_kin(name, MOTHER, phone)


async def test_unknown_children_and_classes_leave_nobody_behind(tmp_path: Path) -> None:
    """NotFound, and no person without a tie."""
    async with school(tmp_path) as w:
        families, before = Families(w.access.store), await counted(w)
        with pytest.raises(NotFound):
            await families.add_guardian(w.actor, pid("nobody"), kin())
        with pytest.raises(NotFound):
            await families.add_child(w.actor, "Bé Chi", pid("nowhere"), kin())
        assert await counted(w) == before


async def test_a_mother_of_two_is_one_person(tmp_path: Path) -> None:
    """Same name (however it is written) and number: one account for both children; another name or number is another."""
    async with school(tmp_path) as w:
        families = Families(w.access.store)
        other = await add_class(w.access, w.actor, "Chồi 9", [])
        chi = await families.add_child(w.actor, "Bé Chi", w.class_id, kin())
        dung = await families.add_child(w.actor, "Bé Dũng", other, None)
        mother = await families.add_guardian(w.actor, dung, kin("mẹ  CHI", "+84 912 345 678"))
        mine = w.access.store.current.index.guardians_of_person[mother]
        assert {row.child for row in mine} == {chi, dung}
        assert await families.add_guardian(w.actor, dung, kin("Bố Chi")) != mother
        assert await families.add_guardian(w.actor, dung, kin(phone="0912345679")) != mother


async def test_the_same_form_sent_twice_at_once(tmp_path: Path) -> None:
    """A double tap: one guardian with one tie, with or without a number; the second child is refused."""
    async with school(tmp_path) as w:
        families, before = Families(w.access.store), await counted(w)
        for one in (kin(), kin("Bà Nội", "")):
            found = await asyncio.gather(*(families.add_guardian(w.actor, w.child, one) for _ in range(3)))
            assert len(set(found)) == 1
        assert await counted(w) == (before[0], before[1] + 2, before[2] + 2)
        adding = [families.add_child(w.actor, name, w.class_id, None) for name in ("Bé Chi", "bé chi")]
        results = await asyncio.gather(*adding, return_exceptions=True)
        assert [type(item) for item in results if isinstance(item, Exception)] == [BadInput]
        assert (await counted(w))[0] == before[0] + 1


async def test_a_number_given_later_and_a_kind_corrected(tmp_path: Path) -> None:
    """The same name again with a number fills it in; another kind corrects the tie."""
    async with school(tmp_path) as w:
        families = Families(w.access.store)
        first = await families.add_guardian(w.actor, w.child, kin("Bà Nội", ""))
        again = new_kin("Bà Nội", GuardianKind.GRANDMOTHER, "0987654321")
        assert await families.add_guardian(w.actor, w.child, again) == first
        assert (await w.access.phones.all())[first] == "0987654321"
        rows = await w.access.store.db.read(
            lambda conn: conn.execute("SELECT kind FROM guardian WHERE person = ?", (first,)).fetchall()
        )
        assert [row["kind"] for row in rows] == [GuardianKind.GRANDMOTHER]


async def test_classes_of_one_name_are_one_class(tmp_path: Path) -> None:
    """Lists, slips and the console know classes by name: a second one is refused, however it is written."""
    async with school(tmp_path) as w:
        classes = w.access.classes
        first = await classes.add(w.actor, "Lớp Lá 1")
        second = await classes.add(w.actor, "Lớp Lá 2")
        for name in ("Lớp Lá 1", "  lớp  lá 1", "LỚP LÁ 1"):
            for act in (classes.add(w.actor, name), classes.rename(w.actor, second, name)):
                with pytest.raises(BadInput) as refused:
                    await act
                assert refused.value.fields["case"] == "class_there"
        await classes.rename(w.actor, first, "Lớp lá 1")
        await classes.end(w.actor, first)
        assert isinstance(await classes.add(w.actor, "Lớp Lá 1"), str)
        assert PublicId(second) in {row.id for row in await classes.rows()}


async def test_a_camera_is_given_shared_and_taken_from_one_class(tmp_path: Path) -> None:
    """Given once although asked twice; shared by two classes, it is taken from one of them only."""
    async with school(tmp_path) as w:
        classes, other = w.access.classes, await add_class(w.access, w.actor, "Chồi 9", [])

        async def shown() -> dict[str, int]:
            return {row.name: row.cameras.count(w.camera) for row in await classes.rows() if w.camera in row.cameras}

        mine = next(iter(await shown()))
        for _ in range(2):
            await classes.assign(w.actor, w.camera, other, shared=True)
        assert await shown() == {mine: 1, "Chồi 9": 1}
        for _ in range(2):
            await classes.release(w.actor, w.camera, other)
        assert await shown() == {mine: 1}
        for camera, class_id in ((pid("nothing"), other), (w.camera, pid("nowhere"))):
            with pytest.raises(NotFound):
                await classes.release(w.actor, camera, class_id)
        await classes.assign(w.actor, w.camera, other)
        assert await shown() == {"Chồi 9": 1}


async def test_nobody_is_tied_under_an_erased_id(tmp_path: Path) -> None:
    """A child whose data was erased gets no guardian, and an erased guardian no number: nothing is written."""
    async with school(tmp_path) as w:
        families = Families(w.access.store)
        await w.access.store.db.write(lambda conn: mark_erased(conn, w.child, w.mother))
        before = await counted(w)
        with pytest.raises(BadInput) as refused:
            await families.add_guardian(w.actor, w.child, kin())
        assert refused.value.fields["case"] == "person_erased"
        with pytest.raises(BadInput):
            await w.access.phones.set(w.actor, w.mother, "0912 345 678")
        assert await counted(w) == before
        assert "0912345678" not in (await w.access.phones.all()).values()


async def test_whose_rights_were_ended_is_not_tied_in_silence(tmp_path: Path) -> None:
    """The same name and number as a disabled guardian: refused with what to do, and nobody is added."""
    async with school(tmp_path) as w:
        families = Families(w.access.store)
        person = await families.add_guardian(w.actor, w.child, kin())
        await w.access.people.disable(w.actor, person)
        before = await counted(w)
        with pytest.raises(BadInput) as refused:
            await families.add_guardian(w.actor, w.mate, kin())
        assert refused.value.fields["case"] == "guardian_disabled"
        assert await counted(w) == before
