"""Control calls about holds: place, renew, lift, list.

Owns the translation between the control socket and the table of holds. Invariant: an answer to
`hold.place` means that the footage of the span that was there then stays until the hold ends or is lifted.
Who may do that is decided, and written into the audit, by the gateway.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.core.errors import BadInput
from gateway.core.wire import Handler, Reply, Request
from recorder.exportjob import ExportJobs
from recorder.holds import HoldBook, HoldOrder, Placed
from recorder.holdscopy import Copied
from recorder.params import camera_param, id_param, known_camera, text_param
from recorder.registry import Registry


class HoldService:
    """Handlers of the hold calls."""

    def __init__(self, registry: Registry, holds: HoldBook, exports: ExportJobs | None = None) -> None:
        self._registry, self._holds, self._exports = registry, holds, exports

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {
            "hold.place": self.place,
            "hold.renew": self.renew,
            "hold.lift": self.lift,
            "hold.list": self.list_holds,
        }

    async def place(self, request: Request) -> Reply:
        """Keep a camera's footage of a span, also of a camera that was removed.

        With `hold` the caller names it: the same again changes nothing, so an order may be repeated until answered.
        """
        camera = await known_camera(self._registry, camera_param(request))
        order = HoldOrder(
            request.number("from_ms"),
            request.number("to_ms"),
            request.number("until_ms"),
            id_param(request, "who"),
            text_param(request, "why"),
        )
        wanted = id_param(request, "hold") if "hold" in request.params else None
        return Reply({"hold": _shown(await self._holds.place(camera, order, wanted))})

    async def renew(self, request: Request) -> Reply:
        """Let a hold end at another time than was said."""
        return Reply({"hold": _shown(await self._holds.renew(id_param(request, "hold"), request.number("until_ms")))})

    async def lift(self, request: Request) -> Reply:
        """Let retention have the footage again; BadInput while a copy is made or fetched of it."""
        hold = id_param(request, "hold")
        if self._exports is not None and await self._exports.uses(hold):
            raise BadInput("a copy needs this hold; cancel the copy first", key="hold", case="hold_used")
        await self._holds.lift(hold)
        return Reply({})

    async def list_holds(self, request: Request) -> Reply:
        """List the holds, of one camera or all; with all also those a disk brought and nobody here knew."""
        camera = camera_param(request) if "camera" in request.params else None
        holds = [_shown(item) for item in await self._holds.placed(camera)]
        return Reply({"holds": holds, "found": [] if camera else [_found(item) for item in await self._holds.found()]})


def _found(item: Copied) -> dict[str, Any]:
    hold = item.hold
    return {
        "hold": item.id,
        "stream": hold.stream,
        "from_ms": hold.start_ms,
        "to_ms": hold.end_ms,
        "until_ms": hold.until_ms,
    }


def _shown(item: Placed) -> dict[str, Any]:
    order = item.order
    return {
        "hold": item.id,
        "camera": item.camera,
        "from_ms": order.start_ms,
        "to_ms": order.end_ms,
        "until_ms": order.until_ms,
        "who": order.who,
        "why": order.why,
        "placed_ms": item.placed_ms,
    }
