"""A gateway database with nothing but the outbox, in memory, and short words for its state."""

from __future__ import annotations

import sqlite3

import sqlite_utils

from gateway.core.events import Lane
from gateway.upstream import outbox
from tests.fakes.clock import NOON_MS
from tests.fakes.events import numbered


def memory() -> sqlite3.Connection:
    """Return an empty gateway database in memory."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA foreign_keys = ON")
    outbox.MIGRATIONS.apply(sqlite_utils.Database(connection))
    return connection


def fill(db: sqlite3.Connection, lane: Lane, count: int, *, start: int = 1, now_ms: int = NOON_MS) -> list[str]:
    events = [numbered(lane, number, now_ms=now_ms) for number in range(start, start + count)]
    for event in events:
        outbox.put(db, event)
    return [event.id for event in events]


def state(db: sqlite3.Connection, lane: Lane = Lane.ALARM) -> outbox.LaneState:
    return next(item for item in outbox.lanes(db) if item.lane is lane)


def kept(db: sqlite3.Connection, lane: Lane = Lane.ALARM) -> list[int]:
    return [row[0] for row in db.execute("SELECT seq FROM outbox WHERE lane = ? ORDER BY seq", (lane.value,))]


def dump(db: sqlite3.Connection) -> sqlite3.Connection:
    """Return a copy, as an image of the disk."""
    copy = sqlite3.connect(":memory:", isolation_level=None)
    copy.row_factory = sqlite3.Row
    db.backup(copy)
    copy.execute("PRAGMA foreign_keys = ON")
    return copy
