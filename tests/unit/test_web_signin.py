"""Signing in by password, accounts and sessions over HTTP: one answer for what does not fit, cookies, redirects."""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import DaemonUnavailable, LoginBusy, LoginRefused
from tests.fakes.clock import FakeClock
from tests.fakes.web_accounts import DIGITS, RECOVERY, SECRET
from tests.fakes.web_client import browser, post
from tests.fakes.web_services import DEPUTY, INSTALLER, MAM, MOTHER, PRINCIPAL, TEACHER, FakeBox, pid
from web.agents import agent_name
from web.onward import onward, way_on
from web.signin_services import SessionRow

pytestmark = pytest.mark.anyio
PASSWORD = "cây bàng trước cổng"
HERE, THERE, HERS = pid("here"), pid("there"), pid("hers")


@pytest.fixture
def box() -> FakeBox:
    box = FakeBox(FakeClock())
    box.accounts.add(PRINCIPAL, "hanglt", PASSWORD)
    box.accounts.add(TEACHER, "hanh", PASSWORD, second=True)
    now = box.clock.now_ms()
    box.accounts.rows = {
        TEACHER.person: [
            SessionRow(HERE, "Chrome · Windows", "school", now, now, here=True),
            SessionRow(THERE, "", "outside", now, now, here=False),
        ],
        PRINCIPAL.person: [SessionRow(HERS, "Edge · Windows", "box", now, now, here=True)],
    }
    return box


def shape(answer: httpx.Response) -> tuple[int, int, list[tuple[str, str]]]:
    return answer.status_code, len(answer.content), sorted(answer.headers.items())


async def test_a_password_opens_and_the_browser_is_known_from_then_on(box: FakeBox) -> None:
    """Right: home, with a session and a lasting mark that cannot be read by scripts."""
    async with browser(box) as client:
        done = await post(client, "/vao", name="hanglt", password=PASSWORD)
        assert (done.status_code, done.headers["location"]) == (303, "/")
        cookies = done.headers.get_list("set-cookie")
        mark = next(item for item in cookies if item.startswith("__Host-vuon-mark="))
        for part in ("HttpOnly", "Secure", "SameSite=strict", "Path=/", f"Max-Age={400 * 86_400}"):
            assert part in mark
        client.cookies.delete("__Host-vuon-box")
        await post(client, "/vao", name="hanglt", password="sai")
    assert box.accounts.marks == ["", "mark"]


async def test_unknown_name_and_wrong_password_are_one_answer(box: FakeBox) -> None:
    """Same status, headers and body length, no cookie, and nothing that was typed."""
    async with browser(box) as client:
        tries = [("nobody", PASSWORD), ("hanglt", "sai"), ("hanglt", ""), ("", PASSWORD), ("x" * 600, "y" * 600)]
        answers = [await post(client, "/vao", name=name, password=password) for name, password in tries[:4]]
        assert len({str(shape(answer)) for answer in answers}) == 1
        assert answers[0].status_code == 403
        assert "set-cookie" not in answers[0].headers
        assert "chưa đúng" in answers[0].text
        assert PASSWORD not in answers[0].text
        assert "nobody" not in answers[0].text


@pytest.mark.parametrize(
    ("error", "status", "after"),
    [
        (LoginRefused("often", reason="rate", retry_after_s=17), 429, "17"),
        (LoginBusy("full", retry_after_s=2), 429, "2"),
        (DaemonUnavailable("away"), 503, "10"),
    ],
)
async def test_who_has_to_wait_is_told_how_long(box: FakeBox, error: Exception, status: int, after: str) -> None:
    """The page and the header say when to come back; nobody is told that an account is locked."""
    box.accounts.error = error
    async with browser(box) as client:
        answer = await post(client, "/vao", name="hanglt", password=PASSWORD)
    assert (answer.status_code, answer.headers["retry-after"]) == (status, after)
    assert status != 429 or after in answer.text


async def test_the_second_step_comes_after_the_first(box: FakeBox) -> None:
    """Digits that do not fit keep the page; those that do open; half a login that is over begins again."""
    async with browser(box) as client:
        asked = await post(client, "/vao", name="hanh", password=PASSWORD)
        assert asked.status_code == 200
        assert "set-cookie" not in asked.headers
        assert 'name="half" value="half-hanh"' in asked.text
        wrong = await post(client, "/vao/ma", half="half-hanh", code="000000")
        assert (wrong.status_code, 'name="half" value="half-hanh"' in wrong.text) == (403, True)
        over = await post(client, "/vao/ma", half="half-gone", code=DIGITS)
        assert (over.status_code, "năm phút" in over.text) == (403, True)
        done = await post(client, "/vao/ma", half="half-hanh", code=DIGITS)
        assert (done.status_code, done.headers["location"]) == (303, "/co/")


async def test_only_a_school_without_passwords_shows_the_code_alone() -> None:
    """The first sign-in of a school has one field; later there are both ways."""
    box = FakeBox(FakeClock())
    async with browser(box) as client:
        assert 'name="password"' not in (await client.get("/vao")).text
        box.accounts.add(PRINCIPAL, "hanglt", PASSWORD)
        page = (await client.get("/vao")).text
        assert 'autocomplete="current-password"' in page
        assert 'autocomplete="username"' in page
        assert 'id="code"' in page


async def test_whoever_must_choose_a_password_gets_no_other_page(box: FakeBox) -> None:
    """Every page leads there, the API goes on; an easy one is refused with its reason; then the way is free."""
    box.accounts.add(DEPUTY, "photran")
    box.accounts.must.add(DEPUTY.person)
    box.codes = {"CODE": DEPUTY}
    async with browser(box) as client:
        assert (await post(client, "/vao", code="CODE")).headers["location"] == "/mat-khau"
    async with browser(box, DEPUTY) as client:
        for path in ("/", f"/camera/{MAM}", "/tai-khoan", "/khoa", "/xac-nhan"):
            assert (await client.get(path)).headers["location"] == "/mat-khau"
        assert (await client.get("/api/cameras")).status_code == 200
        page = await client.get("/mat-khau")
        assert (page.status_code, "photran" in page.text, "Để sau" in page.text) == (200, True, False)
        for new, repeat, said in (
            ("ngắn", "ngắn", "ít nhất 8"),
            ("matkhau123", "matkhau123", "nhiều người dùng"),
            ("mamnonhoasen", "mamnonhoasen", "tên trường"),
            (PASSWORD, "khác hẳn", "chưa giống"),
        ):
            answer = await post(client, "/mat-khau", new=new, repeat=repeat)
            assert (answer.status_code, said in answer.text) == (400, True)
            assert f'value="{new}"' not in answer.text
        done = await post(client, "/mat-khau", new=PASSWORD, repeat=PASSWORD)
        assert (done.status_code, done.headers["location"]) == (303, "/")
        assert (await client.get("/")).status_code == 200


async def test_changing_wants_the_old_one(box: FakeBox) -> None:
    """The current password is asked for; a wrong one changes nothing."""
    async with browser(box, PRINCIPAL) as client:
        wrong = await post(client, "/mat-khau", current="sai", new="một câu khác hẳn", repeat="một câu khác hẳn")
        assert (wrong.status_code, "hiện tại chưa đúng" in wrong.text) == (403, True)
        done = await post(client, "/mat-khau", current=PASSWORD, new="một câu khác hẳn", repeat="một câu khác hẳn")
        assert done.headers["location"] == "/tai-khoan?xong=mat-khau"
        assert "Đã đổi mật khẩu" in (await client.get("/tai-khoan?xong=mat-khau")).text


async def test_a_stale_login_is_asked_in_place(box: FakeBox) -> None:
    """The API says login.stale; pages lead to the question and back; the proof changes the token."""
    box.accounts.old.add(PRINCIPAL.device)
    async with browser(box, PRINCIPAL) as client:
        refused = await client.post(f"/api/cameras/{MAM}/exports", json={"from_ms": 1, "to_ms": 2, "why": "x"})
        assert (refused.status_code, refused.json()["error"]["reason"]) == (403, "login.stale")
        assert (await client.get("/api/session/fresh")).json() == {"fresh": False}
        held = await client.post(f"/api/cameras/{MAM}/holds", json={"from_ms": 1, "to_ms": 2, "why": "giữ"})
        assert held.status_code == 201
        led = await post(client, "/khoa", act="unlock", passphrase="không ai được thấy")
        assert (led.status_code, led.headers["location"]) == (303, "/xac-nhan?ve=%2Fkhoa")
        assert 'value="/khoa"' in (await client.get("/xac-nhan?ve=%2Fkhoa")).text
        wrong = await post(client, "/xac-nhan", ve="/khoa", password="sai")
        assert (wrong.status_code, "set-cookie" in wrong.headers) == (403, False)
        done = await post(client, "/xac-nhan", ve="/khoa", password=PASSWORD)
        assert (done.status_code, done.headers["location"]) == (303, "/khoa")
        assert done.cookies["__Host-vuon-box"] == f"fresh-{PRINCIPAL.person}"
        assert (await post(client, "/khoa", act="lock")).headers["location"] == "/khoa"
    assert not [call for call in box.calls if "exports" in call]


async def test_a_proof_by_script(box: FakeBox) -> None:
    """JSON in, a new cookie out; what is missing is said by its reason; another form is BadInput."""
    box.accounts.old.add(TEACHER.device)
    async with browser(box, TEACHER) as client:
        missing = await client.post("/api/session/fresh", json={"password": PASSWORD})
        assert (missing.status_code, missing.json()["error"]["reason"]) == (403, "login.second")
        assert (await client.post("/api/session/fresh", json={"password": 7})).status_code == 400
        done = await client.post("/api/session/fresh", json={"password": PASSWORD, "code": DIGITS})
        assert (done.status_code, done.json()) == (200, {"fresh": True})
        assert (await client.get("/api/session/fresh")).json() == {"fresh": True}


async def test_sessions_are_their_owners_and_the_principals(box: FakeBox) -> None:
    """One lists and ends one's own; somebody else's looks like none; the principal ends anybody's."""
    async with browser(box, TEACHER) as client:
        listed = (await client.get("/api/sessions")).json()["sessions"]
        assert [(row["session"], row["place"], row["here"]) for row in listed] == [
            (HERE, "school", True),
            (THERE, "outside", False),
        ]
        answers = [await client.post(f"/api/sessions/{item}/end") for item in (HERS, pid("nobody"), "x")]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
        assert (await client.get(f"/api/people/{PRINCIPAL.person}/sessions")).status_code == 404
        assert (await client.post("/api/sessions/end-others")).json() == {"ended": 1}
    async with browser(box, PRINCIPAL) as client:
        assert (await client.post(f"/api/sessions/{HERE}/end")).json() == {"ended": 1}
    async with browser(box, MOTHER) as client:
        assert (await client.get("/api/sessions")).json() == {"sessions": []}


async def test_the_account_page_ends_logins_without_scripts(box: FakeBox) -> None:
    """Form posts; guardians have no such page."""
    async with browser(box, TEACHER) as client:
        page = (await client.get("/tai-khoan")).text
        assert ("Thiết bị không rõ" in page, "Máy này" in page, "từ bên ngoài" in page) == (True, True, True)
        assert (await post(client, "/tai-khoan", act="end", session=THERE)).status_code == 303
        assert (await post(client, "/tai-khoan", act="end", session="../x")).status_code == 404
        assert (await post(client, "/tai-khoan", act="dance")).status_code == 400
        assert (await post(client, "/tai-khoan", act="end_others")).status_code == 303
    assert [row.id for row in box.accounts.rows[TEACHER.person]] == [HERE]
    async with browser(box, MOTHER) as client:
        assert {(await client.get(path)).status_code for path in ("/tai-khoan", "/mat-khau", "/tai-khoan/lop-hai")} == {
            404
        }


async def test_the_second_step_is_switched_on_with_a_picture_and_off_again(box: FakeBox) -> None:
    """The secret is drawn and typed; digits that fit show the ten codes once; a stale login is asked first."""
    async with browser(box, PRINCIPAL) as client:
        page = (await client.get("/tai-khoan/lop-hai")).text
        assert ("<svg" in page, "JBSW Y3DP" in page, SECRET in page) == (True, True, False)
        wrong = await post(client, "/tai-khoan/lop-hai", act="on", code="000000")
        assert (wrong.status_code, "chưa khớp" in wrong.text) == (400, True)
        done = await post(client, "/tai-khoan/lop-hai", act="on", code=DIGITS)
        assert all(code in done.text for code in RECOVERY)
        after = (await client.get("/tai-khoan/lop-hai")).text
        assert not [code for code in (*RECOVERY, "JBSW") if code in after]
        box.accounts.old.add(PRINCIPAL.device)
        assert (await post(client, "/tai-khoan/lop-hai", act="off")).status_code == 403
        box.accounts.old.clear()
        assert (await post(client, "/tai-khoan/lop-hai", act="off")).status_code == 303
    async with browser(box, INSTALLER) as client:
        assert (await client.get("/tai-khoan/lop-hai")).headers["location"] == "/mat-khau"


async def test_the_principal_resets_and_renames(box: FakeBox) -> None:
    """A reset shows a code once; a taken name is refused; a teacher has no such page."""
    async with browser(box, PRINCIPAL) as client:
        page = await client.get("/tai-khoan/nhan-vien")
        assert ("hanh" in page.text, "abcd-efgh" in page.text) == (True, False)
        reset = await post(client, "/tai-khoan/nhan-vien", act="reset", person=TEACHER.person)
        assert "abcd-efgh-jklm-npqr" in reset.text
        taken = await post(client, "/tai-khoan/nhan-vien", act="rename", person=TEACHER.person, name="hanglt")
        assert (taken.status_code, "đã có người dùng" in taken.text) == (400, True)
        done = await post(client, "/tai-khoan/nhan-vien", act="rename", person=TEACHER.person, name="hanh.b")
        assert done.status_code == 303
        for person in (pid("nobody"), "x"):
            assert (await post(client, "/tai-khoan/nhan-vien", act="reset", person=person)).status_code == 404
        assert (await post(client, "/tai-khoan/nhan-vien", act="x", person=TEACHER.person)).status_code == 400
    async with browser(box, TEACHER) as client:
        assert (await client.get("/tai-khoan/nhan-vien")).status_code == 403


async def test_the_question_leads_back_to_the_page_as_it_was(box: FakeBox) -> None:
    """What stood behind the `?` is there again: led by a page, over a wrong password, back, and a form sent on."""
    box.accounts.old.add(PRINCIPAL.device)
    seen = f"/quyen?camera={MAM}&luc=2026-11-19T11%3A30"
    address = "/xac-nhan?" + urlencode({"ve": seen})
    async with browser(box, PRINCIPAL) as client:
        shown = (await client.get(address)).text
        assert f'name="ve" value="{escape(seen)}"' in shown
        assert f'href="{escape(seen)}"' in shown
        wrong = await post(client, "/xac-nhan", ve=seen, password="sai")
        assert f'name="ve" value="{escape(seen)}"' in wrong.text
        led = await post(client, f"/khoa?xem={'1' * 9}", act="unlock", passphrase="không ai được thấy")
        assert led.headers["location"] == "/xac-nhan?" + urlencode({"ve": f"/khoa?xem={'1' * 9}"})
        long = await post(client, f"/khoa?xem={'1' * 600}", act="unlock", passphrase="không ai được thấy")
        assert long.headers["location"] == "/xac-nhan?ve=%2Fkhoa"
        kept = await post(client, "/phu-huynh/phieu?lop=a2", ai=MOTHER.person, co="a6")
        assert 'name="ve" value="/phu-huynh/phieu?lop=a2"' in kept.text
        done = await post(client, "/xac-nhan", ve=seen, password=PASSWORD)
        assert (done.status_code, done.headers["location"]) == (303, seen)


@given(st.one_of(st.text(), st.text("/?#%\\&=;.a1 \r\n"), st.builds("/{}?{}".format, st.text("ab/"), st.text())))
def test_no_address_leads_elsewhere(text: str) -> None:
    """Whatever is typed into it: nothing, or a path of ours with a query of plain ASCII, which stays as it is."""
    way = onward(text)
    assert onward(way) == way
    if way:
        path, _, query = way.partition("?")
        assert path.startswith("/")
        assert not path.startswith("//")
        assert not set(way) & set('\\#\r\n\t <>"')
        assert way.isascii()
        assert way.isprintable()
        assert not query or parse_qsl(query, keep_blank_values=True) == parse_qsl(text.partition("?")[2], True)


def test_the_way_on_is_ours() -> None:
    """Only a page of this site is followed, with the query it was seen under."""
    for bad in (
        "//evil",
        "https://evil",
        "/\\evil",
        "evil",
        "",
        "/x#y",
        "/%2f",
        "//evil?x=1",
        "/\\evil?x=1",
        "?x=1",
        "/đ?x=1",
        "/a\nb",
        "/đ",
    ):
        assert way_on(bad, PRINCIPAL) == "/"
    assert way_on("/khoa", PRINCIPAL) == "/khoa"
    assert way_on("/quyen?ai=a2&luc=2026-11-19T11:30", PRINCIPAL) == "/quyen?ai=a2&luc=2026-11-19T11%3A30"
    assert way_on("/x?y#z", PRINCIPAL) == "/x?y%23z="
    assert way_on("", MOTHER) == "/p/"


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/126.0 Safari/537.36 Edg/126.0", "Edge · Windows"),
        ("Mozilla/5.0 (Linux; Android 14; SM-A155F) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36", "Chrome · Android"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) Version/17.5 Mobile/15E148 Safari/604.1", "Safari · iPhone"),
        ("curl/8", ""),
    ],
)  # fmt: skip
def test_devices_have_names_people_know(agent: str, name: str) -> None:
    """Browser and system instead of a user agent."""
    assert agent_name(agent) == name
