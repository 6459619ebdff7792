"""Guests ("dự giờ") for the school: the leaders make visits and hand out the way in, the teacher says her word.

Owns `/du-gio` and `/co/{class_id}/du-gio`. Invariants: making a visit or its code takes a fresh login, ending one never
does; a code is in the answer to the form that made it and is kept nowhere; everything works without scripts; what was
wrong with a form is said above it, and what was typed stays.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import BadInput, NotFound
from gateway.core.model import LEADER_ROLES, Action, ObjectKind, PublicId, is_public_id
from web.api_holds import public_id
from web.caller import Caller
from web.forms import NOTHING, Field, Fields, Form
from web.guards import Right
from web.observe_services import Visit, Wanted
from web.pages_people import refused
from web.pages_rooms import qr
from web.pages_teacher import TEACHERS, back
from web.problems import words_of
from web.render import render
from web.session import services_of
from web.visits_view import visits_view

router = APIRouter()
LEADER = Right(Action.OBSERVE, ObjectKind.BOX, roles=LEADER_ROLES)
MAKER = Right(Action.OBSERVE, ObjectKind.BOX, roles=LEADER_ROLES, fresh=True)
OF_CLASS = Right(Action.OBSERVE, ObjectKind.CLASS, "class_id", roles=TEACHERS)
Leader = Annotated[Caller, Depends(LEADER)]
Maker = Annotated[Caller, Depends(MAKER)]
FIELDS = ("khach", "ten", "lop", "ngay", "tu", "den", "ly_do", "moi")
MOST_TIME = 8
VISIT = Form(
    Field("khach", "id"), Field("ten"), Field("lop", "id"), Field("ngay", "day"), Field("tu", most=MOST_TIME),
    Field("den", most=MOST_TIME), Field("ly_do"), Field("moi"),
)  # fmt: skip
"""What is missing or wrong the page says in its own words."""
ANSWER = Form(Field("buoi", "id", required=True), Field("y", required=True, choices=("co", "khong")))
PHASES = ("running", "coming", "past")
"""In the order in which the page has them; what was ended stands among the past."""


@router.get("/du-gio")
async def visits_page(request: Request, caller: Leader) -> Response:
    """Show the visits that run, come and are over, and the form for a new one."""
    return await _page(request, caller, {}, None)


async def _page(request: Request, caller: Caller, typed: Mapping[str, str], error: BadInput | None) -> Response:
    words, door = words_of(request), services_of(request).observe
    visits = await door.visits(caller)
    now_ms = services_of(request).clock.now_ms()
    return render(
        request,
        words,
        "observe.html",
        status=200 if error is None else 400,
        caller=caller,
        page="observe",
        texts={},
        refused=refused(request, error),
        typed={name: typed.get(name, "") for name in FIELDS} | {"ngay": typed.get("ngay") or _day(request, now_ms)},
        today=_day(request, now_ms),
        classes=door.classes(caller),
        guests=door.guests(caller),
        phases=[(phase, sorted_by_phase(visits, phase)) for phase in PHASES],
        made=request.query_params.get("moi", ""),
        state={"visits": visits_view(visits), "answered": error is not None},
    )


def sorted_by_phase(visits: Sequence[Visit], phase: str) -> list[Visit]:
    """Return the visits of one part of the page: what comes in its order, what is over the newest first."""
    if phase == "past":
        return [visit for visit in visits if visit.phase in {"past", "ended"}]
    return sorted((visit for visit in visits if visit.phase == phase), key=lambda visit: (visit.since_ms, visit.id))


def _day(request: Request, at_ms: int) -> str:
    return f"{words_of(request).local(at_ms):%Y-%m-%d}"


@router.post("/du-gio")
async def make(request: Request, caller: Maker, fields: Annotated[Fields, Depends(VISIT)]) -> Response:
    """Make a visit."""
    typed = {name: fields.get(name, "") for name in FIELDS}
    try:
        visit = await services_of(request).observe.make(caller, wanted(typed, services_of(request).site.zone))
    except NotFound:
        raise
    except BadInput as error:
        return await _page(request, caller, typed, error)
    return RedirectResponse(f"/du-gio?moi={visit}#{visit}", 303)


def wanted(typed: Mapping[str, str], zone: str) -> Wanted:
    """Return the visit that a form describes, its times those of the school's wall clock; BadInput, NotFound."""
    for name in ("khach", "lop"):
        if typed[name] and not is_public_id(typed[name]):
            raise NotFound("an id that cannot be one")
    if not typed["lop"]:
        raise BadInput("which class", case="observation_class", key="lop")
    if not typed["khach"] and not typed["ten"]:
        raise BadInput("who comes", case="observation_guest", key="ten")
    try:
        day = dt.date.fromisoformat(typed["ngay"])
        start, end = (dt.time.fromisoformat(typed[name]) for name in ("tu", "den"))
    except ValueError as error:
        raise BadInput("day and times are not complete", case="observation_time", key="ngay") from error
    since_ms, until_ms = (_instant(day, at, zone) for at in (start, end))
    guest = PublicId(typed["khach"]) if typed["khach"] else None
    return Wanted(PublicId(typed["lop"]), since_ms, until_ms, guest, typed["ten"], typed["ly_do"], typed["moi"])


def _instant(day: dt.date, at: dt.time, zone: str) -> int:
    """Return UTC ms of a time of the school's day; BadInput for one outside what a clock can show."""
    try:
        return int(dt.datetime.combine(day, at.replace(tzinfo=None), ZoneInfo(zone)).timestamp()) * 1000
    except (OverflowError, ValueError) as error:
        raise BadInput("no such day", case="observation_time", key="ngay") from error


@router.post("/du-gio/{visit}/ma")
async def way_in(request: Request, visit: str, caller: Maker, _fields: Annotated[Fields, Depends(NOTHING)]) -> Response:
    """Make the guest's code, which ends the one before, and show it for printing."""
    try:
        way = await services_of(request).observe.way_in(caller, public_id(visit))
    except NotFound:
        raise
    except BadInput as error:
        return await _page(request, caller, {}, error)
    return render(request, words_of(request), "observe_slip.html", way=way, code=qr(way.url))


@router.post("/du-gio/{visit}/ket-thuc")
async def end(request: Request, visit: str, caller: Leader) -> Response:
    """End a visit at once, or call off one to come."""
    await services_of(request).observe.end(caller, public_id(visit))
    return RedirectResponse("/du-gio", 303)


@router.post("/co/{class_id}/du-gio")
async def answer(
    request: Request,
    class_id: str,
    caller: Annotated[Caller, Depends(OF_CLASS)],
    fields: Annotated[Fields, Depends(ANSWER)],
) -> Response:
    """Agree to a guest, say no, or take the agreement back: the picture ends at once."""
    door = services_of(request).observe
    await door.answer(caller, PublicId(class_id), fields.id("buoi"), given=fields["y"] == "co")
    return back(class_id)
