"""One table over all routes of both applications: headers, foreign origins, foreign hosts, cookies."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from fastapi.routing import APIRoute

from tests.fakes.clock import FakeClock
from tests.fakes.hub_fleet import hub_store
from tests.fakes.hub_fleet import services as hub_services
from tests.fakes.route_driver import FILLED
from tests.fakes.web_client import browser
from tests.fakes.web_services import MAM, MOTHER, PRINCIPAL, FakeBox
from web.app import create_app
from web.headers import CONTENT_POLICY, SAFE_METHODS
from web.hub_app import create_hub_app
from web.hub_services import cookie_name as hub_cookie_name

pytestmark = pytest.mark.anyio
PLACES = (
    "session", "wall", "playback", "hold", "order", "person", "class_id", "child", "sheet", "draft", "key", "secret", "visit"
)  # fmt: skip
IDS = {
    **dict.fromkeys(PLACES, "a" * 16),
    "camera": MAM,
    "stream": "main",
}


def routes() -> list[tuple[str, str]]:
    app = create_app(FakeBox(FakeClock()).services())
    return sorted(
        (method, re.sub(r"\{path:path\}", "x", route.path).format(**FILLED | IDS))
        for route in app.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
        if route.path != "/api/events"  # test_web_events: it does not end
    )


UNSAFE = [(method, path) for method, path in routes() if method not in SAFE_METHODS]


@pytest.mark.parametrize("caller", [None, PRINCIPAL, MOTHER], ids=["nobody", "principal", "guardian"])
async def test_every_answer_of_every_route_carries_the_headers(caller: object) -> None:
    """CSP without frames, nosniff, no referrer, no other origin's use; kept by no cache, and by none for another."""
    for method, path in routes():
        async with browser(FakeBox(FakeClock()), caller) as client:  # type: ignore[arg-type]  # a Caller or None
            headers = (await client.request(method, path)).headers
        where = f"{method} {path}"
        assert headers["content-security-policy"] == CONTENT_POLICY, where
        assert "frame-ancestors 'none'" in headers["content-security-policy"], where
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY"), where
        assert headers["referrer-policy"] == "no-referrer", where
        assert headers["cross-origin-resource-policy"] == "same-origin", where
        assert headers["strict-transport-security"] == "max-age=31536000", where
        assert not [name for name in headers if name.startswith("access-control")], where
        if path.startswith("/static/") and "immutable" in headers["cache-control"]:
            continue
        assert headers["cache-control"] == "no-store", where
        assert {"cookie", "authorization"} <= {item.strip().lower() for item in headers["vary"].split(",")}, where


@pytest.mark.parametrize(("origin", "site"), [("https://evil.test", "cross-site"), ("null", None), (None, "none")])
async def test_no_route_takes_a_change_from_another_origin(origin: str | None, site: str | None) -> None:
    """403 on every unsafe route before cookie or body is read, also with the principal's cookie."""
    assert len(UNSAFE) > 15
    for method, path in UNSAFE:
        box = FakeBox(FakeClock())
        async with browser(box, PRINCIPAL) as client:
            for name, value in (("Origin", origin), ("Sec-Fetch-Site", site)):
                client.headers.pop(name, None)
                if value is not None:
                    client.headers[name] = value
            answer = await client.request(method, path, content=b"{}")
        assert answer.status_code == 403, f"{method} {path}"
        assert "origin" in answer.text
        assert box.calls == [], f"{method} {path}"


@pytest.mark.parametrize("host", ["evil.test", "vuon.test.evil.test", "127.0.0.1.evil.test", "10.0.0.9"])
async def test_no_route_answers_to_a_name_that_is_not_ours(host: str) -> None:
    """421 on every route and method: a page that was rebound to the box's address reaches nothing."""
    for method, path in routes():
        box = FakeBox(FakeClock())
        async with browser(box, PRINCIPAL) as client:
            answer = await client.request(method, path, headers={"Host": host, "Origin": f"https://{host}"})
        assert answer.status_code == 421, f"{method} {path}"
        assert box.calls == [], f"{method} {path}"


async def test_preflights_are_answered_nowhere() -> None:
    """No route says that another origin may do anything, asked in the way browsers ask."""
    for _, path in UNSAFE:
        headers = {"Origin": "https://evil.test", "Access-Control-Request-Method": "POST"}
        async with browser(FakeBox(FakeClock())) as client:
            answer = await client.options(path, headers=headers)
        assert not [name for name in answer.headers if name.startswith("access-control")], path


async def test_the_session_cookie_cannot_be_read_or_sent_by_others() -> None:
    """`__Host-`, Secure, HttpOnly, SameSite=Strict, for the whole site and no other host."""
    box = FakeBox(FakeClock())
    box.codes["abcd"] = PRINCIPAL
    async with browser(box) as client:
        form = {"content-type": "application/x-www-form-urlencoded"}
        answer = await client.post("/vao", content=b"code=abcd", headers=form)
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-vuon-box=")
    assert {"Secure", "HttpOnly", "SameSite=strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
    assert "Domain" not in cookie


# the hub

HUB: dict[tuple[str, str], str] = {
    ("GET", "/vao"): "public",
    ("POST", "/vao"): "public",
    ("GET", "/static/{version}/{path:path}"): "public",
    ("GET", "/"): "officer",
    ("GET", "/api/board"): "officer",
    ("POST", "/v1/enrol"): "claimant",
    ("POST", "/v1/hello"): "box",
    ("POST", "/v1/events/{stream}"): "box",
    ("POST", "/ra"): "public",
}
"""Who reaches what of the hub, apart from its guards."""


@asynccontextmanager
async def hub(folder: Path) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A hub with one school, and a token of its officer."""
    clock = FakeClock()
    async with hub_store(folder, clock) as store:
        token = await store.staff.redeem(await store.staff.make_code())
        app = create_hub_app(hub_services(store, clock, secure=True, hosts=frozenset({"hub.test"})))
        served = {(m, r.path) for r in app.routes if isinstance(r, APIRoute) for m in r.methods or ()}
        assert served == set(HUB), "say in HUB who reaches the route"
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="https://hub.test") as client:
            yield client, token


async def test_the_hub_lets_each_through_its_own_door_only(tmp_path: Path) -> None:
    """No session, no board; no signature, no events, whatever cookie comes with it; all with the headers."""
    name = hub_cookie_name(secure=True)
    async with hub(tmp_path) as (client, token):
        for (method, path), who in HUB.items():
            url = path.replace("{path:path}", "x").format(version="v", stream="0199aaaa-0000-7000-8000-000000000000")
            for cookie in ("", "forged", token):
                headers = {"Origin": "https://hub.test", "Sec-Fetch-Site": "same-origin"}
                headers |= {"Cookie": f"{name}={cookie}"} if cookie else {}
                answer = await client.request(method, url, headers=headers)
                where = f"{method} {path} {cookie[:3]}"
                assert answer.headers["content-security-policy"] == CONTENT_POLICY, where
                if who == "officer":
                    let_in = cookie == token
                    assert answer.status_code == (200 if let_in else 401 if "/api/" in path else 303), where
                elif who in {"box", "claimant"}:
                    assert answer.status_code in {400, 401, 403}, where
                    assert "error" in answer.json(), where
            foreign = await client.request(method, url, headers={"Origin": "https://evil.test"})
            if method == "POST" and who == "public":
                assert foreign.status_code == 403, path
