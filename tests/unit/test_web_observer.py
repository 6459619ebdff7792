"""Pages of guests: making a visit, the slip, the teacher's word, the guest's screens, and what no page says."""

from __future__ import annotations

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from gateway.core.errors import BadInput
from gateway.core.model import Decision
from tests.fakes.web_client import browser, new_box, post
from tests.fakes.web_observe import CODE
from tests.fakes.web_services import CLASS_CHOI, CLASS_MAM, GUEST, MAM, MOTHER, PRINCIPAL, TEACHER, FakeBox, pid
from web.guest_view import guest_screen
from web.observe_services import NO, WAITS, YES, MyVisit, Named, Visit
from web.pages_observer import wanted
from web.room_services import Looker

pytestmark = pytest.mark.anyio
HOUR_MS = 3_600_000
ZONE = "Asia/Ho_Chi_Minh"
FORM = {
    "khach": "", "ten": "Cô Thanh <b>", "lop": str(CLASS_MAM), "ngay": "2026-11-23", "tu": "09:00", "den": "10:30",
    "ly_do": "Thao giảng", "moi": "Phòng Giáo dục",
}  # fmt: skip
LIVE = Decision(True, "role.observer", until_ms=None)


def visit(box: FakeBox, **changes: Any) -> Visit:
    """A visit of the teacher's class that runs."""
    now_ms = box.clock.now_ms()
    fields: dict[str, Any] = {
        "id": pid("visit"), "guest": "Cô Thanh", "class_id": CLASS_MAM, "class_name": "Lớp Mầm 1",
        "since_ms": now_ms - 1000, "until_ms": now_ms + HOUR_MS, "phase": "running", "said": WAITS, "teachers": 1,
        "made_by": "Lê Thị Hằng", "reason": "Thao giảng", "invited": "Phòng Giáo dục",
    }  # fmt: skip
    return Visit(**fields | changes)


# the leaders


async def test_a_visit_is_made_listed_and_ended() -> None:
    """Times are those of the school's wall clock; markup in a name stays text; what was said of it is on the page."""
    box = new_box()
    async with browser(box, PRINCIPAL) as client:
        assert "Lúc này không có khách nào." in (await client.get("/du-gio")).text
        made = await post(client, "/du-gio", **FORM)
        (one,) = box.observe.all
        assert (made.status_code, made.headers["location"]) == (303, f"/du-gio?moi={one.id}#{one.id}")
        begins = dt.datetime(2026, 11, 23, 9, tzinfo=ZoneInfo(ZONE)).timestamp() * 1000
        assert (one.since_ms, one.until_ms - one.since_ms) == (begins, 90 * 60_000)
        page = (await client.get(made.headers["location"].partition("#")[0])).text
        for text in ("Cô Thanh &lt;b&gt;", "Để: Thao giảng", "Người mời: Phòng Giáo dục", "Chờ cô giáo trả lời"):
            assert text in page
        assert "Đã tạo buổi dự giờ" in page
        ended = await post(client, f"/du-gio/{one.id}/ket-thuc")
        assert (ended.status_code, ended.headers["location"]) == (303, "/du-gio")
        assert "Đã kết thúc sớm hoặc hủy" in (await client.get("/du-gio")).text
    assert f"end {one.id} by {PRINCIPAL.person}" in box.calls


async def test_the_code_is_in_one_answer_and_no_later_page() -> None:
    """The slip has the code, the hour and the way; lists do not."""
    box = new_box()
    box.observe.all = [visit(box)]
    async with browser(box, PRINCIPAL) as client:
        slip = await post(client, f"/du-gio/{pid('visit')}/ma")
        assert slip.status_code == 200
        assert all(text in slip.text for text in (CODE, "Cô Thanh", "Lớp Mầm 1", "https://vuon.test/vao", "<svg"))
        assert slip.headers["cache-control"] == "no-store"
        assert CODE not in (await client.get("/du-gio")).text
        assert (await post(client, f"/du-gio/{pid('none')}/ma")).status_code == 404


async def test_making_one_asks_who_one_is_first() -> None:
    """With a login that is not fresh neither visit nor code is made; ending one goes on."""
    box = new_box()
    box.observe.all = [visit(box)]
    box.accounts.old.add(PRINCIPAL.device)
    async with browser(box, PRINCIPAL) as client:
        for path in ("/du-gio", f"/du-gio/{pid('visit')}/ma"):
            assert (await post(client, path, **FORM)).status_code in {303, 403}
        assert (await post(client, f"/du-gio/{pid('visit')}/ket-thuc")).status_code == 303
    assert [call for call in box.calls if call.startswith(("visit", "code", "end"))] == [
        f"end {pid('visit')} by {PRINCIPAL.person}"
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"ten": ""}, "Chưa có tên khách"),
        ({"lop": ""}, "Chưa chọn lớp"),
        ({"ngay": "20/11/2026"}, "Ngày giờ chưa đủ"),
        ({"tu": ""}, "Ngày giờ chưa đủ"),
        ({"den": "25:00"}, "Ngày giờ chưa đủ"),
    ],
)
async def test_a_form_that_is_not_whole_is_shown_again(wrong: dict[str, str], says: str) -> None:
    """What was wrong stands above it, what was typed stays, nothing is made."""
    box = new_box()
    async with browser(box, PRINCIPAL) as client:
        answer = await post(client, "/du-gio", **FORM | wrong)
    assert answer.status_code == 400
    assert says in answer.text
    assert 'value="Phòng Giáo dục"' in answer.text
    assert box.observe.all == []


async def test_what_access_refuses_is_said_in_words() -> None:
    """Too long, in the past, a guest without rights: by the catalogue's case."""
    box = new_box()
    box.observe.refuse = BadInput("too long", case="observation_long", key="until_ms")
    async with browser(box, PRINCIPAL, language="en") as client:
        answer = await post(client, "/du-gio", **FORM)
    assert (answer.status_code, "An observation lasts up to four hours" in answer.text) == (400, True)


async def test_a_guest_who_is_known_is_chosen_by_name() -> None:
    """The list of guests is offered; an id that cannot be one is not there."""
    box = new_box()
    box.observe.known = [Named(GUEST.person, GUEST.name)]
    async with browser(box, PRINCIPAL) as client:
        assert f'<option value="{GUEST.person}">Cô Thanh' in (await client.get("/du-gio")).text
        await post(client, "/du-gio", **FORM | {"khach": GUEST.person, "ten": ""})
        assert box.observe.all[0].guest == "Cô Thanh"
        assert (await post(client, "/du-gio", **FORM | {"khach": "x"})).status_code == 404


async def test_what_keeps_the_picture_shut_is_said_to_the_leaders_as_a_number() -> None:
    """Families that did not agree are counted, with the way to the list; a class without a teacher is named."""
    box = new_box()
    box.observe.all = [visit(box, missing=2, teachers=0)]
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get("/du-gio")).text
    assert "Còn 2 bé chưa có đồng ý" in page
    assert f"/dong-y/lop/{CLASS_MAM}" in page
    assert "Lớp chưa có cô giáo nào" in page


def test_a_form_is_read_by_the_schools_clock() -> None:
    """Wherever the browser stands: 09:00 is the school's."""
    box = new_box()
    there = wanted(FORM, "Asia/Tokyo")
    here = wanted(FORM, ZONE)
    assert here.since_ms - there.since_ms == 2 * HOUR_MS
    assert (here.guest, here.class_id) == (None, CLASS_MAM)
    assert box.observe.all == []


# the teacher


async def test_the_teacher_is_asked_agrees_and_takes_it_back() -> None:
    """A card with yes and no; then a chip and one button that stops; then yes again."""
    box = new_box()

    def put(**changes: Any) -> None:
        box.observe.all = [visit(box, **changes)]
        box.school.rooms.put(CLASS_MAM, visits=tuple(box.observe.all))

    put(missing=1)
    path, form = f"/co/{CLASS_MAM}/du-gio", {"buoi": pid("visit")}
    async with browser(box, TEACHER) as client:
        page = (await client.get("/co/")).text
        assert "Có khách xin dự giờ lớp" in page
        assert "Thao giảng" in page
        done = await post(client, path, y="co", **form)
        assert (done.status_code, done.headers["location"]) == (303, f"/co/?lop={CLASS_MAM}")
        put(said=YES)
        page = (await client.get("/co/")).text
        assert "Dừng, không cho xem nữa" in page
        assert "Có khách xin dự giờ lớp" not in page
        await post(client, path, y="khong", **form)
        put(said=NO)
        page = (await client.get("/co/")).text
        assert "Cô giáo không đồng ý" in page
        assert 'name="y" value="co"' in page
        assert (await post(client, path, y="maybe", **form)).status_code == 400
        assert (await post(client, path, y="co", buoi="x")).status_code == 404
        assert (await post(client, f"/co/{CLASS_CHOI}/du-gio", y="co", **form)).status_code == 404
    assert [call for call in box.calls if call.startswith(("yes", "no "))] == [
        f"yes to {pid('visit')} by {TEACHER.person}",
        f"no to {pid('visit')} by {TEACHER.person}",
    ]


async def test_who_watches_as_a_guest_is_named_with_the_role() -> None:
    """On the teacher's page and in what its scripts hear."""
    box = new_box()
    box.school.rooms.put(CLASS_MAM, lookers=(Looker("observer", "Cô Thanh", "", 1),), visits=(visit(box),))
    async with browser(box, TEACHER) as client:
        page = (await client.get("/co/")).text
    assert "Người dự giờ: Cô Thanh" in page
    assert "&#34;waits&#34;" in page or '"waits"' in page


# the guest


async def test_the_guest_sees_the_class_with_the_guardians_player() -> None:
    """Sub stream, stills, the guest's name over the picture; no way to anything else."""
    box = new_box()
    box.observe.here(LIVE, camera=MAM)
    async with browser(box, GUEST) as client:
        home = await client.get("/")
        assert (home.status_code, home.headers["location"]) == (303, "/khach/")
        page = (await client.get("/khach/")).text
        told = (await client.get("/api/observation")).json()
        assert [
            (await client.get(path)).status_code for path in ("/p/", "/co/", "/du-gio", "/lop-hoc", "/api/class")
        ] == [404] * 5
    assert (
        f'<live-view camera="{MAM}" name="Lớp Mầm 1" still="640" stream="sub" every="5" data-mark="Cô Thanh">' in page
    )
    assert (told["kind"], told["screen"], told["after"]) == ("observation", "live", "/khach/het")
    assert told["until_ms"] == told["now_ms"] - 600_000 + HOUR_MS
    assert "href=" in page
    assert 'href="/p' not in page


CLOSED = [
    ("observation.assent", WAITS, -1, "waiting", "Chờ cô giáo của lớp đồng ý"),
    ("observation.assent", NO, -1, "declined", "Cô giáo của lớp không đồng ý lúc này"),
    ("observation.consent", YES, -1, "families", "Lớp chưa đủ đồng ý của các gia đình"),
    ("plan.nap", YES, -1, "nap", "Giờ ngủ trưa của các bé"),
    ("plan.care", YES, -1, "care", "Giờ sinh hoạt riêng của các bé"),
    ("sharing.stopped", YES, -1, "stopped", "Nhà trường đang dừng chia sẻ hình"),
    ("camera.private", YES, -1, "stopped", "Nhà trường đang dừng chia sẻ hình"),
    ("clock.untrusted", YES, -1, "wait", "Hộp của trường đang chỉnh giờ"),
    ("not_found", YES, -1, "nothing", "Lớp này lúc này chưa có hình"),
    ("observation.closed", WAITS, 2 * HOUR_MS, "before", "Buổi dự giờ mở"),
    ("observation.closed", NO, 2 * HOUR_MS, "declined", "Cô giáo của lớp không đồng ý lúc này"),
]


@pytest.mark.parametrize(("reason", "said", "begins_in_ms", "screen", "says"), CLOSED)
async def test_why_it_is_closed_is_said_and_no_pixel_is_asked_for(
    reason: str, said: str, begins_in_ms: int, screen: str, says: str
) -> None:
    """Each reason in words of both languages, without an element that could fetch a picture."""
    box = new_box()
    box.observe.here(Decision(False, reason), camera=MAM, said=said, begins_in_ms=begins_in_ms)
    async with browser(box, GUEST) as client:
        page = (await client.get("/khach/")).text
        assert (await client.get("/api/observation")).json()["screen"] == screen
    async with browser(box, GUEST, language="en") as client:
        english = (await client.get("/khach/")).text
    assert says in page
    assert "<live-view" not in page
    assert "guest." not in page + english
    assert says not in english


async def test_after_the_visit_a_page_says_so_to_whoever_opens_it() -> None:
    """It names nobody and no class; the guest's own page leads there, and a guest with a visit is led back."""
    box = new_box()
    async with browser(box, GUEST) as client:
        gone = await client.get("/khach/")
        assert (gone.status_code, gone.headers["location"]) == (303, "/khach/het")
        assert (await client.get("/api/observation")).json() is None
        box.observe.here(LIVE, camera=MAM)
        assert (await client.get("/khach/het")).headers["location"] == "/khach/"
    async with browser(box) as client:
        page = (await client.get("/khach/het")).text
        assert (await client.get("/khach/")).headers["location"] == "/vao"
    assert "Buổi dự giờ đã kết thúc" in page
    assert "Lớp Mầm" not in page
    assert "Thanh" not in page
    async with browser(box, MOTHER) as client:
        assert (await client.get("/khach/het")).status_code == 200
        assert (await client.get("/khach/")).status_code == 404


def test_the_screen_is_over_when_the_time_is() -> None:
    """Whatever the reason; and live is live only while a picture moves."""
    over = MyVisit(pid("visit"), "Mầm", (MAM,), 0, 10, YES, Decision(False, "observation.closed"))
    live = MyVisit(pid("visit"), "Mầm", (MAM,), 0, 10, YES, LIVE)
    assert guest_screen(over, "up", 10) == "over"
    assert [guest_screen(live, state, 5, frozen=frozen) for state, frozen in (("up", False), ("down", False), ("up", True))] == [
        "live", "offline", "offline",
    ]  # fmt: skip
