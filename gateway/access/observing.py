"""Visits of observers ("dự giờ"): a guest, a class, an hour, and the teacher's word.

Owns `observation`. Invariants: the leadership (with a fresh login) or the console makes a visit, of at most
`MOST_HOURS` and at most `MOST_DAYS` ahead; the class's teacher assents or says no, and may take her assent back at any
moment; a visit ends, it is not deleted; who watches as a guest is a person with that role and nothing else. Why the
guest comes and who asked them in is sealed.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gateway.access.audit import Actor
from gateway.access.people import add_row
from gateway.access.policy import BOX
from gateway.access.store import FactStore, Need, clean_name, require
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role, new_public_id

MOST_HOURS = 4
MOST_DAYS = 92
"""How far ahead a visit ends at the latest: one of another year is a mistyped date."""
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
MAKES = Need(Action.OBSERVE, BOX, fresh=True)
ENDS = Need(Action.OBSERVE, BOX)
"""What takes a picture away is never held up by a password."""
SHOWN = 50
REASON, INVITED = "observation.reason", "observation.invited"


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit to be made; times UTC ms."""

    class_id: PublicId
    since_ms: int
    until_ms: int
    guest: PublicId | None = None
    """A guest who is known already; None: somebody new, called `name`."""
    name: str = ""
    reason: str = ""
    invited: str = ""
    """Who asked the guest in, in words; both may be empty."""


@dataclass(frozen=True, slots=True)
class ObservationRow:
    """A visit as lists show it; times UTC ms."""

    id: PublicId
    person: PublicId
    class_id: PublicId
    since_ms: int
    until_ms: int
    assented: bool
    made_by: str = ""
    answered_by: str = ""
    """Who assented or said no last; a person, "console", or "" while nobody has."""
    refused: bool = False
    ended_ms: int | None = None
    """When it was ended or called off before its time."""
    came: bool = False
    """The guest has signed in with the visit's code."""
    reason: str = ""
    invited: str = ""


class Observing:
    """Makes, assents to and ends visits."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def make(self, actor: Actor, visit: Visit) -> PublicId:
        """Let a guest watch a class, once its teacher assents; a new guest becomes a person. BadInput, NotFound."""
        store, session = self._store, new_public_id()
        if visit.until_ms <= visit.since_ms:
            raise BadInput("a visit ends after it begins", case="observation_order", key="until_ms")
        if visit.until_ms - visit.since_ms > MOST_HOURS * HOUR_MS:
            raise BadInput(f"a visit lasts up to {MOST_HOURS} hours", case="observation_long", key="until_ms")
        person = new_public_id() if visit.guest is None else visit.guest
        name = clean_name(visit.name) if visit.guest is None else ""
        notes = (self._sealed(REASON, session, visit.reason), self._sealed(INVITED, session, visit.invited))

        def run(conn: sqlite3.Connection, now_ms: int) -> PublicId:
            require(conn, "class", visit.class_id)
            if visit.until_ms <= now_ms:
                raise BadInput("a visit is to come", case="observation_past", key="until_ms")
            if visit.until_ms - now_ms > MOST_DAYS * DAY_MS:
                raise BadInput("a visit comes soon", case="observation_far", key="until_ms", most=MOST_DAYS)
            if visit.guest is None:
                add_row(conn, store, person, Role.OBSERVER, name, now_ms)
            _require_guest(conn, person)
            conn.execute(
                "INSERT INTO observation (id, person, class, since_ms, until_ms, created_by, reason_sealed,"
                " invited_sealed) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (session, person, visit.class_id, visit.since_ms, visit.until_ms, _who(actor), *notes),
            )
            return session

        detail: dict[str, str | int | bool] = {"session": session, "who": person, "class": visit.class_id}
        detail |= {"from_ms": visit.since_ms, "to_ms": visit.until_ms, "new": visit.guest is None}
        return await store.change(actor, "observation.make", MAKES._replace(fresh=True), run, detail=detail)

    async def assent(self, actor: Actor, session: PublicId, *, given: bool = True) -> None:
        """Give, refuse or take back the word of the class's teacher; NotFound for a visit of no class of hers.

        What is over cannot be agreed to any more (BadInput); saying no is always possible.
        """
        row = await self.get(session)

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            if given and row.until_ms <= now_ms:
                raise BadInput("the visit is over", case="observation_past", key="session")
            yes, no = ((_who(actor), now_ms), (None, None)) if given else ((None, None), (_who(actor), now_ms))
            conn.execute(
                "UPDATE observation SET assented_by = ?, assented_ms = ?, refused_by = ?, refused_ms = ? WHERE id = ?",
                (*yes, *no, session),
            )

        need = Need(Action.OBSERVE, ObjectRef(ObjectKind.CLASS, row.class_id))
        what = "observation.assent" if given else "observation.withdraw" if row.assented else "observation.decline"
        await self._store.change(actor, what, need, run, detail={"session": session, "who": row.person})

    async def end(self, actor: Actor, session: PublicId) -> None:
        """End a visit now, or call off one to come; NotFound. One that is over stays as it is."""
        row = await self.get(session)

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            conn.execute(
                "UPDATE observation SET since_ms = min(since_ms, ?1), until_ms = ?1, ended_ms = ?1"
                " WHERE id = ?2 AND until_ms > ?1",
                (now_ms, session),
            )

        await self._store.change(actor, "observation.end", ENDS, run, detail={"session": session, "who": row.person})

    async def rows(self) -> tuple[ObservationRow, ...]:
        """Return every visit that runs or comes and the latest of the past, newest first; the caller has decided."""
        past = "SELECT id FROM observation WHERE until_ms <= ?1 ORDER BY since_ms DESC, id LIMIT ?2"
        sql = f"{_SELECT} WHERE until_ms > ?1 OR id IN ({past}) ORDER BY since_ms DESC, id"
        asked = (self._store.clock.now_ms(), SHOWN)
        rows = await self._store.db.read(lambda conn: conn.execute(sql, asked).fetchall())
        return tuple(self._row(row) for row in rows)

    async def open_rows(self, class_id: PublicId | None = None) -> tuple[ObservationRow, ...]:
        """Return the visits that run or come (of one class), the next first; the caller has decided."""
        sql = f"{_SELECT} WHERE until_ms > ? AND (? IS NULL OR class = ?) ORDER BY since_ms, id"
        asked = (self._store.clock.now_ms(), class_id, class_id)
        rows = await self._store.db.read(lambda conn: conn.execute(sql, asked).fetchall())
        return tuple(self._row(row) for row in rows)

    async def get(self, session: PublicId) -> ObservationRow:
        """Return one visit; NotFound. The caller has decided, or asks in order to."""
        sql = f"{_SELECT} WHERE id = ?"
        row = await self._store.db.read(lambda conn: conn.execute(sql, (session,)).fetchone())
        if row is None:
            raise NotFound("there is no such visit")
        return self._row(row)

    def _sealed(self, context: str, session: PublicId, text: str) -> bytes | None:
        """Seal a note; nothing said is nothing kept."""
        return self._store.seal(context, session, clean_name(text)) if text.strip() else None

    def _row(self, row: sqlite3.Row) -> ObservationRow:
        told = {
            key: "" if row[f"{key}_sealed"] is None else self._store.unseal(context, row["id"], row[f"{key}_sealed"])
            for key, context in (("reason", REASON), ("invited", INVITED))
        }
        return ObservationRow(
            PublicId(row["id"]),
            PublicId(row["person"]),
            PublicId(row["class"]),
            row["since_ms"],
            row["until_ms"],
            row["assented_ms"] is not None,
            row["created_by"],
            row["assented_by"] or row["refused_by"] or "",
            row["refused_ms"] is not None,
            row["ended_ms"],
            bool(row["came"]),
            **told,
        )


_SELECT = (
    "SELECT *, EXISTS (SELECT 1 FROM guest_login WHERE guest_login.observation = observation.id) AS came"
    " FROM observation"
)


def _who(actor: Actor) -> str:
    return actor.person or actor.device


def _require_guest(conn: sqlite3.Connection, person: PublicId) -> None:
    """Raise unless the person is an observer who may still come."""
    require(conn, "person", person)
    row = conn.execute("SELECT role, disabled FROM person WHERE id = ?", (person,)).fetchone()
    if row["role"] != Role.OBSERVER:
        raise BadInput("only observers observe", case="observation_role", key="person")
    if row["disabled"]:
        raise BadInput("this guest's rights have ended", case="observation_disabled", key="person")
