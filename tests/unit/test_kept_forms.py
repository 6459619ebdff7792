"""A form that came when the login had grown old: it waits sealed, and opens for the person whose login it was."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from html import unescape
from pathlib import Path
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.agedlogins import KNOWN_S, MOST_KNOWN, AgedLogins
from gateway.access.audit import CONSOLE, Actor
from gateway.access.keptforms import KeptForms
from gateway.access.login import PROOF_S, STAFF_AGES
from gateway.access.reasons import Reason
from gateway.core.model import PublicId, Role
from tests.fakes.access_world import World, full_disk, school
from tests.fakes.clock import FakeClock
from tests.fakes.device import Browser
from tests.fakes.web_accounts import DIGITS
from tests.fakes.web_client import browser
from tests.fakes.web_services import CLASS_MAM, FATHER, MOTHER, PRINCIPAL, TEACHER, FakeBox, pid
from tests.unit.test_access_slips import slip_of
from web.caller import Caller
from web.carry import MOST_CHARS, MOST_SEALED
from web.session import cookie_name

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
PASSWORD = "một câu đủ dài"
PATH = f"/dong-y/lop/{CLASS_MAM}/be/{pid('childan')}"
TYPED = {"muc": "view", "cach": "mask", "thoa-thuan": "Che góc phải, mẹ Bé An đồng ý"}
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')


# the seal


async def signed_in(w: World, person: PublicId) -> tuple[str, PublicId]:
    code = await w.access.codes.create(CONSOLE, person)
    done = await w.access.codes.sign_in(code.text.reveal(), address="192.0.2.50", label="máy bàn")
    return done.token.reveal(), done.session.id


@pytest.mark.anyio
@pytest.mark.parametrize("swept", [False, True])
@pytest.mark.parametrize("after_s", [STAFF_AGES.idle_s, STAFF_AGES.absolute_s])
async def test_a_login_that_grew_old_is_known_by_its_token(tmp_path: Path, swept: bool, after_s: int) -> None:
    """Idle too long or too old, swept out or not: it is known whose it was, and it opens nothing."""
    async with school(tmp_path) as w:
        forms = KeptForms(w.access.store, w.access.logins)
        token, _ = await signed_in(w, w.principal)
        w.clock.tick(after_s)
        if swept:
            await w.access.logins.keep()
        assert w.access.logins.who(token) is None
        assert forms.whose(token) == w.principal
        assert forms.whose(token[:-1]) is None
        if swept:
            w.clock.tick(KNOWN_S)
            assert forms.whose(token) is None, "not for ever"


@pytest.mark.anyio
async def test_a_login_that_somebody_ended_keeps_nothing(tmp_path: Path) -> None:
    """Signed out, ended from another place, or its person disabled: the token says nothing of anybody."""
    async with school(tmp_path) as w:
        forms, logins = KeptForms(w.access.store, w.access.logins), w.access.logins
        out, _ = await signed_in(w, w.principal)
        await logins.sign_out(out)
        ended, session = await signed_in(w, w.principal)
        await logins.end(Actor(w.principal, session), session)
        teacher = await w.access.people.add(w.actor, Role.TEACHER, "Cô Hoa")
        hers, _ = await signed_in(w, teacher)
        await w.access.people.disable(w.actor, teacher)
        w.clock.tick(STAFF_AGES.idle_s)
        assert [forms.whose(token) for token in (out, ended, hers)] == [None, None, None]


@pytest.mark.anyio
async def test_a_sign_out_that_is_not_written_yet_keeps_nothing(tmp_path: Path) -> None:
    """The disk is full or slow: from the moment of the sign-out on the token says nothing, however old it becomes."""
    async with school(tmp_path) as w:
        forms = KeptForms(w.access.store, w.access.logins)
        token, _ = await signed_in(w, w.principal)
        assert forms.whose(token) is None, "it lives"
        with full_disk(w), pytest.raises(sqlite3.OperationalError):
            await w.access.logins.sign_out(token)
        assert forms.whose(token) is None
        w.clock.tick(STAFF_AGES.absolute_s)
        assert forms.whose(token) is None
        await w.access.logins.keep()
        assert forms.whose(token) is None, "written by the sweep, and still an end that somebody made"


@pytest.mark.anyio
@pytest.mark.parametrize("step_s", [-STAFF_AGES.absolute_s, STAFF_AGES.idle_s, STAFF_AGES.absolute_s])
async def test_a_stepped_clock_makes_no_sign_out_look_like_age(tmp_path: Path, step_s: int) -> None:
    """The wall clock is set before the sign-out, or before a login is swept out: what ended it is what counts."""
    async with school(tmp_path) as w:
        forms = KeptForms(w.access.store, w.access.logins)
        out, _ = await signed_in(w, w.principal)
        old, _ = await signed_in(w, w.principal)
        w.clock.step_wall(step_s * 1000)
        await w.access.logins.sign_out(out)
        assert (forms.whose(out), forms.whose(old)) == (None, None)
        w.clock.tick(STAFF_AGES.idle_s)
        await w.access.logins.keep()
        assert (forms.whose(out), forms.whose(old)) == (None, w.principal)


@pytest.mark.anyio
async def test_a_guardians_login_that_waits_for_a_proof_is_known(tmp_path: Path) -> None:
    """Its cookie is still the browser's; once the key is proven the login lives, and the older cookie says nothing."""
    async with school(tmp_path) as w:
        forms, phone = KeptForms(w.access.store, w.access.logins), Browser()
        bound = await phone.redeem(w.access, await slip_of(w, w.mother, checked=True))
        assert bound.signed_in is not None
        token = bound.signed_in.token.reveal()
        w.clock.tick(PROOF_S)
        await w.access.logins.keep()
        assert forms.whose(token) == w.mother
        await phone.enter(w.access)
        assert forms.whose(token) is None


def test_what_is_known_of_old_logins_is_bounded() -> None:
    """The oldest is forgotten first when there are too many, each after its time, and what did not grow old never known."""
    clock = FakeClock()
    aged, hashes = AgedLogins(clock.mono_ns), [number.to_bytes(4) for number in range(MOST_KNOWN + 1)]
    for one in hashes:
        aged.note(one, PRINCIPAL.person, Reason.SESSION_IDLE)
    assert [aged.whose(one) for one in hashes[:2]] == [None, PRINCIPAL.person]
    for reason in (None, Reason.SESSION_ENDED, Reason.PERSON_DISABLED):
        aged.note(b"other", TEACHER.person, reason)
        assert aged.whose(b"other") is None
    clock.tick(KNOWN_S)
    assert aged.whose(hashes[-1]) is None


@pytest.mark.anyio
async def test_what_was_sealed_opens_for_that_person_in_time_and_in_this_run(tmp_path: Path) -> None:
    """Another person, a later day, another run of the box, a changed letter: none of them opens it."""
    async with school(tmp_path) as w:
        forms = KeptForms(w.access.store, w.access.logins)
        sealed = forms.seal(w.principal, PATH, "a=Bé+An")
        assert "An" not in sealed
        assert forms.open(w.principal, sealed) == (PATH, "a=Bé+An")
        assert forms.open(w.mother, sealed) is None
        assert KeptForms(w.access.store, w.access.logins).open(w.principal, sealed) is None
        for odd in ("", "x", "é", sealed[:-8], ("B" if sealed[0] == "A" else "A") + sealed[1:]):
            assert forms.open(w.principal, odd) is None
        assert len(forms.seal(w.principal, "/" + "x" * 200, "a" * MOST_CHARS)) < MOST_SEALED
        w.clock.tick(KNOWN_S)
        assert forms.open(w.principal, sealed) is None


# the pages


@pytest.fixture
def box() -> FakeBox:
    made = FakeBox(FakeClock())
    made.accounts.add(PRINCIPAL, "hanglt", PASSWORD)
    made.accounts.add(TEACHER, "hoa", PASSWORD)
    made.accounts.over["old-token"] = PRINCIPAL.person
    return made


@asynccontextmanager
async def old_browser(box: FakeBox) -> AsyncIterator[httpx.AsyncClient]:
    """A browser whose cookie is a login that grew old."""
    async with browser(box) as client:
        client.cookies.set(cookie_name(secure=True), "old-token")
        yield client


def hidden(page: httpx.Response) -> dict[str, str]:
    return {unescape(name): unescape(value) for name, value in _HIDDEN.findall(page.text)}


async def post(client: httpx.AsyncClient, path: str, fields: dict[str, str]) -> httpx.Response:
    return await client.post(path, content=urlencode(fields), headers=FORM)


@pytest.mark.anyio
async def test_what_was_typed_waits_over_a_new_login_of_the_same_person(box: FakeBox) -> None:
    """Through a wrong password and a second factor; nothing of it is readable; one button sends it, and not before."""
    box.accounts.by_name["hanglt"].second = True
    async with old_browser(box) as client:
        page = await post(client, PATH, TYPED)
        assert (page.status_code, "Những gì vừa gõ vẫn còn" in page.text) == (401, True)
        assert "Che góc" not in page.text
        assert PATH not in page.text
        kept = hidden(page)
        wrong = await post(client, "/vao", kept | {"name": "hanglt", "password": "sai"})
        assert (wrong.status_code, hidden(wrong)) == (403, kept)
        second = await post(client, "/vao", kept | {"name": "hanglt", "password": PASSWORD})
        assert hidden(second) == kept | {"half": "half-hanglt"}
        missed = await post(client, "/vao/ma", hidden(second) | {"code": "000000"})
        assert hidden(missed) == hidden(second)
        back = await post(client, "/vao/ma", hidden(missed) | {"code": DIGITS})
        assert (back.status_code, hidden(back), f'action="{PATH}"' in back.text) == (200, TYPED, True)
        assert "set-cookie" in back.headers
        assert not [call for call in box.calls if call.startswith("settle")], (
            "nothing is done before its sender says so"
        )
        done = await post(client, PATH, hidden(back))
    assert (done.status_code, box.calls[-1]) == (303, "settle view mask Che góc phải, mẹ Bé An đồng ý")


@pytest.mark.anyio
async def test_another_person_at_the_same_device_reads_nothing_of_it(box: FakeBox) -> None:
    """They are signed in, told that it is gone, and led on; the words are on no page."""
    async with old_browser(box) as client:
        kept = hidden(await post(client, PATH, TYPED))
        box.codes["ABCD"] = MOTHER
        for fields in ({"name": "hoa", "password": PASSWORD}, {"code": "ABCD"}):
            page = await post(client, "/vao", kept | fields)
            assert (page.status_code, "set-cookie" in page.headers) == (200, True)
            assert "Không gửi tiếp được" in page.text
            assert not any(word in page.text for word in (TYPED["thoa-thuan"], PATH, CLASS_MAM))
            assert "<form" not in page.text.partition("<main")[2]


@pytest.mark.anyio
async def test_what_cannot_be_kept_is_said_to_be_lost(box: FakeBox) -> None:
    """No cookie, a login that was ended, a form with a secret, a body that is none: the page says that nothing was saved."""
    async with browser(box) as client:
        led = await post(client, PATH, TYPED)
        assert (led.status_code, led.headers["location"]) == (303, "/vao?mat=1")
        assert "chưa có gì được lưu" in (await client.get("/vao?mat=1")).text
        assert "chưa có gì được lưu" not in (await client.get("/vao")).text
        assert (await client.get("/dong-y")).headers["location"] == "/vao"
        assert (await client.post("/ra")).headers["location"] == "/vao", "who signs out twice lost nothing"
        assert (await post(client, "/p/dong-y", {"be": "x"})).status_code == 401
        assert (await client.post("/api/sharing/stop", json={})).status_code == 401
    async with old_browser(box) as client:
        secret = {"act": "unlock", "passphrase": "bí mật"}
        for path, fields in (("/khoa", secret), (PATH, {"thoa-thuan": "x" * MOST_CHARS})):
            led = await post(client, path, fields)
            assert (led.status_code, led.headers["location"]) == (303, "/vao?mat=1")
        assert (await post(client, "/khong-co", TYPED)).status_code == 404
        assert (await client.post(PATH, json=TYPED)).headers["location"] == "/vao?mat=1"
    assert box.accounts.sealed == []


@pytest.mark.anyio
async def test_a_sealed_form_leads_to_forms_of_ours_only(box: FakeBox) -> None:
    """What does not open, or leads to no form, is shown as gone; who must choose a password first does that."""
    async with old_browser(box) as client:
        box.accounts.sealed += [(PRINCIPAL.person, "//evil.example/x", "a=1"), (PRINCIPAL.person, "/api/me", "a=1")]
        for sealed in ("sealed-0", "sealed-1", "sealed-7", "x"):
            page = await post(client, "/vao", {"name": "hanglt", "password": PASSWORD, "giu": sealed})
            assert (page.status_code, "Không gửi tiếp được" in page.text, "evil" in page.text) == (200, True, False)
        assert (await post(client, "/vao", {"giu": "x" * (MOST_SEALED + 1), "code": "x"})).status_code == 400
        box.accounts.must.add(PRINCIPAL.person)
        asked = await post(client, "/vao", {"name": "hanglt", "password": PASSWORD, "giu": "sealed-0"})
        assert (asked.status_code, hidden(asked)["giu"], "evil" in asked.text) == (200, "sealed-0", False)
        plain = await post(client, "/vao", {"name": "hanglt", "password": PASSWORD})
        assert plain.headers["location"] == "/mat-khau"


@pytest.mark.anyio
async def test_a_form_waits_for_whoever_must_choose_a_password_first(box: FakeBox) -> None:
    """Through a refused password and another language; once it is set the form goes on, and to its sender only."""
    box.accounts.must.add(PRINCIPAL.person)
    async with old_browser(box) as client:
        kept = hidden(await post(client, PATH, TYPED))
        page = await post(client, "/vao", kept | {"name": "hanglt", "password": PASSWORD})
        assert (page.status_code, "vẫn còn đây" in page.text, 'action="/mat-khau"' in page.text) == (200, True, True)
        assert 'href="?lang' not in page.text, "no link that leaves the form behind"
        assert TYPED["thoa-thuan"] not in page.text, "sealed until a password is set"
        waits = {"giu": hidden(page)["giu"]}
        english = await post(client, "/mat-khau?lang=en", waits)
        assert (english.status_code, "still here" in english.text, hidden(english)["giu"]) == (200, True, waits["giu"])
        short = await post(client, "/mat-khau?lang=vi", waits | {"new": "ngắn", "repeat": "khác"})
        assert (short.status_code, hidden(short)["giu"]) == (400, waits["giu"])
        on = await post(client, "/mat-khau", waits | {"new": PASSWORD, "repeat": PASSWORD, "current": PASSWORD})
        assert (on.status_code, hidden(on)) == (200, TYPED)
        assert f'action="{PATH}"' in on.text
    async with browser(box, TEACHER) as client:
        theirs = await post(client, "/mat-khau", waits | {"new": PASSWORD, "repeat": PASSWORD, "current": PASSWORD})
        assert (theirs.status_code, "Không gửi tiếp được" in theirs.text, TYPED["thoa-thuan"] in theirs.text) == (
            200, True, False
        )  # fmt: skip
    async with browser(box, PRINCIPAL) as client:
        assert "vẫn còn đây" not in (await client.get("/mat-khau")).text


@pytest.mark.anyio
async def test_a_form_waits_on_when_the_time_for_a_first_password_is_over(box: FakeBox) -> None:
    """The page says so, asks for no password that nobody has, and leads over the next code to the form."""
    box.accounts.by_name["hanglt"].password = ""
    box.accounts.must.add(PRINCIPAL.person)
    box.codes = {"FIRST": PRINCIPAL, "NEXT": PRINCIPAL}
    chosen = {"new": PASSWORD, "repeat": PASSWORD}
    async with old_browser(box) as client:
        kept = hidden(await post(client, PATH, TYPED))
        waits = {"giu": hidden(await post(client, "/vao", kept | {"code": "FIRST"}))["giu"]}
        box.accounts.old.add(PRINCIPAL.device)
        late = await post(client, "/mat-khau", waits | chosen)
        assert (late.status_code, hidden(late), 'action="/vao"' in late.text) == (403, waits, True)
        assert "trong mười phút" in late.text
        assert 'type="password"' not in late.text
        assert PASSWORD not in late.text
        assert box.accounts.by_name["hanglt"].password == ""
        again = await post(client, "/vao", hidden(late))
        assert (again.status_code, hidden(again), "Những gì vừa gõ vẫn còn" in again.text) == (200, waits, True)
        assert "return.js" not in again.text, "a script that goes on with the login that is too old would drop the form"
        asked = await post(client, "/vao", hidden(again) | {"code": "NEXT"})
        box.accounts.old.clear()
        on = await post(client, "/mat-khau", {"giu": hidden(asked)["giu"]} | chosen)
        assert (on.status_code, hidden(on), f'action="{PATH}"' in on.text) == (200, TYPED, True)
        box.accounts.by_name["hanglt"].password = ""
        box.accounts.old.add(PRINCIPAL.device)
        bare = await post(client, "/mat-khau?lang=en", chosen)
        assert (bare.status_code, "within ten minutes" in bare.text, "giu" in hidden(bare)) == (403, True, False)
        assert 'action="/ra"' in bare.text, "without a form the way on is out"


@pytest.mark.anyio
async def test_another_language_does_not_drop_what_waits(box: FakeBox) -> None:
    """The page that holds a form has no link that leaves it: its language comes by a form that brings it along."""
    box.accounts.by_name["hanglt"].second = True
    async with old_browser(box) as client:
        page = await post(client, PATH, TYPED)
        assert 'href="?lang' not in page.text
        kept = hidden(page)
        english = await post(client, "/vao?lang=en", kept)
        assert (english.status_code, "still here" in english.text, hidden(english)) == (200, True, kept)
        assert 'action="/vao?lang=vi"' in english.text
        second = await post(client, "/vao", kept | {"name": "hanglt", "password": PASSWORD})
        assert 'href="/vao"' not in second.text, "the way back brings it along too"
        assert 'href="?mat=1&amp;lang=en"' in (await client.get("/vao?mat=1&lang=vi")).text
    box.accounts.over["old-token"] = MOTHER.person
    async with old_browser(box) as client:
        for path in ("/p/dong-y/rut", "/p/dong-y"):
            page = await post(client, path, {"be": pid("childan"), "muc": "view"})
            assert (page.status_code, "?lang=" in page.text) == (401, False)
    async with browser(box) as client:
        assert "?lang=" not in (await post(client, "/p/dong-y/rut", {"be": "x"})).text
        assert "?lang=en" in (await client.get("/p/")).text


@pytest.mark.anyio
async def test_what_stood_behind_the_address_waits_too(box: FakeBox) -> None:
    """A form that was sent to a page with a query goes on to that page, its query written anew."""
    async with old_browser(box) as client:
        kept = hidden(await post(client, f"{PATH}?ngay=2026-09-01&q=B%C3%A9 An", TYPED))
        back = await post(client, "/vao", kept | {"name": "hanglt", "password": PASSWORD})
        assert f'action="{PATH}?ngay=2026-09-01&amp;q=B%C3%A9+An"' in back.text
        assert hidden(back) == TYPED


@pytest.mark.anyio
async def test_a_login_that_ends_while_a_form_is_judged_loses_nothing_in_silence(
    box: FakeBox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It grows old between the guard and the question who it is: the form waits; it was ended: it is said to be lost."""
    token = f"token-{PRINCIPAL.person}"
    stale = box.accounts.stale

    def ends(caller: Caller) -> bool:
        box.sessions.pop(token, None)
        return stale(caller)

    monkeypatch.setattr(box.accounts, "stale", ends)
    box.accounts.old.add(PRINCIPAL.device)
    sheet = {"ai": MOTHER.person, "co": "a6"}
    async with browser(box, PRINCIPAL) as client:
        assert (await post(client, "/phu-huynh/phieu", sheet)).headers["location"] == "/vao?mat=1"
    box.accounts.over[token] = PRINCIPAL.person
    async with browser(box, PRINCIPAL) as client:
        page = await post(client, "/phu-huynh/phieu", sheet)
        assert (page.status_code, "Những gì vừa gõ vẫn còn" in page.text) == (401, True)


@given(st.dictionaries(st.sampled_from(["muc", "thoa-thuan", "tu", "la"]), st.text(max_size=40), max_size=4))
def test_the_seal_keeps_text_as_it_is(fields: dict[str, str]) -> None:
    """Whatever somebody types comes back letter by letter."""

    class Bare:
        clock = FakeClock()

    forms = KeptForms(Bare(), Bare())  # type: ignore[arg-type]  # sealing asks for the clock alone
    text = urlencode(fields, errors="replace")
    found = forms.open(PRINCIPAL.person, forms.seal(PRINCIPAL.person, PATH, text))
    assert found is not None
    assert parse_qsl(found[1], keep_blank_values=True) == parse_qsl(text, keep_blank_values=True)


@pytest.mark.anyio
async def test_a_guardians_form_waits_while_the_browser_proves_its_key(box: FakeBox) -> None:
    """The page holds it sealed for the browser's own return; another family's browser opens nothing."""
    box.accounts.over["old-token"] = MOTHER.person
    withdrawal = {"be": pid("childan"), "muc": "view"}
    async with old_browser(box) as client:
        page = await post(client, "/p/dong-y/rut", withdrawal)
        assert (page.status_code, "chờ ở trang này" in page.text, pid("childan") in page.text) == (401, True, False)
        kept = hidden(page)
    async with browser(box, FATHER) as client:
        other = await post(client, "/p/gui-tiep", kept)
        assert ("Không gửi tiếp được" in other.text, pid("childan") in other.text) == (True, False)
    async with browser(box, MOTHER) as client:
        back = await post(client, "/p/gui-tiep", kept)
        assert (hidden(back), 'action="/p/dong-y/rut"' in back.text) == (withdrawal, True)
    async with browser(box, TEACHER) as client:
        assert (await post(client, "/p/gui-tiep", kept)).status_code == 404
    async with browser(box) as client:
        page = await post(client, "/p/dong-y/rut", withdrawal)
        assert (page.status_code, "chưa được lưu" in page.text, hidden(page)) == (401, True, {})
        assert "chưa được lưu" not in (await client.get("/p/")).text
