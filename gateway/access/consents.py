"""Consent of families: asked, answered, withdrawn, and told again for a file.

Owns `consent_asked`, `consent_basis` and the acts of guardians. Invariants: one act answers one question; an answer
names the text as it was shown, and only the text in force can be answered; no answer is not consent; a withdrawal
is one act and acts at once; a guardian's own statement holds no other guardian's answer.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from gateway.access import consent_cases, consent_rows, consent_texts
from gateway.access.acts import KEEPS_THE_BOX as BINDS
from gateway.access.audit import Actor
from gateway.access.consent_rows import NewAnswer
from gateway.access.consent_rules import OnWithdrawal, Standing, agreed
from gateway.access.consent_texts import Text, Texts
from gateway.access.facts import Facts, Purpose
from gateway.access.store import FactStore, Need
from gateway.core.errors import BadInput
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role

MAX_REFERENCE = 120


class Basis(StrEnum):
    """On what the school bases recording."""

    REGULATION = "regulation"
    CONSENT = "consent"


@dataclass(frozen=True, slots=True)
class RecordBasis:
    """The stated basis of recording; `set_ms` None: the principal has not stated one yet."""

    basis: Basis = Basis.REGULATION
    reference: str = ""
    set_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Mine:
    """How one question stands for one guardian and child."""

    child: PublicId
    purpose: Purpose
    text: Text
    given: bool | None
    """The answer that counts as this guardian's: their own, else the family's on paper; None = none."""
    answered_ms: int | None = None
    via: str = ""
    withdrawn: bool = False
    due: bool = True
    """To be asked: nothing was answered, or a text that asked for less."""
    notice: bool = False
    """Not a question: the school records by its regulation and says so here."""


@dataclass(frozen=True, slots=True)
class AnswerRow:
    """One answer in a child's history."""

    purpose: Purpose
    given: bool
    withdrawal: bool
    person: PublicId | None
    via: str
    entered_by: str | None
    version: str
    sha256: str | None
    asked_ms: int | None
    since_ms: int
    until_ms: int | None
    day: str | None = None
    """Date of the paper, and its scan number."""
    scan: str | None = None
    signed_by: str | None = None
    signed_ms: int | None = None


@dataclass(frozen=True, slots=True)
class ChildState:
    """How a child's questions stand, for the school's lists."""

    child: PublicId
    class_id: PublicId
    answers: dict[Purpose, bool | None]
    """True: consent; False: somebody said no; None: no answer."""
    withdrawn: bool
    resolved: bool
    """The class goes on without this child's consent."""
    standing: bool
    """... but the principal has yet to decide."""

    @property
    def waits(self) -> bool:
        """The class is closed to guardians because of this child."""
        return self.answers[Purpose.VIEW] is not True and not self.resolved


class Consents:
    """Asks, records, withdraws, tells."""

    def __init__(self, store: FactStore, texts: Texts, *, on_withdrawal: OnWithdrawal = "pause_class") -> None:
        self._store, self.texts, self.on_withdrawal = store, texts, on_withdrawal

    # a guardian's own acts

    async def mine(self, person: PublicId) -> tuple[Mine, ...]:
        """Return every question of a guardian's children; the caller is that guardian."""
        children = own_children(self._store.current, person, self._store.clock.now_ms())
        now_ms = self._store.clock.now_ms()

        def read(conn: sqlite3.Connection) -> tuple[Mine, ...]:
            basis = read_basis(conn).basis
            return tuple(
                _mine(person, child, self.texts.current(conn, purpose), found[purpose], basis)
                for child in children
                for found in [consent_rows.standing_all(conn, child, now_ms)]
                for purpose in (Purpose.VIEW, Purpose.RECORD, Purpose.OBSERVE)
            )

        return await self._store.db.read(read)

    async def asked(self, person: PublicId, child: PublicId, text: Text) -> None:
        """Keep that a question was put before a guardian, and what it said; the first time counts."""
        key = (person, child, text.sha256)
        sql = "SELECT 1 FROM consent_asked WHERE person = ? AND child = ? AND sha256 = ?"
        if await self._store.db.read(lambda conn: conn.execute(sql, key).fetchone()) is not None:
            return
        now_ms = self._store.clock.now_ms()

        def run(conn: sqlite3.Connection) -> None:
            consent_texts.keep_shown(conn, text, now_ms)
            conn.execute("INSERT OR IGNORE INTO consent_asked VALUES (?, ?, ?, ?)", (*key, now_ms))

        await self._store.db.write(run)

    async def answer(self, actor: Actor, child: PublicId, purpose: Purpose, *, given: bool, sha256: str) -> None:
        """Record a guardian's yes or no to the text that was shown (its hash); NotFound, BadInput if it changed."""
        person = actor.person
        if person is None:
            raise BadInput("a guardian answers, nobody else", case="answer", key="person")

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            _families(self._store.snapshot(conn), actor)
            text = self.texts.current(conn, purpose)
            if text.sha256 != sha256:
                raise BadInput("the text has changed since it was shown", case="text_changed", key="text")
            consent_texts.keep_shown(conn, text, now_ms)
            key = (person, child, sha256)
            sql = "SELECT asked_ms FROM consent_asked WHERE person = ? AND child = ? AND sha256 = ?"
            row = conn.execute(sql, key).fetchone()
            answer = NewAnswer(
                child=child, purpose=purpose, given=given, person=person, via="phone", entered_by=person,
                version=text.version, scope=text.scope, sha256=sha256,
                asked_ms=row["asked_ms"] if row is not None else now_ms,
            )  # fmt: skip
            self._take(conn, answer, now_ms)

        what = "consent.give" if given else "consent.refuse"
        detail: dict[str, str | int | bool] = {"purpose": purpose, "text": sha256[:16]}
        await self._store.change(actor, what, child_need(child), run, detail=detail)

    async def withdraw(self, actor: Actor, child: PublicId, purpose: Purpose) -> None:
        """Withdraw a guardian's consent: in one act, without a reason, at once."""
        person = actor.person
        if person is None:
            raise BadInput("a guardian withdraws, nobody else", case="answer", key="person")

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            _families(self._store.snapshot(conn), actor)
            last = [item for item in consent_rows.standing(conn, child, purpose, now_ms) if item.given]
            version, scope = (last[-1].version, last[-1].scope) if last else ("1", 1)
            answer = NewAnswer(
                child=child, purpose=purpose, given=False, person=person, via="phone", entered_by=person,
                version=version, scope=scope,
            )  # fmt: skip
            self._take(conn, answer, now_ms)

        detail: dict[str, str | int | bool] = {"purpose": purpose}
        await self._store.change(actor, "consent.withdraw", child_need(child), run, detail=detail)

    def _take(self, conn: sqlite3.Connection, answer: NewAnswer, now_ms: int) -> None:
        facts = self._store.snapshot(conn)
        consent_cases.take(conn, facts, answer, on_withdrawal=self.on_withdrawal, now_ms=now_ms)

    # the school's basis

    async def basis(self) -> RecordBasis:
        """Return on what recording is based."""
        return await self._store.db.read(read_basis)

    async def set_basis(self, actor: Actor, basis: Basis, reference: str) -> None:
        """State on what recording is based: a regulation (its number and date), or each family's consent."""
        text = " ".join(reference.split())
        if len(text) > MAX_REFERENCE or (text and not text.isprintable()) or (basis is Basis.REGULATION and not text):
            raise BadInput(
                "name the regulation: number and date", case="reference", key="reference", most=MAX_REFERENCE
            )

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            conn.execute(
                "INSERT INTO consent_basis (basis, reference, set_ms, set_by) VALUES (?, ?, ?, ?)",
                (basis, text, now_ms, actor.person or "console"),
            )

        await self._store.change(actor, "consent.basis", BINDS, run, detail={"basis": basis})

    # lists and statements; the caller has decided

    async def states(self, class_id: PublicId) -> tuple[ChildState, ...]:
        """Return how the children of a class stand."""
        facts, now_ms = self._store.current, self._store.clock.now_ms()
        children = [row.child for row in facts.index.enrolments_of_class.get(class_id, ()) if row.holds(now_ms)]

        def read(conn: sqlite3.Connection) -> tuple[ChildState, ...]:
            return tuple(_state(conn, child, class_id, now_ms) for child in dict.fromkeys(children))

        return await self._store.db.read(read)

    async def history(self, child: PublicId, *, own: PublicId | None = None) -> tuple[AnswerRow, ...]:
        """Return a child's answers, oldest first; with `own`, that guardian's and the family's paper only."""
        sql = (
            f"SELECT c.*, {consent_rows.TOOK_BACK} AS took_back,"  # noqa: S608 - our own words
            " s.day, s.scan, s.signed_by, s.signed_ms FROM consent c"
            " LEFT JOIN consent_sheet s ON s.id = c.sheet WHERE c.child = :child"
            " AND (:own IS NULL OR c.person IS NULL OR c.person = :own) ORDER BY c.since_ms, c.id"
        )
        values = {"child": child, "own": own}
        rows = await self._store.db.read(lambda conn: conn.execute(sql, values).fetchall())
        return tuple(_answer_row(row) for row in rows)

    async def shown(self, sha256: str) -> Text | None:
        """Return a text as it was shown."""
        return await self._store.db.read(lambda conn: consent_texts.shown(conn, sha256))


def child_need(child: PublicId) -> Need:
    """Return the right to answer for a child: its guardians', and the principal's."""
    return Need(Action.PEOPLE, ObjectRef(ObjectKind.CHILD, child))


def own_children(facts: Facts, person: PublicId, now_ms: int) -> list[PublicId]:
    """Return the children a guardian stands for now."""
    ties = facts.index.guardians_of_person.get(person, ())
    return list(dict.fromkeys(row.child for row in ties if row.holds(now_ms)))


def guardian_in(facts: Facts, actor: Actor) -> PublicId | None:
    """Return the actor if they are a guardian: whose answer it is; None = the school writes the family's down."""
    who = facts.index.persons.get(actor.person) if actor.person is not None else None
    return who.id if who is not None and who.role is Role.GUARDIAN else None


def _families(facts: Facts, actor: Actor) -> None:
    """Refuse whoever has a right to the child but is not its family: a leader writes down a paper, no answer."""
    if guardian_in(facts, actor) is None:
        raise BadInput("a guardian answers, nobody else", case="answer", key="person")


def read_basis(conn: sqlite3.Connection) -> RecordBasis:
    """Read on what recording is based."""
    row = conn.execute("SELECT * FROM consent_basis ORDER BY id DESC LIMIT 1").fetchone()
    return RecordBasis() if row is None else RecordBasis(Basis(row["basis"]), row["reference"], row["set_ms"])


def _mine(person: PublicId, child: PublicId, text: Text, found: Sequence[Standing], basis: Basis) -> Mine:
    own = [item for item in found if item.person == person]
    if not own and (agreed(found) or not any(item.given for item in found)):
        own = [item for item in found if item.person is None]  # a family's yes beside somebody's no is nobody's
    notice = text.purpose is Purpose.RECORD and basis is Basis.REGULATION
    if not own:
        return Mine(child, text.purpose, text, None, due=not notice, notice=notice)
    last = own[-1]
    due = not notice and last.scope < text.scope
    return Mine(child, text.purpose, text, last.given, last.answered_ms, last.via, last.took_back, due, notice)


def _state(conn: sqlite3.Connection, child: PublicId, class_id: PublicId, now_ms: int) -> ChildState:
    found = consent_rows.standing_all(conn, child, now_ms)
    sql = "SELECT how FROM resolution WHERE child = ? AND class = ? AND (until_ms IS NULL OR until_ms > ?)"
    rows = conn.execute(sql, (child, class_id, now_ms)).fetchall()
    return ChildState(
        child,
        class_id,
        {purpose: agreed(items) if items else None for purpose, items in found.items()},
        withdrawn=any(item.withdrawal or item.took_back for item in found[Purpose.VIEW]),
        resolved=bool(rows),
        standing=any(row["how"] == "standing" for row in rows),
    )


def _answer_row(row: sqlite3.Row) -> AnswerRow:
    return AnswerRow(
        Purpose(row["purpose"]),
        bool(row["given"]),
        bool(row["took_back"] or (row["withdrawal"] and row["person"] is None)),
        PublicId(row["person"]) if row["person"] else None,
        *(row["via"], row["entered_by"], row["text_version"], row["text_sha256"], row["asked_ms"]),
        *(row["since_ms"], row["until_ms"], row["day"], row["scan"], row["signed_by"], row["signed_ms"]),
    )
