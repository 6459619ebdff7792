"""The recorder's own log of facts: what the gateway copies by cursor into its events.

Owns the `journal` table and the journal's identity. Invariants: an event is written in the same
transaction as the fact it tells; sequence numbers only grow; the id changes when the database is new,
so a reader with an old cursor starts over; at most `KEEP_ROWS` rows are kept.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import uuid
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.events import Event, make_event

T = TypeVar("T")

KEEP_ROWS = 200_000
"""About a year of a busy school; a gateway that was away longer has lost nothing but history."""
MAX_PAGE = 1_000
MAX_WAIT_MS = 30_000


def append(connection: sqlite3.Connection, events: Sequence[Event]) -> None:
    """Write events in the caller's transaction."""
    connection.executemany(
        "INSERT INTO journal (id, type, at_ms, time_trusted, mono_ms, subject, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [(e.id, e.type, e.at_ms, int(e.time_trusted), e.mono_ms, e.subject, json.dumps(dict(e.data))) for e in events],
    )


def _as_dict(row: sqlite3.Row) -> dict[str, Any]:
    return {**dict(row), "time_trusted": bool(row["time_trusted"]), "data": json.loads(row["data"])}


class Journal:
    """Writes and reads the journal; lives in the event loop's thread."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._grown = asyncio.Event()
        self.id = ""
        """UUID of this journal; empty before `load`."""

    async def load(self) -> None:
        """Read the journal's id, made on the first start of a new database."""

        def take(connection: sqlite3.Connection) -> str:
            connection.execute("INSERT OR IGNORE INTO fact VALUES ('journal_id', ?)", (str(uuid.uuid4()),))
            return str(connection.execute("SELECT value FROM fact WHERE name = 'journal_id'").fetchone()[0])

        self.id = await self._db.write(take)

    def event(self, name: str, *, subject: str = "", **data: str | float | bool) -> Event:
        """Build an event with the time of now; `name` without version, e.g. `camera.state`."""
        clock = self._clock
        return make_event(
            name, now_ms=clock.now_ms(), mono_ns=clock.mono_ns(), trusted=clock.trusted(), subject=subject, **data
        )

    async def record(self, fact: Callable[[sqlite3.Connection], T], *events: Event) -> T:
        """Run `fact` and append `events` in one transaction, then wake the readers."""
        return await self.transact(lambda connection: (fact(connection), events))

    async def transact(self, fact: Callable[[sqlite3.Connection], tuple[T, Sequence[Event]]]) -> T:
        """Like `record`, when only the transaction itself knows which events it makes."""

        def both(connection: sqlite3.Connection) -> T:
            result, events = fact(connection)
            append(connection, events)
            return result

        result = await self._db.write(both)
        self._wake()
        return result

    async def note(self, *events: Event) -> None:
        """Append events that stand for themselves."""
        await self.record(lambda _: None, *events)

    def _wake(self) -> None:
        self._grown.set()
        self._grown = asyncio.Event()

    async def read(self, after: int, limit: int, wait_ms: int = 0) -> list[dict[str, Any]]:
        """Return up to `limit` events with `seq` above `after`, oldest first.

        With none there it waits up to `wait_ms` for the next one and may return an empty list.
        """
        grown = self._grown
        rows = await self._page(after, min(limit, MAX_PAGE))
        if rows or wait_ms <= 0:
            return rows
        try:
            async with asyncio.timeout(min(wait_ms, MAX_WAIT_MS) / 1000):
                await grown.wait()
        except TimeoutError:
            return []
        return await self._page(after, min(limit, MAX_PAGE))

    async def _page(self, after: int, limit: int) -> list[dict[str, Any]]:
        def page(connection: sqlite3.Connection) -> list[dict[str, Any]]:
            found = connection.execute("SELECT * FROM journal WHERE seq > ? ORDER BY seq LIMIT ?", (after, limit))
            return [_as_dict(row) for row in found]

        return await self._db.read(page)

    async def trim(self, keep: int = KEEP_ROWS) -> None:
        """Drop the oldest rows beyond `keep`."""
        await self._db.write(
            lambda connection: connection.execute(
                "DELETE FROM journal WHERE seq <= (SELECT max(seq) FROM journal) - ?", (keep,)
            )
        )
