"""Review pages: which cameras have footage of a day, and one camera's day.

Owns `/xem-lai` and `/xem-lai/{camera}`. Invariants: nobody but those whom the policy lets play recordings back
finds them; neither page holds a picture: each is asked for by script, with a grant and its audit row; an
instant in the address that is none is left out, never an error.
"""

from __future__ import annotations

from itertools import groupby
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from gateway.core.model import LEADER_ROLES, Action, ObjectKind
from web.api_cameras import camera_facts
from web.caller import Caller
from web.guards import Right, SignedIn
from web.problems import words_of
from web.render import render
from web.session import services_of
from web.views import disks_away

router = APIRouter()
REVIEWERS = LEADER_ROLES
"""Who finds the pages at all; whether they may play a camera back is the policy's answer to each grant."""
OF_CAMERA = Right(Action.PLAYBACK, ObjectKind.CAMERA, "camera", by_grant=True, roles=REVIEWERS)
TEXTS = (
    "review.", "reason.gap.", "weekday.", "dur.", "nav.review", "live.opening", "err.", "net.", "exp.", "hold.",
)  # fmt: skip
LATEST_MS = 4_102_444_800_000
"""2100-01-01: what is beyond is no instant that a page of ours wrote."""


def instant_of(text: str) -> int | None:
    """Return the UTC ms that an address names, or None for whatever else stands there."""
    at_ms = int(text) if text.isascii() and text.isdigit() and len(text) <= 13 else 0
    return at_ms if 0 < at_ms < LATEST_MS else None


@router.get("/xem-lai")
async def review_list(
    request: Request, caller: Annotated[Caller, Depends(SignedIn(REVIEWERS))], luc: str = ""
) -> Response:
    """Show all cameras by group, each with a bar of the day."""
    words, services = words_of(request), services_of(request)
    board = await request.app.state.board.now()
    cameras = [
        {
            "id": item.id,
            "name": board.cameras.get(item.id, {}).get("name") or item.place or item.id,
            "group": item.group,
        }
        for item in services.rights.cameras(caller)
    ]
    return render(
        request,
        words,
        "review.html",
        groups=[(name, list(items)) for name, items in groupby(cameras, key=lambda item: item["group"])],
        review={"at": instant_of(luc), "disks_away": disks_away(board.volumes)},
        caller=caller,
        page="review",
        texts=words.pick(TEXTS),
    )


@router.get("/xem-lai/{camera}")
async def review_camera(
    request: Request, camera: str, caller: Annotated[Caller, Depends(OF_CAMERA)], luc: str = ""
) -> Response:
    """Show one camera's footage at `luc` (UTC ms), or two minutes ago."""
    words = words_of(request)
    facts = await camera_facts(request, caller, camera)
    away = disks_away((await request.app.state.board.now()).volumes)
    return render(
        request,
        words,
        "review_camera.html",
        facts=facts,
        review={"camera": camera, "name": facts["name"], "at": instant_of(luc), "disks_away": away},
        caller=caller,
        page="review",
        texts=words.pick(TEXTS),
    )
