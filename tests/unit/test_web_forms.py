"""Forms: declared once, read and described by the same declaration; and kept while their sender says who they are."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import httpx
import pytest
from fastapi.routing import APIRoute
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

from gateway.core.errors import BadInput, NotFound
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import MOTHER, PRINCIPAL, FakeBox, pid
from web.app import create_app
from web.bodies import FORM_TYPE, bodies_of
from web.forms import NOTHING, Field, Fields, Form

pytestmark = pytest.mark.anyio
WEB = Path(__file__).parents[2] / "web"
PASSWORD = "cây bàng trước cổng"
FORM = {"content-type": FORM_TYPE}
SAMPLE = Form(
    Field("viec", required=True, choices=("lam", "bo")),
    Field("ai", "id", many=2),
    Field("phut", "whole"),
    Field("chu", most=5),
    Field("view-", choices=("co",), each="[a-z2-7]{16}", many=3),
    Field("khoa", secret=True),
)
_HIDDEN = re.compile(r'<input type="hidden" name="([^"]*)" value="([^"]*)">')


async def read(form: Form, body: bytes) -> Fields:
    """Let a form read a body as a route would."""

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return await form(Request({"type": "http", "method": "POST", "headers": []}, receive))


async def problems(body: bytes) -> list[tuple[str, str]]:
    """What the sample form says of a body."""
    with pytest.raises(BadInput) as refused:
        await read(SAMPLE, body)
    found: Any = refused.value.fields["problems"]
    return [(item.key, item.kind) for item in found]


async def test_a_form_reads_what_it_declares_and_nothing_else() -> None:
    """First values without space, all values, fields of a list by what they are about; others are left out."""
    one = pid("one")
    body = (
        urlencode({"viec": " lam ", "phut": "15", "ai": one, f"view-{one}": "co", "view-x": "co", "la": "1"}) + "&ai="
    )
    fields = await read(SAMPLE, body.encode())
    assert dict(fields) == {"viec": "lam", "phut": "15", "ai": one, f"view-{one}": "co"}
    assert (fields.all("ai"), fields.id("ai"), fields.whole("phut")) == ([one, ""], one, 15)
    assert (fields.each("view-"), fields.all("none")) == ({one: "co"}, ())
    for name in ("chu", "viec"):
        with pytest.raises(NotFound):
            fields.id(name)
    with pytest.raises(BadInput):
        fields.whole("chu")
    assert dict(await read(NOTHING, b"la=1")) == {}
    with pytest.raises(ValueError, match="once"):
        Form(Field("chu"), Field("chu"))


async def test_what_does_not_fit_is_named() -> None:
    """Missing, not a choice, too long, too many, no number, no form at all: each by its field, and no value repeated."""
    assert await problems(b"") == [("viec", "missing")]
    assert await problems(b"viec=xoa") == [("viec", "choice")]
    assert await problems(b"viec=+") == [("viec", "choice")]
    assert await problems(b"viec=lam&chu=" + b"a" * 6) == [("chu", "length")]
    assert await problems(b"viec=lam&ai=a&ai=b&ai=c") == [("ai", "length")]
    assert await problems(b"viec=lam&phut=-1") == [("phut", "whole")]
    assert await problems(b"viec=lam&phut=1234567890") == [("phut", "whole")]
    assert await problems(f"viec=lam&view-{pid('one')}=x".encode()) == [(f"view-{pid('one')}", "choice")]
    assert await problems("&".join(f"x{n}=1" for n in range(99)).encode()) == [("form", "length")]
    assert await problems(b"\xff\xfe") == [("form", "length")]


@given(st.dictionaries(st.sampled_from(["viec", "chu", "phut", "ai", "khoa", "la", "view-" + pid("one")]), st.text()))
def test_what_is_carried_is_what_would_be_read_and_never_a_secret(values: dict[str, str]) -> None:
    """Whatever was posted: nothing at all once a secret is among it, else the declared fields as they were read."""
    carried = SAMPLE.carried(urlencode(values, errors="replace").encode())
    if values.get("khoa", "").strip():
        assert carried is None
    else:
        assert carried is not None
        assert {name for name, _ in carried} == values.keys() - {"la"}
        assert SAMPLE.carried(urlencode(carried).encode()) == carried


def test_the_description_is_the_declaration() -> None:
    """Names, kinds, bounds, choices and what must be there, lists and fields by thing included."""
    made = SAMPLE.schema()
    assert made["required"] == ["viec"]
    assert made["additionalProperties"] is False
    assert made["properties"]["viec"] == {"type": "string", "enum": ["lam", "bo"]}
    assert made["properties"]["chu"]["maxLength"] == 5
    assert made["properties"]["phut"] == {"type": "integer", "minimum": 0, "maximum": 999_999_999}
    assert (made["properties"]["ai"]["type"], made["properties"]["ai"]["maxItems"]) == ("array", 2)
    assert made["patternProperties"] == {"^view-[a-z2-7]{16}$": {"type": "string", "enum": ["co"]}}


def test_every_form_of_the_templates_finds_its_fields_declared() -> None:
    """A field that a page sends and its route does not declare would be lost without a word; `username` is for the browser's own store."""
    app, missing = create_app(FakeBox(FakeClock()).services()), []
    for path in sorted((WEB / "templates").glob("*.html")):
        for form in re.findall(
            r'<form[^>]*method="post"[^>]*action="([^"{?]*)"[^>]*>(.*?)</form>', path.read_text(), re.DOTALL
        ):
            route = next(
                (
                    r
                    for r in app.routes
                    if isinstance(r, APIRoute) and r.path == form[0] and "POST" in (r.methods or ())
                ),
                None,
            )
            if route is None or not (declared := [item for item in bodies_of(route) if item.media == FORM_TYPE]):
                continue
            known = declared[0].schema()["properties"].keys()
            sent = set(re.findall(r'\bname="([a-z_-]+)"', form[1]))
            missing += [f"{path.name}: {name}" for name in sorted(sent - known - {"username"})]
    assert missing == []


# a form that waits while its sender proves who they are


async def asked(client: httpx.AsyncClient, path: str, body: str) -> httpx.Response:
    return await client.post(path, content=body, headers=FORM)


def hidden(page: httpx.Response) -> list[tuple[str, str]]:
    """The hidden fields of a page, in order."""
    return [(unescape(name), unescape(value)) for name, value in _HIDDEN.findall(page.text)]


@pytest.fixture
def old() -> FakeBox:
    """A box whose principal signed in long ago."""
    box = FakeBox(FakeClock())
    box.accounts.add(PRINCIPAL, "hanglt", PASSWORD)
    box.accounts.old.add(PRINCIPAL.device)
    return box


async def test_ticked_slips_wait_for_the_password_and_nothing_is_ticked_twice(old: FakeBox) -> None:
    """Without scripts: the question keeps the ticks over a wrong password, then one button prints what was chosen."""
    body = urlencode([("ai", MOTHER.person), ("ai", pid("nam")), ("co", "a6"), ("lop", pid("mam"))])
    async with browser(old, PRINCIPAL) as client:
        question = await asked(client, "/phu-huynh/phieu", body)
        assert (question.status_code, "vẫn còn" in question.text) == (403, True)
        kept = dict(hidden(question))
        assert (kept["ve"], parse_qsl(kept["lai"])) == ("/phu-huynh/phieu", parse_qsl(body))
        wrong = await asked(client, "/xac-nhan", urlencode(kept | {"password": "sai"}))
        assert (wrong.status_code, dict(hidden(wrong))) == (403, kept)
        go_on = await asked(client, "/xac-nhan", urlencode(kept | {"password": PASSWORD}))
        assert (go_on.status_code, go_on.cookies["__Host-vuon-box"]) == (200, f"fresh-{PRINCIPAL.person}")
        assert (hidden(go_on), 'action="/phu-huynh/phieu"' in go_on.text) == (parse_qsl(body), True)
        assert not [call for call in old.calls if "slip" in call], "nothing is done before its sender says so"
        printed = await asked(client, "/phu-huynh/phieu", urlencode(hidden(go_on)))
        assert (printed.status_code, printed.text.count('class="qr"')) == (200, 2)


async def test_a_secret_is_on_no_page_again(old: FakeBox) -> None:
    """A form with a passphrase is not carried: the page it is on is asked for again."""
    async with browser(old, PRINCIPAL) as client:
        led = await asked(client, "/khoa", urlencode({"act": "unlock", "passphrase": "mật khẩu của hộp"}))
        assert (led.status_code, led.headers["location"]) == (303, "/xac-nhan?ve=%2Fkhoa")


async def test_a_button_without_fields_goes_on_too(old: FakeBox) -> None:
    """Also where there is no page to go back to: the sheet on the wall is made after the question."""
    path = f"/lop-hoc/{pid('mam')}/dan-tuong"
    async with browser(old, PRINCIPAL) as client:
        forged = {"ve": "/api/sharing/resume", "lai": "a=1", "password": PASSWORD}
        assert (await asked(client, "/xac-nhan", urlencode(forged))).headers["location"] == "/"
        forged = {"ve": "//evil.example/x", "lai": "a=1", "password": PASSWORD}
        assert (await asked(client, "/xac-nhan", urlencode(forged))).headers["location"] == "/"
        done = await asked(client, "/xac-nhan", urlencode({"ve": path, "lai": "-", "password": PASSWORD}))
        assert (done.status_code, hidden(done), f'action="{path}"' in done.text) == (200, [], True)
