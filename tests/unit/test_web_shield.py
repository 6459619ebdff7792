"""Headers on every answer; hosts, origins and bodies that never reach a route."""

from __future__ import annotations

import pytest

from gateway.core.model import PublicId
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import MAM, MOTHER, PRINCIPAL, FakeBox
from web.headers import CONTENT_POLICY, MAX_BODY_BYTES

pytestmark = pytest.mark.anyio
EVERYWHERE = ("/", "/vao", "/p/", "/api/me", "/nowhere", f"/api/cameras/{MAM}/still.jpg", "/manifest.webmanifest")


class BrokenRights(FakeBox):
    """A box with a bug: asking for classes raises what nobody expects."""

    def classes(self, caller: object) -> list[object]:  # type: ignore[override]  # raises anyway
        raise RuntimeError(f"secret of {caller}")


@pytest.mark.parametrize("path", EVERYWHERE)
async def test_every_answer_carries_the_headers(path: str) -> None:
    """CSP, nosniff, frame and referrer rules, no-store: for pages, JSON, pictures, errors, redirects."""
    for caller in (None, PRINCIPAL, MOTHER):
        async with browser(FakeBox(FakeClock()), caller) as client:
            headers = (await client.get(path)).headers
        assert headers["content-security-policy"] == CONTENT_POLICY
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cache-control"] == "no-store"
        assert headers["strict-transport-security"] == "max-age=31536000"
        assert "microphone=()" in headers["permissions-policy"]


async def test_the_answer_to_a_bug_carries_them_too_and_none_of_its_words() -> None:
    """An unexpected error is 500 "internal" with all headers and without its message."""
    async with browser(BrokenRights(FakeClock()), MOTHER) as client:
        for path in ("/p/", "/api/class"):
            response = await client.get(path)
            assert response.status_code == 500
            assert response.headers["content-security-policy"] == CONTENT_POLICY
            assert "secret" not in response.text
            assert "internal" in response.text


def test_the_content_policy_allows_no_inline_code_and_no_other_origin() -> None:
    """Scripts and styles are our files only; no markup from strings; nobody frames us."""
    rules = dict(rule.strip().split(" ", 1) for rule in CONTENT_POLICY.split(";"))
    assert rules["default-src"] == rules["script-src"] == rules["style-src"] == "'self'"
    assert "unsafe" not in CONTENT_POLICY
    assert "http" not in CONTENT_POLICY
    assert (rules["frame-ancestors"], rules["base-uri"], rules["object-src"]) == ("'none'", "'none'", "'none'")
    assert rules["require-trusted-types-for"] == "'script'"


async def test_plain_loopback_promises_no_tls() -> None:
    """HSTS is sent only where TLS is spoken."""
    async with browser(FakeBox(FakeClock()), secure=False) as client:
        assert "strict-transport-security" not in (await client.get("/vao")).headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("vuon.test", 200), ("VUON.test:443", 200), ("evil.test", 421), ("vuon.test.evil.test", 421), ("", 421),
        ("10.0.0.9", 421), ("[::1", 421), ("vuon.test@evil.test", 421),
    ],
)  # fmt: skip
async def test_only_our_own_names_are_answered(host: str, status: int) -> None:
    """A page that was rebound to this address reaches no route."""
    async with browser(FakeBox(FakeClock())) as client:
        response = await client.get("/vao", headers={"Host": host})
    assert response.status_code == status
    assert response.headers["content-security-policy"] == CONTENT_POLICY


async def test_the_address_the_connection_came_in_on_is_our_name_too() -> None:
    """Installers open the box by its address; a literal cannot be rebound."""
    async with browser(FakeBox(FakeClock()), hosts=frozenset()) as client:
        # httpx's in-memory transport reports the URL's host as the server's address.
        assert (await client.get("https://192.0.2.5/vao")).status_code == 200
        assert (await client.get("https://192.0.2.5/vao", headers={"Host": "192.0.2.6"})).status_code == 421


@pytest.mark.parametrize(
    ("origin", "site", "passes"),
    [
        ("https://vuon.test", "same-origin", True),
        ("https://vuon.test", None, True),
        ("null", "same-origin", True),
        (None, "same-origin", True),
        ("null", None, False),
        (None, None, False),
        ("https://evil.test", "cross-site", False),
        ("https://evil.test", None, False),
        ("https://evil.test", "same-origin", False),
        ("https://vuon.test", "cross-site", False),
        ("https://vuon.test", "same-site", False),
        (None, "none", False),
        ("http://vuon.test", None, False),
        ("https://vuon.test:8443", None, False),
    ],
)
@pytest.mark.parametrize("path", ["/api/sharing/stop", "/vao", "/ra", "/api/slip", f"/whep/{MAM}"])
async def test_a_change_must_come_from_our_own_page(
    path: str, origin: str | None, site: str | None, passes: bool
) -> None:
    """A foreign or unproven origin is 403 before any cookie is read, on every kind of change."""
    box = FakeBox(FakeClock())
    async with browser(box, PRINCIPAL) as client:
        for name, value in (("Origin", origin), ("Sec-Fetch-Site", site)):
            client.headers.pop(name, None)
            if value is not None:
                client.headers[name] = value
        response = await client.post(path)
    unproven = path.startswith("/whep/") and (origin, site) == (None, None)  # no page at all: a player without token
    refused = (
        response.status_code == (401 if unproven else 403) and ("sign_in" if unproven else "origin") in response.text
    )
    assert refused is not passes
    if not passes:
        assert box.calls == []


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
async def test_other_methods_need_the_proof_as_well(method: str) -> None:
    """PATCH and DELETE are changes."""
    async with browser(FakeBox(FakeClock()), PRINCIPAL) as client:
        response = await client.request(method, f"/whep/{MAM}/s0", headers={"Sec-Fetch-Site": "cross-site"})
    assert response.json()["error"]["code"] == "origin"


async def test_a_declared_large_body_is_refused_unread() -> None:
    """Content-Length above the cap is 413."""
    async with browser(FakeBox(FakeClock())) as client:
        response = await client.post("/api/slip", content=b"x" * (MAX_BODY_BYTES + 1))
        assert (response.status_code, response.json()["error"]["code"]) == (413, "too_big")
        assert (await client.post("/vao", headers={"Content-Length": "-5"})).status_code == 413


async def test_an_undeclared_large_body_is_cut_off() -> None:
    """A chunked body is counted as it comes."""
    sent = 0

    async def endless() -> object:
        nonlocal sent
        while sent < 100 * MAX_BODY_BYTES:
            sent += 8192
            yield b"x" * 8192

    async with browser(FakeBox(FakeClock())) as client:
        response = await client.post("/api/slip", content=endless())  # type: ignore[arg-type]  # an async generator
    assert response.status_code == 413
    # httpx hands over a generator's parts as the app asks for them.
    assert sent <= MAX_BODY_BYTES + 2 * 8192


async def test_websockets_are_not_served() -> None:
    """There is none, so the layer refuses the protocol before any route."""
    from web.app import create_app

    app = create_app(FakeBox(FakeClock()).services())
    with pytest.raises(RuntimeError, match="only HTTP"):
        await app({"type": "websocket", "path": "/", "headers": []}, None, None)  # type: ignore[arg-type]  # never used


@pytest.mark.parametrize("path", [f"/whep/{MAM}", "/whep/anything", f"/whep/{PublicId('x')}/s0"])
async def test_options_open_nothing_to_other_origins(path: str) -> None:
    """No CORS header is ever sent, preflight included."""
    async with browser(FakeBox(FakeClock())) as client:
        headers = {"Origin": "https://evil.test", "Access-Control-Request-Method": "POST"}
        response = await client.options(path, headers=headers)
    assert response.status_code == 200
    assert response.headers["accept-post"] == "application/sdp"
    assert not [name for name in response.headers if name.startswith("access-control")]
