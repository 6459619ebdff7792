"""What boxes ask the hub: enrol, hello, events (see `docs/design/upstream.md`).

Owns `/v1/*`. Invariants: the body is bounded while it arrives; its signature is checked before more than a
claim's few bytes are unpacked; a repeated request changes nothing.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from web.hub_guards import BOX, CLAIMANT, SignedBox
from web.hub_services import hub_services

router = APIRouter()


@router.post("/v1/enrol")
async def enrol(request: Request, body: Annotated[bytes, Depends(CLAIMANT)]) -> Response:
    """Take a box in by a one-use claim."""
    gateway = await hub_services(request).store.enrol(request.headers, request.url.path, body)
    return JSONResponse({"gateway": gateway})


@router.post("/v1/hello")
async def hello(request: Request, box: Annotated[SignedBox, Depends(BOX)]) -> Response:
    """Exchange cursors."""
    return JSONResponse({"cursors": await hub_services(request).store.hello(box.gateway, box.body)})


@router.post("/v1/events/{stream}")
async def events(request: Request, stream: str, box: Annotated[SignedBox, Depends(BOX)]) -> Response:
    """Take a batch of one lane."""
    ack = await hub_services(request).store.events(box.gateway, stream, box.body)
    return JSONResponse({"acked": ack.acked, "gap": ack.gap})
