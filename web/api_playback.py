"""Recorded footage for scripts: days, timeline, and the bytes of an opened playback.

Owns `/api/cameras/{camera}/days`, `/timeline` and `/playback*`. Invariants: what shows a picture needs an opened
playback of the caller's own session, and each request decides again; footage goes out one range a request and one
chunk at a time; nothing is cached by anybody; another person's playback is the same bytes as none.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path, Query
from pydantic import Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.core.errors import BadInput
from gateway.core.log import get_logger
from gateway.core.model import LEADER_ROLES, Action, ObjectKind, PublicId, StreamRole
from web.bodies import JsonBody, Wanted
from web.caller import Caller
from web.guards import Right
from web.hls import HOUR_MS, playlist
from web.media_response import Media, begun
from web.problems import refusal
from web.ranges import ByteRange, Unsatisfiable, parse_range
from web.services import PlaybackDoor, SegmentSize
from web.session import services_of

log = get_logger("web.playback")
router = APIRouter()
WHEN = Right(Action.PLAYBACK, ObjectKind.CAMERA, "camera", roles=LEADER_ROLES)
"""Tells when there was footage: decided, without an audit row, for it shows nobody."""
SEEN = Right(Action.PLAYBACK, ObjectKind.CAMERA, "camera", by_grant=True, roles=LEADER_ROLES)
Asker = Annotated[Caller, Depends(WHEN)]
Viewer = Annotated[Caller, Depends(SEEN)]
LAST_MS = 253_402_300_799_999
"""9999-12-31T23:59:59.999Z."""
From = Annotated[int, Query(alias="from", ge=0, le=LAST_MS)]
To = Annotated[int, Query(alias="to", ge=0, le=LAST_MS)]
MaybeFrom = Annotated[int | None, Query(alias="from", ge=0, le=LAST_MS)]
MaybeTo = Annotated[int | None, Query(alias="to", ge=0, le=LAST_MS)]
Role_ = Literal["main", "sub"]
ITEM = "/api/cameras/{camera}/playback/{playback}"
PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
NO_STORE = {"Cache-Control": "no-store"}


class Wish(Wanted):
    """The recorded time somebody wants to look at: UTC ms, half open, at most 26 h."""

    from_ms: int = Field(ge=0, le=LAST_MS)
    to_ms: int = Field(ge=0, le=LAST_MS)


def door_of(request: Request) -> PlaybackDoor:
    """Return the way to recorded footage."""
    return services_of(request).playback


@router.get("/api/cameras/{camera}/days")
async def days(
    request: Request,
    camera: str,
    caller: Asker,
    from_ms: MaybeFrom = None,
    to_ms: MaybeTo = None,
    stream: Role_ | None = None,
) -> Response:
    """Say which of the school's days have footage, and how much of each."""
    del caller
    role = None if stream is None else StreamRole(stream)
    return _json(await door_of(request).days(PublicId(camera), from_ms, to_ms, role))


@router.get("/api/cameras/{camera}/timeline")
async def timeline(
    request: Request, camera: str, caller: Asker, from_ms: From, to_ms: To, stream: Role_ | None = None
) -> Response:
    """Say where footage is, where it is missing and why, and how much moved; at most 26 h."""
    del caller
    role = None if stream is None else StreamRole(stream)
    return _json(await door_of(request).timeline(PublicId(camera), from_ms, to_ms, role))


@router.post("/api/cameras/{camera}/playback")
async def open_playback(
    request: Request, camera: str, caller: Viewer, wish: Annotated[Wish, Depends(JsonBody(Wish))]
) -> Response:
    """Open recorded time for looking at; writes the audit row that names the span."""
    opened = await door_of(request).open(caller, PublicId(camera), wish.from_ms, wish.to_ms)
    body = {
        "playback": opened.playback,
        "from_ms": opened.from_ms,
        "to_ms": opened.to_ms,
        "streams": [role.value for role in opened.streams],
        "until_ms": opened.until_ms,
    }
    return JSONResponse(body, 201, {"Location": f"/api/cameras/{camera}/playback/{opened.playback}", **NO_STORE})


@router.delete(ITEM)
async def close_playback(request: Request, camera: str, playback: str, caller: Viewer) -> Response:
    """End a playback."""
    await door_of(request).close(caller, PublicId(camera), playback)
    return Response(status_code=204)


@router.get(ITEM + "/index")
async def index(
    request: Request,
    camera: str,
    playback: str,
    caller: Viewer,
    stream: Role_,
    from_ms: MaybeFrom = None,
    to_ms: MaybeTo = None,
) -> Response:
    """List segments with their GOPs as byte ranges, and the configurations to decode them with."""
    told = await door_of(request).index(caller, PublicId(camera), playback, StreamRole(stream), (from_ms, to_ms))
    segments = [item | {"url": f"{stream}/{item['segment']}.m4s"} for item in told["segments"]]
    configs = [item | {"url": f"{stream}/init-{item['config']}.mp4"} for item in told["configs"]]
    return _json({**told, "segments": segments, "configs": configs})


@router.get(ITEM + "/thumb.jpg")
async def thumb(
    request: Request,
    camera: str,
    playback: str,
    caller: Viewer,
    at_ms: Annotated[int, Query(alias="at", ge=0, le=LAST_MS)],
    width: Literal["160", "320"] = "320",
) -> Response:
    """Return the picture at or just before an instant; `X-Captured-At` says when it was taken, UTC ms."""
    picture = await door_of(request).thumb(caller, PublicId(camera), playback, at_ms, int(width))
    headers = {"X-Captured-At": str(picture.captured_ms), **NO_STORE}
    return Response(picture.jpeg, media_type="image/jpeg", headers=headers)


@router.get(ITEM + "/{stream}/init-{config}.mp4")
async def init(
    request: Request,
    camera: str,
    playback: str,
    stream: Role_,
    config: Annotated[str, Path(pattern="^[0-9a-f]{8}$")],
    caller: Viewer,
) -> Response:
    """Return the init segment of a configuration."""
    mime, data = await door_of(request).init(caller, PublicId(camera), playback, StreamRole(stream), config)
    return Response(data, media_type=mime, headers=NO_STORE)


@router.get(ITEM + "/{stream}/{hour_ms}.m3u8")
async def hour(
    request: Request,
    camera: str,
    playback: str,
    stream: Role_,
    hour_ms: Annotated[int, Path(ge=0, le=LAST_MS)],
    caller: Viewer,
) -> Response:
    """Return one hour as an HLS playlist."""
    if hour_ms % HOUR_MS:
        raise BadInput("a playlist begins with a whole hour", key="hour")
    told = await door_of(request).hour(caller, PublicId(camera), playback, StreamRole(stream), hour_ms)
    text = playlist(told.segments, hour_ms, hour_ms + HOUR_MS, over=told.over)
    return Response(text, media_type=PLAYLIST_TYPE, headers=NO_STORE)


@router.get(ITEM + "/{stream}/{start_ms}-{run}.m4s")
async def media(
    request: Request,
    camera: str,
    playback: str,
    stream: Role_,
    start_ms: Annotated[int, Path(ge=0, le=LAST_MS)],
    run: Annotated[int, Path(ge=1, lt=1 << 63)],
    caller: Viewer,
) -> Response:
    """Return a segment's fragments, or one range of their bytes."""
    door, role, name = door_of(request), StreamRole(stream), f"{start_ms}-{run}"
    size = await door.segment(caller, PublicId(camera), playback, role, name)
    # Nothing here has an entity tag, so no condition of an If-Range can be true (RFC 9110 §13.1.5).
    header = None if "if-range" in request.headers else request.headers.get("range")
    try:
        wanted = parse_range(header, size.bytes)
    except Unsatisfiable:
        return _unsatisfiable(request, size)
    part = wanted or ByteRange(0, size.bytes)
    chunks = door.media(caller, PublicId(camera), playback, role, name, part.start, part.size)
    whole = await begun(chunks)
    headers = {"Accept-Ranges": "bytes", "Content-Length": str(part.size), **NO_STORE}
    if wanted is not None:
        headers["Content-Range"] = wanted.content_range(size.bytes if size.closed else None)
    return Media(whole, 206 if wanted else 200, headers, "video/mp4")


def _unsatisfiable(request: Request, size: SegmentSize) -> Response:
    headers = {"Content-Range": f"bytes */{size.bytes}", "Accept-Ranges": "bytes", **NO_STORE}
    return refusal(request, 416, headers=headers)


def _json(body: Any) -> Response:
    return JSONResponse(body, headers=NO_STORE)
