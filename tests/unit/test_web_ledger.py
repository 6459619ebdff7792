"""The audit over HTTP: who reads what, filters that cannot be broken, a file that no spreadsheet runs, and erasing."""

from __future__ import annotations

import csv
import io
import unicodedata
from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import Denied
from gateway.core.model import Role
from tests.fakes.clock import FakeClock
from tests.fakes.ledger_lines import CHILD, T0, a_morning, looks, told
from tests.fakes.web_client import browser
from tests.fakes.web_services import CLASS_CHOI, CLASS_MAM, EVERYBODY, FATHER, MAM, MOTHER, PRINCIPAL, TEACHER, FakeBox
from web.caller import Caller
from web.i18n import Words
from web.ledger_csv import csv_of, neutral
from web.ledger_services import ChainFacts, LedgerLine
from web.ledger_words import act_of, note_of, view_of, who_of
from web.pages_erase import subject_of
from web.pages_ledger import day_of, span_of, wish_of

pytestmark = pytest.mark.anyio
VI, EN = Words("vi", "Asia/Ho_Chi_Minh"), Words("en", "Asia/Ho_Chi_Minh")
DAY = 86_400_000
FORM = {"ai": f"child:{CHILD}", "ten": "Bé An Nhiên", "ly-do": "withdrawn", "ai-yeu-cau": "guardian"}


def a_box() -> FakeBox:
    box = FakeBox(FakeClock(T0))
    told(box)
    return box


async def test_the_principal_reads_the_schools_audit() -> None:
    """Chain, filters and lines in words; the codes of acts are in no line that has words."""
    async with browser(a_box(), PRINCIPAL) as client:
        page = (await client.get("/nhat-ky")).text
    for text in (
        "Nhật ký liền mạch, chưa bị sửa.", "48.213 dòng", "Tải bản trích xuất", "8 phút 13 giây", "Máy tính VP",
        "Tại hộp (dòng lệnh)", "Mở khóa hình: bị từ chối", "Việc khác (act.of.tomorrow)", "thêm 12 lần nữa",
        "theo quyết định ở dòng 1480", "Sân chơi", "24/09/2026, 10:00:32–10:07:12",
    ):  # fmt: skip
        assert text in page, text
    assert "granted" not in page
    assert "class.plan" not in page


@pytest.mark.parametrize(("path", "caller"), [("/nhat-ky", PRINCIPAL), ("/nhat-ky", TEACHER), ("/p/nhat-ky", MOTHER)])
async def test_a_look_of_several_rows_is_one_that_opens(path: str, caller: Caller) -> None:
    """One row with its own words; its rows are behind it, without a script."""
    box = a_box()
    if caller is not PRINCIPAL:
        box.ledger.lines = looks()
    async with browser(box, caller) as client:
        page = (await client.get(path)).text
    opened = page[page.index("<details") : page.index("</details>")]
    assert "2 dòng nhật ký" in opened
    assert opened.count("<li") == 2
    assert opened.index("Xem ảnh") < opened.index("Xem trực tiếp · 8 phút 13 giây")
    assert page.count("Xem ảnh") == 1


async def test_a_broken_chain_is_the_first_thing_on_the_page() -> None:
    """Each place in words, what to do, and no word of an unbroken one; not yet walked is not fine either."""
    box = a_box()
    box.ledger.facts = ChainFacts(False, 100, 3, 0, T0, (("row_edited", 7, 7), ("tail_cut", 90, 99)), True)
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get("/nhat-ky")).text
        box.ledger.facts = ChainFacts()
        early = (await client.get("/nhat-ky")).text
    assert "Dòng 7 đã bị sửa." in page
    assert "còn 89 dòng" in page
    assert "liền mạch" not in page + early
    assert "Hộp đang kiểm tra nhật ký." in early


async def test_each_role_reads_its_own_part() -> None:
    """Teachers the looks at their class, guardians the looks at their child's, nobody else anything."""
    for role, caller in EVERYBODY.items():
        box = a_box()
        async with browser(box, caller) as client:
            staff, family = await client.get("/nhat-ky"), await client.get("/p/nhat-ky")
            posts = [(await client.post(path)).status_code for path in ("/nhat-ky/tep", "/nhat-ky/kiem-lai")]
        assert staff.status_code == (200 if role in {Role.PRINCIPAL, Role.TEACHER} else 404)
        assert family.status_code == (200 if role is Role.GUARDIAN else 404)
        assert posts == ([200, 303] if role is Role.PRINCIPAL else [403, 403])
        said = [call for call in box.calls if "everything" in call or "looks" in call or "file" in call]
        want = {
            Role.PRINCIPAL: [f"everything for {PRINCIPAL.person}", f"audit file for {PRINCIPAL.person}"],
            Role.TEACHER: [f"looks at {CLASS_MAM} for {TEACHER.person}"],
            Role.GUARDIAN: [f"looks at {CLASS_MAM} for {MOTHER.person}"],
        }
        assert said == want.get(role, [])


async def test_another_class_is_the_same_as_none() -> None:
    """A guardian or teacher who tries another class's ledger gets what an invented id gets."""
    for caller, path in ((MOTHER, "/p/nhat-ky"), (TEACHER, "/nhat-ky"), (FATHER, "/p/nhat-ky")):
        foreign = CLASS_MAM if caller is FATHER else CLASS_CHOI
        async with browser(a_box(), caller) as client:
            answers = [await client.get(path, params={"lop": name}) for name in (foreign, "x" * 16, "../..")]
            assert (await client.get(path, params={"lop": ""})).status_code == 200
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1


async def test_a_guardians_page_names_staff_and_no_guardian() -> None:
    """Others are 'a guardian of the class', oneself is 'you'; the page holds no device and no other name."""
    box = a_box()
    box.ledger.lines = looks()
    async with browser(box, MOTHER) as client:
        page = (await client.get("/p/nhat-ky")).text
        own = (await client.get("/p/nhat-ky?xem=toi")).text
    for text in ("Lê Thị Hằng", "Hiệu trưởng", "Bạn", "Một phụ huynh của lớp", "Tại hộp (dòng lệnh)", "8 phút 13 giây"):
        assert text in page
    assert FATHER.name not in page
    assert f"own rows of {MOTHER.person}" in box.calls
    assert "Của tôi" in own


async def test_without_a_child_in_a_class_there_are_still_ones_own_rows() -> None:
    """A guardian whose child left reads what was done with the account."""
    box = a_box()
    box.ledger.known = {}
    async with browser(box, MOTHER) as client:
        assert (await client.get("/p/nhat-ky")).status_code == 200
    assert f"own rows of {MOTHER.person}" in box.calls


@given(
    st.dictionaries(st.sampled_from(["nhom", "nguoi", "lop", "camera", "ngay", "truoc", "xem"]), st.text(max_size=20))
)
def test_no_address_breaks_the_filters(query: dict[str, str]) -> None:
    """Whatever stands there is a filter or none, and a day is a day of the site."""
    wish = wish_of(query, VI, T0)
    assert wish.group in {"", "look", "copy", "denied", "people", "config"}
    if query.get("ngay") == "tat-ca":
        assert (wish.from_ms, wish.to_ms) == (None, None)
    else:
        assert wish.from_ms is not None
        assert wish.to_ms is not None
        assert wish.to_ms - wish.from_ms == DAY
        assert VI.local(wish.from_ms).strftime("%H:%M:%S") == "00:00:00"


def test_a_day_is_the_sites() -> None:
    """Named by its date, today otherwise, and never year 1 or 9999."""
    day = day_of("2026-09-23", VI, T0)
    assert VI.local(span_of(day, VI)[0]).isoformat() == "2026-09-23T00:00:00+07:00"
    for text in ("", "2026-13-40", "9999-01-01", "0001-01-01", "20260923xx", "2026-W39-4"):
        assert day_of(text, VI, T0).isoformat() == "2026-09-24", text


async def test_filters_stay_when_one_is_changed() -> None:
    """The chip keeps the day, the next page keeps both; a filter changed begins at the first page."""
    box = a_box()
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get("/nhat-ky?ngay=2026-09-23&nhom=look&truoc=999&x=y")).text
    links = [urlsplit(part.split('"')[0].replace("&amp;", "&")) for part in page.split('href="')[1:]]
    queries = [parse_qs(link.query) for link in links if link.path == "/nhat-ky" and link.query]
    assert {"nhom": ["denied"], "ngay": ["2026-09-23"]} in queries
    assert {"nhom": ["look"], "ngay": ["2026-09-23"], "truoc": ["1472"]} in queries
    assert not any("x" in query for query in queries)
    assert box.ledger.wishes[0].before == 999


# the file

SPREADSHEET = "=+-@\t\r\n"
WIDE = "\uff1d\uff0b\uff0d\uff20\u2212\ufe62\ufe63\ufe66\ufe6b\u2013"


@given(st.text(SPREADSHEET + WIDE + " \u00a0\u200b\ufeffAb1|%\"';,", max_size=8))
def test_no_field_begins_as_a_formula(text: str) -> None:
    """Not plainly, not full-width, not behind blanks or invisible characters; nothing else is changed."""
    field = neutral(text)
    plain = unicodedata.normalize("NFKC", field).lstrip()
    assert not plain.startswith(tuple("=+-@\u2212\u2013\t\r\n"))
    assert not any(unicodedata.category(char) == "Cc" for char in field)


@pytest.mark.parametrize("text", ["Nguyễn Thị Hoa", "8 phút 13 giây", "10:12:00–10:18:30", "a=b", "", "Bé +An"])
def test_what_is_no_formula_stays_as_it_is(text: str) -> None:
    """Names, lengths and spans are not decorated."""
    assert neutral(text) == text


async def test_the_file_opens_in_excel_and_runs_nothing() -> None:
    """Byte order mark, Vietnamese headers, a name that is a formula as text, one row for each line; by POST only."""
    box = a_box()
    evil = LedgerLine(
        9, T0, "granted.live", "look", '=HYPERLINK("http://x")', "guardian", ("\uff1d1+1",), device="@SUM(A1)"
    )
    box.ledger.lines = [evil, *a_morning()]
    async with browser(box, PRINCIPAL) as client:
        assert (await client.get("/nhat-ky/tep")).status_code == 404
        answer = await client.post("/nhat-ky/tep", data={"ngay": "2026-09-23", "nhom": "look", "nguoi": MOTHER.person})
    assert answer.headers["content-disposition"] == 'attachment; filename="nhat-ky-2026-09-23.csv"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert rows[0] == ["Dòng", "Ngày", "Lúc", "Ai", "Vai trò", "Làm gì", "Với gì", "Ghi chú", "Từ máy"]
    assert rows[1][3] == '\'=HYPERLINK("http://x")'
    assert rows[1][6].startswith("'")
    assert rows[1][8] == "'@SUM(A1)"
    assert "còn" in rows[-1][0].lower()
    assert len(rows) == 1 + len(box.ledger.lines) + 1
    wish = box.ledger.wishes[0]
    assert (wish.group, wish.person) == ("look", MOTHER.person)


def test_a_whole_file_does_not_say_that_it_is_cut() -> None:
    """And English has its own headers."""
    rows = csv_of(a_morning(), EN, {}).decode("utf-8-sig").splitlines()
    assert rows[0].startswith('"Row","Date","When"')
    assert len(rows) == 1 + len(a_morning())


# words


def test_a_line_in_words() -> None:
    """Role for what has no name, seconds under a minute, hours above, ends by themselves without a word."""
    line = LedgerLine(1, T0, "granted.live", "look", "", "family", seconds=4, reason="viewer.left")
    assert who_of(line, VI) == ("Một phụ huynh của lớp", "")
    assert note_of(line, VI) == "4 giây"
    rounded = [replace(line, seconds=None, minutes=minutes) for minutes in (0, 8, 75)]
    assert [note_of(item, VI) for item in rounded] == ["dưới 1 phút", "8 phút", "1 giờ 15 phút"]
    assert note_of(rounded[0], EN) == "under 1 min"
    long = LedgerLine(1, T0, "granted.live", "look", "A", "of_tomorrow", seconds=7_200, reason="class.paused")
    assert note_of(long, VI).startswith("2 giờ · ")
    assert who_of(long, VI) == ("A", "of_tomorrow")
    assert view_of(long, VI, {}, dated=True)["day"] == "24/09/2026"
    camera = LedgerLine(1, T0, "camera.hide", "config", "A", "principal", camera=MAM)
    assert view_of(camera, VI, {MAM: "Cổng"}, dated=False)["about"] == "Cổng"
    assert act_of(LedgerLine(1, T0, "erase.start.refused", "denied", "", ""), EN) == "Footage erased: refused"


# erasing


async def test_erasing_shows_what_goes_and_wants_the_name() -> None:
    """Nobody chosen, then the plan, a wrong name, no reason, and then it is done and said."""
    box = a_box()
    async with browser(box, PRINCIPAL) as client:
        assert "Bé An Nhiên" in (await client.get("/xoa-du-lieu")).text
        plan = (await client.get("/xoa-du-lieu", params={"ai": FORM["ai"]})).text
        assert "12 dòng" in plan
        assert "30 dòng" in plan
        wrong = await client.post("/xoa-du-lieu", data=FORM | {"ten": "Bé Khác 123"})
        nothing = await client.post("/xoa-du-lieu", data=FORM | {"ly-do": ""})
        assert (wrong.status_code, nothing.status_code) == (400, 400)
        assert "không trùng" in wrong.text
        assert "Bé Khác 123" not in wrong.text
        assert not [call for call in box.calls if call.startswith("erase")]
        done = await client.post("/xoa-du-lieu", data=FORM)
        assert (done.status_code, done.headers["location"]) == (303, f"/xoa-du-lieu?ai={FORM['ai']}")
        assert "Đã xóa dữ liệu" in (await client.get(done.headers["location"])).text
    assert f"erase child {CHILD} by {PRINCIPAL.person}: withdrawn, guardian" in box.calls


async def test_erasing_is_the_principals_and_of_somebody() -> None:
    """Others are refused, an unknown id is not there, garbage names nobody, and a refusal of the door is shown."""
    for role, caller in EVERYBODY.items():
        async with browser(a_box(), caller) as client:
            answers = [await client.get("/xoa-du-lieu"), await client.post("/xoa-du-lieu", data=FORM)]
        assert [answer.status_code for answer in answers] == ([200, 303] if role is Role.PRINCIPAL else [403, 403])
    box = a_box()
    box.ledger.refuse = Denied("x", reason="session.idle")
    async with browser(box, PRINCIPAL) as client:
        assert (await client.post("/xoa-du-lieu", data=FORM)).status_code == 403
        assert (await client.get(f"/xoa-du-lieu?ai=child:{'z' * 16}")).status_code == 404
        assert (await client.post("/xoa-du-lieu", data={"ai": "class:x"})).status_code == 400


@given(st.text(max_size=30))
def test_only_a_kind_and_an_id_name_somebody(text: str) -> None:
    """Everything else is nobody."""
    assert subject_of(text) is None
    assert subject_of(f"person:{MOTHER.person}") == ("person", MOTHER.person)


# refusals at the door


async def test_a_refusal_at_the_door_is_written_and_an_allowed_request_is_not() -> None:
    """The role that may not, and whoever guesses an id, leave a row each; the answer is the same either way."""
    box = a_box()
    async with browser(box, TEACHER) as client:
        assert (await client.post("/api/sharing/stop")).status_code == 403
        assert (await client.get(f"/api/cameras/{CLASS_CHOI}")).status_code == 404
        assert (await client.get(f"/api/cameras/{MAM}")).status_code == 200
    assert [(who, action.value, obj.kind.value) for who, action, obj in box.refusals_written] == [
        (TEACHER.person, "stop_all", "box"),
        (TEACHER.person, "live", "camera"),
    ]
