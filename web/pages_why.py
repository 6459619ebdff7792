"""The page of who sees what: which people a camera is shown to, what a person sees, and why; now or at a time.

Owns `/quyen`. Invariants: works without scripts; an address that names nobody or no time shows the form, never an
error; a moment that cannot be read is said to be none, and nothing is answered for another; it holds no picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request
from starlette.responses import Response

from gateway.core.model import Action, ObjectKind, PublicId
from web.caller import Caller
from web.guards import Right
from web.i18n import Words
from web.moment_form import Moment, days_around, moment_in, moment_of
from web.problems import words_of
from web.render import render
from web.session import services_of
from web.why_services import WhyDoor

router = APIRouter()
READS_RIGHTS = Right(Action.PEOPLE, ObjectKind.BOX)


def times(words: Words, row: Mapping[str, Any], now_ms: int) -> list[str]:
    """Return until when an answer holds and when it next allows, in words; the day where it is another one."""

    def when(at_ms: int) -> str:
        same = words.local(at_ms).date() == words.local(now_ms).date()
        return words.clock(at_ms) if same else f"{words.clock(at_ms)}, {words.day(at_ms)}"

    said = []
    if row["allowed"] and row["until_ms"] is not None:
        said.append(str(words.text("rights.at_least" if row["at_least"] else "rights.until", at=when(row["until_ms"]))))
    if not row["allowed"] and row["next_ms"] is not None:
        said.append(str(words.text("rights.next", at=when(row["next_ms"]))))
    return said


def asked_moment(request: Request) -> Moment:
    """Return the moment that a request asks about: of the form's fields, or of a link."""
    asked, zone = request.query_params, services_of(request).site.zone
    if asked.get("khi") == "khac":
        return moment_of(asked.get("ngay", ""), asked.get("gio", ""), zone)
    return moment_in(asked.get("luc", ""), zone)


def answers(
    door: WhyDoor,
    names: Mapping[PublicId, str],
    person: PublicId | None,
    camera: PublicId | None,
    at_ms: int | None,
    *,
    on_site: bool,
) -> list[dict[str, Any]]:
    """Return whom a camera is shown to, or what a person sees where no camera is named; each row with its question."""
    if camera is not None:
        found = door.who(camera, at_ms, on_site=on_site)
        return [dict(row) | {"link": f"ai={row['person']}&camera={camera}"} for row in found]
    if person is None:
        return []
    seen = door.what(person, at_ms, on_site=on_site)
    return [dict(row) | {"name": names[row["camera"]], "link": f"ai={person}&camera={row['camera']}"} for row in seen]


@router.get("/quyen")
async def rights_page(
    request: Request,
    caller: Annotated[Caller, Depends(READS_RIGHTS)],
    ai: str = "",
    camera: str = "",
    truong: str = "",
) -> Response:
    """Show the question, and its answer if it names somebody or something."""
    words, services = words_of(request), services_of(request)
    door, board = services.why, await request.app.state.board.now()
    names = {item: board.cameras.get(item, {}).get("name") or door.place(item) or item for item in door.cameras()}
    people = door.people()
    person = next((PublicId(row[0]) for row in people if row[0] == ai), None)
    shown = next((item for item in names if item == camera), None)
    moment, on_site = asked_moment(request), truong == "1"
    at_ms, asked = moment.at_ms, not moment.wrong and (person is not None or shown is not None)
    told: Mapping[str, Any] | None = None
    if asked and person is not None and shown is not None:
        told = door.why(person, shown, at_ms, on_site=on_site)
    rows = answers(door, names, person, shown, at_ms, on_site=on_site) if asked and told is None else []
    now_ms = services.clock.now_ms() if at_ms is None else at_ms
    today = words.local(services.clock.now_ms()).date()
    return render(
        request,
        words,
        "rights.html",
        caller=caller,
        page="rights",
        texts={},
        people=people,
        cameras=names,
        person=person,
        camera=shown,
        moment=moment,
        days=days_around(today, moment.day),
        today=today,
        on_site=on_site,
        rows=rows,
        told=told,
        at_ms=now_ms,
        asked=asked,
        times=lambda row: times(words, row, now_ms),
    )
