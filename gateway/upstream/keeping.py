"""How long events and documents are kept on the box, and what goes first when there are too many.

Owns deletion from the tables of `schema.sql`; all functions run in one transaction of `gateway.db`.
Invariants: only a prefix of a lane is ever deleted, so that what is kept stays contiguous; a document the
hub has not acknowledged is deleted only from the routine lane and only over the quota, and then the same
transaction writes the event that says so; a time that was not trusted never decides what is old.
"""

from __future__ import annotations

import sqlite3

from gateway.core.events import Event, Lane, make_event
from gateway.upstream.outbox import put

MAX_ROUTINE = 200_000
"""About 80 MB: 200 days of a school's 1,000 events a day."""


def prune(connection: sqlite3.Connection, before_ms: int, *, alone: bool = False) -> int:
    """Drop acknowledged documents and events older than `before_ms`; returns how many documents went.

    A box that stands `alone` (no hub) drops old documents although nobody has them: there is nobody.
    """
    gone = 0
    for lane in Lane:
        limit = "" if alone else "AND seq <= (SELECT acked FROM lane WHERE name = outbox.lane)"
        (cut,) = connection.execute(
            f"SELECT max(seq) FROM outbox WHERE lane = ? AND at_ms < ? {limit}",  # noqa: S608 - two constants
            (lane.value, before_ms),
        ).fetchone()
        if cut is not None:
            gone += _drop_prefix(connection, lane, int(cut))
    connection.execute(
        "DELETE FROM event WHERE number <= (SELECT max(number) FROM event WHERE time_trusted AND at_ms < ?)",
        (before_ms,),
    )
    return gone


def enforce_quota(
    connection: sqlite3.Connection, *, now_ms: int, mono_ns: int, trusted: bool, most: int = MAX_ROUTINE
) -> Event | None:
    """Drop the oldest routine documents over `most`, and put an event if any of them was unsent."""
    row = connection.execute("SELECT last, acked FROM lane WHERE name = ?", (Lane.ROUTINE.value,)).fetchone()
    if row is None or row["last"] <= most:
        return None
    cut = row["last"] - most
    (unsent,) = connection.execute(
        "SELECT count(*) FROM outbox WHERE lane = ? AND seq > ? AND seq <= ?", (Lane.ROUTINE.value, row["acked"], cut)
    ).fetchone()
    _drop_prefix(connection, Lane.ROUTINE, cut)
    if not unsent:
        return None
    event = make_event(
        "upstream.dropped", now_ms=now_ms, mono_ns=mono_ns, trusted=trusted, lane=Lane.ROUTINE.value, documents=unsent
    )
    put(connection, event)
    return event


def _drop_prefix(connection: sqlite3.Connection, lane: Lane, cut: int) -> int:
    """Delete up to `cut`; the numbers stay used, and the hub is told by a new stream at the next hello."""
    return connection.execute("DELETE FROM outbox WHERE lane = ? AND seq <= ?", (lane.value, cut)).rowcount
