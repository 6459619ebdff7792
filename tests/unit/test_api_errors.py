"""One shape for every refusal, whoever makes it and whoever reads it."""

from __future__ import annotations

import ast
import itertools
import json
import re
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import APIRoute

import web
from gateway.core.errors import BadInput, CodeRefused, DaemonUnavailable, Denied, HubBusy, LiveFull, all_errors
from gateway.core.i18n import LANGUAGES
from gateway.core.model import Decision
from tests.fakes.clock import FakeClock
from tests.fakes.route_table import POINT, PROOF
from tests.fakes.web_client import browser
from tests.fakes.web_services import MAM, MOTHER, PRINCIPAL, TEACHER, FakeBox
from web.api_events import MAX_PER_PERSON
from web.app import create_app
from web.bodies import _KINDS, FieldProblem, bodies_of
from web.guards import Guard
from web.headers import MAX_BODY_BYTES
from web.i18n import Words
from web.pages_keys import KeyForm
from web.problems import REFUSALS, body_of, problem_of, retry_after, status_of

pytestmark = pytest.mark.anyio
SDP, JSON = {"content-type": "application/sdp"}, {"content-type": "application/json"}
SPAN = {"from_ms": 1, "to_ms": 2, "why": "x"}
HOLDS = f"/api/cameras/{MAM}/holds"
BIG = b"x" * (MAX_BODY_BYTES + 1)

REFUSED: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "/api/nowhere", {}, 404, "not_found"),
    ("PUT", "/api/holds", {}, 404, "not_found"),
    ("GET", f"/whep/{MAM}", {}, 405, "method"),
    ("POST", "/api/sharing/stop", {"headers": {"Sec-Fetch-Site": "cross-site"}}, 403, "origin"),
    ("POST", HOLDS, {"content": BIG, "headers": JSON}, 413, "too_big"),
    ("POST", HOLDS, {"content": b"a=b", "headers": {"content-type": "text/plain"}}, 415, "media_type"),
    ("POST", HOLDS, {"content": b"{", "headers": JSON}, 400, "bad_input"),
    ("POST", HOLDS, {"json": SPAN | {"days": "x"}}, 400, "bad_input"),
    ("GET", f"/api/cameras/{MAM}/timeline?from=x&to=2", {}, 400, "bad_input"),
    ("POST", f"/whep/{MAM}", {"content": b"v=0"}, 415, "media_type"),
    ("POST", f"/whep/{MAM}", {"content": b"\xff", "headers": SDP}, 400, "offer_refused"),
    ("GET", "/api/cameras", {"headers": {"Host": "evil.test"}}, 421, "host"),
    ("GET", "/api/exports/aaaaaaaaaaaaaaaa/file", {}, 404, "not_found"),
    (
        "POST",
        "/api/slip",
        {"json": PROOF | {"secret": "no", "key": POINT}},
        403,
        "code_refused",
    ),
]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("method", "path", "more", "status", "code"), REFUSED)
async def test_scripts_get_code_title_and_remedy(
    method: str, path: str, more: dict[str, Any], status: int, code: str, language: str
) -> None:
    """Unknown paths, other methods, foreign pages, too much, another type, no JSON, wrong values: one shape in words."""
    async with browser(FakeBox(FakeClock()), PRINCIPAL, language=language) as client:
        answer = await client.request(method, path, **more)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert error["code"] == code
    assert error["title"]
    assert error["hint"]
    assert answer.json().keys() == {"error"}


@pytest.mark.parametrize(
    ("method", "path", "more", "status"),
    [
        ("GET", "/nowhere", {}, 404),
        ("POST", "/ra", {"headers": {"Origin": "https://evil.test"}}, 403),
        ("POST", "/khoa", {"content": BIG}, 413),
        ("POST", "/khoa", {"content": b"act=eat"}, 400),
        ("POST", "/khoa", {"content": b"&".join([b"a=b"] * 100)}, 400),
    ],
)
async def test_people_get_a_page_of_the_same(method: str, path: str, more: dict[str, Any], status: int) -> None:
    """With title and remedy in words, and the code for whoever helps them."""
    async with browser(FakeBox(FakeClock()), PRINCIPAL) as client:
        answer = await client.request(method, path, **more)
    assert answer.status_code == status
    assert answer.headers["content-type"].startswith("text/html")
    assert "<h1>" in answer.text
    assert "Mã: " in answer.text


async def test_under_a_name_that_is_not_ours_nothing_of_the_school_is_told() -> None:
    """A page that was rebound to the box's address reads two sentences: neither name nor telephone."""
    async with browser(FakeBox(FakeClock())) as client:
        answer = await client.get("/vao", headers={"Host": "evil.test"})
    assert answer.status_code == 421
    assert "Hoa Sen" not in answer.text
    assert "0225" not in answer.text
    assert "web.names" in answer.text


async def test_a_bug_has_the_same_shape_and_none_of_its_words() -> None:
    """500 "internal" for scripts and as a page."""

    class Broken(FakeBox):
        def classes(self, caller: object) -> list[object]:  # type: ignore[override]  # raises anyway
            raise RuntimeError("secret")

    async with browser(Broken(FakeClock()), MOTHER) as client:
        machine, page = await client.get("/api/class"), await client.get("/p/")
    assert machine.json()["error"]["code"] == "internal"
    assert "<h1>" in page.text
    assert "secret" not in machine.text + page.text


async def test_too_many_streams_say_when_to_come_back() -> None:
    """429 with a header that every client knows."""
    box = FakeBox(FakeClock())
    app = create_app(box.services())
    with ExitStack() as places:
        for _ in range(MAX_PER_PERSON):
            places.enter_context(app.state.streams.place(MOTHER))
        async with browser(box, MOTHER, app=app) as client:
            answer = await client.get("/api/events")
    assert (answer.status_code, answer.json()["error"]["code"]) == (429, "too_many")
    assert answer.headers["retry-after"] == "10"


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({}, [("from_ms", "missing"), ("to_ms", "missing"), ("why", "missing")]),
        (SPAN | {"from_ms": "1"}, [("from_ms", "whole")]),
        (SPAN | {"from_ms": True}, [("from_ms", "whole")]),
        (SPAN | {"to_ms": 1 << 60}, [("to_ms", "range")]),
        (SPAN | {"why": 3}, [("why", "text")]),
        (SPAN | {"secret-key-of-mine": 3}, [("", "unknown")]),
        ([], [("", "object")]),
    ],
)
async def test_a_wrong_body_says_which_key_and_what_it_should_be(body: object, told: list[tuple[str, str]]) -> None:
    """By the names that we gave, with bounds of ours; nothing that was sent comes back."""
    async with browser(FakeBox(FakeClock()), PRINCIPAL) as client:
        answer = await client.post(HOLDS, json=body)
    assert answer.status_code == 400
    fields = answer.json()["error"]["fields"]
    assert [(item["key"], item["problem"]) for item in fields] == told
    assert all(item["says"] for item in fields)
    assert "secret-key-of-mine" not in answer.text


async def test_a_wrong_address_says_which_part() -> None:
    """Parameters of the query are named by what stands there."""
    async with browser(FakeBox(FakeClock()), PRINCIPAL) as client:
        answer = await client.get(f"/api/cameras/{MAM}/still.jpg?w=secret-value")
        missing = await client.get(f"/api/cameras/{MAM}/timeline?from=1")
    assert [(item["key"], item["problem"]) for item in answer.json()["error"]["fields"]] == [("w", "choice")]
    assert [(item["key"], item["problem"]) for item in missing.json()["error"]["fields"]] == [("to", "missing")]
    assert "secret-value" not in answer.text


def test_a_case_that_the_rooms_name_is_told_in_their_words() -> None:
    """With numbers of ours; a case that would repeat what was sent keeps the general words."""
    words = Words("vi", "Asia/Ho_Chi_Minh")
    long = body_of(BadInput("too long", case="export_long"), words)["error"]
    assert "6 giờ" in long["title"]
    days = body_of(BadInput("days", case="hold_days", key="days", limit=400), words)["error"]
    assert "400" in days["title"]
    assert days["fields"][0]["key"] == "days"
    echo = body_of(BadInput("hour", case="hour", value="<what was sent>"), words)["error"]
    assert "what was sent" not in json.dumps(echo)


def test_when_to_come_back_is_said_in_one_way() -> None:
    """By what the error says, else the usual pause where a pause helps; never zero."""
    assert retry_after(403, CodeRefused("wait", retry_after_s=90)) == {"Retry-After": "90"}
    assert retry_after(429, HubBusy("wait", retry_after_s=0.2)) == {"Retry-After": "1"}
    assert retry_after(503, LiveFull("full")) == retry_after(429) == {"Retry-After": "10"}
    assert retry_after(403, Denied("no")) == {}
    assert status_of(DaemonUnavailable("away")) == 503


def test_every_refusal_and_every_wrong_value_has_words() -> None:
    """Both catalogues; an unknown code gets the general words."""
    for language in LANGUAGES:
        words = Words(language, "Asia/Ho_Chi_Minh")
        for code in [*REFUSALS.values(), "offer", "player", "other"]:
            assert problem_of(code, words)["title"] != problem_of("http_418", words)["title"] or code == "other"
        for kind in {*_KINDS.values(), "form"}:
            assert "{" not in FieldProblem("from_ms", kind).told(words)["says"]
        for error in all_errors():
            assert body_of(error("x"), words)["error"]["code"] == error.code


# bodies


async def test_no_form_of_any_page_breaks_on_what_is_no_form() -> None:
    """More fields than there can be, and bytes that are no text: a refusal that says so, never a fault of ours."""
    forms = [b"&".join([b"a=b"] * 2000), b"\xff\xfe=\xff"]
    paths = [route.path for route in routes() if "POST" in (route.methods or ()) and "/api/" not in route.path]
    headers = {"content-type": "application/x-www-form-urlencoded"}
    refused = Counter[str]()
    for caller, path, content in itertools.product((PRINCIPAL, TEACHER, MOTHER), paths, forms):
        async with browser(FakeBox(FakeClock()), caller) as client:  # its own: some of these sign out
            answer = await client.post(re.sub(r"\{\w+\}", "a" * 16, path), content=content, headers=headers)
        assert answer.status_code < 500, f"{path} {content[:4]!r}"
        refused[path] += answer.status_code == 400
    assert all(refused[path] for path in ("/p/may/ket-thuc", "/phu-huynh/phieu", "/nhat-ky/tep"))


def routes() -> list[APIRoute]:
    return [route for route in create_app(FakeBox(FakeClock()).services()).routes if isinstance(route, APIRoute)]


def test_a_body_is_read_after_the_guard() -> None:
    """Whoever may not ask is told so before anything of theirs is read; no route takes a body past the models."""
    for route in routes():
        declared: list[Any] = [item.call for item in route.dependant.dependencies]
        for body in bodies_of(route):
            guard = next(index for index, call in enumerate(declared) if isinstance(call, Guard))
            assert guard < declared.index(body), route.path
        assert route.dependant.body_params == [], f"{route.path}: declare it with web.bodies"


OWN_READERS = {
    "forms.py": "forms whose fields have numbers in their names or come more than once: their declaration is there",
    "carry.py": "the same form once more, for its declaration to say what of it may wait on a page",
    "upload.py": "one file of a form, of which nothing may touch a disk",
    "hub_guards.py": "what a box sends is signed, and checked as bytes",
}
"""Modules that read a body themselves, and why that may be."""


def test_no_other_module_reads_a_body() -> None:
    """`request.body()` and its kin are web.bodies' alone: a body has a model, and is read after the guard."""
    reading = {f"request.{name}" for name in ("body", "json", "form", "stream")}
    found = {
        path.name
        for path in Path(web.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in reading
    }
    assert found - {"bodies.py"} == OWN_READERS.keys(), "declare it (JsonBody, FormBody, TextBody), or say here why not"


def test_a_form_prints_no_secret() -> None:
    """The models of forms keep passphrases out of their repr, and so out of every log."""
    assert "cây bàng" not in repr(KeyForm(act="unlock", passphrase="cây bàng", sheet="cây bàng", new="cây bàng"))


async def test_a_refusal_of_the_policy_says_why_and_until_when() -> None:
    """It adds its reason in code and words, and when it is allowed next."""
    box = FakeBox(FakeClock())
    box.refusals[TEACHER.person, MAM] = Decision(False, "window.closed", None, 1)
    async with browser(box, TEACHER) as client:
        error = (await client.get(f"/api/cameras/{MAM}/still.jpg")).json()["error"]
    assert error.keys() == {"code", "title", "hint", "reason", "why", "next_ms"}
