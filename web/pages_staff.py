"""Staff pages: the live grid and one camera.

Owns `/` and `/camera/{camera}`. Invariants: tiles keep the order of `Rights.cameras`; opening one camera
asks for one camera; both pages carry their first state, so that nothing blinks while scripts start.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.model import STAFF_ROLES, Action, ObjectKind, ObjectRef, PublicId, Role
from web.api_cameras import camera_facts, grid_state
from web.caller import Caller
from web.guards import SOMEBODY, Right
from web.i18n import Words
from web.needs_view import needs_of
from web.pages_review import REVIEWERS
from web.problems import words_of
from web.render import render
from web.session import services_of
from web.views import groups

router = APIRouter()
GRID_TEXTS = (
    "live.",
    "turn.",
    "cam.",
    "fix.",
    "box.",
    "grid.",
    "dur.",
    "reason.",
    "share.",
    "end.",
    "err.",
    "net.",
    "need.",
    "rooms.wish",
    "rooms.grant",
    "rooms.refuse",
)


def _shell(caller: Caller, words: Words, page: str) -> dict[str, Any]:
    return {"caller": caller, "page": page, "texts": words.pick(GRID_TEXTS)}


@router.get("/")
async def live_grid(request: Request, caller: Annotated[Caller, Depends(SOMEBODY)]) -> Response:
    """Show all cameras the person may know of; guardians and guests go to their class, the rest have no grid."""
    if caller.role in {Role.GUARDIAN, Role.OBSERVER}:
        return RedirectResponse("/p/" if caller.role is Role.GUARDIAN else "/khach/", 303)
    words, services = words_of(request), services_of(request)
    known = services.rights.cameras(caller) if caller.role in STAFF_ROLES else ()
    box = ObjectRef(ObjectKind.BOX, services.site.box)
    state = await grid_state(request, caller) if known else None
    return render(
        request,
        words,
        "grid.html",
        state=state,
        needs=state["needs"] if state else await needs_of(request, caller),
        known=known,
        groups=groups(known),
        may_stop=services.rights.decide(caller, Action.STOP_ALL, box).allowed,
        **_shell(caller, words, "live"),
    )


@router.get("/camera/{camera}")
async def camera_page(
    request: Request,
    camera: str,
    caller: Annotated[
        Caller, Depends(Right(Action.LIVE, ObjectKind.CAMERA, "camera", by_grant=True, roles=STAFF_ROLES))
    ],
) -> Response:
    """Show one camera live with the facts of its recording."""
    words = words_of(request)
    facts = await camera_facts(request, caller, camera)
    recorded = services_of(request).rights.decide(
        caller, Action.PLAYBACK, ObjectRef(ObjectKind.CAMERA, PublicId(camera))
    )
    may_review = caller.role in REVIEWERS and recorded.allowed
    return render(request, words, "camera.html", facts=facts, may_review=may_review, **_shell(caller, words, "live"))
