"""Copies out of the box, wished by one person and approved by another.

Owns `export_order`. Invariants: a wish places its hold in the same transaction; requester and approver are two
people (the policy and the schema both say so); an approved order never changes but for its end; the grant of
an export comes from the order, not from what a request says; an order that ended opens nothing; each act is an
audit row, and the authority hears of the wish, the approval and the finished copy, by ids.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gateway.access import audit
from gateway.access.audit import BY_BOX, Actor
from gateway.access.holds import DAYS, clean_why, insert_hold
from gateway.access.policy import BOX, decide
from gateway.access.reasons import Reason
from gateway.access.store import FactStore, Need, require
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, new_public_id

MAX_SPAN_MS = 6 * 3_600_000
"""As the recorder takes it; longer spans are several orders."""
MAX_OPEN = 50
SHOWN = 100


@dataclass(frozen=True, slots=True)
class OrderRow:
    """An order as people see it; times UTC ms."""

    id: PublicId
    camera: PublicId
    from_ms: int
    to_ms: int
    requester: PublicId
    approver: PublicId | None
    why: str
    requested_ms: int
    approved_ms: int | None
    hold: PublicId | None
    audit_rows: tuple[int | None, int | None]
    """Of the wish and of the approval."""
    done_ms: int | None
    manifest_sha256: str
    ended_ms: int | None
    ended_how: str
    ended_by: str
    end_why: str


class Exports:
    """Orders of copies; `Grants.issue_export` turns an approved one into a grant."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def request(
        self, actor: Actor, camera: PublicId, from_ms: int, to_ms: int, why: str, *, days: int = DAYS
    ) -> PublicId:
        """Hold [from_ms, to_ms) of a camera and queue the wish; needs the right to place a hold. BadInput, NotFound."""
        store, order, hold, text = self._store, new_public_id(), new_public_id(), clean_why(why)
        if from_ms >= to_ms or actor.person is None:
            raise BadInput("an export needs a person and a span that runs forward", from_ms=from_ms, to_ms=to_ms)
        if to_ms - from_ms > MAX_SPAN_MS:
            raise BadInput("an order covers at most six hours", key="to_ms", case="export_long")
        if to_ms > store.clock.now_ms():
            raise BadInput("what is to come cannot be copied", key="to_ms", case="export_future")

        def run(conn: sqlite3.Connection, now_ms: int) -> PublicId:
            require(conn, "access_camera", camera)
            sql = "SELECT count(*) FROM export_order WHERE ended_ms IS NULL"
            if conn.execute(sql).fetchone()[0] >= MAX_OPEN:
                raise BadInput("too many orders are open", key="order", case="exports_full", limit=MAX_OPEN)
            insert_hold(store, conn, actor, hold, camera, (from_ms, to_ms), text, now_ms, days)
            conn.execute(
                "INSERT INTO export_order (id, camera, from_ms, to_ms, requester, why_sealed, requested_ms, hold,"
                " request_row) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    order, camera, from_ms, to_ms, actor.person, store.seal("export_order.why", order, text), now_ms,
                    hold, next_row(conn),
                ),
            )  # fmt: skip
            return order

        need = Need(Action.HOLD, ObjectRef(ObjectKind.CAMERA, camera), fresh=True)
        event = _event("export.requested", camera, order)
        return await store.change(
            actor, "export.request", need, run, detail={"order": order, "hold": hold}, event=event
        )

    async def approve(self, actor: Actor, order: PublicId) -> None:
        """Approve somebody else's order; Denied with `export.same_person` for one's own. NotFound.

        Whoever asked must still be one who may: two people decide at the time it is decided (`export.two_people`).
        """
        if actor.person is None:
            raise BadInput("an approval needs a person", object=BOX.id)
        store, camera = self._store, await self._camera(order)

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "export_order", order)
            asked = conn.execute("SELECT requester FROM export_order WHERE id = ?", (order,)).fetchone()["requester"]
            wish = ObjectRef(ObjectKind.CAMERA, camera)
            if not decide(store.snapshot(conn), PublicId(asked), Action.HOLD, wish, now_ms).allowed:
                raise Denied("whoever asked may not ask any more", reason=Reason.EXPORT_TWO_PEOPLE)
            conn.execute(
                "UPDATE export_order SET approver = ?, approved_ms = ?, approve_row = ?"
                " WHERE id = ? AND approver IS NULL",
                (actor.person, now_ms, next_row(conn), order),
            )

        need = Need(Action.APPROVE, ObjectRef(ObjectKind.EXPORT, order), fresh=True)
        event = _event("export.approved", camera, order)
        await store.change(actor, "export.approve", need, run, event=event)

    async def refuse(self, actor: Actor, order: PublicId, why: str) -> None:
        """Say no to somebody else's order, with a reason; BadInput if it is approved already."""
        text = clean_why(why)

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            row = conn.execute("SELECT approver FROM export_order WHERE id = ?", (order,)).fetchone()
            if row is None or row["approver"] is not None:
                raise BadInput("the order is approved already; cancel it", key="order", case="export_approved")
            self._end(conn, order, "refused", actor, now_ms, text)

        need = Need(Action.APPROVE, ObjectRef(ObjectKind.EXPORT, order))
        await self._store.change(actor, "export.refuse", need, run)

    async def cancel(self, actor: Actor, order: PublicId, why: str = "") -> None:
        """End an order at any time, also a finished one: nobody can fetch it any more. NotFound."""
        text = clean_why(why) if why else ""
        need = Need(Action.HOLD, ObjectRef(ObjectKind.CAMERA, await self._camera(order)))

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            self._end(conn, order, "cancelled", actor, now_ms, text)

        await self._store.change(actor, "export.cancel", need, run, detail={"order": order})

    def _end(
        self, conn: sqlite3.Connection, order: PublicId, how: str, actor: Actor, now_ms: int, why: str = ""
    ) -> None:
        sealed = self._store.seal("export_order.end_why", order, why) if why else None
        conn.execute(
            "UPDATE export_order SET ended_ms = ?, ended_how = ?, ended_by = ?, end_why_sealed = ?"
            " WHERE id = ? AND ended_ms IS NULL",
            (now_ms, how, actor.person or actor.device, sealed, order),
        )

    async def _camera(self, order: PublicId) -> PublicId:
        known = self._store.current.index.exports.get(order)
        if known is None:
            raise NotFound("there is no such order")
        return known.camera

    # what the box does after an approval

    async def done(self, order: PublicId, manifest_sha256: str) -> None:
        """Note that a copy is signed and offered; once."""
        store = self._store

        def run(conn: sqlite3.Connection) -> None:
            now_ms = store.clock.now_ms()
            changed = conn.execute(
                "UPDATE export_order SET done_ms = ?, manifest_sha256 = ? WHERE id = ? AND done_ms IS NULL",
                (now_ms, manifest_sha256, order),
            ).rowcount
            if changed:
                camera = conn.execute("SELECT camera FROM export_order WHERE id = ?", (order,)).fetchone()["camera"]
                need = Need(Action.EXPORT, ObjectRef(ObjectKind.EXPORT, order))
                audit.append(conn, store.body(BY_BOX, "export.done", now_ms, need, manifest=manifest_sha256))
                store.emit(conn, store.event("export.done", subject=camera, camera=camera, order=order))

        await store.db.write(run)

    async def over(self, order: PublicId, how: str) -> None:
        """Note that the recorder ended an order: failed, expired or cancelled."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            self._end(conn, order, how, BY_BOX, now_ms)

        need = Need(Action.EXPORT, ObjectRef(ObjectKind.EXPORT, order))
        await self._store.change(BY_BOX, f"export.{how}", need, run)

    # what pages show

    async def rows(self) -> list[OrderRow]:
        """Return the newest orders first, those that ended too."""
        sql = "SELECT * FROM export_order ORDER BY requested_ms DESC, request_row DESC LIMIT ?"
        rows = await self._store.db.read(lambda conn: conn.execute(sql, (SHOWN,)).fetchall())
        return [self._row(row) for row in rows]

    async def get(self, order: PublicId) -> OrderRow:
        """Return one order, also one that ended; NotFound."""
        sql = "SELECT * FROM export_order WHERE id = ?"
        row = await self._store.db.read(lambda conn: conn.execute(sql, (order,)).fetchone())
        if row is None:
            raise NotFound("there is no such order")
        return self._row(row)

    async def open_rows(self) -> list[OrderRow]:
        """Return the approved orders that did not end: what the recorder works for."""
        sql = "SELECT * FROM export_order WHERE approver IS NOT NULL AND ended_ms IS NULL ORDER BY approved_ms, id"
        rows = await self._store.db.read(lambda conn: conn.execute(sql).fetchall())
        return [self._row(row) for row in rows]

    def _row(self, row: sqlite3.Row) -> OrderRow:
        store, order = self._store, PublicId(row["id"])
        end_why = row["end_why_sealed"]
        return OrderRow(
            order,
            PublicId(row["camera"]),
            row["from_ms"],
            row["to_ms"],
            PublicId(row["requester"]),
            PublicId(row["approver"]) if row["approver"] else None,
            store.unseal("export_order.why", order, row["why_sealed"]),
            row["requested_ms"],
            row["approved_ms"],
            PublicId(row["hold"]) if row["hold"] else None,
            (row["request_row"], row["approve_row"]),
            row["done_ms"],
            row["manifest_sha256"] or "",
            row["ended_ms"],
            row["ended_how"] or "",
            row["ended_by"] or "",
            store.unseal("export_order.end_why", order, end_why) if end_why else "",
        )


def next_row(conn: sqlite3.Connection) -> int:
    """Return the number of the audit row that the running transaction writes next."""
    return int(conn.execute("SELECT coalesce(max(seq), 0) + 1 FROM audit").fetchone()[0])


def _event(name: str, camera: PublicId, order: PublicId) -> tuple[str, dict[str, str | int | bool]]:
    return name, {"camera": camera, "order": order}
