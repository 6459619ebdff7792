"""Consent on paper: a class's signed sheet, put in by the teacher, countersigned by the principal.

Owns `consent_sheet` and `consent_sheet_line`. Invariants: nothing of a sheet counts before the principal has
countersigned it; until then it can be dropped, afterwards not; a line the family has overtaken by a later
answer is kept and does not count; a sheet that is wrong in one line is refused whole.
"""

from __future__ import annotations

import datetime as dt
import re
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from gateway.access import consent_cases, consent_rows, consent_texts
from gateway.access.acts import KEEPS_THE_BOX as BINDS
from gateway.access.audit import Actor
from gateway.access.consent_rows import NewAnswer
from gateway.access.consent_rules import agreed, paper_counts
from gateway.access.consents import Consents
from gateway.access.facts import Facts, Purpose
from gateway.access.localtime import DAY, midnight, moment
from gateway.access.store import FactStore, Need, require
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, new_public_id

SCAN = re.compile(r"[0-9A-Za-z][0-9A-Za-z ./_-]{0,39}")
MAX_LINES = 300
KEEP_OPEN = 20
"""Sheets of a class that wait for the principal at a time; a further one is refused."""


@dataclass(frozen=True, slots=True)
class Line:
    """One answer on a sheet."""

    child: PublicId
    purpose: Purpose
    given: bool
    signer: PublicId | None = None
    """The guardian who signed; None = not said which."""


@dataclass(frozen=True, slots=True)
class LineView(Line):
    """A line beside what counts now."""

    now: bool | None = None
    """What stands: True consent, False somebody said no, None no answer."""
    counts: bool = True
    """False: a later answer of the family stands instead."""


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A sheet that was put in."""

    id: PublicId
    class_id: PublicId
    day: dt.date
    scan: str
    entered_by: str
    entered_ms: int
    signed_by: str | None
    signed_ms: int | None
    dropped_ms: int | None
    lines: tuple[LineView, ...]

    @property
    def waits(self) -> bool:
        """Neither countersigned nor dropped."""
        return self.signed_ms is None and self.dropped_ms is None


class PaperSheets:
    """Takes sheets in and makes them count."""

    def __init__(self, store: FactStore, consents: Consents) -> None:
        self._store, self._consents = store, consents

    async def enter(self, actor: Actor, class_id: PublicId, day: dt.date, scan: str, lines: Sequence[Line]) -> PublicId:
        """Put a class's sheet in, as one act; NotFound, BadInput, and nothing is kept then."""
        sheet, scan = new_public_id(), " ".join(scan.split())
        if not SCAN.fullmatch(scan):
            raise BadInput("a scan number has letters, digits and . / - _", case="scan", key="scan", value=scan[:40])
        if not 0 < len(lines) <= MAX_LINES:
            raise BadInput("a sheet has at least one answer", case="sheet_empty", key="lines")
        if len({(line.child, line.purpose) for line in lines}) != len(lines):
            raise BadInput("a child has two answers to one question", case="sheet_twice", key="lines")

        def run(conn: sqlite3.Connection, now_ms: int) -> PublicId:
            require(conn, "class", class_id)
            facts = self._store.snapshot(conn)
            day_ms = self._day_ms(facts, day, now_ms)
            waiting = "SELECT count(*) FROM consent_sheet WHERE class = ? AND signed_ms IS NULL AND dropped_ms IS NULL"
            if conn.execute(waiting, (class_id,)).fetchone()[0] >= KEEP_OPEN:
                raise BadInput(
                    "too many sheets wait for the principal", case="sheets_many", key="class", most=KEEP_OPEN
                )
            here = {row.child for row in facts.index.enrolments_of_class.get(class_id, ()) if row.holds(now_ms)}
            for line in lines:
                self._check(facts, line, here, now_ms)
            conn.execute(
                "INSERT INTO consent_sheet (id, class, day, day_ms, scan, entered_by, entered_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (sheet, class_id, day.isoformat(), day_ms, scan, actor.person or "console", now_ms),
            )
            for line in lines:
                text = self._consents.texts.current(conn, line.purpose)
                consent_texts.keep_shown(conn, text, now_ms)
                conn.execute(
                    "INSERT INTO consent_sheet_line (sheet, child, purpose, given, person, text_sha256)"
                    " VALUES (?, ?, ?, ?, ?, ?)",
                    (sheet, line.child, line.purpose, line.given, line.signer, text.sha256),
                )
            return sheet

        detail: dict[str, str | int | bool] = {"sheet": sheet, "lines": len(lines)}
        return await self._store.change(actor, "consent.sheet", class_need(class_id), run, detail=detail)

    @staticmethod
    def _day_ms(facts: Facts, day: dt.date, now_ms: int) -> int:
        today = moment(facts.zone, now_ms).date
        if not today - 370 * DAY <= day <= today:
            raise BadInput("the sheet's date is in the future or too old", case="sheet_day", key="day", day=str(day))
        return midnight(facts.zone, day)

    @staticmethod
    def _check(facts: Facts, line: Line, here: set[PublicId], now_ms: int) -> None:
        if line.child not in here:
            raise NotFound("there is no such child in this class")
        if line.signer is not None and not any(
            tie.child == line.child and tie.holds(now_ms)
            for tie in facts.index.guardians_of_person.get(line.signer, ())
        ):
            raise NotFound("there is no such guardian of this child")

    async def drop(self, actor: Actor, class_id: PublicId, sheet: PublicId) -> None:
        """Take a sheet back that is not countersigned: the teacher of the class or the principal; NotFound."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            done = conn.execute(
                "UPDATE consent_sheet SET dropped_by = ?, dropped_ms = ? WHERE id = ? AND class = ?"
                " AND signed_ms IS NULL AND dropped_ms IS NULL",
                (actor.person or "console", now_ms, sheet, class_id),
            )
            if done.rowcount == 0:
                raise NotFound("there is no such sheet that waits")

        await self._store.change(actor, "consent.sheet_drop", class_need(class_id), run, detail={"sheet": sheet})

    async def countersign(self, actor: Actor, sheet: PublicId) -> int:
        """Let a sheet count from now on; returns how many of its lines do. NotFound if it does not wait."""

        def run(conn: sqlite3.Connection, now_ms: int) -> int:
            row = _waiting(conn, sheet)
            facts = self._store.snapshot(conn)
            counted = 0
            for line in _lines(conn, facts, row, now_ms):
                text = conn.execute(
                    "SELECT t.version, t.scope, t.sha256 FROM consent_sheet_line l JOIN consent_shown t"
                    " ON t.sha256 = l.text_sha256 WHERE l.sheet = ? AND l.child = ? AND l.purpose = ?",
                    (sheet, line.child, line.purpose),
                ).fetchone()
                if line.counts:
                    answer = NewAnswer(
                        child=line.child, purpose=line.purpose, given=line.given, person=line.signer, via="paper",
                        entered_by=row["entered_by"], version=text["version"], scope=text["scope"],
                        sha256=text["sha256"], sheet=sheet,
                    )  # fmt: skip
                    mode = self._consents.on_withdrawal
                    consent_cases.take(conn, facts, answer, on_withdrawal=mode, now_ms=now_ms)
                    counted += 1
                conn.execute(
                    "UPDATE consent_sheet_line SET became = ? WHERE sheet = ? AND child = ? AND purpose = ?",
                    ("counted" if line.counts else "newer", sheet, line.child, line.purpose),
                )
            conn.execute(
                "UPDATE consent_sheet SET signed_by = ?, signed_ms = ? WHERE id = ?",
                (actor.person or "console", now_ms, sheet),
            )
            return counted

        return await self._store.change(actor, "consent.countersign", BINDS, run, detail={"sheet": sheet})

    async def rows(self, class_id: PublicId | None = None, *, waiting: bool = False) -> tuple[SheetRow, ...]:
        """Return sheets (of a class), newest first, with what they would change; the caller has decided."""
        sql = (
            "SELECT * FROM consent_sheet WHERE (:class IS NULL OR class = :class)"
            " AND (NOT :waiting OR (signed_ms IS NULL AND dropped_ms IS NULL))"
            " ORDER BY entered_ms DESC, id LIMIT 200"
        )

        def read(conn: sqlite3.Connection) -> tuple[SheetRow, ...]:
            facts, now_ms = self._store.current, self._store.clock.now_ms()
            found = conn.execute(sql, {"class": class_id, "waiting": waiting}).fetchall()
            return tuple(_sheet(row, _lines(conn, facts, row, now_ms)) for row in found)

        return await self._store.db.read(read)


def class_need(class_id: PublicId) -> Need:
    """Return the right to put in what a class's families said: its teachers', and the principal's."""
    return Need(Action.PEOPLE, ObjectRef(ObjectKind.CLASS, class_id))


def _waiting(conn: sqlite3.Connection, sheet: PublicId) -> sqlite3.Row:
    sql = "SELECT * FROM consent_sheet WHERE id = ? AND signed_ms IS NULL AND dropped_ms IS NULL"
    row: sqlite3.Row | None = conn.execute(sql, (sheet,)).fetchone()
    if row is None:
        raise NotFound("there is no such sheet that waits")
    return row


def _lines(conn: sqlite3.Connection, facts: Facts, sheet: sqlite3.Row, now_ms: int) -> tuple[LineView, ...]:
    day = (sheet["day_ms"], midnight(facts.zone, dt.date.fromisoformat(sheet["day"]) + DAY))
    sql = "SELECT * FROM consent_sheet_line WHERE sheet = ? ORDER BY child, purpose"
    return tuple(_line(conn, row, day, now_ms) for row in conn.execute(sql, (sheet["id"],)).fetchall())


def _line(conn: sqlite3.Connection, row: sqlite3.Row, day: tuple[int, int], now_ms: int) -> LineView:
    child, purpose = PublicId(row["child"]), Purpose(row["purpose"])
    signer, given = PublicId(row["person"]) if row["person"] else None, bool(row["given"])
    found = consent_rows.standing(conn, child, purpose, now_ms)
    counts = paper_counts(given, signer, day, found) if row["became"] is None else row["became"] == "counted"
    return LineView(child, purpose, given, signer, agreed(found) if found else None, counts)


def _sheet(row: sqlite3.Row, lines: tuple[LineView, ...]) -> SheetRow:
    return SheetRow(
        PublicId(row["id"]),
        PublicId(row["class"]),
        dt.date.fromisoformat(row["day"]),
        *(row["scan"], row["entered_by"], row["entered_ms"], row["signed_by"], row["signed_ms"], row["dropped_ms"]),
        lines,
    )
