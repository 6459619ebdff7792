"""Cameras for scripts: the list, one camera, its still, the sharing switch.

Owns `/api/me`, `/api/cameras*`, `/api/class`, `/api/sharing/*`. Invariants: the list is built from what the
person may know of, not filtered after; a still needs a grant for each request and carries the instant it
shows; nothing here is cached by anybody.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.core.model import LEADER_ROLES, STAFF_ROLES, Action, ObjectKind, PublicId
from web import views
from web.caller import Caller
from web.guards import ANYBODY, GUARDIAN, STAFF, Right
from web.needs_view import needs_of
from web.pages_guardian import class_state
from web.services import KnownCamera
from web.session import caller_of, services_of

router = APIRouter()
OF_CAMERA = Right(Action.LIVE, ObjectKind.CAMERA, "camera", by_grant=True)
OF_CAMERA_STAFF = Right(Action.LIVE, ObjectKind.CAMERA, "camera", by_grant=True, roles=STAFF_ROLES)
STOP_ALL = Right(Action.STOP_ALL, ObjectKind.BOX)
SHARE_AGAIN = Right(Action.STOP_ALL, ObjectKind.BOX, fresh=True)
"""Stopping never waits for a password; letting everybody look again does."""


async def grid_state(request: Request, caller: Caller) -> dict[str, Any]:
    """Return what the grid shows to a member of staff, and what waits for the school's leaders."""
    services = services_of(request)
    view = views.grid_view(
        services.rights.cameras(caller),
        await request.app.state.board.now(),
        services.live.watching(),
        services.sharing.state(),
        services.clock.now_ms(),
    )
    return view | {"needs": await needs_of(request, caller)}


async def camera_facts(request: Request, caller: Caller, camera: str) -> dict[str, Any]:
    """Return one camera with its streams and, for who runs the school, who is watching it."""
    services = services_of(request)
    status, watching = await request.app.state.board.now(), services.live.watching()
    known = next((item for item in services.rights.cameras(caller) if item.id == camera), KnownCamera(PublicId(camera)))
    facts = views.camera_facts(known, status, watching, names=caller.role in LEADER_ROLES)
    return facts | {"now_ms": services.clock.now_ms()}


@router.get("/api/me", dependencies=[Depends(ANYBODY)])
async def me(request: Request) -> Response:
    """Return who is signed in, and the box's time; null if nobody is, which is an answer and no error."""
    services, caller = services_of(request), await caller_of(request)
    if caller is None:
        return JSONResponse(None)
    body = {"name": caller.name, "role": caller.role, "site": services.site.name, "now_ms": services.clock.now_ms()}
    return JSONResponse(body)


@router.get("/api/cameras")
async def cameras(request: Request, caller: Annotated[Caller, Depends(STAFF)]) -> Response:
    """Return all cameras the person may know of, with their states."""
    return JSONResponse(await grid_state(request, caller))


@router.get("/api/cameras/{camera}")
async def camera_state(request: Request, camera: str, caller: Annotated[Caller, Depends(OF_CAMERA_STAFF)]) -> Response:
    """Return one camera with its streams."""
    return JSONResponse(await camera_facts(request, caller, camera))


@router.get("/api/class")
async def class_now(request: Request, caller: Annotated[Caller, Depends(GUARDIAN)]) -> Response:
    """Return which screen a guardian's class page shows now, and until when."""
    _, _, view = await class_state(request, caller)
    return JSONResponse(view | {"now_ms": services_of(request).clock.now_ms()})


@router.get("/api/cameras/{camera}/still.jpg")
async def still(
    request: Request, camera: str, caller: Annotated[Caller, Depends(OF_CAMERA)], w: Literal["320", "640"] = "640"
) -> Response:
    """Return the newest still with its age: `X-Captured-At` in UTC ms, `X-Age` in ms by the box's clock."""
    services = services_of(request)
    grant = await services.rights.grant(caller, Action.SNAPSHOT, PublicId(camera))
    picture = await services.recorder.still(grant, int(w))
    age_ms = max(0, services.clock.now_ms() - picture.captured_ms)
    headers = {"X-Captured-At": str(picture.captured_ms), "X-Age": str(age_ms), "Cache-Control": "no-store"}
    return Response(picture.jpeg, media_type="image/jpeg", headers=headers)


@router.post("/api/sharing/stop")
async def stop_sharing(request: Request, caller: Annotated[Caller, Depends(STOP_ALL)]) -> Response:
    """Stop sharing with all guardians."""
    await services_of(request).sharing.stop(caller)
    return JSONResponse(await grid_state(request, caller))


@router.post("/api/sharing/resume")
async def resume_sharing(request: Request, caller: Annotated[Caller, Depends(SHARE_AGAIN)]) -> Response:
    """Share again, as far as the policy allows."""
    await services_of(request).sharing.resume(caller)
    return JSONResponse(await grid_state(request, caller))
