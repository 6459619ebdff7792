"""Holds over HTTP: keep a span, list what is kept, let it go.

Owns `/api/cameras/{camera}/holds` and `/api/holds*`. Invariants: one person is enough to keep footage, at once;
whoever may not know of holds gets the answer of a route that is not there; a reason is asked for both ways.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.core.model import LEADER_ROLES, Action, ObjectKind, PublicId, is_public_id
from web.bodies import JsonBody, Wanted
from web.caller import Caller
from web.copy_services import HeldSpan
from web.guards import Right, SignedIn
from web.session import services_of

router = APIRouter()
KEEPER = SignedIn(LEADER_ROLES)
HOLD_OF_CAMERA = Right(Action.HOLD, ObjectKind.CAMERA, "camera", by_grant=True, roles=LEADER_ROLES)


Whole = Annotated[int, Field(gt=-(1 << 53), lt=1 << 53)]
"""A whole number that SQLite and scripts can hold."""


class SpanWish(Wanted):
    """Recorded time that somebody wants kept or copied: UTC ms, half open, with the reason."""

    from_ms: Whole
    to_ms: Whole
    why: str


class HoldWish(SpanWish):
    """The same, for so many days."""

    days: Whole | None = None


class LiftWish(Wanted):
    """Why a span is given back."""

    why: str


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
async def place(
    request: Request,
    camera: str,
    caller: Annotated[Caller, Depends(HOLD_OF_CAMERA)],
    wish: Annotated[HoldWish, Depends(JsonBody(HoldWish))],
) -> Response:
    """Keep a span of a camera's footage: {"from_ms", "to_ms", "why", "days"?}."""
    span = wish.from_ms, wish.to_ms
    held = await services_of(request).holds.place(caller, PublicId(camera), *span, wish.why, wish.days)
    return JSONResponse(hold_view(held), 201)


@router.get("/api/holds")
async def holds(request: Request, caller: Annotated[Caller, Depends(KEEPER)]) -> Response:
    """Return everything that is held."""
    del caller
    return JSONResponse({"holds": [hold_view(item) for item in await services_of(request).holds.all()]})


@router.delete("/api/holds/{hold}")
async def lift(
    request: Request,
    hold: str,
    caller: Annotated[Caller, Depends(KEEPER)],
    wish: Annotated[LiftWish, Depends(JsonBody(LiftWish))],
) -> Response:
    """Let retention have a span again: {"why"}."""
    await services_of(request).holds.lift(caller, public_id(hold), wish.why)
    return Response(status_code=204)
