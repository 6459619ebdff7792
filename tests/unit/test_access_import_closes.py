"""Which classes a list takes the pictures from: told before it is applied, and true afterwards."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.access.audit import Actor
from gateway.access.roster.plan import Kind
from gateway.core.model import PublicId
from tests.fakes.access_world import World
from tests.fakes.consent_world import ConsentWorld, consent_school
from tests.fakes.school_lists import Pupil, pupils, smas
from tests.unit.test_access_import import apply, desk

pytestmark = pytest.mark.anyio


async def waiting(w: World) -> dict[str, set[PublicId]]:
    """Because of whom each class is not open."""
    rows = w.rows("SELECT id, name FROM class")
    return {row["name"]: set(w.access.children.unanswered(PublicId(row["id"]))) for row in rows}


async def told_and_true(c: ConsentWorld, children: list[Pupil]) -> dict[str, int]:
    """Look at a list and apply it; what is told is what has changed then."""
    imports, before = desk(c.w), await waiting(c.w)
    preview = await imports.open(c.w.actor, smas(children), "a")
    assert preview.plan is not None
    told = preview.plan.closes()
    await apply(c.w, imports, preview, absent_leave=False)
    after = await waiting(c.w)
    assert told == {name: len(new) for name, rows in after.items() if (new := rows - before.get(name, set()))}
    return told


async def child(c: ConsentWorld, pupil: Pupil) -> PublicId:
    (found,) = [row.id for row in await c.w.access.children.rows() if row.name == pupil.name]
    return found


def guardian(c: ConsentWorld, of: PublicId, kind: str) -> Actor:
    (row,) = c.w.rows(f"SELECT person FROM guardian WHERE child = '{of}' AND kind = '{kind}' ORDER BY id DESC LIMIT 1")
    return Actor(PublicId(row["person"]), "phone")


def of_class(c: ConsentWorld, name: str) -> PublicId:
    (row,) = c.w.rows(f"SELECT id FROM class WHERE name = '{name}'")
    return PublicId(row["id"])


async def test_every_child_without_a_yes_shuts_the_class_it_comes_into(tmp_path: Path) -> None:
    """New, moved without an answer, moved out of the class it was settled for, back with a parent's no: each counts."""
    async with consent_school(tmp_path) as c:
        children = pupils(20)
        assert set((await told_and_true(c, children)).values()) == {2}
        silent, agreed, settled, known, back = children[:5]
        ids = {pupil.code: await child(c, pupil) for pupil in children[:5]}
        for pupil in (agreed, back):
            await c.say(guardian(c, ids[pupil.code], "mother"), ids[pupil.code], given=True)
        await c.say(guardian(c, ids[back.code], "father"), ids[back.code], given=False)
        await c.w.access.children.resolve(c.w.actor, ids[settled.code], of_class(c, settled.class_name))
        await c.w.access.children.resolve(c.w.actor, ids[known.code], of_class(c, "Lá 4"))
        await c.w.access.children.leave(c.w.actor, ids[back.code])
        c.w.clock.tick(2 * 86_400)
        for pupil in (silent, agreed, settled, known, back):
            pupil.class_name = "Lá 4"
        assert await told_and_true(c, children) == {"Lá 4": 3}


async def test_who_comes_back_without_the_parent_who_said_no_shuts_nothing(tmp_path: Path) -> None:
    """A no counts while that guardian stands for the child; the yes of the other one stands alone then."""
    async with consent_school(tmp_path) as c:
        children = pupils(20)
        await told_and_true(c, children)
        back = children[4]
        of = await child(c, back)
        await c.say(guardian(c, of, "mother"), of, given=True)
        await c.say(guardian(c, of, "father"), of, given=False)
        await c.w.access.children.leave(c.w.actor, of)
        c.w.clock.tick(2 * 86_400)
        back.father = back.father_phone = ""
        assert await told_and_true(c, children) == {}


async def test_an_answer_between_look_and_apply_does_not_refuse_the_list(tmp_path: Path) -> None:
    """Families go on answering while somebody looks: what was shown of the children is still what is done."""
    async with consent_school(tmp_path) as c:
        children = pupils(20)
        await told_and_true(c, children)
        moved, imports = children[3], desk(c.w)
        moved.class_name, of = "Lá 4", await child(c, moved)
        preview = await imports.open(c.w.actor, smas(children), "b")
        assert preview.plan is not None
        assert preview.plan.closes() == {"Lá 4": 1}
        await c.say(guardian(c, of, "mother"), of, given=True)
        assert (again := (await imports.look(c.w.actor, preview.draft.id)).plan) is not None
        assert again.closes() == {}
        _, counts = await apply(c.w, imports, preview)
        assert counts[Kind.MOVED] == 1
