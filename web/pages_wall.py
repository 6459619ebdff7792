"""The page that the QR on a class room's wall opens: one button, without a login, on the school's network only.

Owns `/tuong/{secret}`. Invariants: it shows the class's name and whether it is hidden, no name of anybody and no
picture; a GET changes nothing; from another network, or with a secret that is none, it is not there.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import Denied
from gateway.core.model import Secret
from web.forms import Fields
from web.pages_teacher import CHOICES, PAUSE, USUAL
from web.problems import words_of
from web.render import render
from web.session import services_of
from web.wall_guard import BY_THE_WALL

router = APIRouter()
Sheet = Annotated[Secret, Depends(BY_THE_WALL)]


@router.get("/tuong/{secret}")
async def wall_page(request: Request, secret: str, sheet: Sheet) -> Response:
    """Show the button, or the time left."""
    del secret  # the guard has read it
    room = await services_of(request).rooms.wall.room(sheet)
    often = request.query_params.get("cho") == "1"
    words = words_of(request)
    return render(request, words, "wall.html", room=room, choices=CHOICES, usual=USUAL, often=often)


async def _done(secret: str, act: Awaitable[None]) -> Response:
    """Do something and show the page again; what the day's or the sheet's limit forbids, the page says."""
    path = f"/tuong/{secret}"
    try:
        await act
    except Denied as refusal:
        if refusal.fields.get("reason") not in {"pause.too_many", "rate"}:
            raise
        return RedirectResponse(path + ("?cho=1" if refusal.fields.get("reason") == "rate" else ""), 303)
    return RedirectResponse(path, 303)


@router.post("/tuong/{secret}/an")
async def hide(request: Request, secret: str, sheet: Sheet, fields: Annotated[Fields, Depends(PAUSE)]) -> Response:
    """Hide the class at once."""
    minutes = fields.whole("phut") if "phut" in fields else USUAL
    return await _done(secret, services_of(request).rooms.wall.hide(sheet, minutes))


@router.post("/tuong/{secret}/hien")
async def show(request: Request, secret: str, sheet: Sheet) -> Response:
    """End what this wall hid."""
    return await _done(secret, services_of(request).rooms.wall.show(sheet))


@router.post("/tuong/{secret}/xin")
async def ask(request: Request, secret: str, sheet: Sheet) -> Response:
    """Ask the principal for one more pause today."""
    return await _done(secret, services_of(request).rooms.wall.ask(sheet, USUAL))
