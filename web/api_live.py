"""WHEP (draft-ietf-wish-whep-03, mandatory parts): one viewer's live session over HTTP.

Owns `/whep/{camera}` and `/whep/{camera}/{session}`. Invariants: the offer is bounded and reaches nobody
before the decision and its audit row; a session answers only to the person who opened it; other origins
learn nothing from OPTIONS.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.core.errors import BadInput, OfferRefused
from gateway.core.model import Action, ObjectKind, PublicId, StreamRole
from web.guards import ANYBODY, Right
from web.services import Caller
from web.session import services_of

router = APIRouter()
OF_CAMERA = Right(Action.LIVE, ObjectKind.CAMERA, "camera", by_grant=True)
Viewer = Annotated[Caller, Depends(OF_CAMERA)]
MAX_SDP_BYTES = 16 * 1024
SDP, FRAGMENT = "application/sdp", "application/trickle-ice-sdpfrag"


async def _text(request: Request, media_type: str) -> str:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        raise HTTPException(415)
    body = await request.body()
    if len(body) > MAX_SDP_BYTES:
        raise OfferRefused("the description is too long", bytes=len(body))
    try:
        return body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise OfferRefused("the description is no text") from error


def _etag(session: str) -> str:
    return f'"{session}"'


@router.post("/whep/{camera}")
async def open_session(
    request: Request, camera: str, caller: Viewer, stream: Literal["main", "sub"] = "sub"
) -> Response:
    """Open a session: SDP offer in, SDP answer out, with the session's address and entity tag."""
    offer = await _text(request, SDP)
    opened = await services_of(request).live.open(caller, PublicId(camera), offer, StreamRole(stream))
    headers = {"Location": f"/whep/{camera}/{opened.session}", "ETag": _etag(opened.session)}
    return Response(opened.answer, 201, headers | {"Accept-Patch": FRAGMENT}, SDP)


@router.patch("/whep/{camera}/{session}")
async def add_candidates(request: Request, camera: str, session: str, caller: Viewer) -> Response:
    """Take trickled candidates (RFC 8840 fragment); a stale entity tag is refused (412)."""
    if request.headers.get("if-match", _etag(session)) not in {_etag(session), "*"}:
        raise HTTPException(412)
    fragment = await _text(request, FRAGMENT)
    if "a=candidate" not in fragment and "a=end-of-candidates" not in fragment:
        raise BadInput("the fragment has no candidate")
    await services_of(request).live.candidate(caller, PublicId(camera), session, fragment)
    return Response(status_code=204)


@router.delete("/whep/{camera}/{session}")
async def close_session(request: Request, camera: str, session: str, caller: Viewer) -> Response:
    """End a session."""
    await services_of(request).live.close(caller, PublicId(camera), session)
    return Response(status_code=200)


@router.options("/whep/{path:path}", dependencies=[Depends(ANYBODY)])
async def options(path: str) -> Response:
    """Name what is accepted; without CORS headers, so that other origins may use none of it."""
    del path  # the answer is the same for every address, so that it tells nothing
    return Response(status_code=204, headers={"Allow": "POST, PATCH, DELETE, OPTIONS", "Accept-Post": SDP})
