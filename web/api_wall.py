"""The tiles of one page on one connection: the first opens it, the others take a line of it.

Owns `/wall/{camera}` and what joins it. Invariants: each tile is decided, audited, leased and ended like any other live
session, under its own address `/whep/{camera}/{session}`; walls are for the school's staff, whose pages show many
rooms at once; a wall serves only the person and the device that opened it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Query
from starlette.requests import Request
from starlette.responses import JSONResponse

from gateway.core.errors import OfferRefused, WallGone
from gateway.core.model import STAFF_ROLES, Action, ObjectKind, PublicId, StreamRole, WallPlace, is_public_id
from web.api_live import entity_tag, ice_server
from web.bodies import JsonBody, Wanted
from web.caller import Caller
from web.guards import Right
from web.services import OpenedLive
from web.session import services_of

router = APIRouter()
TILE = Right(Action.LIVE, ObjectKind.CAMERA, "camera", by_grant=True, roles=STAFF_ROLES)
Viewer = Annotated[Caller, Depends(TILE)]
MAX_WALL_BYTES = 48 * 1024
MOST_TILES = 16
"""Lines of one wall; a school with more cameras opens another."""


class WallWish(Wanted):
    """The description of a connection with a video line for each tile (SDP)."""

    offer: str


@router.post("/wall/{camera}")
async def open_wall(
    request: Request,
    camera: str,
    caller: Viewer,
    wish: Annotated[WallWish, Depends(JsonBody(WallWish))],
    slot: Annotated[int, Query(ge=0, lt=MOST_TILES)] = 0,
    stream: Literal["main", "sub"] = "sub",
) -> JSONResponse:
    """Open a connection for many tiles: `{offer}`, SDP with a video line for each; this camera has line `slot`."""
    offer = wish.offer
    if len(offer) > MAX_WALL_BYTES:
        raise OfferRefused("the description is too long")
    place = WallPlace(None, slot)
    opened = await services_of(request).live.open_tile(caller, PublicId(camera), offer, StreamRole(stream), place)
    return _created(camera, opened, offer)


@router.post("/wall/{camera}/{wall}/{slot}")
async def join_wall(
    request: Request,
    camera: str,
    wall: str,
    slot: Annotated[int, Path(ge=0, lt=MOST_TILES)],
    caller: Viewer,
    stream: Literal["main", "sub"] = "sub",
) -> JSONResponse:
    """Show a camera on a line of an open wall; who used the line before is ended."""
    if not is_public_id(wall):
        raise WallGone("no such wall")
    place = WallPlace(PublicId(wall), slot)
    opened = await services_of(request).live.open_tile(caller, PublicId(camera), "", StreamRole(stream), place)
    return _created(camera, opened)


def _created(camera: str, opened: OpenedLive, offer: str = "") -> JSONResponse:
    """Answer with what WHEP has in headers: the tag for trickling (of whoever offered) and the ICE servers."""
    where = f"/whep/{camera}/{opened.session}"
    body = {
        "session": opened.session,
        "wall": opened.wall,
        "answer": opened.answer,
        "tag": entity_tag(opened.session, offer),
        "servers": [ice_server(item) for item in opened.servers],
    }
    return JSONResponse(body, 201, {"Location": where})
