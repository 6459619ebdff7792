"""Who may reach which route, enumerated from the app itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from fastapi.routing import APIRoute

from gateway.core.model import Role
from tests.fakes.clock import FakeClock
from tests.fakes.web_client import browser
from tests.fakes.web_services import (
    CHOI,
    EVERYBODY,
    FATHER,
    LA,
    MAM,
    MOTHER,
    PRINCIPAL,
    TEACHER,
    YARD,
    FakeBox,
    pid,
)
from web.app import create_app
from web.guards import Guard, Public, Right, SignedIn, guards_of
from web.reference import routes_markdown

pytestmark = pytest.mark.anyio
ROUTES_DOC = Path(__file__).parents[2] / "docs" / "ref" / "routes.md"
UNKNOWN = pid("nobody")


def routes(box: FakeBox) -> list[APIRoute]:
    found = [route for route in create_app(box.services()).routes if isinstance(route, APIRoute)]
    assert len(found) == len(create_app(box.services()).routes), "a mount or bare route would have no guard"
    return found


def test_every_route_declares_exactly_one_policy() -> None:
    """A route without a declared guard, or with two, does not get past this test."""
    wrong = {
        f"{sorted(route.methods or ())} {route.path}": [guard.describe() for guard in guards_of(route)]
        for route in routes(FakeBox(FakeClock()))
        if len(guards_of(route)) != 1
    }
    assert wrong == {}


def test_an_undeclared_route_is_found() -> None:
    """The enumeration sees a route that somebody adds without a guard."""
    app = create_app(FakeBox(FakeClock()).services())

    @app.get("/forgotten")
    async def forgotten() -> str:
        return ""

    last = app.routes[-1]
    assert isinstance(last, APIRoute)
    assert guards_of(last) == []


def test_public_routes_are_the_few_that_are_meant_to_be() -> None:
    """Only signing in, the slip, "who am I", static files and the manifest are for anybody."""
    public = {
        (method, route.path)
        for route in routes(FakeBox(FakeClock()))
        for method in route.methods or ()
        if isinstance(guards_of(route)[0], Public)
    }
    assert public == {
        ("GET", "/vao"),
        ("POST", "/vao"),
        ("POST", "/vao/ma"),
        ("GET", "/api/me"),
        ("GET", "/p/moi"),
        ("GET", "/P/MOI"),
        ("GET", "/p/cho"),
        ("GET", "/p/app"),
        ("POST", "/api/slip"),
        ("POST", "/api/slip/look"),
        ("POST", "/api/device/challenge"),
        ("POST", "/api/device/session"),
        ("POST", "/api/device/app"),
        ("GET", "/api/device/{key}/standing"),
        ("GET", "/static/{version}/{path:path}"),
        ("GET", "/manifest.webmanifest"),
        ("GET", "/khach/het"),
        ("OPTIONS", "/whep/{path:path}"),
        *((method, "/whep/{path:path}") for method in ("GET", "HEAD", "PUT")),
    }


def test_every_route_with_an_object_asks_the_policy_about_that_object() -> None:
    """A path parameter that names a camera is named by the route's `Right`."""
    for route in routes(FakeBox(FakeClock())):
        if "{camera}" in route.path:
            guard = guards_of(route)[0]
            assert isinstance(guard, Right), route.path
            assert guard.parameter == "camera"


def test_the_reference_lists_every_route() -> None:
    """docs/ref/routes.md is what the app's routes are; VUON_WRITE_DOCS=1 writes it anew."""
    text = routes_markdown(create_app(FakeBox(FakeClock()).services()).routes)
    if os.environ.get("VUON_WRITE_DOCS"):
        ROUTES_DOC.parent.mkdir(parents=True, exist_ok=True)
        ROUTES_DOC.write_text(text, encoding="utf-8")
    assert ROUTES_DOC.read_text(encoding="utf-8") == text


def test_guards_say_what_they_ask() -> None:
    """The base class has no description of its own: each kind must bring one."""
    with pytest.raises(NotImplementedError):
        Guard().describe()
    assert SignedIn(frozenset({Role.GUARDIAN})).describe() == "signed in: guardian"


MATRIX = {
    "/": {Role.PRINCIPAL: 200, Role.TEACHER: 200, Role.GUARDIAN: 303, Role.AUTHORITY_IT: 200, Role.INSTALLER: 200},
    f"/camera/{MAM}": {Role.PRINCIPAL: 200, Role.TEACHER: 200},
    f"/camera/{YARD}": {Role.PRINCIPAL: 200},
    "/xem-lai": {Role.PRINCIPAL: 200},
    f"/xem-lai/{MAM}": {Role.PRINCIPAL: 200},
    f"/xem-lai/{UNKNOWN}": {},
    "/p/": {Role.GUARDIAN: 200},
    "/p/tai-khoan": {Role.GUARDIAN: 200},
    "/p/app.webmanifest": {Role.GUARDIAN: 200},
    "/phu-huynh/phieu": {Role.PRINCIPAL: 200, Role.TEACHER: 200},
    "/phu-huynh/cho-duyet": {Role.PRINCIPAL: 200},
    "/api/me": dict.fromkeys(EVERYBODY, 200),
    "/api/cameras": {Role.PRINCIPAL: 200, Role.TEACHER: 200},
    f"/api/cameras/{MAM}": {Role.PRINCIPAL: 200, Role.TEACHER: 200},
    f"/api/cameras/{LA}": {Role.PRINCIPAL: 200},
    "/api/class": {Role.GUARDIAN: 200},
    f"/api/cameras/{MAM}/still.jpg": {Role.PRINCIPAL: 200, Role.TEACHER: 200, Role.GUARDIAN: 200},
    f"/api/cameras/{CHOI}/still.jpg": {Role.PRINCIPAL: 200},
    f"/api/cameras/{UNKNOWN}/still.jpg": {},
}


@pytest.mark.parametrize("path", MATRIX)
async def test_role_matrix_of_what_can_be_read(path: str) -> None:
    """Each role gets what the matrix says and 404 for the rest."""
    for role, caller in EVERYBODY.items():
        async with browser(FakeBox(FakeClock()), caller) as client:
            got = (await client.get(path)).status_code
        assert got == MATRIX[path].get(role, 404), role


@pytest.mark.parametrize("path", ["/api/sharing/stop", "/api/sharing/resume"])
async def test_only_the_principal_moves_the_sharing_switch(path: str) -> None:
    """Everybody else is refused, and nothing reaches the switch."""
    for role, caller in EVERYBODY.items():
        box = FakeBox(FakeClock())
        async with browser(box, caller) as client:
            got = (await client.post(path)).status_code
        assert got == (200 if role is Role.PRINCIPAL else 403)
        assert any("by" in call for call in box.calls) is (role is Role.PRINCIPAL)


@pytest.mark.parametrize(
    ("method", "suffix"),
    [
        ("GET", "/api/cameras/{}/still.jpg"),
        ("POST", "/whep/{}"),
        ("POST", "/wall/{}"),
        ("DELETE", "/whep/{}/s0"),
        ("PATCH", "/whep/{}/s0"),
    ],
)
async def test_a_foreign_camera_is_the_same_as_none(method: str, suffix: str) -> None:
    """A guardian who tries another class's camera gets the bytes that an invented id gets."""
    for stranger, foreign in ((MOTHER, CHOI), (FATHER, MAM), (TEACHER, YARD)):
        async with browser(FakeBox(FakeClock()), stranger) as client:
            answers = [
                await client.request(
                    method, suffix.format(camera), content=b"v=0", headers={"content-type": "application/sdp"}
                )
                for camera in (foreign, UNKNOWN, "..%2f..", "x")
            ]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.content for answer in answers}) == 1
        assert len({tuple(sorted(answer.headers.items())) for answer in answers}) == 1


async def test_an_unknown_address_looks_like_a_camera_one_may_not_know_of() -> None:
    """404 pages and 404 JSON are the same for routes that are not there."""
    async with browser(FakeBox(FakeClock()), MOTHER) as client:
        pages = [await client.get(path) for path in ("/nowhere", f"/camera/{LA}", f"/camera/{UNKNOWN}")]
        machine = [await client.get(path) for path in ("/api/nowhere", f"/api/cameras/{LA}", "/api/sharing/stop")]
    assert {page.status_code for page in [*pages, *machine]} == {404}
    assert len({page.content for page in pages}) == 1
    assert len({page.content for page in machine}) == 1


async def test_without_a_session_nothing_says_whether_a_camera_exists() -> None:
    """The API answers 401 and pages lead to signing in, for known and unknown ids alike."""
    async with browser(FakeBox(FakeClock())) as client:
        stills = [await client.get(f"/api/cameras/{camera}/still.jpg") for camera in (MAM, UNKNOWN)]
        pages = [await client.get(f"/camera/{camera}") for camera in (MAM, UNKNOWN)]
        guardian = await client.get("/p/")
    assert [still.status_code for still in stills] == [401, 401]
    assert stills[0].content == stills[1].content
    assert [(page.status_code, page.headers["location"]) for page in pages] == [(303, "/vao")] * 2
    assert guardian.status_code == 401
    assert "phiếu mời" in guardian.text


async def test_a_guardian_sees_only_the_own_class_in_every_answer() -> None:
    """No answer to a guardian holds another class's camera, name, child or guardian."""
    foreign = [CHOI, LA, YARD, "Chồi", "Gia Huy", "Phạm Văn Nam", "Sân chơi"]
    async with browser(FakeBox(FakeClock()), MOTHER) as client:
        for path in ("/p/", "/p/tai-khoan", "/api/class", "/api/me", f"/p/?lop=x&cam={CHOI}", f"/api/class?cam={CHOI}"):
            text = (await client.get(path)).text
            assert [word for word in foreign if word in text] == [], path


async def test_a_teacher_sees_only_the_own_cameras() -> None:
    """The list is built from what the person may know of."""
    async with browser(FakeBox(FakeClock()), TEACHER) as client:
        listed = (await client.get("/api/cameras")).json()["cameras"]
    assert [camera["id"] for camera in listed] == [MAM]


async def test_only_the_principal_reads_which_guardian_is_watching() -> None:
    """A teacher sees how many watch; names of guardians are the principal's."""
    from web.services import OpenView

    box = FakeBox(FakeClock())
    box.views = [
        OpenView(MAM, MOTHER.person, MOTHER.name, MOTHER.role, 1),
        OpenView(MAM, TEACHER.person, "Cô Hạnh", TEACHER.role, 1),
    ]
    async with browser(box, PRINCIPAL) as client:
        principal = (await client.get(f"/api/cameras/{MAM}")).json()
    async with browser(box, TEACHER) as client:
        teacher = (await client.get(f"/api/cameras/{MAM}")).json()
    assert [person["name"] for person in principal["people"]] == [MOTHER.name, "Cô Hạnh"]
    assert [person["name"] for person in teacher["people"]] == ["Cô Hạnh"]
    assert teacher["viewers"] == 2


def test_nothing_but_routes_is_mounted_and_no_documentation_is_served() -> None:
    """There is no /docs, /redoc or /openapi.json."""
    paths = {route.path for route in routes(FakeBox(FakeClock()))}
    assert not {path for path in paths if "docs" in path or "openapi" in path}
