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
from gateway.access.consent_rules import Fate, Standing, agreed, on_paper, paper_fate
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
    then: bool | None = None
    """What stands once the sheet counts; of one that does not wait, what stands now."""
    fate: Fate = Fate.COUNTS
    """Of a sheet that was countersigned, what became of the line then; of any other, what would."""

    @property
    def counts(self) -> bool:
        """It is (or will be) the family's answer."""
        return self.fate is Fate.COUNTS


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
            self._check_signers(conn, facts, day, lines, now_ms)
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

    @staticmethod
    def _check_signers(
        conn: sqlite3.Connection, facts: Facts, day: dt.date, lines: Sequence[Line], now_ms: int
    ) -> None:
        """Refuse a yes without a name where a guardian's no stands: countersigned, it would change nothing."""
        span = _span(facts, midnight(facts.zone, day), day)
        unsigned = [
            line.child
            for line in lines
            if _fate(line, span, consent_rows.standing(conn, line.child, line.purpose, now_ms)) is Fate.SIGNER
        ]
        if unsigned:
            children = tuple(dict.fromkeys(unsigned))
            raise BadInput("say who signed this yes", case="sheet_signer", key="signer", children=children)

    async def drop(self, actor: Actor, class_id: PublicId, sheet: PublicId) -> None:
        """Take a sheet back that is not countersigned: a teacher of the class or the principal; NotFound, BadInput."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            done = conn.execute(
                "UPDATE consent_sheet SET dropped_by = ?, dropped_ms = ? WHERE id = ? AND class = ?"
                " AND signed_ms IS NULL AND dropped_ms IS NULL",
                (actor.person or "console", now_ms, sheet, class_id),
            )
            if done.rowcount == 0:
                raise _done(conn, sheet, class_id)

        await self._store.change(actor, "consent.sheet_drop", class_need(class_id), run, detail={"sheet": sheet})

    async def countersign(self, actor: Actor, class_id: PublicId, sheet: PublicId) -> int:
        """Let a class's sheet count from now on; returns how many of its lines do.

        NotFound, or BadInput (case sheet_signed, sheet_dropped) for one that does not wait any more.
        """

        def run(conn: sqlite3.Connection, now_ms: int) -> int:
            row = _waiting(conn, sheet, class_id)
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
                became, why = ("counted", None) if line.counts else ("newer", line.fate)
                conn.execute(
                    "UPDATE consent_sheet_line SET became = ?, why = ? WHERE sheet = ? AND child = ? AND purpose = ?",
                    (became, why, sheet, line.child, line.purpose),
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


def _waiting(conn: sqlite3.Connection, sheet: PublicId, class_id: PublicId) -> sqlite3.Row:
    sql = "SELECT * FROM consent_sheet WHERE id = ? AND class = ? AND signed_ms IS NULL AND dropped_ms IS NULL"
    row: sqlite3.Row | None = conn.execute(sql, (sheet, class_id)).fetchone()
    if row is None:
        raise _done(conn, sheet, class_id)
    return row


def _done(conn: sqlite3.Connection, sheet: PublicId, class_id: PublicId) -> BadInput:
    """Return why a sheet does not wait: somebody was faster, or the class has none such."""
    sql = "SELECT dropped_ms FROM consent_sheet WHERE id = ? AND class = ?"
    row = conn.execute(sql, (sheet, class_id)).fetchone()
    if row is None:
        return NotFound("there is no such sheet")
    case = "sheet_signed" if row["dropped_ms"] is None else "sheet_dropped"
    return BadInput("the sheet does not wait any more", case=case, key="sheet")


def _span(facts: Facts, day_ms: int, day: dt.date) -> tuple[int, int]:
    return day_ms, midnight(facts.zone, day + DAY)


def _fate(line: Line, span: tuple[int, int], found: Sequence[Standing]) -> Fate:
    return paper_fate(line.given, line.signer, span, found)


def _lines(conn: sqlite3.Connection, facts: Facts, sheet: sqlite3.Row, now_ms: int) -> tuple[LineView, ...]:
    span = _span(facts, sheet["day_ms"], dt.date.fromisoformat(sheet["day"]))
    waits = sheet["signed_ms"] is None and sheet["dropped_ms"] is None
    sql = "SELECT * FROM consent_sheet_line WHERE sheet = ? ORDER BY child, purpose"
    rows = conn.execute(sql, (sheet["id"],)).fetchall()
    return tuple(_line(conn, row, span, now_ms, waits=waits) for row in rows)


def _line(conn: sqlite3.Connection, row: sqlite3.Row, span: tuple[int, int], now_ms: int, *, waits: bool) -> LineView:
    signer = PublicId(row["person"]) if row["person"] else None
    line = Line(PublicId(row["child"]), Purpose(row["purpose"]), bool(row["given"]), signer)
    found = consent_rows.standing(conn, line.child, line.purpose, now_ms)
    fate = Fate.COUNTS if row["became"] == "counted" else _fate(line, span, found)
    if row["became"] == "newer":
        fate = Fate(row["why"] or Fate.OTHER)
    now = agreed(found) if found else None
    then = on_paper(line.given, signer, found) if waits and fate is Fate.COUNTS else now
    return LineView(line.child, line.purpose, line.given, signer, now, then, fate)


def _sheet(row: sqlite3.Row, lines: tuple[LineView, ...]) -> SheetRow:
    return SheetRow(
        PublicId(row["id"]),
        PublicId(row["class"]),
        dt.date.fromisoformat(row["day"]),
        *(row["scan"], row["entered_by"], row["entered_ms"], row["signed_by"], row["signed_ms"], row["dropped_ms"]),
        lines,
    )
