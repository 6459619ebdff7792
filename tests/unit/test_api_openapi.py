"""The API's description for programs: made from the app, committed, whole."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute

from gateway.core.model import Role
from tests.fakes.clock import FakeClock
from tests.fakes.route_table import PRINCIPALS, ROUTES
from tests.fakes.web_services import FakeBox
from web.app import create_app
from web.bodies import Body, JsonBody, Wanted
from web.guards import Guard
from web.hub_app import create_hub_app
from web.hub_services import HubServices
from web.openapi import document, openapi_text

REF = Path(__file__).parents[2] / "docs" / "ref"


def box() -> FastAPI:
    return create_app(FakeBox(FakeClock()).services())


def hub() -> FastAPI:
    nothing: Any = None  # the routes are looked at, not called
    services = HubServices(nothing, FakeClock(), "Phòng", "Asia/Ho_Chi_Minh", "vi", frozenset(), secure=True)
    return create_hub_app(services)


APPS = {"openapi.json": ("Vườn: the box", box), "hub-openapi.json": ("Vườn: the hub", hub)}


@pytest.mark.parametrize("name", APPS)
def test_the_committed_description_is_what_the_app_is(name: str) -> None:
    """docs/ref/*openapi.json equals what the routes say; VUON_WRITE_DOCS=1 writes it anew."""
    title, make = APPS[name]
    text = openapi_text(title, make().routes)
    if os.environ.get("VUON_WRITE_DOCS"):
        (REF / name).write_text(text, encoding="utf-8")
    assert (REF / name).read_text(encoding="utf-8") == text, "VUON_WRITE_DOCS=1 pytest tests/unit/test_api_openapi.py"


@pytest.mark.parametrize("name", APPS)
def test_every_operation_says_who_and_how_it_refuses(name: str) -> None:
    """Roles, guard, one shape of refusal, a name of its own; an action and object wherever the policy is asked."""
    title, make = APPS[name]
    names = []
    for path, operations in document(title, make().routes)["paths"].items():
        for method, operation in operations.items():
            assert operation["x-roles"], f"{method} {path}: give its guard `who`"
            assert operation["x-guard"]
            assert operation["responses"]["default"]["content"]["application/json"]["schema"]["$ref"].endswith(
                "Problem"
            )
            assert ("x-action" in operation) == ("x-object" in operation)
            names.append(operation["operationId"])
    assert len(names) == len(set(names))


def test_the_roles_are_those_of_the_table() -> None:
    """Who may do it at all is the same in the description and in the table written from ACCESS."""
    made = document("x", box().routes)["paths"]
    for (method, path), row in ROUTES.items():
        if path == "/P/MOI":
            continue  # the same page as /p/moi, in the capitals of a smaller QR code
        operation = made[path.replace("{path:path}", "{path}")][method.lower()]
        told = {role for role in operation["x-roles"] if role in set(Role)}
        if row.public:
            assert operation["x-roles"] == ["anybody"], path
        elif row.over or row.refuses:
            may = row.finds - row.refuses
            reached = {"live": PRINCIPALS | {Role.TEACHER, Role.GUARDIAN}, "recorded": PRINCIPALS}.get(row.over, may)
            assert told - {Role.OBSERVER} == may & reached, path
        else:
            assert told == row.finds, path


def test_every_change_that_takes_something_says_what() -> None:
    """A body that is read is described: its media type and its schema, with our own names."""
    made = document("x", box().routes)["paths"]
    span = made["/api/cameras/{camera}/holds"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert set(span["required"]) == {"from_ms", "to_ms", "why"}
    assert span["additionalProperties"] is False
    assert made["/whep/{camera}"]["post"]["requestBody"]["content"].keys() == {"application/sdp"}
    assert made["/khoa"]["post"]["requestBody"]["content"].keys() == {"application/x-www-form-urlencoded"}


def test_a_guard_without_words_and_a_body_without_schema_are_noticed() -> None:
    """The bases answer nothing by themselves."""
    assert Guard().who() == ()
    assert Guard().act() == ("", "")
    with pytest.raises(NotImplementedError):
        Body().schema()
    assert JsonBody(Wanted).schema()["additionalProperties"] is False


def test_the_description_is_served_nowhere() -> None:
    """It is a file of the repository: a box describes itself to nobody."""
    for app in (box(), hub()):
        paths = {route.path for route in app.routes if isinstance(route, APIRoute)}
        assert not [path for path in paths if "openapi" in path or "docs" in path]
