"""The pages of class rooms: the teacher's button, the wall's, the lists of leaders, signatures."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import replace
from zoneinfo import ZoneInfo

import pytest

from gateway.core.model import Role
from tests.fakes.web_client import browser, new_box, post
from tests.fakes.web_rooms import SHEET
from tests.fakes.web_services import (
    CLASS_CHOI,
    CLASS_MAM,
    EVERYBODY,
    MOTHER,
    PRINCIPAL,
    TEACHER,
    pid,
)
from web.caller import Caller
from web.consent_services import CaseView, ClassTally
from web.room_services import Looker, Signature, Wish

pytestmark = pytest.mark.anyio
NOW = 1_795_237_200_000


async def test_one_tap_hides_and_the_reason_is_asked_afterwards() -> None:
    """The form acts at once and asks nothing; then the page says until when, and asks why, which may stay empty."""
    box = new_box()
    async with browser(box, TEACHER) as client:
        page = (await client.get("/co/")).text
        assert "Tạm ẩn hình" in page
        assert 'name="phut" value="15" checked' in page
        done = await post(client, f"/co/{CLASS_MAM}/an", phut=10)
        assert (done.status_code, done.headers["location"]) == (303, f"/co/?lop={CLASS_MAM}")
        assert f"hide {CLASS_MAM} 10 by {TEACHER.person}" in box.calls
        page = (await client.get("/co/")).text
        assert "Hiện lại lúc" in page
        assert "Vì sao cần ẩn?" in page
        await post(client, f"/co/{CLASS_MAM}/ly-do", lan=7, ly_do="  ")
        assert not [call for call in box.calls if call.startswith("explain")]
        await post(client, f"/co/{CLASS_MAM}/ly-do", lan=7, nhanh="Dỗ bé khóc", ly_do="")
        assert f"explain 7 by {TEACHER.person}: Dỗ bé khóc" in box.calls
        await post(client, f"/co/{CLASS_MAM}/hien")
        assert "Phụ huynh đang xem được" in (await client.get("/co/")).text


async def test_without_a_length_it_is_fifteen_minutes_and_nonsense_is_refused() -> None:
    """A form without scripts and without a choice hides as the button says."""
    box = new_box()
    async with browser(box, TEACHER) as client:
        await post(client, f"/co/{CLASS_MAM}/an")
        assert [
            (await post(client, f"/co/{CLASS_MAM}/an", phut=text)).status_code for text in ("x", "-5", "", "999")
        ] == [400] * 4
    assert next(call for call in box.calls if call.startswith("hide")) == f"hide {CLASS_MAM} 15 by {TEACHER.person}"


async def test_the_sixth_is_asked_for_on_the_page() -> None:
    """A tap too many is no error page: it says that five are used and whom to ask; then that it was asked."""
    box = new_box()
    box.school.rooms.put(CLASS_MAM, used=5)
    async with browser(box, TEACHER) as client:
        assert (await post(client, f"/co/{CLASS_MAM}/an")).status_code == 303
        page = (await client.get("/co/")).text
        assert "Xin hiệu trưởng" in page
        assert 'id="hide"' not in page
        await post(client, f"/co/{CLASS_MAM}/xin")
        assert "Đã xin lúc" in (await client.get("/co/")).text
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get("/lop-hoc")).text
        assert "Lớp Mầm 1 xin ẩn thêm" in page
        for unsaid in ({}, {"cho": ""}):
            assert (await post(client, f"/lop-hoc/{CLASS_MAM}/tra-loi", xin=3, **unsaid)).status_code == 400
        assert not [call for call in box.calls if call.startswith("answer")]
        await post(client, f"/lop-hoc/{CLASS_MAM}/tra-loi", xin=3, cho=1)
    assert f"answer 3 True by {PRINCIPAL.person}" in box.calls


async def test_what_was_granted_is_counted() -> None:
    """After a sixth pause six are told, to the teacher, on the wall and to the principal; and so before a seventh."""
    box = new_box()
    box.school.rooms.put(CLASS_MAM, used=5, granted=1)
    says = "Hôm nay đã ẩn 6 lần: 5/5 lần, thêm 1 lần hiệu trưởng đồng ý"
    async with browser(box, TEACHER) as client:
        page = (await client.get("/co/")).text
        assert says in page
        assert "Hôm nay lớp đã ẩn 6 lần" in page
    async with browser(box) as client:
        page = (await client.get(f"/tuong/{SHEET}")).text
        assert says in page
        assert "Hôm nay lớp đã ẩn 6 lần" in page
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get("/lop-hoc")).text
        assert (page.count(says), page.count("Hôm nay đã ẩn 0/5 lần")) == (1, 1)


async def test_a_wish_and_overdue_cases_stand_on_the_first_page_of_leaders_only() -> None:
    """One form above the pictures answers the wish and comes back there; cases and phones are counted, cases the principal's."""
    box = new_box()
    box.school.rooms.put(CLASS_MAM, used=5, wish=Wish(3, "wall", 15, NOW))
    case = CaseView(pid("an"), "Bé An Nhiên", CLASS_MAM, "Lớp Mầm 1", "view", "withdrawal", True, NOW - 9, NOW - 1)
    box.consents.open_cases = [case, replace(case, due_ms=NOW + 9)]
    box.waiting = {"people": 2}
    clock = f"{dt.datetime.fromtimestamp(NOW / 1000, ZoneInfo('Asia/Ho_Chi_Minh')):%H:%M}"
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get("/")).text
        assert "Lớp Mầm 1 xin ẩn thêm" in page
        assert f"Mã dán tường, lúc {clock}" in page
        assert "1 việc đồng ý đã quá hạn" in page
        assert "An Nhiên" not in page
        needs = (await client.get("/api/cameras")).json()["needs"]
        assert (needs["overdue"], [item["wish"] for item in needs["wishes"]], needs["phones"]) == (1, [3], 2)
        done = await post(client, f"/lop-hoc/{CLASS_MAM}/tra-loi", xin=3, cho=1, ve="truc-tiep")
        assert (done.status_code, done.headers["location"]) == (303, "/")
        assert '<section class="card waits"' not in (await client.get("/")).text
    assert f"answer 3 True by {PRINCIPAL.person}" in box.calls
    box.school.rooms.put(CLASS_MAM, wish=Wish(4, "Cô Hạnh", 15, NOW))
    vice = Caller(pid("hieupho"), Role.VICE_PRINCIPAL, "Cô Phó", pid("deskvice"))
    box.sessions[f"token-{vice.person}"] = vice
    async with browser(box, vice) as client:
        page = (await client.get("/")).text
        assert ("Lớp Mầm 1 xin ẩn thêm" in page, '<a class="card waits"' in page) == (True, False)
    async with browser(box, TEACHER) as client:
        assert 'id="needs"' not in (await client.get("/")).text
        assert (await client.get("/api/cameras")).json()["needs"] == {"wishes": [], "overdue": 0, "phones": 0}


async def test_who_watches_is_named_by_child_and_kind() -> None:
    """Guardians by their child, the principal and observers as such; markup in a name stays text."""
    box = new_box()
    lookers = (
        Looker("guardian", "Bé <b>An</b>", "mother", NOW),
        Looker("guardian", "Bé Bình", "of a later version", NOW),
        Looker("principal", "Lê Thị Hằng", "", NOW),
        Looker("observer", "Cô Tư", "", NOW),
        Looker("somebody", "Ai", "", NOW),
    )
    box.school.rooms.put(CLASS_MAM, lookers=lookers)
    async with browser(box, TEACHER) as client:
        page = (await client.get("/co/")).text
    for text in (
        "Mẹ của Bé &lt;b&gt;An",
        "Phụ huynh của Bé Bình",
        "Hiệu trưởng: Lê Thị Hằng",
        "Người dự giờ: Cô Tư",
        "Ai",
    ):
        assert text in page
    assert MOTHER.name not in page


async def test_the_event_stream_tells_of_class_rooms_only_where_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """A teacher's page hears of her class; a guardian who asks the same hears of hers as ever."""
    from web.api_events import view_of
    from web.app import create_app

    app = create_app(new_box().services())

    async def kind(caller: Caller, query: str) -> str:
        from starlette.requests import Request

        scope = {
            "type": "http",
            "method": "GET",
            "path": "/api/events",
            "headers": [],
            "query_string": query.encode(),
            "app": app,
        }
        return (await view_of(Request(scope), caller))[0]

    assert await kind(TEACHER, "trang=lop") == "rooms"
    assert await kind(TEACHER, "") == "cameras"
    assert await kind(MOTHER, "trang=lop") == "class"


ROUTES: dict[str, tuple[str, dict[Role, int]]] = {
    "/co/": ("GET", {Role.TEACHER: 200}),
    f"/co/{CLASS_MAM}/an": ("POST", {Role.TEACHER: 303}),
    f"/co/{CLASS_MAM}/hien": ("POST", {Role.TEACHER: 303}),
    f"/co/{CLASS_MAM}/xin": ("POST", {Role.TEACHER: 303}),
    f"/co/{CLASS_CHOI}/an": ("POST", {}),
    f"/co/{pid('nobody')}/hien": ("POST", {}),
    "/co/thong-bao": ("GET", {Role.TEACHER: 200}),
    "/lop-hoc": ("GET", {Role.PRINCIPAL: 200}),
    f"/lop-hoc/{CLASS_CHOI}/hien": ("POST", {Role.PRINCIPAL: 303}),
    f"/lop-hoc/{CLASS_MAM}/dan-tuong": ("POST", {Role.PRINCIPAL: 200}),
    f"/lop-hoc/{CLASS_MAM}/go-dan-tuong": ("POST", {Role.PRINCIPAL: 303}),
    f"/lop-hoc/{CLASS_MAM}": ("GET", {Role.PRINCIPAL: 200}),
    f"/lop-hoc/{pid('nobody')}": ("GET", {}),
    "/lop-hoc/lich": ("GET", {Role.PRINCIPAL: 200}),
    "/lop-hoc/thong-bao": ("GET", {Role.PRINCIPAL: 200}),
}


@pytest.mark.parametrize("path", ROUTES)
async def test_each_role_finds_its_own_pages(path: str) -> None:
    """For everybody else they are not there."""
    method, may = ROUTES[path]
    for role, caller in EVERYBODY.items():
        async with browser(new_box(), caller) as client:
            assert (await client.request(method, path)).status_code == may.get(role, 404), role
    async with browser(new_box()) as client:
        assert (await client.request(method, path)).status_code == 303  # to signing in


# the wall


async def test_the_wall_hides_without_a_login() -> None:
    """The secret in the path and the school's network are enough; the page names nobody."""
    box = new_box()
    async with browser(box) as client:
        page = (await client.get(f"/tuong/{SHEET}")).text
        assert "Lớp Mầm 1" in page
        assert TEACHER.name not in page
        done = await post(client, f"/tuong/{SHEET}/an", phut=5)
        assert (done.status_code, done.headers["location"]) == (303, f"/tuong/{SHEET}")
        assert "wall hides 5" in box.calls
        assert "Hiện lại lúc" in (await client.get(f"/tuong/{SHEET}")).text
        await post(client, f"/tuong/{SHEET}/hien")
        box.school.rooms.put(CLASS_MAM, used=5)
        assert (await post(client, f"/tuong/{SHEET}/an")).status_code == 303
        await post(client, f"/tuong/{SHEET}/xin")
        assert "Đã xin hiệu trưởng" in (await client.get(f"/tuong/{SHEET}")).text
        box.school.wall.rate = True
        tired = await post(client, f"/tuong/{SHEET}/hien")
        assert "vừa được dùng nhiều lần" in (await client.get(tired.headers["location"])).text
    assert set(box.school.wall.asked) == {"192.0.2.7"}


async def test_from_elsewhere_the_wall_is_an_unknown_address() -> None:
    """Byte for byte like a path that is nowhere, whatever headers say; and the secret is not even looked up."""
    box = new_box()
    box.school.wall.here = False
    near = {"X-Forwarded-For": "192.168.1.5", "X-Real-IP": "192.168.1.5", "Forwarded": "for=192.168.1.5"}
    async with browser(box) as client:
        for method, suffix in (("GET", ""), ("POST", "/an"), ("POST", "/hien"), ("POST", "/xin")):
            unknown = await client.request(method, "/nowhere")
            for secret in (SHEET, "b" * 26, "x"):
                got = await client.request(method, f"/tuong/{secret}{suffix}", headers=near)
                assert (got.status_code, got.content, dict(got.headers)) == (
                    404,
                    unknown.content,
                    dict(unknown.headers),
                )
    assert "sheet looked up" not in box.calls
    box.school.wall.here = True
    async with browser(box) as client:
        wrong = await client.get("/tuong/" + "b" * 26)
        assert (wrong.status_code, wrong.content) == (404, (await client.get("/nowhere")).content)


async def test_the_sheet_is_shown_once_with_a_code() -> None:
    """The page to print has a QR and says what to do; nothing of it is fetched from elsewhere."""
    box = new_box()
    async with browser(box, PRINCIPAL) as client:
        page = (await post(client, f"/lop-hoc/{CLASS_MAM}/dan-tuong")).text
        assert re.search(r"<svg[^>]*viewBox", page)
        assert "Lớp Mầm 1" in page
        assert SHEET not in page
        assert "In mã dán tường mới" in (await client.get("/lop-hoc")).text


# hours


async def test_a_teacher_signs_what_she_was_shown() -> None:
    """The page warns until she has; another version than the shown one signs nothing."""
    box = new_box()
    async with browser(box, TEACHER) as client:
        assert "Cô chưa ký thông báo" in (await client.get("/co/")).text
        await post(client, "/co/thong-bao", ban="0")
        assert not box.school.notice.signed(TEACHER)
        await post(client, "/co/thong-bao", ban="1")
        assert "Cô đã ký bản này" in (await client.get("/co/thong-bao")).text
        assert "Cô chưa ký thông báo" not in (await client.get("/co/")).text


async def test_paper_is_entered_with_day_and_scan() -> None:
    """Who is missing is listed; what is wrong is said beside what was typed."""
    box = new_box()
    box.school.notice.people.append(Signature(pid("hoa"), "Cô Hoa", (), None, None, ""))
    path = f"/lop-hoc/thong-bao/{pid('hoa')}"
    async with browser(box, PRINCIPAL) as client:
        assert "2 cô chưa ký" in (await client.get("/lop-hoc")).text
        for fields, says in (
            ({"ngay": "mai", "so": "12"}, "Ngày ký chưa đúng"),
            ({"ngay": "2026-11-02", "so": ""}, "Thiếu số bản quét"),
            ({"ngay": "2036-11-02", "so": "12/2026"}, "còn ở phía trước"),
        ):
            bad = await post(client, path, **fields)
            assert (bad.status_code, says in bad.text) == (400, True)
            assert f'value="{fields["so"]}"' in bad.text
        assert (await post(client, path, ngay="2026-11-02", so="12/2026")).status_code == 303
        assert "Ký giấy 02/11/2026, bản quét 12/2026" in (await client.get("/lop-hoc/thong-bao")).text
        assert (await post(client, f"/lop-hoc/thong-bao/{pid('ai')}", ngay="2026-11-02", so="1")).status_code == 404


@pytest.mark.parametrize(
    "path",
    [
        "/co/",
        "/co/thong-bao",
        "/lop-hoc",
        f"/lop-hoc/{CLASS_MAM}",
        "/lop-hoc/lich",
        "/lop-hoc/thong-bao",
        f"/tuong/{SHEET}",
    ],
)
async def test_english_is_complete(path: str) -> None:
    """No Vietnamese letter is left but in names."""
    box = new_box()
    box.school.rooms.put(CLASS_MAM, wish=Wish(3, "wall", 15, NOW))
    caller = TEACHER if path.startswith("/co/") else PRINCIPAL
    async with browser(box, caller, language="en") as client:
        text = (await client.get(path)).text
    for name in ("Lớp Mầm 1", "Lớp Chồi 1", "Trường Mầm non Hoa Sen", "Cô Hạnh", "Lê Thị Hằng", "Vườn", "Tiếng Việt"):
        text = text.replace(name, "")
    assert re.findall(r"[ạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹđ]\w*", text) == []


async def test_the_teachers_page_leads_to_all_that_is_hers() -> None:
    """Families' answers and paper, the ledger, slips, the notice: each is a tap from the class, not behind a camera."""
    box = new_box()
    box.consents.tallies = [ClassTally(CLASS_MAM, "Lớp Mầm 1", 0, 0, 0, 0, 0, 0)]
    async with browser(box, TEACHER) as client:
        page = (await client.get("/co/")).text
        links = re.findall(r'href="(/(?:dong-y|nhat-ky|phu-huynh|co/thong-bao)[^"]*)"', page)
        assert f"/dong-y/lop/{CLASS_MAM}" in links
        assert {(await client.get(link)).status_code for link in links} == {200}
        assert len(set(links)) >= 4
    box.school.rooms.all.clear()
    async with browser(box, TEACHER) as client:
        assert 'href="/co/thong-bao"' in (await client.get("/co/")).text, "she can read and sign before she has a class"
