"""Answers to the questions of consent, as rows of gateway.db.

Owns reading and writing of `consent` inside the caller's transaction. Invariants: an answer ends the same guardian's
last one and the family's on paper, never another guardian's; a guardian's no counts only while they stand for the
child; rows end, they are not deleted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.access.consent_rules import REPEAT_MS, Said, Standing
from gateway.access.facts import Consent, Purpose
from gateway.core.model import PublicId

_OPEN = "(until_ms IS NULL OR until_ms > :now)"
TOOK_BACK = (
    "(c.given = 0 AND EXISTS (SELECT 1 FROM consent y WHERE y.child = c.child AND y.purpose = c.purpose"
    " AND y.given = 1 AND y.until_ms = c.since_ms AND (y.person IS c.person OR y.person IS NULL)))"
)
"""Whether an answer (row `c`) took back a yes of the same guardian or the family's paper. The column `withdrawal` says
something else: that the *family* agreed before, whoever of it now says no."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewAnswer:
    """An answer about to be written."""

    child: PublicId
    purpose: Purpose
    given: bool
    person: PublicId | None
    via: str
    """phone, paper or school."""
    entered_by: str
    version: str = "1"
    scope: int = 1
    sha256: str | None = None
    """Of the text as it was shown; None where none was."""
    asked_ms: int | None = None
    sheet: PublicId | None = None


def load(conn: sqlite3.Connection, ended_before_ms: int) -> tuple[Consent, ...]:
    """Read the answers as facts; those that ended before an instant are left out."""
    sql = "SELECT * FROM consent WHERE until_ms IS NULL OR until_ms > ?"
    ends = _ends_of_ties(conn)
    return tuple(
        Consent(
            child=PublicId(row["child"]),
            purpose=Purpose(row["purpose"]),
            text_version=row["text_version"],
            given=bool(row["given"]),
            since_ms=row["since_ms"],
            until_ms=_until(row, ends),
        )
        for row in conn.execute(sql, (ended_before_ms,))
    )


def _ends_of_ties(conn: sqlite3.Connection) -> dict[tuple[str, str], int]:
    """Return when somebody who said no stopped (or stops) standing for the child; those without end are left out."""
    sql = (
        "SELECT g.person, g.child, max(coalesce(g.until_ms, 9e18)) AS ends FROM guardian g"
        " WHERE EXISTS (SELECT 1 FROM consent c WHERE c.person = g.person AND c.child = g.child AND c.given = 0)"
        " GROUP BY g.person, g.child"
    )
    return {(row["person"], row["child"]): int(row["ends"]) for row in conn.execute(sql) if row["ends"] < 9e18}


def _until(row: sqlite3.Row, ends: dict[tuple[str, str], int]) -> int | None:
    until_ms: int | None = row["until_ms"]
    if row["given"] or row["person"] is None:
        return until_ms
    tie_ms = ends.get((row["person"], row["child"]))
    if tie_ms is None:
        return until_ms
    since_ms: int = row["since_ms"]
    return max(since_ms, tie_ms if until_ms is None else min(until_ms, tie_ms))


def standing(conn: sqlite3.Connection, child: PublicId, purpose: Purpose, now_ms: int) -> list[Standing]:
    """Return the answers of a child for a purpose that stand now."""
    return [item for at, item in _standing(conn, child, now_ms) if at is purpose]


def standing_all(conn: sqlite3.Connection, child: PublicId, now_ms: int) -> dict[Purpose, list[Standing]]:
    """Return the answers of a child that stand now, by purpose."""
    found: dict[Purpose, list[Standing]] = {purpose: [] for purpose in Purpose}
    for purpose, item in _standing(conn, child, now_ms):
        found[purpose].append(item)
    return found


def _standing(conn: sqlite3.Connection, child: PublicId, now_ms: int) -> Iterator[tuple[Purpose, Standing]]:
    sql = (
        f"SELECT c.*, {TOOK_BACK} AS took_back, s.day_ms AS day_ms"  # noqa: S608 - our own words
        " FROM consent c LEFT JOIN consent_sheet s ON s.id = c.sheet"
        " WHERE c.child = :child AND (until_ms IS NULL OR until_ms > :now) ORDER BY c.since_ms, c.id"
    )
    ends = _ends_of_ties(conn)
    for row in conn.execute(sql, {"child": child, "now": now_ms}).fetchall():
        until_ms = _until(row, ends)
        if until_ms is not None and until_ms <= now_ms:
            continue
        answered_ms = row["since_ms"] if row["day_ms"] is None else row["day_ms"]
        yield (
            Purpose(row["purpose"]),
            Standing(
                PublicId(row["person"]) if row["person"] else None,
                bool(row["given"]),
                answered_ms,
                row["text_scope"],
                row["text_version"],
                row["via"],
                bool(row["withdrawal"]),
                bool(row["took_back"] or (row["withdrawal"] and row["person"] is None)),
            ),
        )


def said(conn: sqlite3.Connection, purpose: Purpose, now_ms: int) -> dict[PublicId, frozenset[Said]]:
    """Return what stands for a purpose, by child, also of whoever stands for it no more: see `counting`."""
    found: dict[PublicId, set[Said]] = {}
    sql = f"SELECT child, person, given FROM consent WHERE purpose = :purpose AND since_ms <= :now AND {_OPEN}"  # noqa: S608 - our own words
    for row in conn.execute(sql, {"purpose": purpose, "now": now_ms}):
        person = PublicId(row["person"]) if row["person"] else None
        found.setdefault(PublicId(row["child"]), set()).add(Said(person, bool(row["given"])))
    return {child: frozenset(answers) for child, answers in found.items()}


def write(conn: sqlite3.Connection, answer: NewAnswer, *, withdrawal: bool, now_ms: int) -> None:
    """End what the answer replaces and write it."""
    conn.execute(
        "UPDATE consent SET until_ms = :now WHERE child = :child AND purpose = :purpose AND since_ms <= :now"
        " AND (until_ms IS NULL OR until_ms > :now) AND (person IS NULL OR person = :person)",
        {"child": answer.child, "purpose": answer.purpose, "person": answer.person, "now": now_ms},
    )
    conn.execute(
        "INSERT INTO consent (child, purpose, text_version, since_ms, given, withdrawal, person, via, entered_by,"
        " text_scope, text_sha256, asked_ms, sheet) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            *(answer.child, answer.purpose, answer.version, now_ms, answer.given, withdrawal, answer.person),
            *(answer.via, answer.entered_by, answer.scope, answer.sha256, answer.asked_ms, answer.sheet),
        ),
    )


def withdrew_before(conn: sqlite3.Connection, child: PublicId, now_ms: int) -> bool:
    """Say whether the family withdrew consent to viewing before, not too long ago."""
    sql = "SELECT 1 FROM consent WHERE child = ? AND purpose = 'view' AND withdrawal = 1 AND since_ms > ? LIMIT 1"
    return conn.execute(sql, (child, now_ms - REPEAT_MS)).fetchone() is not None


def class_of(conn: sqlite3.Connection, child: PublicId, now_ms: int) -> PublicId | None:
    """Return the class a child is in now."""
    sql = f"SELECT class FROM enrolment WHERE child = :child AND since_ms <= :now AND {_OPEN} ORDER BY id DESC"  # noqa: S608 - our own words
    row = conn.execute(sql, {"child": child, "now": now_ms}).fetchone()
    return PublicId(row["class"]) if row is not None else None
