"""Cases: what an answer leaves for the principal to settle, and how it was settled.

Owns `consent_case` and the writing of `resolution`. Invariants: an answer and what follows from it are written in one
transaction; one case a child and purpose at a time; a class goes on without a child's consent only by a row of
`resolution`: the principal's, or a standing one while a withdrawal that does not pause by itself waits
for the principal; no other family's row, event or time depends on a case.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gateway.access import consent_rows
from gateway.access.acts import KEEPS_THE_BOX as BINDS
from gateway.access.audit import Actor
from gateway.access.consent_rows import NewAnswer
from gateway.access.consent_rules import (
    HIDES_CHILD,
    CaseKind,
    Consequence,
    OnWithdrawal,
    Remedy,
    agreed,
    consequence,
    due_ms,
)
from gateway.access.facts import Facts, Purpose
from gateway.access.store import FactStore, require
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import PublicId, new_public_id

_AGREED = "consent_case.agreed"
MAX_WORDS = 400
_OPEN = "(until_ms IS NULL OR until_ms > :now)"


@dataclass(frozen=True, slots=True)
class CaseRow:
    """A case as the principal sees it."""

    id: PublicId
    child: PublicId
    class_id: PublicId | None
    purpose: Purpose
    kind: CaseKind
    waits: bool
    opened_ms: int
    due_ms: int
    closed_ms: int | None = None
    remedy: Remedy | None = None
    agreed: str = ""


def take(
    conn: sqlite3.Connection, facts: Facts, answer: NewAnswer, *, on_withdrawal: OnWithdrawal, now_ms: int
) -> Consequence:
    """Write an answer and what follows from it; the same answer given twice changes nothing."""
    before = consent_rows.standing(conn, answer.child, answer.purpose, now_ms)
    mine = [item for item in before if item.person == answer.person]
    if not answer.given and any(not item.given for item in mine):
        return Consequence(None)
    again = consent_rows.withdrew_before(conn, answer.child, now_ms)
    withdrawal = not answer.given and agreed(before)
    consent_rows.write(conn, answer, withdrawal=withdrawal, now_ms=now_ms)
    after = consent_rows.standing(conn, answer.child, answer.purpose, now_ms)
    follows = consequence(
        answer.purpose, before, after, given=answer.given, on_withdrawal=on_withdrawal, withdrew_before=again
    )
    if agreed(after):
        close(conn, answer.child, answer.purpose, Remedy.AGREED, str(answer.entered_by), now_ms)
        if answer.purpose is Purpose.VIEW:
            _end_resolutions(conn, answer.child, None, now_ms)
    elif follows.case is not None:
        _follow(conn, facts, answer, follows, withdrawal=withdrawal, now_ms=now_ms)
    return follows


def _follow(
    conn: sqlite3.Connection, facts: Facts, answer: NewAnswer, follows: Consequence, *, withdrawal: bool, now_ms: int
) -> None:
    class_id = consent_rows.class_of(conn, answer.child, now_ms)
    waits = False
    if answer.purpose is Purpose.VIEW and class_id is not None:
        if withdrawal and not follows.waits:
            _resolve(conn, answer.child, class_id, now_ms, how="standing")
        waits = not _resolved(conn, answer.child, class_id, now_ms)
    sql = "SELECT 1 FROM consent_case WHERE child = ? AND purpose = ? AND closed_ms IS NULL"
    if conn.execute(sql, (answer.child, answer.purpose)).fetchone() is None:
        conn.execute(
            "INSERT INTO consent_case (id, child, class, purpose, kind, waits, opened_ms, due_ms)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(new_public_id(), answer.child, class_id, answer.purpose, follows.case),
                *(waits, now_ms, due_ms(facts, now_ms)),
            ),
        )


def close(conn: sqlite3.Connection, child: PublicId, purpose: Purpose, remedy: Remedy, by: str, now_ms: int) -> None:
    """Close the open case of a child and purpose, if there is one."""
    conn.execute(
        "UPDATE consent_case SET closed_ms = ?, closed_by = ?, remedy = ?"
        " WHERE child = ? AND purpose = ? AND closed_ms IS NULL",
        (now_ms, by, remedy, child, purpose),
    )


def resolve(conn: sqlite3.Connection, child: PublicId, class_id: PublicId, now_ms: int) -> None:
    """Let a class go on without a child's consent, by the principal's word."""
    _end_resolutions(conn, child, class_id, now_ms)
    _resolve(conn, child, class_id, now_ms, how=None)


def unresolve(conn: sqlite3.Connection, child: PublicId, class_id: PublicId, now_ms: int) -> None:
    """Let the class wait for the child's consent again."""
    _end_resolutions(conn, child, class_id, now_ms)


def _resolve(conn: sqlite3.Connection, child: PublicId, class_id: PublicId, now_ms: int, *, how: str | None) -> None:
    if not _resolved(conn, child, class_id, now_ms):
        conn.execute(
            "INSERT INTO resolution (child, class, since_ms, how) VALUES (?, ?, ?, ?)", (child, class_id, now_ms, how)
        )


def _resolved(conn: sqlite3.Connection, child: PublicId, class_id: PublicId, now_ms: int) -> bool:
    sql = f"SELECT 1 FROM resolution WHERE child = :child AND class = :class AND {_OPEN}"  # noqa: S608 - our own words
    return conn.execute(sql, {"child": child, "class": class_id, "now": now_ms}).fetchone() is not None


def _settled(conn: sqlite3.Connection, child: PublicId, class_id: PublicId, now_ms: int) -> bool:
    """Say whether the principal's own word lets the class go on without this child's consent."""
    sql = f"SELECT 1 FROM resolution WHERE child = :child AND class = :class AND how IS NULL AND {_OPEN}"  # noqa: S608 - our own words
    return conn.execute(sql, {"child": child, "class": class_id, "now": now_ms}).fetchone() is not None


def _nothing_open(conn: sqlite3.Connection, child: PublicId, purpose: Purpose) -> BadInput:
    """Return why there is no open case: it was settled, or there never was one."""
    sql = "SELECT 1 FROM consent_case WHERE child = ? AND purpose = ? AND closed_ms IS NOT NULL"
    return _done() if conn.execute(sql, (child, purpose)).fetchone() else NotFound("there is nothing to settle")


def _done() -> BadInput:
    return BadInput("there is nothing to settle any more", case="settled", key="case")


def _end_resolutions(conn: sqlite3.Connection, child: PublicId, class_id: PublicId | None, now_ms: int) -> None:
    conn.execute(
        f"UPDATE resolution SET until_ms = :now WHERE child = :child AND {_OPEN}"  # noqa: S608 - our own words
        " AND (:class IS NULL OR class = :class)",
        {"child": child, "class": class_id, "now": now_ms},
    )


def clean_words(text: str) -> str:
    """Return what the principal wrote, with single spaces: 1 to 400 characters; BadInput otherwise."""
    words = " ".join(text.split())
    if not 1 <= len(words) <= MAX_WORDS or not words.isprintable():
        raise BadInput(f"what was agreed has 1 to {MAX_WORDS} characters", case="agreed", key="agreed", most=MAX_WORDS)
    return words


class Cases:
    """What the principal does about them."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def settle(
        self, actor: Actor, child: PublicId, class_id: PublicId, remedy: Remedy, agreed_text: str, purpose: Purpose
    ) -> None:
        """Write down how a family's wish is met; with a remedy that hides the child, the class goes on. NotFound.

        Also for a child whose family has not answered: the principal says why the class may go on all the same.
        BadInput (case settled), and nothing is written, if there is nothing to settle any more.
        """
        if remedy is Remedy.AGREED or (purpose is Purpose.VIEW and remedy not in HIDES_CHILD):
            raise BadInput(f"{remedy} does not settle this", case="remedy", key="remedy")
        store, text = self._store, clean_words(agreed_text)

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "child", child)
            require(conn, "class", class_id)
            if consent_rows.class_of(conn, child, now_ms) != class_id:
                raise NotFound("there is no such child in this class")
            case = self._open_or_new(conn, child, class_id, purpose, now_ms)
            if purpose is Purpose.VIEW:
                resolve(conn, child, class_id, now_ms)
            conn.execute(
                "UPDATE consent_case SET closed_ms = ?, closed_by = ?, remedy = ?, agreed_sealed = ? WHERE id = ?",
                (now_ms, actor.person or "console", remedy, store.seal(_AGREED, case, text), case),
            )

        detail: dict[str, str | int | bool] = {
            "child": child, "class": class_id, "purpose": purpose, "remedy": remedy,
        }  # fmt: skip
        await store.change(actor, "consent.settle", BINDS, run, detail=detail)

    def _open_or_new(
        self, conn: sqlite3.Connection, child: PublicId, class_id: PublicId, purpose: Purpose, now_ms: int
    ) -> PublicId:
        sql = "SELECT id FROM consent_case WHERE child = ? AND purpose = ? AND closed_ms IS NULL"
        row = conn.execute(sql, (child, purpose)).fetchone()
        if row is not None:
            return PublicId(row["id"])
        if purpose is not Purpose.VIEW:
            raise _nothing_open(conn, child, purpose)
        if agreed(consent_rows.standing(conn, child, purpose, now_ms)) or _settled(conn, child, class_id, now_ms):
            raise _done()
        case = new_public_id()
        conn.execute(
            "INSERT INTO consent_case (id, child, class, purpose, kind, waits, opened_ms, due_ms)"
            " VALUES (?, ?, ?, ?, ?, 0, ?, ?)",
            (case, child, class_id, purpose, CaseKind.REFUSAL, now_ms, now_ms),
        )
        return case

    async def hold_class(self, actor: Actor, child: PublicId, class_id: PublicId) -> None:
        """Close the class to guardians until this case is settled: a withdrawal that did not do it by itself."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            sql = "SELECT 1 FROM consent_case WHERE child = ? AND class = ? AND purpose = 'view' AND closed_ms IS NULL"
            if conn.execute(sql, (child, class_id)).fetchone() is None:
                raise _nothing_open(conn, child, Purpose.VIEW)
            unresolve(conn, child, class_id, now_ms)
            conn.execute(
                "UPDATE consent_case SET waits = 1 WHERE child = ? AND class = ? AND closed_ms IS NULL"
                " AND purpose = 'view'",
                (child, class_id),
            )

        await self._store.change(actor, "consent.hold", BINDS, run, detail={"child": child, "class": class_id})

    async def overdue(self) -> int:
        """Return how many open cases of children who are in a class are past their day."""
        facts, now_ms = self._store.current, self._store.clock.now_ms()
        sql = "SELECT child FROM consent_case WHERE closed_ms IS NULL AND due_ms <= ?"
        late = await self._store.db.read(lambda conn: conn.execute(sql, (now_ms,)).fetchall())
        here = facts.index.enrolments_of_child
        return sum(any(link.holds(now_ms) for link in here.get(PublicId(row["child"]), ())) for row in late)

    async def rows(self, *, closed_since_ms: int | None = None) -> tuple[CaseRow, ...]:
        """Return the open cases, first due first, and those closed since an instant; the caller has decided."""
        sql = (
            "SELECT * FROM consent_case WHERE closed_ms IS NULL OR closed_ms >= coalesce(?, 9e18)"
            " ORDER BY closed_ms IS NOT NULL, due_ms, id"
        )
        found = await self._store.db.read(lambda conn: conn.execute(sql, (closed_since_ms,)).fetchall())
        return tuple(self._row(row) for row in found)

    def _row(self, row: sqlite3.Row) -> CaseRow:
        sealed = row["agreed_sealed"]
        return CaseRow(
            PublicId(row["id"]),
            PublicId(row["child"]),
            PublicId(row["class"]) if row["class"] else None,
            Purpose(row["purpose"]),
            CaseKind(row["kind"]),
            bool(row["waits"]),
            row["opened_ms"],
            row["due_ms"],
            row["closed_ms"],
            Remedy(row["remedy"]) if row["remedy"] else None,
            self._store.unseal(_AGREED, row["id"], sealed) if sealed is not None else "",
        )
