"""Holds over HTTP: keep a span, list what is kept, let it go.

Owns `/api/cameras/{camera}/holds` and `/api/holds*`. Invariants: one person is enough to keep footage, at once;
whoever may not know of holds gets the answer of a route that is not there; a reason is asked for both ways.
"""

from __future__ import annotations

import json
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.core.errors import BadInput
from gateway.core.model import LEADER_ROLES, Action, ObjectKind, PublicId, is_public_id
from web.copy_services import HeldSpan
from web.guards import Right, SignedIn
from web.services import Caller
from web.session import services_of

router = APIRouter()
KEEPER = SignedIn(LEADER_ROLES)
HOLD_OF_CAMERA = Right(Action.HOLD, ObjectKind.CAMERA, "camera", by_grant=True, roles=LEADER_ROLES)


async def body_of(request: Request) -> dict[str, Any]:
    """Return a request's JSON object; BadInput for anything else."""
    try:
        body = json.loads(await request.body() or b"{}")
    except ValueError as error:
        raise BadInput("the body is no JSON") from error
    if not isinstance(body, dict):
        raise BadInput("the body is no object")
    return body


def number_in(body: dict[str, Any], key: str, default: int | None = None) -> int:
    """Return a whole number of a body that SQLite can hold; BadInput."""
    value = body.get(key, default)
    if not isinstance(value, int) or isinstance(value, bool) or abs(value) >= 1 << 53:
        raise BadInput(f"{key} must be a whole number", key=key)
    return value


def text_in(body: dict[str, Any], key: str, default: str | None = None) -> str:
    """Return a text of a body; BadInput."""
    value = body.get(key, default)
    if not isinstance(value, str):
        raise BadInput(f"{key} must be text", key=key)
    return value


def hold_view(held: HeldSpan) -> dict[str, Any]:
    """Return a hold as scripts see it."""
    return {
        "hold": held.id,
        "camera": held.camera,
        "from_ms": held.from_ms,
        "to_ms": held.to_ms,
        "until_ms": held.until_ms,
        "by": held.by,
        "why": held.why,
        "placed_ms": held.placed_ms,
        "confirmed": held.confirmed,
    }


def public_id(text: str) -> PublicId:
    """Return an id of a path; one that cannot be any is not found like one that is none."""
    return PublicId(text if is_public_id(text) else "")


@router.post("/api/cameras/{camera}/holds")
async def place(request: Request, camera: str, caller: Annotated[Caller, Depends(HOLD_OF_CAMERA)]) -> Response:
    """Keep a span of a camera's footage: {"from_ms", "to_ms", "why", "days"?}."""
    body = await body_of(request)
    days = number_in(body, "days") if "days" in body else None
    span = number_in(body, "from_ms"), number_in(body, "to_ms")
    held = await services_of(request).holds.place(caller, PublicId(camera), *span, text_in(body, "why"), days)
    return JSONResponse(hold_view(held), 201)


@router.get("/api/holds")
async def holds(request: Request, caller: Annotated[Caller, Depends(KEEPER)]) -> Response:
    """Return everything that is held."""
    del caller
    return JSONResponse({"holds": [hold_view(item) for item in await services_of(request).holds.all()]})


@router.delete("/api/holds/{hold}")
async def lift(request: Request, hold: str, caller: Annotated[Caller, Depends(KEEPER)]) -> Response:
    """Let retention have a span again: {"why"}."""
    why = text_in(await body_of(request), "why")
    await services_of(request).holds.lift(caller, public_id(hold), why)
    return Response(status_code=204)
