"""Guests' visits on the control socket: make one, list them, the teacher's word on paper, the way in, the end.

Owns these calls. Whoever may make them acts as the console, and is written down as such.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.access.audit import CONSOLE
from gateway.access.guestpasses import GuestPasses
from gateway.access.observing import Observing, Visit
from gateway.core.model import PublicId, Role
from gateway.core.wire import Handler, Reply, Request
from gateway.roofs.lookup import only
from gateway.roofs.names import Names
from gateway.roofs.observe_port import GUEST_PATH, said_of


class ObservingCalls:
    """The calls."""

    def __init__(self, observing: Observing, passes: GuestPasses, names: Names, url: str) -> None:
        self._observing, self._passes, self._names, self._url = observing, passes, names, url

    def handlers(self) -> Mapping[str, Handler]:
        """Return the methods by name."""
        return {
            "observation.make": self._make,
            "observation.list": self._visits,
            "observation.assent": self._assent,
            "observation.code": self._code,
            "observation.end": self._end,
        }

    async def _make(self, request: Request) -> Reply:
        name, new = request.text("person"), request.params.get("new") is True
        guests = [(row.id, row.name) for row in self._names.persons.values() if row.role is Role.OBSERVER]
        classes = [(row.id, row.name) for row in self._names.classes.values()]
        visit = Visit(
            only(request.text("class"), classes, "class"),
            request.number("from_ms"),
            request.number("to_ms"),
            None if new else only(name, guests, "person"),
            name if new else "",
            request.text("reason", ""),
            request.text("invited", ""),
        )
        return Reply({"session": await self._observing.make(CONSOLE, visit)})

    async def _visits(self, _request: Request) -> Reply:
        rows: list[dict[str, Any]] = [
            {
                "id": row.id,
                "person": self._names.person(row.person),
                "class": self._names.classes[row.class_id].name if row.class_id in self._names.classes else "",
                "since_ms": row.since_ms,
                "until_ms": row.until_ms,
                "said": said_of(row),
                "ended": row.ended_ms is not None,
                "came": row.came,
            }
            for row in await self._observing.rows()
        ]
        return Reply({"sessions": rows})

    async def _assent(self, request: Request) -> Reply:
        given = request.params.get("given") is not False
        await self._observing.assent(CONSOLE, PublicId(request.text("session")), given=given)
        return Reply({})

    async def _code(self, request: Request) -> Reply:
        code = await self._passes.create(CONSOLE, PublicId(request.text("session")))
        return Reply({"code": code.text.reveal(), "until_ms": code.expires_ms, "url": self._url + GUEST_PATH})

    async def _end(self, request: Request) -> Reply:
        await self._observing.end(CONSOLE, PublicId(request.text("session")))
        return Reply({})
