"""Holds at the gateway's control socket: what `vuon giu` asks.

Owns these methods. Invariants: whoever may open that socket acts as the console, and the audit says so; an
answer says whether the recorder has confirmed the hold.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.access.audit import CONSOLE
from gateway.access.holds import DAYS, HoldRow
from gateway.core.errors import BadInput
from gateway.core.model import PublicId, is_public_id
from gateway.core.wire import Handler, Reply, Request
from gateway.roofs.export_port import Copying
from gateway.roofs.names import Names


class HoldCalls:
    """Handlers of the hold calls of the console."""

    def __init__(self, copying: Copying, names: Names) -> None:
        self._copying, self._names = copying, names

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {"hold.place": self.place, "hold.list": self.list_holds, "hold.lift": self.lift}

    async def place(self, request: Request) -> Reply:
        """Keep a span of a camera's footage."""
        span = request.number("from_ms"), request.number("to_ms")
        camera, days = PublicId(request.text("camera")), request.number("days", DAYS)
        hold = await self._copying.holds.place(CONSOLE, camera, *span, request.text("why"), days=days)
        await self._copying.tell_now()
        return Reply(self._shown(await self._copying.holds.get(hold)))

    async def list_holds(self, request: Request) -> Reply:
        """List what is held."""
        del request
        return Reply({"holds": [self._shown(row) for row in await self._copying.holds.rows()]})

    async def lift(self, request: Request) -> Reply:
        """Let retention have a span again."""
        hold = request.text("hold")
        if not is_public_id(hold):
            raise BadInput("hold must be an id as `vuon giu` lists it", key="hold", case="hold_id", name=hold)
        await self._copying.holds.lift(CONSOLE, PublicId(hold), request.text("why"))
        await self._copying.tell_now()
        return Reply({})

    def _shown(self, row: HoldRow) -> dict[str, object]:
        return {
            "hold": row.id,
            "camera": row.camera,
            "from_ms": row.from_ms,
            "to_ms": row.to_ms,
            "until_ms": row.until_ms,
            "by": self._names.person(PublicId(row.by)),
            "why": row.why,
            "confirmed": row.confirmed,
        }
