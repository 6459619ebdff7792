"""Pages of people and lists over the real access of a small school."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.access.audit import Actor
from gateway.access.policy import decide
from gateway.core.model import Action, ObjectKind, ObjectRef, Role
from gateway.roofs.people_port import ListPort, PeoplePort
from gateway.roofs.roster_desk import RosterDesk
from gateway.roofs.roster_lists import RosterLists
from tests.fakes.access_world import World, school
from tests.fakes.school_lists import pupils, sector, smas
from tests.fakes.web_client import browser
from tests.fakes.web_people import CHILD, a_child
from tests.fakes.web_services import MOTHER, PRINCIPAL, TEACHER, FakeBox
from web.caller import Caller
from web.consent_services import ChildAnswers
from web.pages_people import sifted

pytestmark = pytest.mark.anyio
PAGES = ("/phu-huynh", "/lop", "/nhan-su", "/nhap", "/nam-hoc")


@dataclass
class Desk:
    """The school, and its principal's browser."""

    world: World
    web: httpx.AsyncClient
    lists: RosterLists
    box: FakeBox


@asynccontextmanager
async def desk(folder: Path) -> AsyncIterator[Desk]:
    async with school(folder) as w:
        box, access = FakeBox(w.clock), w.access
        rooms = RosterDesk(access.store, access.people, access.children, access.classes)
        lists = rooms.lists
        box.persons = PeoplePort(rooms)  # type: ignore[assignment]  # the real one
        box.lists = ListPort(lists, access.people)  # type: ignore[assignment]  # the real one
        caller = Caller(w.principal, Role.PRINCIPAL, "Cô Hiệu Trưởng", w.actor.device)
        box.sessions[f"token-{w.principal}"] = caller
        async with browser(box, caller) as web:
            yield Desk(w, web, lists, box)


async def test_a_file_is_uploaded_looked_at_applied_and_undone(tmp_path: Path) -> None:
    """The whole journey by forms alone: bad rows with remedies, then the mended file, then undo."""
    async with desk(tmp_path) as d:
        children = pupils(30)
        children[4].birth, children[9].mother_phone = "31/02/2022", "12"
        sent = await d.web.post("/nhap", files={"file": ("ds.xlsx", sector(children))})
        assert sent.status_code == 303
        page = (await d.web.get(sent.headers["location"])).text
        assert "2 chỗ sai" in page
        assert "Viết ngày/tháng/năm" in page
        assert "Nhập danh sách này</button>" not in page
        sent = await d.web.post("/nhap", files={"file": ("ds.xlsx", sector(pupils(30)))})
        page = (await d.web.get(sent.headers["location"])).text
        assert "30 mới" in page
        shown = re.search(r'name="shown" value="([\w.]+)"', page)
        assert shown is not None
        form = {"act": "apply", "shown": shown[1]}
        refused = await d.web.post(sent.headers["location"], data=form)
        assert (refused.status_code, "Chọn thôi học hoặc giữ nguyên" in refused.text) == (400, True)
        done = await d.web.post(sent.headers["location"], data=form | {"absent": "keep"})
        assert len([row for row in await d.world.access.children.rows() if row.class_id]) == 32
        page = (await d.web.get("/nhap")).text
        assert 'class="card said"' not in page
        act = re.search(r'name="act" value="([a-z2-7]{16})"', page)
        assert act is not None
        assert (done.status_code, done.headers["location"]) == (303, f"/nhap?xong={act[1]}")
        page = (await d.web.get(done.headers["location"])).text
        assert "Đã nhập danh sách" in page
        assert 'href="/dong-y"' in page.partition('class="card said"')[2].partition("</div>")[0]
        undone = await d.web.post("/nhap/hoan-tac", data={"act": act[1]})
        assert undone.status_code == 303
        assert len(await d.world.access.children.rows()) == 2
        page = (await d.web.get(undone.headers["location"])).text
        assert "Đã hoàn tác, mọi thứ như trước" in page


async def test_a_preview_says_which_classes_guardians_will_not_see(tmp_path: Path) -> None:
    """New children have no answer, so their class shows nobody a picture: said before the button, by the class's own name.

    And it is true: the mother who saw her class sees it no more after the import, and again once it is undone.
    """
    async with desk(tmp_path) as d:
        name = str(d.world.rows("SELECT name FROM class WHERE id = ?", d.world.class_id)[0]["name"])
        children = pupils(3)
        for child in children:
            child.class_name = f"Lớp {name}"
        sent = await d.web.post("/nhap", files={"file": ("ds.xlsx", smas(children))})
        page = (await d.web.get(sent.headers["location"])).text
        assert f"{name} (3 bé)" in page
        assert page.count(f"<b>{name}</b>") == 1, "one class, one line"
        assert f"<b>Lớp {name}</b>" not in page
        shown = re.search(r'name="shown" value="([\w.]+)"', page)
        assert shown is not None
        camera = ObjectRef(ObjectKind.CAMERA, d.world.camera)

        def sees() -> bool:
            return decide(
                d.world.access.store.current, d.world.mother, Action.LIVE, camera, d.world.clock.now_ms()
            ).allowed

        assert sees()
        done = await d.web.post(sent.headers["location"], data={"act": "apply", "shown": shown[1], "absent": "keep"})
        assert not sees()
        await d.web.post("/nhap/hoan-tac", data={"act": done.headers["location"].partition("=")[2]})
        assert sees()


async def test_no_other_act_is_said_to_be_done(tmp_path: Path) -> None:
    """What stands in the address and is no act of this school says nothing."""
    async with desk(tmp_path) as d:
        page = await d.web.get("/nhap?xong=aaaaaaaaaaaaaaaa")
        assert (page.status_code, 'class="card said"' in page.text) == (200, False)


async def test_a_draft_applied_in_another_tab_says_so_and_leads_on(tmp_path: Path) -> None:
    """Looked at again or pressed again: who imported it and when, with the way on; what never was is not there."""
    async with desk(tmp_path) as d:
        sent = await d.web.post("/nhap", files={"file": ("ds.xlsx", smas(pupils(2)))})
        address = sent.headers["location"]
        page = (await d.web.get(address)).text
        shown = re.search(r'name="shown" value="([\w.]+)"', page)
        assert shown is not None
        form = {"act": "apply", "shown": shown[1], "absent": "keep"}
        assert (await d.web.post(address, data=form)).status_code == 303
        name = next(row.name for row in await d.world.access.people.rows() if row.id == d.world.principal)
        for act in ("", "apply", "answers", "drop"):
            told = await (d.web.post(address, data=form | {"act": act}) if act else d.web.get(address))
            assert (told.status_code, f"{name} đã nhập lúc" in told.text) == (410, True), act
            assert 'href="/phu-huynh">Xem các lớp' in told.text
        assert len(d.world.rows("SELECT 1 FROM roster_act")) == 1
        sent = await d.web.post("/nhap", files={"file": ("ds.xlsx", smas(pupils(3)))})
        assert (await d.web.post(sent.headers["location"], data={"act": "drop"})).status_code == 303
        told = await d.web.get(sent.headers["location"], headers={"Accept-Language": "en"})
        assert (told.status_code, 'href="/nhap">' in told.text) == (410, True)
        assert (await d.web.get(f"/nhap/{'z' * 16}")).status_code == 404


async def test_what_stands_in_the_way_is_named(tmp_path: Path) -> None:
    """Undoing after a consent says whose it is, and undoes nothing."""
    async with desk(tmp_path) as d:
        sent = await d.web.post("/nhap", files={"file": ("ds.xlsx", smas(pupils(2)))})
        page = (await d.web.get(sent.headers["location"])).text
        shown = re.search(r'name="shown" value="([\w.]+)"', page)
        assert shown is not None
        await d.web.post(sent.headers["location"], data={"act": "apply", "shown": shown[1]})
        child = d.world.rows("SELECT id FROM child WHERE birth_sealed IS NOT NULL")[0]["id"]
        await d.world.access.children.consent(d.world.actor, child)
        act = d.world.rows("SELECT id FROM roster_act")[0]["id"]
        page = (await d.web.post("/nhap/hoan-tac", data={"act": act})).text
        name = next(row.name for row in await d.world.access.children.rows() if row.id == child)
        assert f"{name}: đã có câu trả lời đồng ý" in page
        assert len(await d.world.access.children.rows()) == 4


async def test_a_child_is_added_moved_and_leaves_by_hand(tmp_path: Path) -> None:
    """Forms of the child's page; leaving at once takes the family's right in the same instant, a sister's stays."""
    async with desk(tmp_path) as d:
        w = d.world
        added = {"act": "child.add", "class": w.class_id, "name": "Bé Chi", "guardian": "Mẹ Chi", "kind": "mother"}
        assert (await d.web.post("/phu-huynh", data=added | {"phone": "0912 345 678"})).status_code == 303
        page = (await d.web.get(f"/phu-huynh?lop={w.class_id}")).text
        assert ("Bé Chi" in page, "09•• ••• 678" in page, "0912345678" in page) == (True, True, False)
        assert "Bé Chi" in (await d.web.get("/phu-huynh?tim=me+chi")).text
        bad = await d.web.post("/phu-huynh", data=added | {"name": "Bé Dũng", "phone": "12"})
        assert (bad.status_code, "Bé Dũng" in (await d.web.get(f"/phu-huynh?lop={w.class_id}")).text) == (400, False)
        where = f"/phu-huynh/tre/{w.child}"
        assert (await d.web.post(where, data={"act": "child.rename", "name": "Bé An Nhiên"})).status_code == 303
        camera = ObjectRef(ObjectKind.CAMERA, w.camera)
        assert (await d.web.post(where, data={"act": "child.leave", "when": "now"})).status_code == 303
        assert not decide(w.access.store.current, w.mother, Action.LIVE, camera, w.clock.now_ms()).allowed
        assert "Bé An Nhiên" in (await d.web.get("/phu-huynh?lop=-")).text
        assert (await d.web.get("/phu-huynh/tre/" + "a" * 16)).status_code == 404


async def test_staff_classes_and_the_year(tmp_path: Path) -> None:
    """A teacher gets a class, two persons are named and no third, the year is looked at and begun."""
    async with desk(tmp_path) as d:
        w = d.world
        assert (
            await d.web.post("/nhan-su", data={"act": "person.add", "role": "teacher", "name": "Cô Hoa"})
        ).status_code == 303
        teacher = next(row.id for row in await w.access.people.rows() if row.name == "Cô Hoa")
        assert (
            await d.web.post("/lop", data={"act": "teach", "person": teacher, "class": w.class_id})
        ).status_code == 303
        assert "Cô Hoa" in (await d.web.get("/lop")).text
        assert (await d.web.post("/lop", data={"act": "class.end", "class": w.class_id})).status_code == 400
        named = {
            "act": "responsible.add",
            "title": "Hiệu phó",
            "decision": "12/QĐ",
            "decision_day": "2026-08-20",
            "since": "2026-09-01",
        }
        for name, status in (("Một A", 303), ("Hai B", 303), ("Ba C", 400)):
            assert (await d.web.post("/nhan-su", data=named | {"name": name})).status_code == status
        assert "12/QĐ" in (await d.web.get("/nhan-su")).text
        await w.access.notices.sign(Actor(teacher, "t"))
        look = await d.web.post("/nam-hoc", data={f"class-{w.class_id}": "Chồi 1", "act": "look"})
        assert "2 chuyển lớp" in look.text
        now = [
            "Có hiệu lực NGAY BÂY GIỜ",
            "Mầm 1 (không còn bé nào có người giám hộ trong danh sách)",
            "Không phụ huynh nào bị đăng xuất",
        ]
        assert all(words in look.text for words in [*now, ">Chuyển năm học ngay bây giờ</button>"])
        later = {f"class-{w.class_id}": "Chồi 1", "act": "look", "day": "2026-12-01"}
        planned = (await d.web.post("/nam-hoc", data=later)).text
        assert ("NGAY BÂY GIỜ" in planned, "0 giờ ngày 01/12/2026" in planned) == (False, True)
        assert ">Chuyển năm học từ ngày 01/12/2026</button>" in planned
        past = await d.web.post("/nam-hoc", data=later | {"day": "2026-01-01"})
        assert (past.status_code, 'value="Chồi 1"' in past.text, 'value="2026-01-01"' in past.text) == (400, True, True)
        assert "ngay bây giờ</button>" not in past.text
        assert "ngay bây giờ</button>" not in (await d.web.get("/nam-hoc")).text, (
            "nothing to press before it was looked at"
        )
        shown = re.search(r'name="shown" value="([\w.]+)"', look.text)
        assert shown is not None
        assert "2 bé đang có đồng ý của gia đình" in look.text
        go = {f"class-{w.class_id}": "Chồi 1", "act": "apply", "shown": shown[1]}
        unsaid = await d.web.post("/nam-hoc", data=go)
        assert (unsaid.status_code, "Chưa nói đồng ý của các gia đình thì sao" in unsaid.text) == (400, True)
        assert ('value="Chồi 1"' in unsaid.text, f'value="{shown[1]}"' in unsaid.text) == (True, True), (
            "nothing is lost"
        )
        assert (await d.web.post("/nam-hoc", data=go | {"consents": "maybe"})).status_code == 400
        assert (await d.web.post("/nam-hoc", data=go | {"consents": "again"})).status_code == 303
        assert "2 gia đình được hỏi lại" in (await d.web.get("/nhap")).text
        assert {row.name for row in await w.access.classes.rows()} == {"Mầm 1", "Chồi 1"}


@pytest.mark.parametrize("path", [*PAGES, f"/phu-huynh/tre/{CHILD}"])
async def test_pages_are_the_leaderships_in_both_languages(path: str, tmp_path: Path) -> None:
    """Teachers and guardians are refused; the principal reads them in Vietnamese and English."""
    async with school(tmp_path) as w:
        box = FakeBox(w.clock)
        for caller in (TEACHER, MOTHER):
            async with browser(box, caller) as web:
                assert (await web.get(path)).status_code == 403
        for language in ("vi", "en"):
            async with browser(box, PRINCIPAL, language=language) as web:
                assert (await web.get(path)).status_code == 200


async def test_a_file_that_is_none_or_too_big_is_refused(tmp_path: Path) -> None:
    """No file, a web page, an old workbook, six megabytes: each is said on the page; other paths take no more."""
    async with desk(tmp_path) as d:
        for data in (b"", b"<html>", b"\xd0\xcf\x11\xe0old", b"x" * ((5 << 20) + 1)):
            answer = await d.web.post("/nhap", files={"file": ("a.xls", data)})
            assert (answer.status_code, 'role="alert"' in answer.text) == (400, True)
        assert (await d.web.post("/nhap", content=b"x" * (7 << 20))).status_code == 413
        assert (await d.web.post("/lop", content=b"x" * (70 << 10))).status_code == 413


async def test_what_was_typed_is_still_there_after_a_mistake(tmp_path: Path) -> None:
    """A refused form comes back open and filled, and nothing of it was written; other forms of the page are untouched."""
    async with desk(tmp_path) as d:
        w, where = d.world, f"/phu-huynh/tre/{d.world.child}"
        before = (await d.web.get(where)).text
        typed = {"act": "guardian.add", "name": "Bà <Nội> Hoa", "kind": "grandmother", "phone": "091"}
        page = await d.web.post(where, data=typed)
        assert page.status_code == 400
        assert 'value="Bà &lt;Nội&gt; Hoa"' in page.text
        assert 'value="091"' in page.text
        assert '<option value="grandmother" selected>' in page.text
        assert "Số điện thoại không đúng" in page.text
        assert (await d.web.get(where)).text == before
        page = await d.web.post(where, data={"act": "child.move", "class": w.class_id, "day": "1900-01-01"})
        assert (page.status_code, 'value="1900-01-01"' in page.text) == (400, True)
        page = await d.web.post(
            "/phu-huynh", data={"act": "child.add", "class": w.class_id, "name": "Bé An Nhiên", "phone": "0912345678"}
        )
        assert ("Bé An Nhiên" in page.text, "thiếu họ tên người giám hộ" in page.text) == (True, True)
        page = await d.web.post("/nhan-su", data={"act": "person.add", "role": "teacher", "name": "x" * 90})
        assert (page.status_code, f'value="{"x" * 90}"' in page.text, "1 đến 80 ký tự" in page.text) == (
            400,
            True,
            True,
        )
        assert (await d.web.post("/lop", data={"act": "class.add", "name": "Lớp Thỏ"})).status_code == 303
        page = await d.web.post("/lop", data={"act": "class.add", "name": "lớp  thỏ"})
        assert (page.status_code, 'value="lớp  thỏ"' in page.text, "Đã có lớp tên Lớp Thỏ" in page.text) == (
            400,
            True,
            True,
        )


async def test_the_class_shows_consent_and_the_next_step_of_each_family(tmp_path: Path) -> None:
    """Beside each child what its family said, above the class its slips and hours, and who waits is one tap away."""
    async with desk(tmp_path) as d:
        child, answers = d.world.child, {"view": None, "record": None, "observe": None}
        said = ChildAnswers(child, "An Nhiên", answers, [], waits=True)
        d.box.consents.kids[d.world.class_id] = [said]
        d.box.waiting = {"people": 3}
        page = (await d.web.get(f"/phu-huynh?lop={d.world.class_id}")).text
        row = page[page.index(f"/phu-huynh/tre/{child}") - 1500 : page.index(f"/phu-huynh/tre/{child}")]
        assert "Chưa trả lời" in row
        assert "Lớp chờ bé này" in row
        for link in ("/lop-hoc/", "/dong-y/lop/", "/phu-huynh/phieu?lop="):
            assert f'href="{link}{d.world.class_id}"' in page
        assert '<a class="card waits" href="/phu-huynh/cho-duyet">' in page
        assert "3 phụ huynh chờ duyệt" in page
        d.box.consents.kids[d.world.class_id] = [replace(said, answers=answers | {"view": False}, withdrawn=True)]
        d.box.waiting = {}
        page = (await d.web.get(f"/phu-huynh?lop={d.world.class_id}")).text
        assert "Đã rút" in page
        assert "card waits" not in page
        link = f"/phu-huynh?lop={d.world.class_id}&loc=refused"
        assert link.replace("&", "&amp;") in page
        assert f"/phu-huynh/tre/{d.world.mate}" in page
        assert f"/phu-huynh/tre/{d.world.mate}" not in (await d.web.get(link)).text
        assert f"/phu-huynh/tre/{d.world.mate}" in (await d.web.get(link.replace("refused", "nothing"))).text


def test_children_are_sifted_by_what_has_to_be_done_for_them() -> None:
    """Who waits, who is silent, who said no; a child whose answers nobody knows is in neither, an empty sift is none."""
    waits = a_child("An", id="a" * 16)
    rows = [
        waits,
        *(a_child(name, id=letter * 16, guardians=[]) for name, letter in (("Bi", "b"), ("Cúc", "c"), ("Du", "d"))),
    ]

    def answer(row: Mapping[str, Any], view: bool | None) -> ChildAnswers:
        return ChildAnswers(row["id"], row["name"], {"view": view}, [])

    known = {row["id"]: answer(row, said) for row, said in zip(rows, (True, None, False), strict=False)}
    found = sifted(rows, known)
    assert {name: [row["name"] for row in these] for name, these in found.items()} == {
        "waiting": ["An"], "silent": ["Bi"], "refused": ["Cúc"],
    }  # fmt: skip
    assert sifted(rows[3:], known) == {}


async def test_staff_of_one_name_and_role_are_told_apart(tmp_path: Path) -> None:
    """A form sent twice adds one teacher; another role may have the name."""
    async with desk(tmp_path) as d:
        for role, name, status in (("teacher", "Cô Hoa", 303), ("teacher", "cô hoa", 400), ("observer", "Cô Hoa", 303)):
            sent = await d.web.post("/nhan-su", data={"act": "person.add", "role": role, "name": name})
            assert sent.status_code == status
        rows = [row for row in await d.world.access.people.rows() if row.name.casefold() == "cô hoa"]
        assert sorted(row.role for row in rows) == [Role.OBSERVER, Role.TEACHER]


async def test_the_page_of_classes_says_which_cameras_show_them(tmp_path: Path) -> None:
    """A class without one says so; the principal gives and takes by forms, and the facts follow."""
    async with desk(tmp_path) as d:
        w = d.world
        assert (await d.web.post("/lop", data={"act": "class.add", "name": "Lớp Thỏ"})).status_code == 303
        assert "Chưa có camera" in (await d.web.get("/lop")).text
        rabbit = next(row.id for row in await w.access.classes.rows() if row.name == "Lớp Thỏ")
        form = {"camera": w.camera, "class": rabbit}
        assert (await d.web.post("/lop", data=form | {"act": "camera.give", "shared": "1"})).status_code == 303
        shown = {row.name for row in await w.access.classes.rows() if w.camera in row.cameras}
        assert len(shown) == 2
        assert "Chưa có camera" not in (await d.web.get("/lop")).text
        assert (await d.web.post("/lop", data=form | {"act": "camera.take"})).status_code == 303
        assert (await d.web.post("/lop", data=form | {"act": "camera.take"})).status_code == 303, "a double tap"
        lost = await d.web.post("/lop", data=form | {"act": "camera.take", "camera": "a" * 16})
        assert lost.status_code == 404
        assert {row.name for row in await w.access.classes.rows() if w.camera in row.cameras} == shown - {"Lớp Thỏ"}
