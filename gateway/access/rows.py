"""From the tables of gateway.db to one snapshot of facts.

Owns the reading half of the fact tables. Invariants: reads inside the caller's transaction, so version
and rows belong together; sealed columns are not read; spans that ended `KEEP_MS` before now are left
out (they can no longer make anything allowed).
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterator
from zoneinfo import ZoneInfo

from gateway.access import consent_rows
from gateway.access.facts import (
    Block,
    BlockKind,
    CalendarDay,
    ClassCamera,
    ClassRules,
    Enrolment,
    ExportOrder,
    Facts,
    Guardian,
    Observation,
    Pause,
    Person,
    Privacy,
    Resolution,
    Teaching,
    Thing,
    Window,
)
from gateway.access.localtime import MS_PER_DAY
from gateway.access.noticerules import load_notices
from gateway.core.model import GuardianKind, ObjectKind, PublicId, Role

KEEP_MS = 3 * MS_PER_DAY
"""Pauses of today are counted; three days cover any zone and a clock that was set back a little."""


def pack_days(days: frozenset[int]) -> int:
    """Return weekdays as the bits of the `days` columns."""
    return sum(1 << day for day in days)


def unpack_days(bits: int) -> frozenset[int]:
    """Return the weekdays of a `days` column."""
    return frozenset(day for day in range(7) if bits >> day & 1)


def facts_version(conn: sqlite3.Connection) -> int:
    """Return the version the tables are at."""
    return int(conn.execute("SELECT facts_version FROM access_state").fetchone()[0])


def classes_shown(conn: sqlite3.Connection, camera: PublicId, span: tuple[int, int] | None, now_ms: int) -> list[str]:
    """Return the classes a camera shows now, or showed in recorded time: whose families are to know of a look.

    Read from the table, for the facts forget old spans. Footage from before a camera was given to any class counts
    as that of the classes it shows now.
    """
    sql = (
        "SELECT DISTINCT class FROM class_camera WHERE camera = ? AND since_ms < ?"
        " AND (until_ms IS NULL OR until_ms > ?) ORDER BY class"
    )
    for from_ms, to_ms in [*([span] if span is not None else []), (now_ms, now_ms + 1)]:
        if found := [row["class"] for row in conn.execute(sql, (camera, to_ms, from_ms))]:
            return found
    return []


def load_facts(conn: sqlite3.Connection, *, zone: ZoneInfo, clock_trusted: bool, now_ms: int) -> Facts:
    """Read everything the policy needs."""
    state = conn.execute("SELECT * FROM access_state").fetchone()
    spans = _Spans(conn, now_ms - KEEP_MS)
    return Facts(
        version=state["facts_version"],
        zone=zone,
        clock_trusted=clock_trusted,
        accepted=state["accepted_ms"] is not None,
        sharing_stopped=bool(state["sharing_stopped"]),
        persons=tuple(
            Person(PublicId(row["id"]), Role(row["role"]), bool(row["disabled"]))
            for row in conn.execute("SELECT id, role, disabled FROM person")
        ),
        cameras=_ids(conn, "SELECT id FROM access_camera"),
        classes=_ids(conn, "SELECT id FROM class"),
        children=_ids(conn, "SELECT id FROM child"),
        guardians=spans.guardians(),
        enrolments=spans.enrolments(),
        teachings=spans.teachings(),
        class_cameras=spans.class_cameras(),
        consents=consent_rows.load(conn, now_ms - KEEP_MS),
        resolutions=spans.resolutions(),
        pauses=spans.pauses(),
        privacies=spans.privacies(),
        days=tuple(
            CalendarDay(dt.date.fromisoformat(row["date"]), bool(row["open"]), row["as_weekday"])
            for row in conn.execute("SELECT date, open, as_weekday FROM calendar_day")
        ),
        windows=tuple(
            Window(PublicId(row["class"]), unpack_days(row["days"]), row["start_min"], row["end_min"])
            for row in conn.execute("SELECT * FROM viewing_window")
        ),
        blocks=tuple(
            Block(
                PublicId(row["class"]),
                unpack_days(row["days"]),
                row["start_min"],
                row["end_min"],
                BlockKind(row["kind"]),
                bool(row["guardian_visible"]),
            )
            for row in conn.execute("SELECT * FROM plan_block")
        ),
        observations=spans.observations(),
        rules=tuple(
            ClassRules(PublicId(row["class"]), bool(row["on_site_only"]), row["daily_minutes"], row["adaptation_days"])
            for row in conn.execute("SELECT * FROM class_rules")
        ),
        things=tuple(
            Thing(ObjectKind.HOLD, PublicId(row["id"]), row["placed_by"])
            for row in conn.execute("SELECT id, placed_by FROM footage_hold WHERE gone = 0")
        ),
        exports=tuple(_export(row) for row in conn.execute("SELECT * FROM export_order WHERE ended_ms IS NULL")),
        staff_notices=load_notices(conn),
    )


def _ids(conn: sqlite3.Connection, sql: str) -> frozenset[PublicId]:
    return frozenset(PublicId(row[0]) for row in conn.execute(sql))


def _export(row: sqlite3.Row) -> ExportOrder:
    return ExportOrder(
        PublicId(row["id"]),
        PublicId(row["camera"]),
        row["from_ms"],
        row["to_ms"],
        PublicId(row["requester"]),
        PublicId(row["approver"]) if row["approver"] else None,
    )


class _Spans:
    """Reads the dated tables."""

    def __init__(self, conn: sqlite3.Connection, ended_before_ms: int) -> None:
        self._conn = conn
        self._ended_before_ms = ended_before_ms

    def _rows(self, table: str) -> Iterator[sqlite3.Row]:
        sql = f"SELECT * FROM {table} WHERE until_ms IS NULL OR until_ms > ?"  # noqa: S608 - our own table names
        return iter(self._conn.execute(sql, (self._ended_before_ms,)))

    def guardians(self) -> tuple[Guardian, ...]:
        return tuple(
            Guardian(
                person=PublicId(row["person"]),
                child=PublicId(row["child"]),
                kind=GuardianKind(row["kind"]),
                since_ms=row["since_ms"],
                until_ms=row["until_ms"],
            )
            for row in self._rows("guardian")
        )

    def enrolments(self) -> tuple[Enrolment, ...]:
        return tuple(
            Enrolment(
                child=PublicId(row["child"]),
                class_id=PublicId(row["class"]),
                since_ms=row["since_ms"],
                until_ms=row["until_ms"],
            )
            for row in self._rows("enrolment")
        )

    def teachings(self) -> tuple[Teaching, ...]:
        return tuple(
            Teaching(
                person=PublicId(row["person"]),
                class_id=PublicId(row["class"]),
                since_ms=row["since_ms"],
                until_ms=row["until_ms"],
            )
            for row in self._rows("teaching")
        )

    def class_cameras(self) -> tuple[ClassCamera, ...]:
        return tuple(
            ClassCamera(
                camera=PublicId(row["camera"]),
                class_id=PublicId(row["class"]),
                since_ms=row["since_ms"],
                until_ms=row["until_ms"],
            )
            for row in self._rows("class_camera")
        )

    def resolutions(self) -> tuple[Resolution, ...]:
        return tuple(
            Resolution(
                child=PublicId(row["child"]),
                class_id=PublicId(row["class"]),
                since_ms=row["since_ms"],
                until_ms=row["until_ms"],
            )
            for row in self._rows("resolution")
        )

    def observations(self) -> tuple[Observation, ...]:
        return tuple(
            Observation(
                person=PublicId(row["person"]),
                class_id=PublicId(row["class"]),
                assented=row["assented_ms"] is not None,
                id=row["id"],
                since_ms=row["since_ms"],
                until_ms=row["until_ms"],
            )
            for row in self._rows("observation")
        )

    def pauses(self) -> tuple[Pause, ...]:
        return tuple(
            Pause(class_id=PublicId(row["class"]), by=row["by"], since_ms=row["since_ms"], until_ms=row["until_ms"])
            for row in self._rows("pause")
        )

    def privacies(self) -> tuple[Privacy, ...]:
        return tuple(
            Privacy(camera=PublicId(row["camera"]), since_ms=row["since_ms"], until_ms=row["until_ms"])
            for row in self._rows("privacy")
        )
