"""Events and the outbox: functions on one transaction of `gateway.db`.

Owns the tables of `schema.sql`. Invariants: an event and its outbox document are written in the caller's
transaction, the one that writes the fact; numbers of a lane are contiguous and never reused; a journal
page is copied at most once, because its cursor moves in the same transaction; nothing is deleted before
the hub has it, except routine documents over the quota, which is said by the return value.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.db import apply_schema
from gateway.core.events import EVENT_TYPES, Event, Lane, uuid7
from gateway.upstream.payload import document

MIGRATIONS = Migrations("upstream")


@MIGRATIONS()
def m0001_events_and_outbox(db: UtilsDatabase) -> None:
    """Create the tables of schema.sql."""
    apply_schema(db, files("gateway.upstream") / "schema.sql")


class LaneState(NamedTuple):
    """One lane as the box sees it."""

    lane: Lane
    stream: str
    base: int
    last: int
    acked: int


class Document(NamedTuple):
    """One numbered document of a lane; `body` is JSON text."""

    seq: int
    id: str
    body: str


def ensure_lanes(connection: sqlite3.Connection, now_ms: int) -> None:
    """Create the three lanes on first use."""
    for lane in Lane:
        connection.execute(
            "INSERT OR IGNORE INTO lane (name, stream) VALUES (?, ?)",
            (lane.value, uuid7(now_ms)),
        )


def put(connection: sqlite3.Connection, event: Event) -> None:
    """Write an event and, if it may leave the school, its document."""
    connection.execute(
        "INSERT INTO event (id, type, at_ms, time_trusted, mono_ms, subject, data) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (event.id, event.type, event.at_ms, event.time_trusted, event.mono_ms, event.subject, json.dumps(event.data)),
    )
    if document(event, 0) is None:
        return
    ensure_lanes(connection, event.at_ms)
    lane = event.lane.value
    (seq,) = connection.execute("UPDATE lane SET last = last + 1 WHERE name = ? RETURNING last", (lane,)).fetchone()
    body = json.dumps(document(event, seq), separators=(",", ":"), ensure_ascii=False)
    connection.execute(
        "INSERT INTO outbox (lane, seq, id, at_ms, body) VALUES (?, ?, ?, ?, ?)",
        (lane, seq, event.id, event.at_ms, body),
    )


def journal_position(connection: sqlite3.Connection, journal: str) -> int:
    """Return the last number copied from a journal; 0 for one never seen."""
    row = connection.execute("SELECT seq FROM journal_cursor WHERE journal = ?", (journal,)).fetchone()
    return int(row[0]) if row else 0


def copy_journal(connection: sqlite3.Connection, journal: str, rows: Sequence[dict[str, Any]]) -> int:
    """Copy a page of the recorder's journal and move its cursor; returns how many were new.

    Rows are as the recorder's `journal` method answers. A type this version does not know is skipped:
    its fact is the recorder's, and a half-known event must not stop the copy.
    """
    position = journal_position(connection, journal)
    fresh = [row for row in rows if int(row["seq"]) > position]
    for row in fresh:
        if row["type"] in EVENT_TYPES:
            put(
                connection,
                Event(
                    str(row["id"]),
                    str(row["type"]),
                    int(row["at_ms"]),
                    bool(row["time_trusted"]),
                    int(row["mono_ms"]),
                    dict(row["data"]),
                    str(row["subject"]),
                ),
            )
    if fresh:
        connection.execute(
            "INSERT INTO journal_cursor (journal, seq) VALUES (?, ?)"
            " ON CONFLICT (journal) DO UPDATE SET seq = excluded.seq",
            (journal, max(int(row["seq"]) for row in fresh)),
        )
    return len(fresh)


def lanes(connection: sqlite3.Connection) -> list[LaneState]:
    """Return the lanes in sending order: alarm, report, routine."""
    rows = {row["name"]: row for row in connection.execute("SELECT * FROM lane")}
    return [
        LaneState(lane, row["stream"], row["base"], row["last"], row["acked"])
        for lane in Lane
        if (row := rows.get(lane.value)) is not None
    ]


def pending(connection: sqlite3.Connection, lane: Lane, limit: int) -> list[Document]:
    """Return the oldest documents of a lane that the hub has not acknowledged."""
    rows = connection.execute(
        "SELECT seq, id, body FROM outbox WHERE lane = ? AND seq > (SELECT acked FROM lane WHERE name = ?)"
        " ORDER BY seq LIMIT ?",
        (lane.value, lane.value, limit),
    )
    return [Document(row["seq"], row["id"], row["body"]) for row in rows]


def acknowledge(connection: sqlite3.Connection, lane: Lane, stream: str, acked: int) -> None:
    """Set what the hub has; also downwards, when the hub was restored from a backup."""
    connection.execute(
        "UPDATE lane SET acked = max(base, min(?, last)) WHERE name = ? AND stream = ?", (acked, lane.value, stream)
    )


def id_at(connection: sqlite3.Connection, lane: Lane, seq: int) -> str | None:
    """Return the event id of a kept document."""
    row = connection.execute("SELECT id FROM outbox WHERE lane = ? AND seq = ?", (lane.value, seq)).fetchone()
    return str(row[0]) if row else None


def oldest_kept(connection: sqlite3.Connection, lane: Lane) -> int | None:
    """Return the lowest number still kept."""
    row = connection.execute("SELECT min(seq) FROM outbox WHERE lane = ?", (lane.value,)).fetchone()
    return int(row[0]) if row[0] is not None else None


def renew_stream(connection: sqlite3.Connection, lane: Lane, base: int, make_id: Callable[[], str]) -> LaneState:
    """Give the lane a new stream id that starts after `base`; returns the new state.

    Needed when the hub knows more of the old stream than we do, or asks for what was pruned.
    """
    connection.execute(
        "UPDATE lane SET stream = ?, base = ?, acked = ? WHERE name = ?", (make_id(), base, base, lane.value)
    )
    return next(state for state in lanes(connection) if state.lane is lane)


def prune(connection: sqlite3.Connection, before_ms: int) -> int:
    """Drop acknowledged documents and events older than `before_ms`; returns how many documents went."""
    gone = connection.execute(
        "DELETE FROM outbox WHERE at_ms < ? AND seq <= (SELECT acked FROM lane WHERE name = outbox.lane)", (before_ms,)
    ).rowcount
    connection.execute("DELETE FROM event WHERE at_ms < ? AND id NOT IN (SELECT id FROM outbox)", (before_ms,))
    return gone


def read_meta(connection: sqlite3.Connection, key: str) -> str | None:
    """Return a single value of the upstream part."""
    row = connection.execute("SELECT value FROM upstream_meta WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else None


def write_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Set a single value of the upstream part."""
    connection.execute(
        "INSERT INTO upstream_meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
        (key, value),
    )
