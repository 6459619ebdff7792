"""Consent for the control socket: how the classes stand, and one child's statement.

Owns these two calls. Invariant: they read only; answers are given by families, on their phones or on paper that
the school puts in.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from gateway.core.wire import Handler, Reply, Request
from gateway.roofs.consent_port import ConsentPort
from gateway.roofs.lookup import only
from gateway.roofs.names import Names


class ConsentCalls:
    """The calls; whoever may make them acts as the console."""

    def __init__(self, consents: ConsentPort, names: Names) -> None:
        self._consents, self._names = consents, names

    def handlers(self) -> Mapping[str, Handler]:
        """Return the methods by name."""
        return {"consent.list": self._list, "consent.statement": self._statement}

    async def _list(self, request: Request) -> Reply:
        classes = [asdict(item) for item in await self._consents.tallies()]
        name, basis = request.text("class", ""), (await self._consents.basis()).basis
        if not name:
            return Reply({"classes": classes, "children": [], "basis": basis})
        class_id = only(name, [(row.id, row.name) for row in self._names.classes.values()], "class")
        children = [
            {
                "id": row.child,
                "name": row.name,
                "answers": dict(row.answers),
                "withdrawn": row.withdrawn,
                "settled": row.resolved and not row.standing,
                "waits": row.waits,
            }
            for row in await self._consents.answers(class_id)
        ]
        return Reply(
            {"classes": [row for row in classes if row["id"] == class_id], "children": children, "basis": basis}
        )

    async def _statement(self, request: Request) -> Reply:
        rows = [(row.id, row.name) for row in self._names.children.values()]
        statement = await self._consents.record(only(request.text("child"), rows, "child"))
        return Reply(asdict(statement))
