"""Acts upon many rows at once that can be undone: kept for a week, then only their counts.

Owns `roster_act`. Invariants: an act, its journal and its audit row are one transaction; undone is all or nothing and
once; when a week is over, or when somebody's data are to be forgotten, the journal is emptied (it holds names that
were changed) and the act can no longer be undone; audit rows hold counts, never a name.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.access.audit import Actor
from gateway.access.classes import CONFIGURE
from gateway.access.localtime import MS_PER_DAY
from gateway.access.people import MANAGE
from gateway.access.roster.journal import Blocker, Journal, undo
from gateway.access.store import FactStore
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import PublicId

UNDO_MS = 7 * MS_PER_DAY
MAX_SHOWN = 20
_INVERSE = "roster_act.inverse"
_ROWS = "SELECT id, kind, by, at_ms, counts, undone_ms, inverse_sealed IS NOT NULL AS kept FROM roster_act"


class InTheWayError(Exception):
    """An act cannot be undone: something was built upon it; `blockers` say what."""

    def __init__(self, blockers: tuple[Blocker, ...]) -> None:
        super().__init__(f"{len(blockers)} rows stand in the way")
        self.blockers = blockers


@dataclass(frozen=True, slots=True)
class Act:
    """An import or a roll-over as lists show it."""

    id: PublicId
    kind: str
    by: str
    at_ms: int
    counts: Mapping[str, int]
    until_ms: int | None
    """Until when it can be undone; None = no more."""
    undone_ms: int | None


class RosterActs:
    """Keeps acts and undoes them."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    def keep(
        self,
        conn: sqlite3.Connection,
        journal: Journal,
        act: PublicId,
        kind: str,
        actor: Actor,
        counts: Mapping[str, int],
        now_ms: int,
    ) -> None:
        """Write an act inside its own transaction, after its last row."""
        forget_old(conn, now_ms)
        sealed = self._store.seal(_INVERSE, act, journal.dump())
        conn.execute(
            "INSERT INTO roster_act (id, kind, by, at_ms, counts, inverse_sealed) VALUES (?, ?, ?, ?, ?, ?)",
            (act, kind, actor.person or actor.device, now_ms, json.dumps(counts), sealed),
        )

    async def undo(self, actor: Actor, act: PublicId) -> Mapping[str, int]:
        """Put everything back as it was, by the right that the act took; returns the act's counts.

        NotFound, Denied, BadInput, InTheWayError.
        """
        store = self._store
        sql = "SELECT 1 FROM roster_act WHERE id = ? AND kind = 'rollover'"
        turned = await store.db.read(lambda conn: conn.execute(sql, (act,)).fetchone()) is not None

        def run(conn: sqlite3.Connection, now_ms: int) -> dict[str, int]:
            row = conn.execute("SELECT * FROM roster_act WHERE id = ?", (act,)).fetchone()
            if row is None:
                raise NotFound("there is no such act")
            if row["undone_ms"] is not None or row["inverse_sealed"] is None or now_ms >= row["at_ms"] + UNDO_MS:
                raise BadInput("this can no longer be undone", case="undo_over", key="act")
            blockers = undo(conn, store.unseal(_INVERSE, act, row["inverse_sealed"]))
            if blockers:
                raise InTheWayError(blockers)
            conn.execute("UPDATE roster_act SET undone_ms = ?, inverse_sealed = NULL WHERE id = ?", (now_ms, act))
            counts: dict[str, int] = json.loads(row["counts"])
            return counts

        return await store.change(actor, "roster.undo", CONFIGURE if turned else MANAGE, run, detail={"act": act})

    @staticmethod
    def has(conn: sqlite3.Connection, act: PublicId) -> bool:
        """Say whether there is such an act, inside the caller's transaction."""
        return conn.execute("SELECT 1 FROM roster_act WHERE id = ?", (act,)).fetchone() is not None

    async def one(self, act: PublicId) -> Act | None:
        """Return an act, if there is such; the caller has decided."""
        rows = await self._store.db.read(lambda conn: conn.execute(f"{_ROWS} WHERE id = ?", (act,)).fetchall())
        return next((_act(row, self._store.clock.now_ms()) for row in rows), None)

    async def all(self) -> tuple[Act, ...]:
        """Return the newest acts first; the caller has decided."""
        now_ms, sql = self._store.clock.now_ms(), f"{_ROWS} ORDER BY at_ms DESC, id LIMIT ?"
        rows = await self._store.db.read(lambda conn: conn.execute(sql, (MAX_SHOWN,)).fetchall())
        return tuple(_act(row, now_ms) for row in rows)

    async def tidy(self) -> None:
        """Empty the journals whose week is over; call now and then."""
        await self._store.db.write(lambda conn: forget_old(conn, self._store.clock.now_ms()))


def _act(row: sqlite3.Row, now_ms: int) -> Act:
    kept = row["kept"] and now_ms < row["at_ms"] + UNDO_MS
    return Act(
        PublicId(row["id"]),
        row["kind"],
        row["by"],
        row["at_ms"],
        json.loads(row["counts"]),
        row["at_ms"] + UNDO_MS if kept else None,
        row["undone_ms"],
    )


def forget_old(conn: sqlite3.Connection, now_ms: int) -> None:
    """Empty the journals that are too old to undo."""
    conn.execute("UPDATE roster_act SET inverse_sealed = NULL WHERE at_ms + ? <= ?", (UNDO_MS, now_ms))


def forget_all(conn: sqlite3.Connection) -> None:
    """Empty every journal: for whoever erases a person's data, inside that transaction."""
    conn.execute("UPDATE roster_act SET inverse_sealed = NULL")
