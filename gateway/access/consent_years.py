"""What becomes of families' answers when a new school year begins.

Owns that rule. Invariants: a no never ends with a year, and nothing here turns into a yes; a yes ends only if the
school says that its families are asked again (a text may be for one year: a person reads it); a settlement is of one
class, so it ends when the child moves on; leaving ends no answer (a child in no class is shown to nobody, and one that
repeats its year after all has the family's own words, a no above all); every row goes through the act's journal, so
undoing the year gives each answer back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from gateway.access.consent_rows import standing_all
from gateway.access.consent_rules import agreed
from gateway.access.enrolment import Rows
from gateway.access.facts import Purpose
from gateway.access.roster.rollover import Turn
from gateway.core.model import PublicId

OPENS_PICTURES = (Purpose.VIEW, Purpose.OBSERVE)
"""What is asked again: a yes to these shows the child to somebody. On what recording is based is the school's."""
_GOES_ON = "child = ? AND (until_ms IS NULL OR until_ms > max(?, since_ms))"


class ConsentYears:
    """`roster.rollover.YearEnd` for consent."""

    def agreed(self, conn: sqlite3.Connection, children: Iterable[PublicId], at_ms: int) -> int:
        """Return for how many of these children a yes stands that could end with the year."""
        found = (standing_all(conn, child, at_ms) for child in children)
        return sum(any(agreed(answers[purpose]) for purpose in OPENS_PICTURES) for answers in found)

    def end(self, conn: sqlite3.Connection, rows: Rows, turn: Turn) -> None:
        """End what ends with this year."""
        for child in sorted(turn.moved | turn.left):
            _end(conn, rows, "resolution", "", child, turn.at_ms)
        if turn.ask_again:  # also of who leaves: called off, that family is asked like every other
            for child in sorted(turn.moved | turn.stayed | turn.left):
                _end(conn, rows, "consent", " AND given = 1 AND purpose IN ('view', 'observe')", child, turn.at_ms)


def _end(conn: sqlite3.Connection, rows: Rows, table: str, more: str, child: PublicId, at_ms: int) -> None:
    sql = f"SELECT id, since_ms FROM {table} WHERE {_GOES_ON}{more}"  # noqa: S608 - our own words
    for row in conn.execute(sql, (child, at_ms)).fetchall():
        rows.update(table, row["id"], {"until_ms": max(at_ms, row["since_ms"])})
