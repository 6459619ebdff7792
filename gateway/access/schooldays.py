"""The school's calendar beside what `classes` sets: the days that are marked, with their names, and taking one back.

Owns nothing of its own: `calendar_day` is shared with `classes.set_day`. Invariants: a day that is taken back runs like
its weekday again, at once, also one that could not be marked today.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from dataclasses import dataclass

from gateway.access.audit import Actor
from gateway.access.classes import CONFIGURE
from gateway.access.store import FactStore
from gateway.core.errors import NotFound


@dataclass(frozen=True, slots=True)
class DayRow:
    """A marked day: a holiday, or a day that runs like another weekday (0 = Monday; None = like itself)."""

    date: dt.date
    open: bool
    as_weekday: int | None
    label: str


class SchoolDays:
    """Lists marked days and takes them back."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def rows(self, since: dt.date) -> tuple[DayRow, ...]:
        """Return the marked days from a date on, in order."""
        rows = await self._store.db.read(
            lambda conn: conn.execute(
                "SELECT * FROM calendar_day WHERE date >= ? ORDER BY date", (since.isoformat(),)
            ).fetchall()
        )
        return tuple(
            DayRow(dt.date.fromisoformat(row["date"]), bool(row["open"]), row["as_weekday"], row["label"])
            for row in rows
        )

    async def clear(self, actor: Actor, date: dt.date) -> None:
        """Let a day run like its weekday again; NotFound if it was not marked."""

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            if conn.execute("DELETE FROM calendar_day WHERE date = ?", (date.isoformat(),)).rowcount == 0:
                raise NotFound("this day is not marked")

        await self._store.change(actor, "calendar.clear", CONFIGURE, run, detail={"date": date.isoformat()})
