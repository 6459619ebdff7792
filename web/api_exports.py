"""Copies over HTTP: ask, list, approve, end, fetch.

Owns `/api/cameras/{camera}/exports` and `/api/exports*`. Invariants: who asks and who approves are two people,
decided behind the door; a copy is fetched in one piece or in one range, and a range goes on only with the same
copy (entity tag); no answer is kept by anybody.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.core.model import LEADER_ROLES, Action, ObjectKind, PublicId
from web.api_holds import KEEPER, SpanWish, public_id
from web.bodies import JsonBody, Wanted
from web.caller import Caller
from web.copy_services import CopyOrder
from web.guards import Right
from web.media_response import Media, begun
from web.problems import refusal
from web.ranges import ByteRange, Unsatisfiable, parse_range
from web.session import services_of

router = APIRouter()
ASKER = Right(Action.HOLD, ObjectKind.CAMERA, "camera", by_grant=True, roles=LEADER_ROLES, fresh=True)
APPROVES = Right(Action.APPROVE, ObjectKind.EXPORT, "order", by_grant=True, roles=LEADER_ROLES, fresh=True)
APPROVER = Right(Action.APPROVE, ObjectKind.EXPORT, "order", by_grant=True, roles=LEADER_ROLES)
FETCHER = Right(Action.EXPORT, ObjectKind.EXPORT, "order", by_grant=True, roles=LEADER_ROLES)


class EndWish(Wanted):
    """Why an order ends; a refusal needs a reason, which the room asks for."""

    why: str = ""


def order_view(order: CopyOrder) -> dict[str, Any]:
    """Return an order as scripts see it, with what the caller may do to it."""
    waiting, over = order.state == "asked", order.state in {"refused", "cancelled", "failed", "expired"}
    return {
        "order": order.id,
        "camera": order.camera,
        "from_ms": order.from_ms,
        "to_ms": order.to_ms,
        "why": order.why,
        "state": order.state,
        "requested_ms": order.requested_ms,
        "requester": order.requester,
        "approver": order.approver,
        "hold": order.hold,
        "done_bytes": order.done_bytes,
        "total_bytes": order.total_bytes,
        "seconds": order.seconds,
        "trouble": order.trouble,
        "ready_ms": order.ready_ms,
        "expires_ms": order.expires_ms,
        "ended_by": order.ended_by,
        "end_why": order.end_why,
        "sha256": order.manifest_sha256,
        "mine": order.mine,
        "may_approve": waiting and not order.mine,
        "may_cancel": not over,
        "file": f"/api/exports/{order.id}/file" if order.state == "ready" else None,
    }


async def orders_view(request: Request, caller: Caller) -> list[dict[str, Any]]:
    """Return all orders as the caller sees them."""
    return [order_view(item) for item in await services_of(request).copies.all(caller)]


@router.post("/api/cameras/{camera}/exports")
async def ask(
    request: Request,
    camera: str,
    caller: Annotated[Caller, Depends(ASKER)],
    wish: Annotated[SpanWish, Depends(JsonBody(SpanWish))],
) -> Response:
    """Hold a span and ask for a copy of it: {"from_ms", "to_ms", "why"}."""
    order = await services_of(request).copies.request(caller, PublicId(camera), wish.from_ms, wish.to_ms, wish.why)
    return JSONResponse({"order": order}, 201)


@router.get("/api/exports")
async def orders(request: Request, caller: Annotated[Caller, Depends(KEEPER)]) -> Response:
    """Return all orders with their progress."""
    return JSONResponse({"exports": await orders_view(request, caller), "now_ms": services_of(request).clock.now_ms()})


@router.post("/api/exports/{order}/approve")
async def approve(request: Request, order: str, caller: Annotated[Caller, Depends(APPROVES)]) -> Response:
    """Approve another person's order; the box begins at once."""
    await services_of(request).copies.approve(caller, public_id(order))
    return JSONResponse({"exports": await orders_view(request, caller)})


@router.post("/api/exports/{order}/cancel")
async def cancel(
    request: Request,
    order: str,
    caller: Annotated[Caller, Depends(APPROVER)],
    end: Annotated[EndWish, Depends(JsonBody(EndWish))],
) -> Response:
    """Refuse another person's order that waits, or cancel any: {"why"?} (asked for when refusing)."""
    await services_of(request).copies.end(caller, public_id(order), end.why)
    return JSONResponse({"exports": await orders_view(request, caller)})


@router.get("/api/exports/{order}/file")
async def fetch(request: Request, order: str, caller: Annotated[Caller, Depends(FETCHER)]) -> Response:
    """Send a finished copy, or one range of it (`Range`, with `If-Range` for the same copy only)."""
    copy = await services_of(request).copies.open(caller, public_id(order))
    tag = f'"{copy.mark}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": tag,
        "Cache-Control": "no-store",
        "Content-Disposition": f'attachment; filename="{copy.name}"',
    }
    header = request.headers.get("range") if request.headers.get("if-range", tag) == tag else None
    try:
        wanted = parse_range(header, copy.size_bytes)
    except Unsatisfiable:
        return refusal(request, 416, headers={"Content-Range": f"bytes */{copy.size_bytes}"})
    part = wanted or ByteRange(0, copy.size_bytes)
    headers["Content-Length"] = str(part.size)
    if wanted is not None:
        headers["Content-Range"] = wanted.content_range(copy.size_bytes)
    return Media(await begun(copy.read(*part)), 206 if wanted else 200, headers, "application/zip")
