"""WHEP (draft-ietf-wish-whep-03, mandatory parts): one viewer's live session over HTTP.

Owns `/whep/{camera}` and `/whep/{camera}/{session}`. Invariants: the offer is bounded and reaches nobody
before the decision and its audit row; a session answers only to the person who opened it; servers and their
passwords are named in the answer to an offer that was accepted, nowhere else; other origins learn nothing from
OPTIONS. Candidates are trickled; an ICE restart is refused (422): the page opens a new session instead.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Literal

from fastapi import APIRouter, Depends
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from gateway.core.errors import BadInput, OfferRefused
from gateway.core.iceservers import IceServer
from gateway.core.model import Action, ObjectKind, PublicId, StreamRole
from web.bodies import TextBody
from web.caller import Caller
from web.guards import ANYBODY, Right
from web.problems import refusal
from web.session import services_of

router = APIRouter()
OF_CAMERA = Right(Action.LIVE, ObjectKind.CAMERA, "camera", by_grant=True, players=True)
Viewer = Annotated[Caller, Depends(OF_CAMERA)]
MAX_SDP_BYTES = 16 * 1024
SDP, FRAGMENT = "application/sdp", "application/trickle-ice-sdpfrag"
Offer = Annotated[str, Depends(TextBody(SDP, MAX_SDP_BYTES, OfferRefused))]
Fragment = Annotated[str, Depends(TextBody(FRAGMENT, MAX_SDP_BYTES, OfferRefused))]
_UFRAG = re.compile(r"^a=ice-ufrag:([A-Za-z0-9+/]{4,256})\r?$", re.MULTILINE)


def entity_tag(session: str, description: str) -> str:
    """Return the tag of an ICE session: that of the session and the viewer's user name fragment in `description`."""
    found = _UFRAG.search(description)
    return f'"{session}.{hashlib.sha256(found[1].encode()).hexdigest()[:12]}"' if found else f'"{session}"'


def link_of(server: IceServer) -> str:
    """Return a server as a `Link` header (RFC 9725 §4.6, RFC 8288); its parts fit into quotes by their form."""
    link = f'<{server.url}>; rel="ice-server"'
    if server.credential is not None:
        link += f'; username="{server.username}"; credential="{server.credential.reveal()}"'
        link += '; credential-type="password"'
    return link


def ice_server(server: IceServer) -> dict[str, str]:
    """Return a server as RTCPeerConnection takes it."""
    if server.credential is None:
        return {"urls": server.url}
    return {"urls": server.url, "username": server.username, "credential": server.credential.reveal()}


@router.post("/whep/{camera}")
async def open_session(
    request: Request, camera: str, caller: Viewer, offer: Offer, stream: Literal["main", "sub"] = "sub"
) -> Response:
    """Open a session: SDP offer in, SDP answer out, with the session's address, entity tag and ICE servers."""
    opened = await services_of(request).live.open(caller, PublicId(camera), offer, StreamRole(stream))
    headers = {"Location": f"/whep/{camera}/{opened.session}", "ETag": entity_tag(opened.session, offer)}
    response = Response(opened.answer, 201, headers | {"Accept-Patch": FRAGMENT}, SDP)
    for server in opened.servers:
        response.headers.append("Link", link_of(server))
    return response


@router.patch("/whep/{camera}/{session}")
async def add_candidates(request: Request, camera: str, session: str, caller: Viewer, fragment: Fragment) -> Response:
    """Take trickled candidates (RFC 8840 fragment); an entity tag is needed (428), a stale one is refused (412)."""
    tag = request.headers.get("if-match")
    if tag is None:
        raise HTTPException(428)
    if tag == "*":  # an ICE restart, which a session that supports only trickling answers so
        raise HTTPException(422)
    if tag.partition(".")[0].strip('"') != session:
        raise HTTPException(412)
    if _UFRAG.search(fragment) and tag != entity_tag(session, fragment):
        raise HTTPException(422)
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
    return Response(status_code=200, headers={"Allow": ALLOWED, "Accept-Post": SDP})


@router.api_route("/whep/{path:path}", methods=["GET", "HEAD", "PUT"], dependencies=[Depends(ANYBODY)])
async def other_methods(request: Request, path: str) -> Response:
    """Refuse what WHEP has no use for (405), at every address alike."""
    del path
    return refusal(request, 405, headers={"Allow": ALLOWED})


ALLOWED = "POST, PATCH, DELETE, OPTIONS"
