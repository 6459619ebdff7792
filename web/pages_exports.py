"""The page of what is kept and copied.

Owns `/trich-xuat` and `/api/copies`. Invariants: the page carries its first state, so that nothing blinks while
scripts start; it holds no picture.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from web.api_exports import orders_view
from web.api_holds import KEEPER, hold_view
from web.caller import Caller
from web.problems import words_of
from web.render import render
from web.session import services_of

router = APIRouter()
TEXTS = ("exp.", "hold.", "dur.", "err.", "box.", "net.")


async def copies_state(request: Request, caller: Caller) -> dict[str, Any]:
    """Return holds, orders and the names of their cameras."""
    services = services_of(request)
    status = await request.app.state.board.now()
    known = {item.id: item.place for item in services.rights.cameras(caller)}
    holds = [hold_view(item) for item in await services.holds.all()]
    orders = await orders_view(request, caller)
    ids = sorted({item["camera"] for item in [*holds, *orders]})
    names = {camera: status.cameras.get(camera, {}).get("name") or known.get(camera) or camera for camera in ids}
    return {"now_ms": services.clock.now_ms(), "holds": holds, "exports": orders, "names": names}


@router.get("/trich-xuat")
async def exports_page(request: Request, caller: Annotated[Caller, Depends(KEEPER)]) -> Response:
    """Show what is held and what is copied, and let the second person approve."""
    words = words_of(request)
    state = await copies_state(request, caller)
    return render(request, words, "exports.html", caller=caller, page="exports", texts=words.pick(TEXTS), state=state)


@router.get("/api/copies")
async def copies(request: Request, caller: Annotated[Caller, Depends(KEEPER)]) -> Response:
    """Return what the page shows, to be read again."""
    return JSONResponse(await copies_state(request, caller))
