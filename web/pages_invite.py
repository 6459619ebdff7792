"""The school's side of slips: print them, see who is in, end a lost phone, approve who waits.

Owns `/phu-huynh/phieu`, `/phu-huynh/cho-duyet` and the forms on them. Invariants: everything works without scripts: a
form posts, then the page is shown again; a slip's secret is on the page that answers its making and nowhere else;
whoever may not invite is told the same as for a page that is not there.
"""

from __future__ import annotations

from typing import Annotated, Any

import segno
from fastapi import APIRouter, Depends
from markupsafe import Markup
from segno import consts
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import BadInput, NotFound
from gateway.core.model import LEADER_ROLES, STAFF_ROLES, PublicId, is_public_id
from web.caller import Caller
from web.forms import Field, Fields, Form
from web.guards import SignedIn
from web.i18n import Words
from web.pages_slip import kind_text
from web.problems import words_of
from web.render import render
from web.session import services_of
from web.slip_services import EndedDevice

router = APIRouter()
STAFF_ONLY = SignedIn(STAFF_ROLES)
INVITERS = SignedIn(STAFF_ROLES, fresh=True)
"""Whoever makes slips lets people in, so they prove first who they are."""
LEADERS_ONLY = SignedIn(LEADER_ROLES)
"""Who approves: the teacher hands slips out, so she does not let in too."""
SLIPS, WAITING = "/phu-huynh/phieu", "/phu-huynh/cho-duyet"
ENDED = "da-go"
"""Field of an address that names the device that was just ended."""
MAX_SLIPS = 200
MAX_WHY_CHARS = 80
REFUSALS = ("phone", "person", "guardian")
"""Usual words of a refusal, from the catalogue: `wait.why.<word>`."""
PRINT = Form(
    Field("ai", "id", many=MAX_SLIPS),
    Field("co", choices=("a4", "a6")),
    Field("da-kiem-tra", choices=("1",)),
    Field("lop", "id"),
)
END_DEVICE = Form(Field("may", "id", required=True), Field("lop", "id"), Field("tre", "id"))
DECISION = Form(Field("duyet", "id"), Field("tu-choi", "id"), Field("loai", choices=REFUSALS), Field("ly-do"))


@router.get(SLIPS)
async def slips_page(request: Request, caller: Annotated[Caller, Depends(STAFF_ONLY)]) -> Response:
    """Show the guardians of a class, who is in, and what to print."""
    invites, words = services_of(request).invites, words_of(request)
    classes = list(invites.classes(caller))
    asked = request.query_params.get("lop", "")
    chosen = next((item for item in classes if item[0] == asked), classes[0] if classes else None)
    if asked and (chosen is None or chosen[0] != asked):
        raise NotFound("no such class")
    rows = await invites.rows(caller, chosen[0]) if chosen is not None else ()
    ended = await ended_device(request, caller)
    return await _staff_page(
        request, caller, words, "invites.html", page="parents", classes=classes, chosen=chosen, rows=rows, ended=ended
    )


@router.post(SLIPS)
async def print_slips(
    request: Request, caller: Annotated[Caller, Depends(INVITERS)], fields: Annotated[Fields, Depends(PRINT)]
) -> Response:
    """Make slips for the ticked guardians and answer with the sheet for the printer."""
    ticked = fields.all("ai")
    if not ticked:
        raise BadInput("tick at least one guardian", case="slips_none", key="ai")
    if not all(is_public_id(text) for text in ticked):
        raise NotFound("no such guardian")
    persons = [PublicId(text) for text in ticked]
    words = words_of(request)
    made = await services_of(request).invites.slips(caller, persons, checked=fields.get("da-kiem-tra") == "1")
    slips = [(slip, qr(slip.url.reveal()), kind_text(words, slip.kind)) for slip in made]
    return render(
        request,
        words,
        "slips_print.html",
        slips=slips,
        size=fields.get("co") or "a4",
        back=_back(fields.get("lop", "")),
    )


def _back(class_id: str) -> str:
    return f"{SLIPS}?lop={class_id}" if is_public_id(class_id) else SLIPS


@router.post("/phu-huynh/may/ket-thuc")
async def end_lost_device(
    request: Request, caller: Annotated[Caller, Depends(STAFF_ONLY)], fields: Annotated[Fields, Depends(END_DEVICE)]
) -> Response:
    """End a lost phone: its streams stop at once; the page it was ended on says so."""
    device, child = fields.id("may"), fields.get("tre", "")
    await services_of(request).slips.end_device(caller, device)
    if is_public_id(child):
        return RedirectResponse(f"/phu-huynh/tre/{child}?{ENDED}={device}", 303)
    back = _back(fields.get("lop", ""))
    return RedirectResponse(f"{back}{'&' if '?' in back else '?'}{ENDED}={device}", 303)


async def ended_device(request: Request, caller: Caller) -> EndedDevice | None:
    """Return the device that a page is to say was ended; None where there is none that the caller may know of."""
    device = request.query_params.get(ENDED, "")
    return await services_of(request).invites.ended(caller, PublicId(device)) if is_public_id(device) else None


@router.get(WAITING)
async def approvals_page(request: Request, caller: Annotated[Caller, Depends(LEADERS_ONLY)]) -> Response:
    """Show who waits for the school's yes."""
    if not services_of(request).invites.may_approve(caller):
        raise NotFound("not a page of this person")
    rows = await services_of(request).invites.waiting(caller)
    return await _staff_page(request, caller, words_of(request), "waiting.html", page="parents", rows=rows)


@router.post(WAITING)
async def decide(
    request: Request, caller: Annotated[Caller, Depends(LEADERS_ONLY)], fields: Annotated[Fields, Depends(DECISION)]
) -> Response:
    """Approve (`duyet`, with a fresh login) or turn away (`tu-choi`, with words) one device."""
    words, invites = words_of(request), services_of(request).invites
    if fields.get("tu-choi"):
        own = " ".join(fields.get("ly-do", "").split())[:MAX_WHY_CHARS]
        usual = fields.get("loai", "")
        why = own or (str(words.text(f"wait.why.{usual}")) if usual else "")
        await invites.refuse(caller, fields.id("tu-choi"), why)
    else:
        await invites.approve(caller, fields.id("duyet"))
    return RedirectResponse(WAITING, 303)


def code_of(url: str) -> segno.QRCode:
    """Return a slip's QR code; both sides of the `#` in alphanumeric mode (ISO/IEC 18004 7.4.4), which is smaller."""
    before, _, secret = url.partition("#")
    modes = (consts.MODE_ALPHANUMERIC, consts.MODE_BYTE, consts.MODE_ALPHANUMERIC)
    parts = [(part, mode, None) for part, mode in zip((before, "#", secret), modes, strict=True)]
    return segno.make(parts, error="m")  # type: ignore[arg-type]  # its encoder takes parts; its annotation does not say so


def qr(url: str) -> Markup:
    """Return it as SVG."""
    code = code_of(url)
    return Markup(code.svg_inline(scale=1, border=4, svgclass="qr", lineclass="", omitsize=True))  # noqa: S704 - ours


async def _staff_page(
    request: Request, caller: Caller, words: Words, template: str, *, page: str, **values: Any
) -> Response:
    invites = services_of(request).invites
    may_approve = invites.may_approve(caller)
    return render(
        request,
        words,
        template,
        caller=caller,
        page=page,
        texts={},
        kind_of=lambda kind: kind_text(words, kind),
        may_approve=may_approve,
        waiting_count=await invites.waiting_count() if may_approve else 0,
        refusals=REFUSALS,
        **values,
    )
