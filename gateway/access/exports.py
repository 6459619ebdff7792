"""Copies out of the box, wished by one person and approved by another.

Owns `export_order`. Invariants: requester and approver are two people (the policy and the schema both
say so); an approved order never changes; the grant of an export comes from the order, not from what a
request says.
"""

from __future__ import annotations

import sqlite3

from gateway.access.audit import Actor
from gateway.access.policy import BOX
from gateway.access.store import FactStore, Need, clean_name, require
from gateway.core.errors import BadInput
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, new_public_id


class Exports:
    """Orders of copies; `Grants.issue_export` turns an approved one into a grant."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def request(self, actor: Actor, camera: PublicId, from_ms: int, to_ms: int, why: str) -> PublicId:
        """Queue a wish for [from_ms, to_ms) of a camera; needs the right to place a hold. BadInput, NotFound."""
        store, order, text = self._store, new_public_id(), clean_name(why)
        if from_ms >= to_ms or actor.person is None:
            raise BadInput("an export needs a person and a span that runs forward", from_ms=from_ms, to_ms=to_ms)

        def run(conn: sqlite3.Connection, now_ms: int) -> PublicId:
            require(conn, "access_camera", camera)
            conn.execute(
                "INSERT INTO export_order (id, camera, from_ms, to_ms, requester, why_sealed, requested_ms) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (order, camera, from_ms, to_ms, actor.person, store.seal("export_order.why", order, text), now_ms),
            )
            return order

        need = Need(Action.HOLD, ObjectRef(ObjectKind.CAMERA, camera))
        return await store.change(actor, "export.request", need, run, detail={"order": order})

    async def approve(self, actor: Actor, order: PublicId) -> None:
        """Approve somebody else's order; Denied with `export.same_person` for one's own. NotFound."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "export_order", order)
            conn.execute(
                "UPDATE export_order SET approver = ?, approved_ms = ? WHERE id = ? AND approver IS NULL",
                (actor.person, now_ms, order),
            )

        if actor.person is None:
            raise BadInput("an approval needs a person", object=BOX.id)
        need = Need(Action.APPROVE, ObjectRef(ObjectKind.EXPORT, order))
        await self._store.change(actor, "export.approve", need, run)
