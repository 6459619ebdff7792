"""Events and the outbox: functions on one transaction of `gateway.db`.

Owns the tables of `schema.sql`. Invariants: an event and its outbox document are written in the caller's
transaction, the one that writes the fact; numbers of a lane are contiguous and never reused; a journal
page is copied at most once, because its cursor moves in the same transaction; nothing is deleted before
the hub has it, except routine documents over the quota, which the box says in an event of its own
(`keeping.py`).
"""

from __future__ import annotations

import json
import math
import sqlite3
from collections.abc import Mapping, Sequence
from importlib.resources import files
from typing import Any, NamedTuple

from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.db import apply_schema
from gateway.core.events import EVENT_TYPES, Event, Lane, uuid7
from gateway.upstream.payload import document

MIGRATIONS = Migrations("upstream")

MAX_BATCH_BYTES = 1 << 20
"""Documents of one batch together; the hub takes four times as much."""


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


class Position(NamedTuple):
    """How far a journal is copied: the last number and the event id there."""

    seq: int
    id: str


def ensure_lanes(connection: sqlite3.Connection, now_ms: int) -> None:
    """Create the three lanes on first use."""
    for lane in Lane:
        connection.execute(
            "INSERT INTO lane (name, stream) VALUES (?, ?) ON CONFLICT (name) DO NOTHING", (lane.value, uuid7(now_ms))
        )


def put(connection: sqlite3.Connection, event: Event) -> None:
    """Write an event and, if it may leave the school, its document; an event already there is left alone."""
    done = connection.execute(
        "INSERT INTO event (id, type, at_ms, time_trusted, mono_ms, subject, data) VALUES (?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO NOTHING",
        (event.id, event.type, event.at_ms, event.time_trusted, event.mono_ms, event.subject, _json(event.data)),
    )
    body = document(event)
    if not done.rowcount or body is None:
        return
    ensure_lanes(connection, event.at_ms)
    lane = event.lane.value
    (seq,) = connection.execute("UPDATE lane SET last = last + 1 WHERE name = ? RETURNING last", (lane,)).fetchone()
    connection.execute(
        "INSERT INTO outbox (lane, seq, id, at_ms, body) VALUES (?, ?, ?, ?, ?)",
        (lane, seq, event.id, event.at_ms if event.time_trusted else None, _json(body | {"sequence": seq})),
    )


def _json(values: Mapping[str, Any]) -> str:
    """Return JSON text; a number that is none (a figure divided by zero) becomes null, the fact must not fail."""
    clean = {
        key: None if isinstance(value, float) and not math.isfinite(value) else value for key, value in values.items()
    }
    return json.dumps(clean, separators=(",", ":"), allow_nan=False)


def journal_position(connection: sqlite3.Connection, journal: str) -> Position:
    """Return where the copy of a journal stands; `(0, "")` for one never seen."""
    row = connection.execute("SELECT seq, id FROM journal_cursor WHERE journal = ?", (journal,)).fetchone()
    return Position(row["seq"], row["id"]) if row else Position(0, "")


def forget_journal(connection: sqlite3.Connection, journal: str) -> None:
    """Copy a journal from its start again; what is known already is skipped by its id."""
    connection.execute("DELETE FROM journal_cursor WHERE journal = ?", (journal,))


def copy_journal(connection: sqlite3.Connection, journal: str, rows: Sequence[dict[str, Any]]) -> int:
    """Copy a page of the recorder's journal and move its cursor; returns how many were new.

    Rows are as the recorder's `journal` method answers, in order. A type this version does not know is
    skipped: its fact is the recorder's, and a half-known event must not stop the copy.
    """
    position = journal_position(connection, journal)
    fresh = [row for row in rows if int(row["seq"]) > position.seq]
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
            "INSERT INTO journal_cursor (journal, seq, id) VALUES (?, ?, ?)"
            " ON CONFLICT (journal) DO UPDATE SET seq = excluded.seq, id = excluded.id",
            (journal, int(fresh[-1]["seq"]), str(fresh[-1]["id"])),
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


def pending(connection: sqlite3.Connection, lane: LaneState, limit: int) -> list[Document]:
    """Return the oldest documents the hub has not acknowledged, contiguous and at most `MAX_BATCH_BYTES`."""
    rows = connection.execute(
        "SELECT seq, id, body FROM outbox WHERE lane = ? AND seq > ? ORDER BY seq LIMIT ?",
        (lane.lane.value, lane.acked, limit),
    )
    found: list[Document] = []
    size = 0
    for row in rows:
        size += len(row["body"])
        if found and (row["seq"] != found[-1].seq + 1 or size > MAX_BATCH_BYTES):
            break
        found.append(Document(row["seq"], row["id"], row["body"]))
    return found


def next_batch(connection: sqlite3.Connection, limit: int) -> tuple[LaneState, list[Document]] | None:
    """Return the first lane that has something to send, with its next batch."""
    for state in lanes(connection):
        if state.acked < state.last and (documents := pending(connection, state, limit)):
            return state, documents
    return None


def acknowledge(connection: sqlite3.Connection, lane: Lane, stream: str, acked: int) -> None:
    """Set what the hub has; also downwards, when the hub was restored from a backup."""
    connection.execute(
        "UPDATE lane SET acked = max(base, min(?, last)) WHERE name = ? AND stream = ?", (acked, lane.value, stream)
    )


def settle(connection: sqlite3.Connection, lane: Lane, stream: str, acked: int, known_id: str, fresh_id: str) -> bool:
    """Take over the hub's cursor of a stream; returns True if the stream had to be renewed instead.

    The hub behind us is the plain case: `acked` goes down and the rest is sent again. A stream is renewed,
    under the name `fresh_id`, when the hub's history is not ours (its number is above our last, or it
    knows another event at its number: this box was restored from an old image, numbers were used twice),
    or when the document the hub needs next is gone. The new stream begins with the oldest document kept:
    the hub keeps an event it has once, by its id, so this costs bytes and never loses anything.
    """
    row = connection.execute("SELECT * FROM lane WHERE name = ?", (lane.value,)).fetchone()
    if row is None or row["stream"] != stream:
        return False
    kept = connection.execute("SELECT id FROM outbox WHERE lane = ? AND seq = ?", (lane.value, acked)).fetchone()
    foreign = acked > row["last"] or bool(known_id and kept is not None and kept["id"] != known_id)
    oldest = _first_above(connection, lane, 0)
    following = _first_above(connection, lane, acked)
    if not foreign and (acked >= row["last"] or following == acked + 1):
        acknowledge(connection, lane, stream, acked)
        return False
    first = oldest if foreign else following
    base = row["last"] if first is None else first - 1
    connection.execute(
        "UPDATE lane SET stream = ?, base = ?, acked = ? WHERE name = ?", (fresh_id, base, base, lane.value)
    )
    return True


def _first_above(connection: sqlite3.Connection, lane: Lane, seq: int) -> int | None:
    (found,) = connection.execute(
        "SELECT min(seq) FROM outbox WHERE lane = ? AND seq > ?", (lane.value, seq)
    ).fetchone()
    return int(found) if found is not None else None


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
