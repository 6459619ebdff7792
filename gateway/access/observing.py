"""Sessions of observers ("dự giờ"): a guest, a class, an hour, and the teacher's word.

Owns `observation`. Invariants: the leadership or the console makes a session, of at most `MOST_HOURS`; the class's
teacher assents, and may take that back at any moment; a session ends, it is not deleted; who watches as a guest is
a person with that role and nothing else.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gateway.access.audit import Actor
from gateway.access.policy import BOX
from gateway.access.store import FactStore, Need, require
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role, new_public_id

MOST_HOURS = 4
HOUR_MS = 3_600_000
MAKES = Need(Action.OBSERVE, BOX)
SHOWN = 50


@dataclass(frozen=True, slots=True)
class ObservationRow:
    """A session as lists show it; times UTC ms."""

    id: PublicId
    person: PublicId
    class_id: PublicId
    since_ms: int
    until_ms: int
    assented: bool


class Observing:
    """Makes, assents to and ends sessions."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def make(self, actor: Actor, person: PublicId, class_id: PublicId, since_ms: int, until_ms: int) -> PublicId:
        """Let a guest watch a class from `since_ms` until `until_ms`, once its teacher assents; BadInput, NotFound."""
        session = new_public_id()
        if not 0 < until_ms - since_ms <= MOST_HOURS * HOUR_MS:
            raise BadInput(f"a session lasts up to {MOST_HOURS} hours", case="observation_long", key="until_ms")

        def run(conn: sqlite3.Connection, now_ms: int) -> PublicId:
            require(conn, "person", person)
            require(conn, "class", class_id)
            if until_ms <= now_ms:
                raise BadInput("a session is to come", case="observation_past", key="until_ms")
            if conn.execute("SELECT role FROM person WHERE id = ?", (person,)).fetchone()["role"] != Role.OBSERVER:
                raise BadInput("only observers observe", case="observation_role", key="person")
            conn.execute(
                "INSERT INTO observation (id, person, class, since_ms, until_ms, created_by) VALUES (?, ?, ?, ?, ?, ?)",
                (session, person, class_id, since_ms, until_ms, actor.person or actor.device),
            )
            return session

        detail: dict[str, str | int | bool] = {"session": session, "who": person, "class": class_id}
        detail |= {"from_ms": since_ms, "to_ms": until_ms}
        return await self._store.change(actor, "observation.make", MAKES._replace(fresh=True), run, detail=detail)

    async def assent(self, actor: Actor, session: PublicId, *, given: bool = True) -> None:
        """Give or take back the word of the class's teacher; NotFound for a session of no class of hers."""
        row = await self._get(session)

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            by = (actor.person or actor.device, now_ms) if given else (None, None)
            conn.execute("UPDATE observation SET assented_by = ?, assented_ms = ? WHERE id = ?", (*by, session))

        need = Need(Action.OBSERVE, ObjectRef(ObjectKind.CLASS, row.class_id))
        what = "observation.assent" if given else "observation.withdraw"
        await self._store.change(actor, what, need, run, detail={"session": session})

    async def end(self, actor: Actor, session: PublicId) -> None:
        """End a session now, or call off one to come; NotFound."""
        await self._get(session)

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            conn.execute(
                "UPDATE observation SET since_ms = min(since_ms, ?1), until_ms = min(until_ms, ?1) WHERE id = ?2",
                (now_ms, session),
            )

        await self._store.change(actor, "observation.end", MAKES, run, detail={"session": session})

    async def rows(self) -> tuple[ObservationRow, ...]:
        """Return the newest sessions first; the caller has decided."""
        sql = "SELECT * FROM observation ORDER BY since_ms DESC, id LIMIT ?"
        rows = await self._store.db.read(lambda conn: conn.execute(sql, (SHOWN,)).fetchall())
        return tuple(_row(row) for row in rows)

    async def _get(self, session: PublicId) -> ObservationRow:
        sql = "SELECT * FROM observation WHERE id = ?"
        row = await self._store.db.read(lambda conn: conn.execute(sql, (session,)).fetchone())
        if row is None:
            raise NotFound("there is no such session")
        return _row(row)


def _row(row: sqlite3.Row) -> ObservationRow:
    return ObservationRow(
        PublicId(row["id"]),
        PublicId(row["person"]),
        PublicId(row["class"]),
        row["since_ms"],
        row["until_ms"],
        row["assented_ms"] is not None,
    )
