"""The teacher's phone page: hide the class at one tap, say why afterwards, see who looks; the notice to staff.

Owns `/co/`. Invariants: hiding acts when the form arrives and asks nothing before; everything works without scripts
(a form, then a redirect); another's class is not there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import Denied
from gateway.core.model import Action, ObjectKind, PublicId, Role
from web.caller import Caller
from web.forms import Field, Fields, Form
from web.guards import Right, SignedIn
from web.problems import words_of
from web.render import render
from web.room_services import Room
from web.rooms_view import by_text, looker_text, room_view
from web.session import services_of

router = APIRouter()
TEACHERS = frozenset({Role.TEACHER})
TEACHER = SignedIn(TEACHERS)
OF_CLASS = Right(Action.PAUSE, ObjectKind.CLASS, "class_id", by_grant=True, roles=TEACHERS)
Teacher = Annotated[Caller, Depends(OF_CLASS)]
CHOICES = (5, 10, 15)
USUAL = 15
PAUSE = Form(Field("phut", "whole"))
WHY = Form(Field("lan", "whole"), Field("nhanh"), Field("ly_do"))
SIGNED = Form(Field("ban", required=True))
TEXTS = ("room.left", "room.since", "dur.")


def chosen(rooms: Sequence[Room], class_id: str) -> Room | None:
    """Return the class asked for, or the first."""
    return next((room for room in rooms if room.id == class_id), rooms[0] if rooms else None)


def back(class_id: str) -> Response:
    """Return to the page of a class after a form."""
    return RedirectResponse(f"/co/?lop={class_id}", 303)


@router.get("/co/")
async def teacher_page(request: Request, caller: Annotated[Caller, Depends(TEACHER)]) -> Response:
    """Show the teacher's class: the button, the time left, who looks."""
    words, services = words_of(request), services_of(request)
    rooms = await services.rooms.rooms.rooms(caller)
    room = chosen(rooms, request.query_params.get("lop", ""))
    return render(
        request,
        words,
        "teacher.html",
        caller=caller,
        rooms=rooms,
        room=room,
        choices=CHOICES,
        usual=USUAL,
        signed=services.rooms.notice.signed(caller),
        by=by_text(words, room.hidden) if room and room.hidden else "",
        lookers=[(looker_text(words, item), item) for item in room.lookers] if room else [],
        view=room_view(words, room) if room else None,
        texts=words.pick(TEXTS),
        slips=slips_of(request),
    )


def slips_of(request: Request) -> str:
    """Return where slips are made, if this box has such a page."""
    paths = {str(getattr(route, "path", "")) for route in request.app.routes}
    return next((path for path in SLIP_PAGES if path in paths), "")


SLIP_PAGES = ("/phu-huynh/phieu",)


@router.post("/co/{class_id}/an")
async def hide(request: Request, class_id: str, caller: Teacher, fields: Annotated[Fields, Depends(PAUSE)]) -> Response:
    """Hide the class at once for 5, 10 or 15 minutes."""
    minutes = fields.whole("phut") if "phut" in fields else USUAL
    try:
        await services_of(request).rooms.rooms.hide(caller, PublicId(class_id), minutes)
    except Denied as refusal:
        if refusal.fields.get("reason") != "pause.too_many":
            raise
    return back(class_id)  # which says that five are used up, and whom to ask


@router.post("/co/{class_id}/hien")
async def show(request: Request, class_id: str, caller: Teacher) -> Response:
    """End the teacher's own pauses, and those of her room's wall."""
    await services_of(request).rooms.rooms.show(caller, PublicId(class_id))
    return back(class_id)


@router.post("/co/{class_id}/ly-do")
async def explain(
    request: Request, class_id: str, caller: Teacher, fields: Annotated[Fields, Depends(WHY)]
) -> Response:
    """Keep why the class was hidden; nothing said is nothing kept."""
    reason = fields.get("nhanh") or fields.get("ly_do")
    if reason:
        await services_of(request).rooms.rooms.explain(caller, PublicId(class_id), fields.whole("lan"), reason)
    return back(class_id)


@router.post("/co/{class_id}/xin")
async def ask(request: Request, class_id: str, caller: Teacher) -> Response:
    """Ask the principal for one more pause today."""
    await services_of(request).rooms.rooms.ask(caller, PublicId(class_id), USUAL)
    return back(class_id)


@router.get("/co/thong-bao")
async def notice_page(request: Request, caller: Annotated[Caller, Depends(TEACHER)]) -> Response:
    """Show the notice to staff, to be signed."""
    notice = services_of(request).rooms.notice
    words = words_of(request)
    return render(
        request, words, "teacher_notice.html", caller=caller, version=notice.version, signed=notice.signed(caller)
    )


@router.post("/co/thong-bao")
async def sign(
    request: Request, caller: Annotated[Caller, Depends(TEACHER)], fields: Annotated[Fields, Depends(SIGNED)]
) -> Response:
    """Sign the notice for oneself: the version that was shown."""
    notice = services_of(request).rooms.notice
    if fields.get("ban") == notice.version:
        await notice.sign(caller)
    return RedirectResponse("/co/thong-bao", 303)
