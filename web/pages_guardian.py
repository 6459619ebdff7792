"""Guardian pages: the class, the account, the reminder.

Owns `/p/`, `/p/tai-khoan`, `/p/may/ket-thuc` and `/p/nhac.ics`. Invariants: outside the right to see, the page has no
element that could fetch a pixel; what is shown instead says when it opens next; another family is never hinted at;
the page is small: system fonts, one style sheet, no script before the text is there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from gateway.core.errors import NotFound
from web.caller import Caller
from web.forms import Field, Fields, Form
from web.guards import GUARDIAN
from web.i18n import Words
from web.pages_consent import open_questions
from web.pages_slip import kind_text
from web.problems import words_of
from web.render import render
from web.services import ClassDay, DayBlock
from web.session import services_of
from web.views import class_view

router = APIRouter()
END_DEVICE = Form(Field("may", "id", required=True))
ENDS = (
    "calendar",
    "camera",
    "class",
    "clock",
    "consent",
    "device",
    "person",
    "plan",
    "policy",
    "session",
    "sharing",
    "stream",
)
PAGE_TEXTS = (
    *(
        "live.",
        "turn.",
        "dur.",
        "hours.left",
        "data.used",
        "end.",
        "net.",
        "cam.state.down",
        "cam.since",
        "cam.last",
        "install.",
    ),
    *(f"reason.{end}." for end in ENDS),
    "reason.window.",
)
"""No text with a technical reason: a guardian is not told why a camera fails."""
DAY_START_H, DAY_END_H = 7, 17
"""The strip of the day shows school hours; it widens to hold every window."""


def chosen(classes: list[ClassDay], class_id: str) -> ClassDay | None:
    """Return the class asked for, or the first."""
    return next((day for day in classes if day.id == class_id), classes[0] if classes else None)


async def class_state(request: Request, caller: Caller) -> tuple[list[ClassDay], ClassDay | None, dict[str, Any]]:
    """Return the guardian's classes, the chosen one, and its view."""
    services, query = services_of(request), request.query_params
    classes = list(services.rights.classes(caller))
    day = chosen(classes, query.get("lop", ""))
    if day is None:
        return classes, None, {"screen": "none"}
    camera = next((cam for cam in day.cameras if cam == query.get("cam", "")), day.cameras[0] if day.cameras else None)
    status = await request.app.state.board.now()
    return classes, day, class_view(day, camera, status)


def day_strip(day: ClassDay, words: Words, now_ms: int) -> dict[str, Any]:
    """Return the day's viewing hours as percentages of a strip, with the labels of their ends."""
    midnight = words.local(now_ms).replace(hour=0, minute=0, second=0, microsecond=0)
    edges = [edge for window in day.windows for edge in window]
    start_ms = min([int((midnight + dt.timedelta(hours=DAY_START_H)).timestamp() * 1000), *edges])
    end_ms = max([int((midnight + dt.timedelta(hours=DAY_END_H)).timestamp() * 1000), *edges])

    def place(at_ms: int) -> float:
        return round(100 * min(1.0, max(0.0, (at_ms - start_ms) / (end_ms - start_ms))), 2)

    return {
        "bars": [(place(a), round(place(b) - place(a), 2)) for a, b in day.windows],
        "labels": [
            (place(edge), "24:00" if edge > now_ms and _is_midnight(edge, words) else words.clock(edge))
            for edge in edges
        ],
        "now": place(now_ms),
        "spoken": ", ".join(f"{words.clock(a)} - {words.clock(b)}" for a, b in day.windows),
    }


def _is_midnight(at_ms: int, words: Words) -> bool:
    return words.clock(at_ms) == "00:00"


def _inside(block: DayBlock, windows: Sequence[tuple[int, int]]) -> bool:
    """Say whether viewing hours touch a part of the day; without them no part is open."""
    return any(start < block.end_ms and block.start_ms < end for start, end in windows)


def _same_day(at_ms: int | None, now_ms: int, words: Words) -> bool:
    return at_ms is not None and words.local(at_ms).date() == words.local(now_ms).date()


@router.get("/p/")
async def class_page(request: Request, caller: Annotated[Caller, Depends(GUARDIAN)]) -> Response:
    """Show the child's class, or why not now and when next."""
    words, services = words_of(request), services_of(request)
    classes, day, view = await class_state(request, caller)
    if day is None:
        return render(request, words, "guardian_none.html", caller=caller)
    if "sau" not in request.query_params and await open_questions(request, caller):
        return RedirectResponse("/p/dong-y", 303)
    questions = await services.consents.questions(caller) if view["screen"] == "consent" else ()
    now_ms = services.clock.now_ms()
    return render(
        request,
        words,
        "guardian.html",
        caller=caller,
        classes=classes,
        day=day,
        view=view,
        consent=[item for item in questions if item.purpose == "view" and item.class_id == day.id],
        strip=day_strip(day, words, now_ms),
        texts=words.pick(PAGE_TEXTS),
        opening={block.start_ms for block in day.blocks if block.open and _inside(block, day.windows)},
        same_day=_same_day(view["next_ms"], now_ms, words),
        ends_today=_same_day(view["until_ms"], now_ms, words),
    )


@router.get("/p/tai-khoan")
async def account_page(request: Request, caller: Annotated[Caller, Depends(GUARDIAN)]) -> Response:
    """Show for whom the person stands, the devices, the rules, the language and the way out."""
    words, door = words_of(request), services_of(request).slips
    return render(
        request,
        words,
        "guardian_account.html",
        caller=caller,
        ties=door.ties(caller),
        devices=await door.devices(caller),
        questions=await services_of(request).consents.questions(caller),
        kind_of=lambda kind: kind_text(words, kind),
    )


@router.post("/p/may/ket-thuc")
async def end_device(
    request: Request, caller: Annotated[Caller, Depends(GUARDIAN)], fields: Annotated[Fields, Depends(END_DEVICE)]
) -> Response:
    """End another one of the person's own devices: a lost phone sees nothing any more."""
    await services_of(request).slips.end_device(caller, fields.id("may"))
    return RedirectResponse("/p/tai-khoan", 303)


@router.get("/p/nhac.ics")
async def reminder(request: Request, caller: Annotated[Caller, Depends(GUARDIAN)]) -> Response:
    """Return a calendar entry (RFC 5545) for the next opening; it names neither school, class nor child."""
    words = words_of(request)
    _, day, view = await class_state(request, caller)
    if day is None or view["next_ms"] is None:
        raise NotFound("nothing to be reminded of")
    start = dt.datetime.fromtimestamp(view["next_ms"] / 1000, dt.UTC)
    lines = (
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//vuon//nhac//VI",
        "BEGIN:VEVENT",
        f"UID:{view['next_ms']}@vuon",
        f"DTSTAMP:{start:%Y%m%dT%H%M%SZ}",
        f"DTSTART:{start:%Y%m%dT%H%M%SZ}",
        f"DTEND:{start + dt.timedelta(minutes=15):%Y%m%dT%H%M%SZ}",
        f"SUMMARY:{words.text('hours.open_now')}",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        f"DESCRIPTION:{words.text('hours.open_now')}",
        "TRIGGER:PT0S",
        "END:VALARM",
        "END:VEVENT",
        "END:VCALENDAR",
        "",
    )
    return Response("\r\n".join(lines), media_type="text/calendar")
