"""The principal's pages of viewing hours, day plans and the school's calendar.

Owns `/lop-hoc/{class_id}` and `/lop-hoc/lich`. Invariants: what is wrong is named beside what was typed, and nothing of
it is lost; the week that guardians will see is shown before anything is kept; what is kept holds at once.
"""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import BadInput
from gateway.core.model import PublicId, is_public_id
from web.caller import Caller
from web.forms import Field, Fields, Form
from web.guards import SignedIn
from web.hours_form import (
    KINDS,
    MOST_BLOCKS,
    MOST_HOURS,
    WEEKDAYS,
    Trouble,
    TypedRow,
    TypedTable,
    read_day,
    read_table,
    typed_hours,
    typed_plan,
)
from web.pages_rooms import PRINCIPALS, TEXTS, Setter
from web.problems import words_of
from web.render import render
from web.room_services import Timetable
from web.session import services_of

router = APIRouter()
Principal = Annotated[Caller, Depends(SignedIn(PRINCIPALS))]
OLD_DAY = Form(Field("ngay", "day", required=True))
DAY = Form(Field("ngay", "day", required=True), Field("kieu", required=True), Field("ten"))
TABLE = Form(
    Field("viec", choices=("thu", "luu")),
    *(Field(f"g{row}_{key}") for row in range(MOST_HOURS) for key in ("tu", "den")),
    *(Field(f"k{row}_{key}") for row in range(MOST_BLOCKS) for key in ("tu", "den", "loai", "xem")),
    *(Field(f"g{row}_thu", choices=WEEKDAYS, many=7) for row in range(MOST_HOURS)),
    *(Field(f"k{row}_thu", choices=WEEKDAYS, many=7) for row in range(MOST_BLOCKS)),
)
"""Hours (`g`) and blocks of the plan (`k`) by row: from, until, days of the week, what it is, seen or not."""
SPARE_HOURS, SPARE_BLOCKS = 1, 2
"""Empty rows after those that stand."""


@router.get("/lop-hoc/lich")
async def calendar_page(request: Request, caller: Principal) -> Response:
    """Show the days that are not like their weekday."""
    return await _calendar(request, caller)


async def _calendar(request: Request, caller: Caller, *, bad: Trouble | None = None, **typed: str) -> Response:
    words, services = words_of(request), services_of(request)
    return render(
        request,
        words,
        "rooms_calendar.html",
        status=400 if bad else 200,
        caller=caller,
        page="rooms",
        texts=words.pick(TEXTS),
        days=await services.rooms.hours.days(caller),
        bad=bad,
        span=services.rooms.hours.markable(),
        typed={"ngay": "", "kieu": "nghi", "ten": ""} | typed,
        today=f"{words.local(services.clock.now_ms()):%Y-%m-%d}",
    )


@router.post("/lop-hoc/lich")
async def mark(request: Request, caller: Principal, fields: Annotated[Fields, Depends(DAY)]) -> Response:
    """Mark a day as a holiday, or as open and run like another weekday."""
    day = read_day(fields.raw)
    if isinstance(day, Trouble):
        typed = {key: fields.get(key, "")[:80] for key in ("ngay", "kieu", "ten")}
        return await _calendar(request, caller, bad=day, **typed)
    try:
        await services_of(request).rooms.hours.mark(caller, day)
    except BadInput as error:
        if error.fields.get("case") != "calendar_day":
            raise
        far = Trouble("far", "day", 0, f"{day.date:%d/%m/%Y}")
        return await _calendar(request, caller, bad=far, ngay=fields["ngay"], kieu=fields["kieu"], ten=day.label)
    return RedirectResponse("/lop-hoc/lich", 303)


@router.post("/lop-hoc/lich/xoa")
async def clear(request: Request, caller: Principal, fields: Annotated[Fields, Depends(OLD_DAY)]) -> Response:
    """Let a day run like its weekday again."""
    try:
        date = dt.date.fromisoformat(fields["ngay"])
    except ValueError as error:
        raise BadInput("this is no date", key="ngay") from error
    await services_of(request).rooms.hours.clear(caller, date)
    return RedirectResponse("/lop-hoc/lich", 303)


@router.get("/lop-hoc/{class_id}")
async def hours_page(request: Request, class_id: str, caller: Setter) -> Response:
    """Show hours and plan of a class, and the week they make; `?tu=` fills in those of another class."""
    hours = services_of(request).rooms.hours
    table = await hours.table(caller, PublicId(class_id))
    source = request.query_params.get("tu", "")
    if not is_public_id(source):
        typed = TypedTable([typed_hours(row) for row in table.hours], [typed_plan(row) for row in table.plan])
        return await _hours(request, caller, table, typed, saved="luu" in request.query_params)
    other = await hours.table(caller, PublicId(source))
    typed = TypedTable([typed_hours(row) for row in other.hours], [typed_plan(row) for row in other.plan])
    table = await hours.tried(caller, PublicId(class_id), other.hours, other.plan)
    return await _hours(request, caller, table, typed, copied=other.name)


@router.post("/lop-hoc/{class_id}")
async def save_hours(
    request: Request, class_id: str, caller: Setter, fields: Annotated[Fields, Depends(TABLE)]
) -> Response:
    """Try what was typed, or keep it."""
    hours = services_of(request).rooms.hours
    typed = read_table(fields.raw)
    if typed.troubles:
        table = await hours.table(caller, PublicId(class_id))
        return await _hours(request, caller, table, typed, status=400)
    if fields.get("viec") != "luu":
        table = await hours.tried(caller, PublicId(class_id), typed.hours_rows, typed.plan_rows)
        return await _hours(request, caller, table, typed, tried=True)
    await hours.save(caller, PublicId(class_id), typed.hours_rows, typed.plan_rows)
    return RedirectResponse(f"/lop-hoc/{class_id}?luu=1", 303)


async def _hours(
    request: Request, caller: Caller, table: Timetable, typed: TypedTable, *, status: int = 200, **shown: Any
) -> Response:
    words = words_of(request)
    now_ms = services_of(request).clock.now_ms()
    return render(
        request,
        words,
        "rooms_hours.html",
        status=status,
        caller=caller,
        page="rooms",
        texts=words.pick(TEXTS),
        table=table,
        hours=_with_spare(typed.hours, SPARE_HOURS, MOST_HOURS),
        plan=_with_spare(typed.plan, SPARE_BLOCKS, MOST_BLOCKS),
        troubles=typed.troubles,
        others=[item for item in await services_of(request).rooms.hours.names() if item[0] != table.id],
        kinds=KINDS,
        today=words.local(now_ms).date(),
        **{"tried": False, "saved": False, "copied": ""} | shown,
    )


def _with_spare(rows: list[TypedRow], spare: int, most: int) -> list[TypedRow]:
    """Return the rows with a few empty ones, so that a row can be added without a script."""
    return [*rows, *[TypedRow(days=frozenset(range(5)))] * min(max(1, spare), max(0, most - len(rows)))]
