"""Signing in and out, cookies, and what counts as a person acting."""

from __future__ import annotations

from http.cookies import Morsel, SimpleCookie

import httpx
import pytest

from gateway.core.model import Secret
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import MAM, MOTHER, PRINCIPAL, FakeBox
from web.session import cookie_name

pytestmark = pytest.mark.anyio


def cookie_of(response: httpx.Response) -> Morsel[str]:
    jar = SimpleCookie()
    for header in response.headers.get_list("set-cookie"):
        jar.load(header)
    return next(morsel for name, morsel in jar.items() if "box" in name)


@pytest.fixture
def box() -> FakeBox:
    box = FakeBox(FakeClock())
    box.codes = {"ABCD-1234": PRINCIPAL}
    return box


@pytest.mark.parametrize(("secure", "name"), [(True, "__Host-vuon-box"), (False, "vuon-box")])
async def test_cookie_attributes_in_both_modes(box: FakeBox, secure: bool, name: str) -> None:
    """HttpOnly, SameSite=Strict, Path=/, no Domain; Secure and the __Host- prefix wherever TLS is spoken."""
    async with browser(box, secure=secure) as client:
        response = await client.post("/vao", data={"code": " ABCD-1234 "})
    morsel = cookie_of(response)
    assert morsel.key == name == cookie_name(secure=secure)
    assert (morsel["httponly"], morsel["samesite"].lower(), morsel["path"]) == (True, "strict", "/")
    assert morsel["domain"] == ""
    assert bool(morsel["secure"]) is secure
    assert int(morsel["max-age"]) == 12 * 3600
    assert (response.status_code, response.headers["location"]) == (303, "/")


async def test_a_code_works_once_and_every_wrong_one_looks_alike(box: FakeBox) -> None:
    """Used, unknown, empty and oversized codes give the same page and no cookie."""
    async with browser(box) as client:
        assert (await client.post("/vao", data={"code": "ABCD-1234"})).status_code == 303
        client.cookies.clear()
        bodies = [(await client.post("/vao", data={"code": code})).text for code in ("ABCD-1234", "x", "", "y" * 999)]
        assert (await client.post("/vao", content=b"\xff\xfe=%%%")).status_code == 403
    assert len(set(bodies)) == 1
    assert "Mã không dùng được" in bodies[0]
    assert "ABCD" not in bodies[0]


async def test_the_sign_in_page_spends_nothing_and_lets_a_signed_in_person_on(box: FakeBox) -> None:
    """A GET shows the form; somebody with a session is sent to the own first page."""
    async with browser(box) as client:
        page = await client.get("/vao?code=ABCD-1234")
    assert page.status_code == 200
    assert box.codes
    for caller, home in ((PRINCIPAL, "/"), (MOTHER, "/p/")):
        async with browser(box, caller) as client:
            assert (await client.get("/vao")).headers["location"] == home


async def test_signing_out_ends_the_session_and_clears_the_browser(box: FakeBox) -> None:
    """The token is dead afterwards, the cookie expired, caches and storage cleared."""
    async with browser(box, PRINCIPAL) as client:
        response = await client.post("/ra")
        assert cookie_of(response)["max-age"] == "0"
        assert response.headers["clear-site-data"] == '"cache", "storage"'
        client.cookies.set("__Host-vuon-box", f"token-{PRINCIPAL.person}")
        assert (await client.get("/api/cameras")).status_code == 401


async def test_pages_and_changes_count_as_activity_and_background_requests_do_not(box: FakeBox) -> None:
    """What a page fetches by itself must not keep a forgotten screen signed in."""
    async with browser(box, PRINCIPAL) as client:
        for path in ("/api/me", "/api/cameras", f"/api/cameras/{MAM}/still.jpg"):
            await client.get(path)
        await client.post(f"/whep/{MAM}", content=b"v=0", headers={"content-type": "application/sdp"})
        assert "active" not in box.calls
        await client.get("/")
        await client.post("/api/sharing/stop")
        assert box.calls.count("active") == 2


@pytest.mark.parametrize("value", ["", "x" * 129, "no-such-token"])
async def test_an_impossible_cookie_is_no_session(box: FakeBox, value: str) -> None:
    """Empty, oversized and unknown tokens are all 401."""
    async with browser(box) as client:
        client.cookies.set("__Host-vuon-box", value)
        assert (await client.get("/api/cameras")).status_code == 401


async def test_the_plain_cookie_is_no_session_where_tls_is_spoken(box: FakeBox) -> None:
    """A cookie that plain HTTP could have planted opens nothing."""
    async with browser(box) as client:
        client.cookies.set("vuon-box", f"token-{PRINCIPAL.person}")
        assert (await client.get("/api/cameras")).status_code == 401


async def test_no_page_holds_the_token_or_the_code(box: FakeBox) -> None:
    """Secrets stay in cookie and body; `Secret` does not even print."""
    async with browser(box, PRINCIPAL) as client:
        for path in ("/", "/api/me", f"/camera/{MAM}", "/api/cameras"):
            assert "token-" not in (await client.get(path)).text
    assert "ABCD" not in f"{Secret('ABCD-1234')}"


async def test_asking_who_is_signed_in_is_no_error_when_nobody_is(box: FakeBox) -> None:
    """The sign-in page asks this once; a 401 would stand in every visitor's console."""
    async with browser(box) as client:
        answer = await client.get("/api/me")
    assert (answer.status_code, answer.json()) == (200, None)
