"""The observer's page: one class, one hour, live; or why not now.

Owns `/khach/`, `/khach/het` and `/api/observation`. Invariants: a guest sees the class's name, the hour and the
picture, no name of anybody else; while the picture may not be seen the page has no element that could fetch a pixel;
families who did not agree are not counted and not named; after the visit there is no login, and a page that says so.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from gateway.core.model import Role
from web.caller import Caller
from web.guards import ANYBODY, SignedIn
from web.guest_view import guest_view
from web.observe_services import MyVisit
from web.problems import words_of
from web.render import render
from web.session import caller_of, services_of

router = APIRouter()
GUESTS = SignedIn(frozenset({Role.OBSERVER}))
Guest = Annotated[Caller, Depends(GUESTS)]
OVER = "/khach/het"
TEXTS = (
    *("live.", "turn.", "dur.", "hours.left", "data.used", "end.", "net.", "cam.state.down", "cam.since", "cam.last"),
    *(f"reason.{end}." for end in ("observation", "sharing", "camera", "plan", "clock", "session", "stream", "device")),
)
"""Only what a guest may be told."""


async def guest_state(request: Request, caller: Caller) -> tuple[MyVisit | None, dict[str, Any]]:
    """Return the guest's visit and the view of it; an empty one if there is none."""
    services = services_of(request)
    visit = await services.observe.mine(caller)
    if visit is None:
        return None, {}
    asked = request.query_params.get("cam", "")
    camera = next((item for item in visit.cameras if item == asked), visit.cameras[0] if visit.cameras else None)
    status = await request.app.state.board.now()
    return visit, guest_view(visit, camera, status, services.clock.now_ms()) | {"after": OVER}


@router.get("/khach/")
async def guest_page(request: Request, caller: Guest) -> Response:
    """Show the class, or why not now and when."""
    words, (visit, view) = words_of(request), await guest_state(request, caller)
    if visit is None:
        return RedirectResponse(OVER, 303)
    return render(
        request, words, "guest.html", caller=caller, visit=visit, view=view, texts=words.pick(TEXTS),
        same_day=words.local(visit.since_ms).date() == words.local(services_of(request).clock.now_ms()).date(),
    )  # fmt: skip


@router.get(OVER, dependencies=[Depends(ANYBODY)])
async def over_page(request: Request) -> Response:
    """Say that a visit is over: of whom and of which class is not said. Who still has one goes to it."""
    caller = await caller_of(request)
    if caller is not None and caller.role is Role.OBSERVER and await services_of(request).observe.mine(caller):
        return RedirectResponse("/khach/", 303)
    return render(request, words_of(request), "guest_over.html")


@router.get("/api/observation")
async def observation_now(request: Request, caller: Guest) -> Response:
    """Return which screen a guest's page shows now, and until when; null if there is no visit any more."""
    visit, view = await guest_state(request, caller)
    return JSONResponse(view | {"now_ms": services_of(request).clock.now_ms()} if visit is not None else None)
