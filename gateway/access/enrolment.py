"""Which class a child is in, from when until when: the dated rules of moving and leaving.

Owns how `enrolment` and `guardian` rows end and begin; whoever calls has decided and holds the transaction.
Invariants: a child is in one class at a time; no row is deleted and no past instant changes its answer; what was to
begin later than an ending never begins; with a child that leaves, the ties of its guardians to it end at the same
instant (a guardian of another child here goes on for that one), and whoever is put into a class again before then keeps
them.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Mapping
from typing import Any, Protocol
from zoneinfo import ZoneInfo

from gateway.access.localtime import midnight, moment
from gateway.core.errors import BadInput
from gateway.core.model import PublicId

_DAY = dt.timedelta(days=1)
MOST_AHEAD = dt.timedelta(days=400)
"""A date further ahead is a slip of the pen."""


class Rows(Protocol):
    """Writes rows and may remember them (`roster.journal.Journal`)."""

    def insert(self, table: str, values: Mapping[str, Any]) -> Any:
        """Write a new row; returns its key."""

    def update(self, table: str, key: Any, values: Mapping[str, Any]) -> None:
        """Change a row."""


def move(
    conn: sqlite3.Connection, rows: Rows, child: PublicId, class_id: PublicId, at_ms: int, *, now_ms: int | None = None
) -> None:
    """Put a child into a class from an instant on (`now_ms` where that is to come).

    A leaving that was still to come is called off with it: ties that would have ended in that instant go on.
    """
    _keep_ties(conn, rows, child, at_ms if now_ms is None else now_ms)
    _end_enrolments(conn, rows, child, at_ms)
    rows.insert("enrolment", {"child": child, "class": class_id, "since_ms": at_ms, "until_ms": None})


def leave(conn: sqlite3.Connection, rows: Rows, child: PublicId, at_ms: int) -> None:
    """End a child's enrolment and its guardians' ties to it at an instant."""
    _end_enrolments(conn, rows, child, at_ms)
    for row in _open(conn, "guardian", child, at_ms):
        rows.update("guardian", row["id"], {"until_ms": max(at_ms, row["since_ms"])})


def _keep_ties(conn: sqlite3.Connection, rows: Rows, child: PublicId, now_ms: int) -> None:
    """Let the ties go on that are to end in the very instant at which the child leaves.

    Not where it only changes its class then: a tie that ends so was ended by somebody's word.
    """
    sql = (
        "SELECT DISTINCT guardian.id FROM guardian JOIN enrolment ON enrolment.child = guardian.child"
        " AND enrolment.until_ms = guardian.until_ms WHERE guardian.child = ? AND guardian.until_ms > ?"
        " AND NOT EXISTS (SELECT 1 FROM enrolment AS next WHERE next.child = guardian.child"
        " AND next.since_ms = guardian.until_ms AND (next.until_ms IS NULL OR next.until_ms > next.since_ms))"
    )
    for row in conn.execute(sql, (child, now_ms)).fetchall():
        rows.update("guardian", row["id"], {"until_ms": None})


def _end_enrolments(conn: sqlite3.Connection, rows: Rows, child: PublicId, at_ms: int) -> None:
    for row in _open(conn, "enrolment", child, at_ms):
        rows.update("enrolment", row["id"], {"until_ms": max(at_ms, row["since_ms"])})


def _open(conn: sqlite3.Connection, table: str, child: PublicId, at_ms: int) -> list[sqlite3.Row]:
    """Return the links of a child that go on after an instant, or begin after it."""
    sql = f"SELECT id, since_ms FROM {table} WHERE child = ? AND (until_ms IS NULL OR until_ms > max(?, since_ms))"  # noqa: S608 - our own table names
    return conn.execute(sql, (child, at_ms)).fetchall()


def tonight(zone: ZoneInfo, now_ms: int) -> int:
    """Return the end of the local day, UTC ms: when a child that leaves today has left."""
    return midnight(zone, moment(zone, now_ms).date + _DAY)


def begins(zone: ZoneInfo, day: dt.date | None, now_ms: int) -> int:
    """Return when a change of a date takes effect: at its first instant, at once for today; BadInput for the past."""
    today = moment(zone, now_ms).date
    if day is None or day == today:
        return now_ms
    if not today < day <= today + MOST_AHEAD:
        raise BadInput(f"{day} is not a day to come", case="day_ahead", key="day", value=day.isoformat())
    return midnight(zone, day)


def ends(zone: ZoneInfo, day: dt.date | None, now_ms: int) -> int:
    """Return when somebody has left whose last day this is: at its end, today by default; BadInput for the past."""
    today = moment(zone, now_ms).date
    last = today if day is None else day
    if not today <= last <= today + MOST_AHEAD:
        raise BadInput(f"{last} is not a day to come", case="day_ahead", key="day", value=last.isoformat())
    return midnight(zone, last + _DAY)
