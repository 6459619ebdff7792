"""The principal's page of class rooms: who is hidden, who asks, hide and show one class, wall sheets, signatures.

Owns `/lop-hoc` but for hours and calendar (`pages_hours`). Invariants: one tap hides a class, one grants a wish; a wall
sheet's address is shown once, in the answer to the form that made it, and is kept nowhere.
"""

from __future__ import annotations

import datetime as dt
import io
from typing import Annotated, Any

import segno
from fastapi import APIRouter, Depends
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import BadInput, NotFound
from gateway.core.model import LEADER_ROLES, Action, ObjectKind, PublicId, Role
from web.api_holds import KEEPER, public_id
from web.caller import Caller
from web.forms import NOTHING, Field, Fields, Form
from web.guards import Right
from web.problems import words_of
from web.render import render
from web.rooms_view import by_text, looker_text, room_view
from web.session import services_of

router = APIRouter()
PRINCIPALS = frozenset({Role.PRINCIPAL})
HIDER = Right(Action.PAUSE, ObjectKind.CLASS, "class_id", by_grant=True, roles=LEADER_ROLES)
SETTER = Right(Action.CONFIGURE, ObjectKind.CLASS, "class_id", by_grant=True, roles=PRINCIPALS)
Leader = Annotated[Caller, Depends(KEEPER)]
Hider = Annotated[Caller, Depends(HIDER)]
Setter = Annotated[Caller, Depends(SETTER)]
TEXTS = ("room.", "dur.", "net.", "box.")
CHOICES = (15, 60, 0)
"""Minutes the principal may hide a class for; 0 = until shown again."""
MINUTES = Form(Field("phut", "whole", required=True))
WISH_ANSWER = Form(
    Field("xin", "whole", required=True),
    Field("cho", required=True, choices=("0", "1")),
    Field("ve", choices=("truc-tiep",)),
)
ON_PAPER = Form(Field("ngay", "day", required=True), Field("so", required=True))


@router.get("/lop-hoc")
async def rooms_page(request: Request, caller: Leader) -> Response:
    """Show every class room with its state, the wishes first."""
    words, services = words_of(request), services_of(request)
    rooms = await services.rooms.rooms.rooms(caller)
    return render(
        request,
        words,
        "rooms.html",
        caller=caller,
        page="rooms",
        texts=words.pick(TEXTS),
        rooms=rooms,
        choices=CHOICES,
        by={room.id: by_text(words, room.hidden) for room in rooms if room.hidden},
        lookers={room.id: [looker_text(words, item) for item in room.lookers] for room in rooms},
        past=await services.rooms.rooms.today(caller),
        missing=[item for item in await services.rooms.notice.all(caller) if item.signed_ms is None],
        state={"rooms": [room_view(words, room) for room in rooms]},
    )


def back(class_id: str) -> Response:
    """Return to the list, at the class."""
    return RedirectResponse(f"/lop-hoc#{class_id}", 303)


@router.post("/lop-hoc/{class_id}/an")
async def hide(request: Request, class_id: str, caller: Hider, fields: Annotated[Fields, Depends(MINUTES)]) -> Response:
    """Hide one class at once, for some minutes or until shown again."""
    minutes = fields.whole("phut")
    await services_of(request).rooms.rooms.hide(caller, PublicId(class_id), minutes or None)
    return back(class_id)


@router.post("/lop-hoc/{class_id}/hien")
async def show(request: Request, class_id: str, caller: Hider) -> Response:
    """Show a class again, whoever hid it."""
    await services_of(request).rooms.rooms.show(caller, PublicId(class_id))
    return back(class_id)


@router.post("/lop-hoc/{class_id}/tra-loi")
async def answer(
    request: Request, class_id: str, caller: Hider, fields: Annotated[Fields, Depends(WISH_ANSWER)]
) -> Response:
    """Grant a wish for one more pause, which hides the class at once, or refuse it."""
    wish, granted = fields.whole("xin"), fields.get("cho") == "1"
    await services_of(request).rooms.rooms.answer(caller, PublicId(class_id), wish, granted=granted)
    return RedirectResponse("/", 303) if fields.get("ve") == "truc-tiep" else back(class_id)


@router.post("/lop-hoc/{class_id}/dan-tuong")
async def sheet(
    request: Request, class_id: str, caller: Setter, _fields: Annotated[Fields, Depends(NOTHING)]
) -> Response:
    """Make a wall sheet, which ends the one before, and show it for printing."""
    name, address = await services_of(request).rooms.wall.sheet(caller, PublicId(class_id))
    words = words_of(request)
    return render(request, words, "wall_sheet.html", name=name, code=qr(address), made_ms=_now(request))


@router.post("/lop-hoc/{class_id}/go-dan-tuong")
async def end_sheet(
    request: Request, class_id: str, caller: Setter, _fields: Annotated[Fields, Depends(NOTHING)]
) -> Response:
    """Let the wall sheet of a class open nothing any more."""
    await services_of(request).rooms.wall.end(caller, PublicId(class_id))
    return back(class_id)


def _now(request: Request) -> int:
    return services_of(request).clock.now_ms()


def qr(text: str) -> Markup:
    """Return a QR code as inline SVG, which needs no style and no script."""
    out = io.BytesIO()
    segno.make(text, error="m").save(out, kind="svg", xmldecl=False, svgns=False, omitsize=True, border=2)
    return Markup(out.getvalue().decode("ascii"))  # noqa: S704 - segno writes numbers only, the text is in the pattern


# the notice to staff


@router.get("/lop-hoc/thong-bao")
async def notice_page(request: Request, caller: Leader) -> Response:
    """Show the notice and who has signed it."""
    return await _notice(request, caller)


async def _notice(request: Request, caller: Caller, *, status: int = 200, **wrong: Any) -> Response:
    notice, words = services_of(request).rooms.notice, words_of(request)
    today = f"{words.local(_now(request)):%Y-%m-%d}"
    shown: dict[str, Any] = {"bad": "", "bad_person": "", "typed_date": "", "typed_scan": ""} | wrong
    return render(
        request,
        words,
        "rooms_notice.html",
        status=status,
        caller=caller,
        page="rooms",
        texts=words.pick(TEXTS),
        version=notice.version,
        people=await notice.all(caller),
        today=today,
        **shown,
    )


@router.post("/lop-hoc/thong-bao/{person}")
async def on_paper(
    request: Request, person: str, caller: Leader, fields: Annotated[Fields, Depends(ON_PAPER)]
) -> Response:
    """Enter a teacher's signature on paper: its day and the number of the scanned sheet."""
    if all(item.person != person for item in await services_of(request).rooms.notice.all(caller)):
        raise NotFound("no such teacher")
    date, scan = fields.get("ngay", "")[:20], fields.get("so", "")[:120]
    typed = {"bad_person": person, "typed_date": date, "typed_scan": scan}
    try:
        day = dt.date.fromisoformat(date)
    except ValueError:
        return await _notice(request, caller, status=400, bad="date", **typed)
    if not scan:
        return await _notice(request, caller, status=400, bad="scan", **typed)
    try:
        await services_of(request).rooms.notice.on_paper(caller, public_id(person), day, scan)
    except BadInput as error:
        if error.fields.get("case") not in {"notice_date", "name"}:
            raise
        bad = "future" if error.fields["case"] == "notice_date" else "scan"
        return await _notice(request, caller, status=400, bad=bad, **typed)
    return RedirectResponse("/lop-hoc/thong-bao", 303)
