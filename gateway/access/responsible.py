"""The two persons of the unit who answer for the cameras, named by a decision of the school.

Owns `responsible`. Invariants: at most two on any day; rows are dated and stay, so that a statement of a past day
names those of that day; a name is sealed; a decision has a number and a day (they are printed beside the names).
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.access.audit import Actor
from gateway.access.localtime import moment
from gateway.access.policy import BOX
from gateway.access.store import FactStore, Need, clean_name, require
from gateway.core.errors import BadInput
from gateway.core.model import Action, PublicId, new_public_id

MOST = 2
NAMES_THEM = Need(Action.APPROVE, BOX)
"""Who is named binds the school: the principal's to say."""
_NAME = "responsible.name"


@dataclass(frozen=True, slots=True)
class Responsible:
    """One of them, with the days on which it is so (`until` is the last one; None: no end known)."""

    id: PublicId
    name: str
    title: str
    decision: str
    decision_day: dt.date
    since: dt.date
    until: dt.date | None

    def stands(self, day: dt.date) -> bool:
        """Say whether this person answers on a day."""
        return self.since <= day and (self.until is None or day <= self.until)


def full_day(spans: Sequence[tuple[str, str | None]], since: str) -> str | None:
    """Return the first day from `since` on which `MOST` answer already, None if there is none; all days in ISO form.

    `spans` are first and last days, None = without end. The number grows only where one begins: those days, and `since`
    itself, are all to be tried.
    """
    days = sorted({since, *(first for first, _ in spans if first >= since)})
    return next((day for day in days if sum(first <= day <= (last or day) for first, last in spans) >= MOST), None)


class ResponsiblePersons:
    """Names them and lists them."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def add(
        self,
        actor: Actor,
        name: str,
        title: str,
        decision: str,
        decision_day: dt.date,
        since: dt.date,
        until: dt.date | None = None,
    ) -> PublicId:
        """Name one; Denied, BadInput when there are two already on a day of theirs or days run backwards."""
        store, row_id = self._store, new_public_id()
        name, title, decision = clean_name(name), clean_name(title), clean_name(decision)
        if until is not None and until < since:
            raise BadInput(f"{until} is before {since}", case="days_backwards", key="until", value=until.isoformat())

        def run(conn: sqlite3.Connection, now_ms: int) -> PublicId:
            rows = conn.execute(
                "SELECT since_day, until_day FROM responsible"
                " WHERE since_day <= ? AND (until_day IS NULL OR until_day >= ?)",
                (until.isoformat() if until else "9999-12-31", since.isoformat()),
            ).fetchall()
            if (day := full_day([(row["since_day"], row["until_day"]) for row in rows], since.isoformat())) is not None:
                raise BadInput(f"there are {MOST} on {day}", case="responsible_full", key="since", value=day)
            conn.execute(
                "INSERT INTO responsible"
                " (id, name_sealed, title, decision, decision_day, since_day, until_day, created_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    row_id,
                    store.seal(_NAME, row_id, name),
                    title,
                    decision,
                    decision_day.isoformat(),
                    since.isoformat(),
                    until.isoformat() if until else None,
                    now_ms,
                ),
            )
            return row_id

        return await store.change(actor, "responsible.add", NAMES_THEM, run, detail={"row": row_id})

    async def end(self, actor: Actor, row_id: PublicId, last_day: dt.date | None = None) -> None:
        """Say which day was the last (today); NotFound, Denied, BadInput for one before the first."""
        day = moment(self._store.current.zone, self._store.clock.now_ms()).date if last_day is None else last_day

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            require(conn, "responsible", row_id)
            since = conn.execute("SELECT since_day FROM responsible WHERE id = ?", (row_id,)).fetchone()[0]
            if day.isoformat() < since:
                raise BadInput(f"{day} is before {since}", case="days_backwards", key="until", value=day.isoformat())
            conn.execute("UPDATE responsible SET until_day = ? WHERE id = ?", (day.isoformat(), row_id))

        await self._store.change(actor, "responsible.end", NAMES_THEM, run, detail={"row": row_id})

    async def rows(self, day: dt.date | None = None) -> tuple[Responsible, ...]:
        """Return those of a day, or all there ever were; the caller has decided."""
        found = await self._store.db.read(
            lambda conn: conn.execute("SELECT * FROM responsible ORDER BY since_day, created_ms, id").fetchall()
        )
        rows = [
            Responsible(
                PublicId(row["id"]),
                self._store.unseal(_NAME, row["id"], row["name_sealed"]),
                row["title"],
                row["decision"],
                dt.date.fromisoformat(row["decision_day"]),
                dt.date.fromisoformat(row["since_day"]),
                dt.date.fromisoformat(row["until_day"]) if row["until_day"] else None,
            )
            for row in found
        ]
        return tuple(row for row in rows if day is None or row.stands(day))
