"""What boxes ask the hub: enrol, hello, events (see `docs/design/upstream.md`).

Owns `/v1/*`. Invariants: the body is bounded while it arrives, its signature is checked before it is
unpacked, and every answer to an unsigned or wrongly signed request is the same 401.
"""

from __future__ import annotations

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.core.errors import BadInput
from web.hub_app import hub_services

router = APIRouter()
MAX_PACKED_BYTES = 1 << 20
"""Gzipped: 2,000 events of 44 B are 90 kB."""


async def packed_body(request: Request) -> bytes:
    """Return the compressed body; BadInput if it is over the cap."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_PACKED_BYTES:
            raise BadInput(f"a request holds at most {MAX_PACKED_BYTES} bytes")
        parts.append(part)
    return b"".join(parts)


@router.post("/v1/enrol")
async def enrol(request: Request) -> Response:
    """Take a box in by a one-use claim."""
    body = await packed_body(request)
    gateway = await hub_services(request).store.enrol(request.headers, request.url.path, body)
    return JSONResponse({"gateway": gateway})


@router.post("/v1/hello")
async def hello(request: Request) -> Response:
    """Exchange cursors."""
    body, store = await packed_body(request), hub_services(request).store
    gateway = await store.authenticate(request.headers, "POST", request.url.path, body)
    return JSONResponse({"cursors": await store.hello(gateway, body)})


@router.post("/v1/events/{stream}")
async def events(request: Request, stream: str) -> Response:
    """Take a batch of one lane."""
    body, store = await packed_body(request), hub_services(request).store
    gateway = await store.authenticate(request.headers, "POST", request.url.path, body)
    ack = await store.events(gateway, stream, body)
    return JSONResponse({"acked": ack.acked, "gap": ack.gap})
