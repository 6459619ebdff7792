"""A class's slips for the control socket: made together, to be printed by the command line.

Owns this call. Invariants: whoever may make it acts as the console; a guardian who is in already gets none; the secrets
are in the answer to `slip.sheet` and in no other.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.access.audit import CONSOLE
from gateway.access.classes import Classes
from gateway.access.invitees import BOUND, Invitees
from gateway.access.store import FactStore
from gateway.core.errors import BadInput
from gateway.core.wire import Handler, Reply, Request
from gateway.roofs.lookup import only
from gateway.roofs.slip_port import InvitePort


class SlipCalls:
    """The call."""

    def __init__(self, store: FactStore, classes: Classes, printer: InvitePort) -> None:
        self._invitees, self._classes, self._printer = Invitees(store), classes, printer

    def handlers(self) -> Mapping[str, Handler]:
        """Return the methods by name."""
        return {"slip.sheet": self._sheet}

    async def _sheet(self, request: Request) -> Reply:
        class_id = only(request.text("class"), [(row.id, row.name) for row in await self._classes.rows()], "class")
        rows = await self._invitees.of_class(CONSOLE, class_id)
        persons = list(dict.fromkeys(row.person for row in rows if row.state != BOUND))
        if not persons:
            raise BadInput("every guardian of this class is in, or there is none", case="slips_nobody", key="class")
        made = await self._printer.printed(CONSOLE, persons, checked=request.params.get("checked") is True)
        slips: list[dict[str, Any]] = [
            {
                "child": slip.child,
                "class": slip.class_name,
                "kind": slip.kind,
                "url": slip.url.reveal(),
                "code": slip.code.reveal(),
                "until_ms": slip.expires_ms,
            }
            for slip in made
        ]
        return Reply({"slips": slips})
