"""Who of the staff has read the notice about cameras: by the own login, or on paper.

Owns `staff_notice`. Invariants: one signs for oneself only; what was signed on paper is entered by whoever manages
people, with the day of the signature and the number of the scanned sheet (sealed); a signature is kept, a second one
for the same version changes nothing.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from dataclasses import dataclass

from gateway.access.audit import Actor
from gateway.access.localtime import moment
from gateway.access.noticerules import NOTICE_VERSION
from gateway.access.people import MANAGE
from gateway.access.store import FactStore, Need, clean_name, require
from gateway.core.errors import BadInput
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role

_SCAN = "staff_notice.scan"


@dataclass(frozen=True, slots=True)
class SignedRow:
    """One signature as pages show it."""

    person: PublicId
    version: str
    signed_ms: int
    on_date: dt.date | None
    """Day of a signature on paper; None = signed here, with the own login."""
    scan: str


class StaffNotices:
    """Takes and lists signatures."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def sign(self, actor: Actor) -> None:
        """Sign the text in force for oneself."""
        if actor.person is None:
            raise BadInput("somebody signs with a login", case="notice_person", key="person")
        person = actor.person
        need = Need(Action.PEOPLE, ObjectRef(ObjectKind.PERSON, person))

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            _teacher(conn, person)
            _insert(conn, person, now_ms, by=person)

        await self._store.change(actor, "notice.sign", need, run, detail={"version": NOTICE_VERSION})

    async def sign_on_paper(self, actor: Actor, person: PublicId, date: dt.date, scan: str) -> None:
        """Enter a teacher's signature on paper; NotFound, BadInput for a day to come or another role."""
        store, number = self._store, clean_name(scan)

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            _teacher(conn, person)
            if date > moment(store.current.zone, now_ms).date:
                raise BadInput(f"{date} is still to come", case="notice_date", key="date", value=date.isoformat())
            row = _insert(conn, person, now_ms, by=actor.person or "console")
            if row is not None:
                sealed = store.seal(_SCAN, str(row), number)
                sql = "UPDATE staff_notice SET on_date = ?, scan_sealed = ? WHERE id = ?"
                conn.execute(sql, (date.isoformat(), sealed, row))

        detail: dict[str, str | int | bool] = {"who": person, "version": NOTICE_VERSION, "date": date.isoformat()}
        await store.change(actor, "notice.paper", MANAGE, run, detail=detail)

    async def rows(self) -> tuple[SignedRow, ...]:
        """Return the signatures of the version in force; the caller has decided."""
        rows = await self._store.db.read(
            lambda conn: conn.execute(
                "SELECT * FROM staff_notice WHERE version = ? ORDER BY signed_ms, id", (NOTICE_VERSION,)
            ).fetchall()
        )
        return tuple(
            SignedRow(
                PublicId(row["person"]),
                row["version"],
                row["signed_ms"],
                dt.date.fromisoformat(row["on_date"]) if row["on_date"] else None,
                self._store.unseal(_SCAN, str(row["id"]), row["scan_sealed"]) if row["scan_sealed"] else "",
            )
            for row in rows
        )


def _teacher(conn: sqlite3.Connection, person: PublicId) -> None:
    require(conn, "person", person)
    if conn.execute("SELECT role FROM person WHERE id = ?", (person,)).fetchone()["role"] != Role.TEACHER:
        raise BadInput("the notice is signed by teachers", case="notice_person", key="person")


def _insert(conn: sqlite3.Connection, person: PublicId, now_ms: int, *, by: str) -> int | None:
    """Write a signature unless there is one of this version; returns the new row's number."""
    sql = "SELECT 1 FROM staff_notice WHERE person = ? AND version = ?"
    if conn.execute(sql, (person, NOTICE_VERSION)).fetchone() is not None:
        return None
    sql = "INSERT INTO staff_notice (person, version, signed_ms, by) VALUES (?, ?, ?, ?)"
    return conn.execute(sql, (person, NOTICE_VERSION, now_ms, by)).lastrowid
