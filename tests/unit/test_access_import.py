"""Lists of a school: looked at, applied in one step, undone exactly."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from gateway.access.audit import Actor
from gateway.access.audit_erase import Asked, Erasures, Why
from gateway.access.roster.acts import InTheWayError, RosterActs
from gateway.access.roster.columns import Field
from gateway.access.roster.entries import Problem
from gateway.access.roster.imports import DRAFT_NS, MOST_DRAFTS, Imports, Preview
from gateway.access.roster.plan import NEW_CHILD, Kind
from gateway.access.roster.rollover import STAYS, Rollover
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import Role
from tests.fakes.access_mutations import dump
from tests.fakes.access_world import KEY, World, add_class, school
from tests.fakes.school_lists import EXPORTERS, Pupil, pupils, smas

pytestmark = pytest.mark.anyio
EACH = pytest.mark.parametrize("export", EXPORTERS.values(), ids=EXPORTERS.keys())
Export = Callable[[Sequence[Pupil]], bytes]
TABLES = ("person", "guardian_phone", "child", "class", "enrolment", "guardian", "teaching", "consent", "resolution")


def desk(w: World) -> Imports:
    return Imports(w.access.store, RosterActs(w.access.store))


def tables(w: World) -> dict[str, list[tuple[Any, ...]]]:
    """Everything an import may write, byte for byte."""
    return {name: [tuple(row) for row in w.rows(f"SELECT * FROM {name} ORDER BY id")] for name in TABLES}


async def apply(w: World, imports: Imports, preview: Preview, *, absent_leave: bool | None = False) -> Any:
    assert preview.plan is not None, preview.problems[:3]
    return await imports.apply(w.actor, preview.draft.id, preview.plan.fingerprint(), absent_leave=absent_leave)


def spoiled(children: list[Pupil]) -> list[Pupil]:
    """Five rows as people spoil them."""
    children[10].birth = "31/02/2022"
    children[77].mother_phone = "091234"
    children[120].name = "4"
    children[200].class_name = "L" * 90
    children[299].code = children[5].code
    return children


@EACH
async def test_a_list_with_five_bad_rows_changes_nothing_and_names_them(tmp_path: Path, export: Export) -> None:
    """300 children, 5 bad rows: nothing is written; each row is named with its column, value and what is wrong."""
    async with school(tmp_path) as w:
        imports, before = desk(w), dump(w)
        preview = await imports.open(w.actor, export(spoiled(pupils())), "danh sach.xlsx")
        assert preview.plan is None
        assert (preview.entries, len(preview.problems)) == (300, 5)
        found = {(problem.what, problem.value) for problem in preview.problems}
        assert found >= {("birth", "31/02/2022"), ("double", pupils()[299].name)}
        assert {what for what, _ in found} == {"birth", "phone", "name", "class", "double"}
        (birth,) = [problem for problem in preview.problems if problem.what == "birth"]
        assert (birth.heading, len(birth.column), birth.row > 10) == ("Ngày sinh", 1, True)
        with pytest.raises(BadInput) as caught:
            await imports.apply(w.actor, preview.draft.id, "", absent_leave=True)
        assert caught.value.fields["case"] == "import_rows"
        assert dump(w) == before


@EACH
async def test_a_good_list_is_looked_at_applied_and_undone(tmp_path: Path, export: Export) -> None:
    """Looking changes nothing; applying enters all at once with one audit row of counts; undoing is exact."""
    async with school(tmp_path) as w:
        imports, acts, before, whole = desk(w), RosterActs(w.access.store), tables(w), dump(w)
        preview = await imports.open(w.actor, export(pupils()), "danh sach.xlsx")
        assert preview.plan is not None
        assert preview.plan.counts(absent_leave=False)["new"] == 300
        assert {change.name for change in preview.plan.absent} == {"Bé An", "Bé Bình"}  # of Mầm 1, not in the list
        assert dump(w) == whole
        audits = len(w.rows("SELECT seq FROM audit"))
        act, counts = await apply(w, imports, preview, absent_leave=True)
        assert (counts["new"], counts["left"], counts["classes"]) == (300, 2, 9)
        assert len(w.rows("SELECT seq FROM audit")) == audits + 1
        body = json.loads(w.rows("SELECT body FROM audit_body ORDER BY seq DESC LIMIT 1")[0]["body"])
        assert (body["what"], body["new"], body["act"]) == ("roster.import", 300, act)
        assert len([row for row in await w.access.children.rows() if row.class_id is not None]) == 302
        phones = w.rows("SELECT count(*) FROM guardian_phone")[0][0]
        assert phones == 599  # two a child; the first two children have one mother
        await acts.undo(w.actor, act)
        assert tables(w) == before
        assert (await acts.all())[0].undone_ms is not None


@EACH
async def test_the_same_list_again_changes_nothing(tmp_path: Path, export: Export) -> None:
    """What was entered is found again, by each exporter's own words."""
    async with school(tmp_path) as w:
        imports = desk(w)
        await apply(w, imports, await imports.open(w.actor, export(pupils(40)), "a"), absent_leave=False)
        again = await imports.open(w.actor, export(pupils(40)), "a")
        assert again.plan is not None
        assert {change.kind for change in again.plan.changes} == {Kind.SAME}


async def test_the_next_lists_differences_are_told_and_done(tmp_path: Path) -> None:
    """New, moved, changed, left by status, left by absence, back again: each is counted and comes true."""
    async with school(tmp_path) as w:
        imports, children = desk(w), pupils(40)
        await apply(w, imports, await imports.open(w.actor, smas(children), "a"), absent_leave=False)
        children[3].class_name = "Lá 4"
        children[4].mother_phone = "0901111222"
        children[5].name = "Nguyễn Văn Đổi Tên"
        children[6].status = "Chuyển trường"
        children[7].mother = "Người Mẹ Khác"
        children[7].mother_phone = "0903333444"
        gone = children.pop(8)
        children.append(Pupil("0199999999", "Trẻ Mới Đến", dt.date(2022, 5, 4), "Lá 4", "Mẹ Mới", "0905555666"))
        preview = await imports.open(w.actor, smas(children), "b")
        assert preview.plan is not None
        kinds = {change.name: change for change in preview.plan.changes if change.kind is not Kind.SAME}
        assert {name: change.kind.value for name, change in kinds.items()} == {
            children[3].name: "moved", children[4].name: "changed", "Nguyễn Văn Đổi Tên": "changed",
            children[6].name: "left", children[7].name: "changed", "Trẻ Mới Đến": "new",
        }  # fmt: skip
        assert [item.what for item in kinds[children[4].name].kin] == ["phone"]
        assert [item.what for item in kinds[children[7].name].kin] == ["ended", "new"]
        assert gone.name in {change.name for change in preview.plan.absent}
        with pytest.raises(BadInput) as caught:
            await apply(w, imports, preview, absent_leave=None)
        assert caught.value.fields["case"] == "import_absent"
        await apply(w, imports, preview, absent_leave=False)
        children[6].status = "Đang học"
        assert (back := (await imports.open(w.actor, smas(children), "c")).plan) is not None
        assert back.counts(absent_leave=False)["back"] == 0  # until tonight it is still here
        w.clock.tick(24 * 3600)
        assert (back := (await imports.open(w.actor, smas(children), "d")).plan) is not None
        assert back.counts(absent_leave=False)["back"] == 1


async def test_a_namesake_is_asked_for_never_guessed(tmp_path: Path) -> None:
    """Without a code, the same name and birth in another class is a question; both answers come true."""
    async with school(tmp_path) as w:
        imports, (child,) = desk(w), pupils(1)
        child.code = ""
        await apply(w, imports, await imports.open(w.actor, smas([child]), "a"))
        child.class_name = "Lá 1"
        preview = await imports.open(w.actor, smas([child]), "b")
        assert preview.plan is not None
        assert not preview.ready
        (question,) = preview.plan.questions
        assert (question.why, [place for _, place in question.choices]) == ("moved", ["Nhà trẻ 1"])
        with pytest.raises(BadInput) as caught:
            await apply(w, imports, preview, absent_leave=None)
        assert caught.value.fields["case"] == "import_asks"
        other = await imports.answer(w.actor, preview.draft.id, {question.key: NEW_CHILD})
        assert other.plan is not None
        assert [change.kind for change in other.plan.changes] == [Kind.NEW]
        same = await imports.answer(w.actor, preview.draft.id, {question.key: question.choices[0][0]})
        assert same.plan is not None
        assert [change.kind for change in same.plan.changes] == [Kind.MOVED]
        await apply(w, imports, same)
        rows = w.rows(
            "SELECT class.name, until_ms FROM enrolment JOIN class ON class.id = class ORDER BY enrolment.id DESC LIMIT 2"
        )
        assert [(row["name"], row["until_ms"] is None) for row in rows] == [("Lá 1", True), ("Nhà trẻ 1", False)]


async def test_what_was_built_upon_stands_in_the_way_of_undoing(tmp_path: Path) -> None:
    """A consent for an entered child, or a change by hand, is named; nothing is undone; without it all is."""
    async with school(tmp_path) as w:
        imports, acts = desk(w), RosterActs(w.access.store)
        act, _ = await apply(w, imports, await imports.open(w.actor, smas(pupils(3)), "a"))
        child = w.rows("SELECT id FROM child WHERE birth_sealed IS NOT NULL")[0]["id"]
        await w.access.children.consent(w.actor, child)
        before = tables(w)
        with pytest.raises(InTheWayError) as caught:
            await acts.undo(w.actor, act)
        assert [(item.table, item.about) for item in caught.value.blockers] == [("consent", ("child", child))]
        assert tables(w) == before
        await w.access.store.db.write(lambda conn: conn.execute("DELETE FROM consent WHERE child = ?", (child,)))
        await w.access.children.rename(w.actor, child, "Tên Sửa Tay")
        with pytest.raises(InTheWayError) as caught:
            await acts.undo(w.actor, act)
        assert [(item.table, item.about) for item in caught.value.blockers] == [("child", ("child", child))]


async def test_undoing_is_for_a_week_and_once(tmp_path: Path) -> None:
    """After seven days the journal is empty; an act that was undone stays so; an unknown one is not there."""
    async with school(tmp_path) as w:
        imports, acts = desk(w), RosterActs(w.access.store)
        first, _ = await apply(w, imports, await imports.open(w.actor, smas(pupils(3)), "a"))
        await acts.undo(w.actor, first)
        second, _ = await apply(w, imports, await imports.open(w.actor, smas(pupils(3)), "a"))
        w.clock.tick(7 * 86_400)
        await acts.tidy()
        assert w.rows("SELECT count(*) FROM roster_act WHERE inverse_sealed IS NOT NULL")[0][0] == 0
        for act in (first, second):
            with pytest.raises(BadInput) as caught:
                await acts.undo(w.actor, act)
            assert caught.value.fields["case"] == "undo_over"
        with pytest.raises(NotFound):
            await acts.undo(w.actor, w.child)


async def test_what_is_applied_is_what_was_shown(tmp_path: Path) -> None:
    """If somebody changes the school in between, nothing is applied."""
    async with school(tmp_path) as w:
        imports = desk(w)
        await apply(w, imports, await imports.open(w.actor, smas(pupils(5)), "a"))
        children = pupils(5)
        children[0].mother_phone = "0901234567"
        preview = await imports.open(w.actor, smas(children), "b")
        row = w.rows("SELECT id FROM child WHERE birth_sealed IS NOT NULL")[0]
        await w.access.children.rename(w.actor, row["id"], "Tên Khác")
        with pytest.raises(BadInput) as caught:
            await apply(w, imports, preview)
        assert caught.value.fields["case"] == "import_moved"


async def test_two_classes_of_one_name_take_no_list_and_no_new_year(tmp_path: Path) -> None:
    """As old databases may have them: both are named, nothing is written; renamed, the list goes through."""
    async with school(tmp_path) as w:
        (name,) = (row["name"] for row in w.rows("SELECT name FROM class WHERE id = ?", w.class_id))
        twin = await add_class(w.access, w.actor, "Lớp Tạm", [])
        alike = name.upper().replace(" ", "-")
        await w.access.store.db.write(
            lambda conn: conn.execute("UPDATE class SET name = ? WHERE id = ?", (alike, twin))
        )
        before = dump(w)
        targets = {w.class_id: STAYS, twin: STAYS}
        rollover = Rollover(w.access.store, RosterActs(w.access.store))
        for act in (
            desk(w).open(w.actor, smas(pupils()), "danh sach.xlsx"),
            rollover.look(targets, keep_teachers=True),
        ):
            with pytest.raises(BadInput) as caught:
                await act
            assert caught.value.fields["case"] == "class_twins"
            assert {caught.value.fields["name"], caught.value.fields["other"]} == {name, alike}
        assert dump(w) == before
        await w.access.classes.rename(w.actor, twin, "Lớp Khác")
        assert (await desk(w).open(w.actor, smas(pupils()), "danh sach.xlsx")).plan is not None


async def test_columns_are_corrected_by_hand_and_remembered(tmp_path: Path) -> None:
    """A number that does not say whose it is makes rows bad until somebody says; the next file knows."""
    async with school(tmp_path) as w:
        imports = desk(w)
        rows = [
            f"Bé Số {word},04/05/2021,Mầm 1,Mẹ {word},Bố {word},09123456{n}" for word, n in (("Một", 11), ("Hai", 12))
        ]
        data = ("Họ tên,Ngày sinh,Lớp,Họ tên mẹ,Họ tên bố,Điện thoại\n" + "\n".join(rows)).encode()
        preview = await imports.open(w.actor, data, "a.csv")
        assert [(item.what, item.column) for item in preview.problems] == [("phone_whose", "F")] * 2
        mapped = await imports.map(w.actor, preview.draft.id, 0, {5: Field.MOTHER_PHONE})
        assert mapped.ready
        assert (await imports.open(w.actor, data, "b.csv")).ready
        with pytest.raises(BadInput):
            await imports.map(w.actor, preview.draft.id, 0, {6: Field.NAME})
        with pytest.raises(NotFound):
            await imports.map(w.actor, preview.draft.id, 1, {})


async def test_drafts_are_their_owners_few_and_short_lived(tmp_path: Path) -> None:
    """Another principal does not find a draft; the oldest makes room; half an hour ends it; it can be dropped."""
    async with school(tmp_path) as w:
        imports = desk(w)
        deputy = Actor(await w.access.people.add(w.actor, Role.PRINCIPAL, "Cô Phó"), "other")
        first = await imports.open(w.actor, smas(pupils(2)), "a")
        with pytest.raises(NotFound):
            await imports.look(deputy, first.draft.id)
        for _ in range(MOST_DRAFTS):
            w.clock.tick(1)
            await imports.open(w.actor, smas(pupils(2)), "a")
        with pytest.raises(NotFound):
            await imports.look(w.actor, first.draft.id)
        last = await imports.open(w.actor, smas(pupils(2)), "a")
        imports.drop(w.actor, last.draft.id)
        with pytest.raises(NotFound):
            await imports.look(w.actor, last.draft.id)
        last = await imports.open(w.actor, smas(pupils(2)), "a")
        w.clock.tick(DRAFT_NS / 1e9)
        with pytest.raises(NotFound):
            await imports.look(w.actor, last.draft.id)


async def test_only_who_manages_people_imports(tmp_path: Path) -> None:
    """A guardian is refused before a byte is read; so is a teacher."""
    async with school(tmp_path) as w:
        teacher = await w.access.people.add(w.actor, Role.TEACHER, "Cô Hoa")
        for person in (w.mother, teacher):
            with pytest.raises(Denied):
                await desk(w).open(Actor(person, "device"), b"x", "a")


async def test_no_name_or_number_is_in_audit_events_or_the_act(tmp_path: Path) -> None:
    """Names, birth dates, codes and phone numbers are in sealed columns only."""
    async with school(tmp_path) as w:
        imports, children = desk(w), pupils(12)
        await apply(w, imports, await imports.open(w.actor, smas(children), "Danh sách Nguyễn.xlsx"))
        children[0].name = "Trần Đổi Tên"
        await apply(w, imports, await imports.open(w.actor, smas(children), "Danh sách Nguyễn.xlsx"))
        rows = [
            tuple(row)
            for name in ("audit_body", "roster_act", "child", "person")
            for row in w.rows(f"SELECT * FROM {name}")
        ]
        told = (repr(rows) + repr(w.events)).encode() + b"".join(v for row in rows for v in row if isinstance(v, bytes))
        for child in pupils(12):
            for secret in (child.name, child.code, str(child.birth), str(child.mother_phone), child.mother):
                assert secret.encode() not in told


async def test_erasing_somebody_takes_their_number_and_the_journals(tmp_path: Path) -> None:
    """After an erasure no journal holds an older name, and the phone number is gone."""
    async with school(tmp_path) as w:
        imports = desk(w)
        await apply(w, imports, await imports.open(w.actor, smas(pupils(1)), "a"))
        person = w.rows("SELECT id FROM guardian_phone LIMIT 1")[0]["id"]
        name = await w.access.people.name(person)
        erasures = Erasures(w.access.store, KEY)
        await erasures.erase(w.actor, "person", person, typed=name, why=Why.ORDER, asked=Asked.GUARDIAN)
        assert w.rows("SELECT count(*) FROM guardian_phone WHERE id = ?", person)[0][0] == 0
        assert w.rows("SELECT count(*) FROM roster_act WHERE inverse_sealed IS NOT NULL")[0][0] == 0


def test_problems_are_told_apart() -> None:
    """Two bad cells of one row are two problems."""
    one = Problem("", 4, "B", "Lớp", "", "class")
    assert one != Problem("", 4, "C", "Lớp", "", "class")
