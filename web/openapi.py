"""The API for programs: `docs/ref/openapi.json` and `hub-openapi.json`, made from the applications' own routes.

Owns the document (OpenAPI 3.1). It is served nowhere: it is a file of the repository, so that a box tells strangers
nothing and a program's author reads it without one. Invariants: what it says about a route is read from the guard and
the body declaration that are enforced (a test compares the file with this); every operation names who may call it
(`x-roles`, `x-action`, `x-object`, `x-guard`) and every refusal has the one shape of `web.problems`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from starlette.routing import BaseRoute

from web.bodies import bodies_of
from web.guards import guards_of

PROBLEM: Mapping[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "title", "hint"],
            "properties": {
                "code": {"type": "string", "description": "Stable; docs/ref/errors.md and web/problems.py."},
                "title": {"type": "string", "description": "What happened, in the reader's language."},
                "hint": {"type": "string", "description": "What to do."},
                "reason": {"type": "string", "description": "Of a refusal by the policy: its code."},
                "why": {"type": "string", "description": "The reason in words."},
                "next_ms": {"type": ["integer", "null"], "description": "UTC ms: when it is allowed next."},
                "fields": {
                    "type": "array",
                    "description": "Of a wrong input: which values, by our names.",
                    "items": {
                        "type": "object",
                        "required": ["key", "problem", "says"],
                        "properties": {
                            "key": {"type": "string"},
                            "problem": {"type": "string"},
                            "says": {"type": "string"},
                        },
                    },
                },
            },
        }
    },
}


def openapi_text(title: str, routes: Iterable[BaseRoute]) -> str:
    """Return the document as it is committed."""
    return json.dumps(document(title, routes), ensure_ascii=False, indent=1, sort_keys=True) + "\n"


def document(title: str, routes: Iterable[BaseRoute]) -> dict[str, Any]:
    """Return the document of an application's routes."""
    mine = [route for route in routes if isinstance(route, APIRoute) and route.include_in_schema]
    with warnings.catch_warnings():  # names are given below: one function may serve several methods
        warnings.filterwarnings("ignore", message="Duplicate Operation ID")
        made = get_openapi(title=title, version="1", routes=mine)
    for route in mine:
        for method in route.methods or ():
            path = made["paths"][route.path_format]
            path[method.lower()] = _operation(path[method.lower()], route, method)
    made["components"] = {"schemas": {"Problem": dict(PROBLEM)}}
    return made


def _operation(found: Mapping[str, Any], route: APIRoute, method: str) -> dict[str, Any]:
    """Return an operation with who may call it, what it takes, and how it refuses."""
    guard = guards_of(route)[0]
    action, kind = guard.act()
    success = {code: answer for code, answer in found["responses"].items() if code.startswith("2")}
    refused = {"description": "Refused", "content": {"application/json": {"schema": _ref("Problem")}}}
    operation = {
        **({"parameters": found["parameters"]} if "parameters" in found else {}),
        "operationId": f"{method.lower()}_{_module(route)}_{route.name}",
        "summary": (route.endpoint.__doc__ or "").strip().splitlines()[0],
        "responses": {code: {"description": answer["description"]} for code, answer in success.items()}
        | {"default": refused},
        "x-guard": guard.describe(),
        "x-roles": list(guard.who()),
    }
    operation |= {"x-action": action, "x-object": kind} if action else {}
    for body in bodies_of(route):
        operation["requestBody"] = {"required": True, "content": {body.media: {"schema": body.schema()}}}
    return operation


def _module(route: APIRoute) -> str:
    """Return where a route is written, without what it is: names of handlers need be unique in their module only."""
    return route.endpoint.__module__.rpartition(".")[2].removeprefix("pages_").removeprefix("api_")


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}
