"""Control calls about class rooms: hiding a class, its wall sheet, its hours, its teachers and their signatures.

Owns `class.hide`, `class.show`, `wall.new`, `wall.end`, `hours.change`, `teacher.assign`, `notice.list`,
`notice.paper`. Whoever may open the socket acts as the console. Invariant: names are looked up, never guessed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

from gateway.access import dayhours, noticerules
from gateway.access.audit import CONSOLE
from gateway.access.classes import Classes, at
from gateway.access.pauses import Pauses
from gateway.access.people import People
from gateway.access.staffnotices import StaffNotices
from gateway.access.store import FactStore
from gateway.access.walls import Walls
from gateway.core.errors import BadInput
from gateway.core.model import PublicId, Role
from gateway.core.wire import Handler, Reply, Request
from gateway.roofs.lookup import only
from gateway.roofs.wall_port import address_of_sheet


class RoomCalls:
    """Answers the calls."""

    def __init__(
        self,
        store: FactStore,
        people: People,
        classes: Classes,
        pauses: Pauses,
        notices: StaffNotices,
        walls: Walls,
        web_url: Callable[[], str],
    ) -> None:
        self._store, self._people, self._classes, self._pauses = store, people, classes, pauses
        self._notices, self._walls, self._web_url = notices, walls, web_url

    def handlers(self) -> dict[str, Handler]:
        """Return the methods by name."""
        return {
            "class.hide": self._hide,
            "class.show": self._show,
            "wall.new": self._new_wall,
            "wall.end": self._end_wall,
            "hours.change": self._change_hours,
            "teacher.assign": self._assign,
            "notice.list": self._list,
            "notice.paper": self._paper,
        }

    async def _hide(self, request: Request) -> Reply:
        minutes = request.params.get("minutes")
        if minutes is not None and (not isinstance(minutes, int) or isinstance(minutes, bool)):
            raise BadInput("class.hide: minutes must be a whole number", key="minutes")
        await self._pauses.pause(CONSOLE, await self._class(request), minutes=minutes)
        return Reply({})

    async def _show(self, request: Request) -> Reply:
        await self._pauses.resume(CONSOLE, await self._class(request))
        return Reply({})

    async def _new_wall(self, request: Request) -> Reply:
        secret = await self._walls.replace(CONSOLE, await self._class(request))
        return Reply({"url": address_of_sheet(self._web_url(), secret)})

    async def _end_wall(self, request: Request) -> Reply:
        await self._walls.end(CONSOLE, await self._class(request))
        return Reply({})

    async def _change_hours(self, request: Request) -> Reply:
        """Change hours, weekdays or both of a class; what was not said stays. Nothing said: tell what stands."""
        class_id = await self._class(request)
        start, end = (at(text) if (text := request.text(key, "")) else None for key in ("start", "end"))
        days = _weekdays(text) if (text := request.text("days", "")) else None
        have = dayhours.hours_of(self._store.current, class_id)
        wanted = dayhours.changed(have, start, end, days)
        if (start, end, days) != (None, None, None):
            await self._classes.set_windows(CONSOLE, class_id, wanted)
        return Reply(
            {
                "hours": [
                    {"start": _text(item.start_min), "end": _text(item.end_min), "days": _said(item.days)}
                    for item in wanted
                ]
            }
        )

    async def _assign(self, request: Request) -> Reply:
        person = await self._teacher(request)
        await self._people.teach(CONSOLE, person, await self._class(request))
        return Reply({})

    async def _list(self, _request: Request) -> Reply:
        rows = {row.person: row for row in await self._notices.rows()}
        teachers = []
        for row in await self._people.rows():
            if row.role is Role.TEACHER and not row.disabled:
                signed = rows.get(row.id)
                when = signed.signed_ms if signed else None
                teachers.append(
                    {"id": row.id, "name": row.name, "signed_ms": when, "paper": bool(signed and signed.scan)}
                )
        return Reply({"version": noticerules.NOTICE_VERSION, "teachers": teachers})

    async def _paper(self, request: Request) -> Reply:
        person, text = await self._teacher(request), request.text("date")
        try:
            date = dt.date.fromisoformat(text)
        except ValueError as error:
            raise BadInput(f"{text!r} is no date", case="date", key="date", value=text) from error
        await self._notices.sign_on_paper(CONSOLE, person, date, request.text("scan"))
        return Reply({})

    async def _class(self, request: Request) -> PublicId:
        return only(request.text("class"), [(row.id, row.name) for row in await self._classes.rows()], "class")

    async def _teacher(self, request: Request) -> PublicId:
        rows = [row for row in await self._people.rows() if row.role is Role.TEACHER]
        return only(request.text("teacher"), [(row.id, row.name) for row in rows], "person")


def _weekdays(text: str) -> frozenset[int]:
    """Return Monday = 0 from the Vietnamese count, where Monday is 2 and Sunday 8."""
    found = set()
    for word in text.split(","):
        if word.strip() not in {"2", "3", "4", "5", "6", "7", "8"}:
            raise BadInput(f"{word!r} is no weekday; 2 is Monday, 8 is Sunday", case="weekday", key="days", value=word)
        found.add(int(word.strip()) - 2)
    return frozenset(found)


def _said(days: frozenset[int]) -> str:
    return ",".join(str(day + 2) for day in range(7) if day in days)


def _text(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
