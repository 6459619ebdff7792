"""Children: their class, their guardians, what their families agreed to.

Owns `child`, `enrolment`, `guardian`, `consent`, `resolution`. Invariants: a child is in one class at a
time; links end, they are not deleted; no answer is not consent; a withdrawal acts at once and is
undone only by a new consent or the principal's resolution.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass

from gateway.access import classday, consent_cases, enrolment
from gateway.access.audit import Actor
from gateway.access.consent_rows import NewAnswer
from gateway.access.consent_rules import agreed
from gateway.access.consents import child_need, guardian_in
from gateway.access.facts import Purpose
from gateway.access.people import MANAGE
from gateway.access.roster.journal import Journal
from gateway.access.store import FactStore, clean_name, refuse_erased, require
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import GuardianKind, PublicId, Role, new_public_id

_NAME = "child.name"


@dataclass(frozen=True, slots=True)
class ChildRow:
    """A child as the school's lists and its own family's page show it."""

    id: PublicId
    name: str
    class_id: PublicId | None
    consents: frozenset[Purpose]


class Children:
    """Enrols children, ties guardians, records consent."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def add(self, actor: Actor, name: str, class_id: PublicId | None = None) -> PublicId:
        """Add a child, enrolled at once if a class is given; BadInput, NotFound."""
        store, child, text = self._store, new_public_id(), clean_name(name)

        def run(conn: sqlite3.Connection, now_ms: int) -> PublicId:
            if class_id is not None:
                require(conn, "class", class_id)
            conn.execute(
                "INSERT INTO child (id, name_sealed, created_ms) VALUES (?, ?, ?)",
                (child, store.seal(_NAME, child, text), now_ms),
            )
            if class_id is not None:
                _enrol(conn, child, class_id, now_ms)
            return child

        return await store.change(actor, "child.add", MANAGE, run, detail={"child": child, "class": class_id or ""})

    async def rename(self, actor: Actor, child: PublicId, name: str) -> None:
        """Correct a child's name; NotFound, BadInput."""
        store, text = self._store, clean_name(name)

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            require(conn, "child", child)
            refuse_erased(conn, child)
            conn.execute("UPDATE child SET name_sealed = ? WHERE id = ?", (store.seal(_NAME, child, text), child))

        await store.change(actor, "child.rename", MANAGE, run, detail={"child": child})

    async def enrol(self, actor: Actor, child: PublicId, class_id: PublicId, day: dt.date | None = None) -> None:
        """Move a child into a class, at once or from the beginning of a day to come; NotFound, BadInput."""
        zone = self._store.current.zone

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "child", child)
            require(conn, "class", class_id)
            refuse_erased(conn, child)
            at_ms = enrolment.begins(zone, day, now_ms)
            enrolment.move(conn, Journal(conn), child, class_id, at_ms, now_ms=now_ms)

        await self._store.change(actor, "child.enrol", MANAGE, run, detail={"child": child, "class": class_id})

    async def leave(
        self, actor: Actor, child: PublicId, *, last_day: dt.date | None = None, at_once: bool = False
    ) -> None:
        """Let a child leave at the end of its last day (today by default), or at once; NotFound, BadInput.

        Its guardians' ties to it end at the same instant; for another child of theirs they go on.
        """
        zone = self._store.current.zone

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "child", child)
            at_ms = now_ms if at_once else enrolment.ends(zone, last_day, now_ms)
            enrolment.leave(conn, Journal(conn), child, at_ms)

        await self._store.change(actor, "child.leave", MANAGE, run, detail={"child": child, "at_once": at_once})

    async def add_guardian(
        self,
        actor: Actor,
        person: PublicId,
        child: PublicId,
        *,
        kind: GuardianKind = GuardianKind.PARENT,
        until_ms: int | None = None,
    ) -> None:
        """Say that a person stands for a child (until an instant, if given); NotFound, BadInput."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "child", child)
            require(conn, "person", person)
            refuse_erased(conn, child)
            refuse_erased(conn, person)
            if conn.execute("SELECT role FROM person WHERE id = ?", (person,)).fetchone()["role"] != Role.GUARDIAN:
                raise BadInput("only guardians stand for children", person=person)
            _end_guardian(conn, person, child, now_ms)
            conn.execute(
                "INSERT INTO guardian (person, child, kind, since_ms, until_ms) VALUES (?, ?, ?, ?, ?)",
                (person, child, kind, now_ms, until_ms),
            )

        await self._store.change(actor, "guardian.add", MANAGE, run, detail={"who": person, "child": child})

    async def revoke_guardian(self, actor: Actor, person: PublicId, child: PublicId | None = None) -> None:
        """End a guardian's tie to a child, or to all children; NotFound for a tie that there is not."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "person", person)
            if child is None:
                conn.execute(
                    "UPDATE guardian SET until_ms = ? WHERE person = ? AND (until_ms IS NULL OR until_ms > ?)",
                    (now_ms, person, now_ms),
                )
            elif not _end_guardian(conn, person, child, now_ms):
                raise NotFound("this person does not stand for that child")

        await self._store.change(actor, "guardian.revoke", MANAGE, run, detail={"who": person, "child": child or ""})

    async def consent(
        self, actor: Actor, child: PublicId, purpose: Purpose = Purpose.VIEW, *, text_version: str = "1"
    ) -> None:
        """Record a family's yes: by its guardian, or by the school from a signed paper."""
        detail: dict[str, str | int | bool] = {"purpose": purpose, "text": text_version}
        run = self._answer(actor, child, purpose, text_version, given=True)
        await self._store.change(actor, "consent.give", child_need(child), run, detail=detail)

    async def withdraw(self, actor: Actor, child: PublicId, purpose: Purpose = Purpose.VIEW) -> None:
        """Record a withdrawal: the family's own viewing ends, and the class waits for the principal."""
        run = self._answer(actor, child, purpose, "1", given=False)
        await self._store.change(actor, "consent.withdraw", child_need(child), run, detail={"purpose": purpose})

    def _answer(
        self, actor: Actor, child: PublicId, purpose: Purpose, version: str, *, given: bool
    ) -> Callable[[sqlite3.Connection, int], None]:
        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "child", child)
            facts = self._store.snapshot(conn)
            answer = NewAnswer(
                child=child, purpose=purpose, given=given, person=guardian_in(facts, actor),
                via="school", entered_by=actor.person or "console", version=version,
            )  # fmt: skip
            consent_cases.take(conn, facts, answer, on_withdrawal="pause_class", now_ms=now_ms)

        return run

    async def resolve(self, actor: Actor, child: PublicId, class_id: PublicId) -> None:
        """Let the class go on without this child's consent: the principal settled how."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "child", child)
            require(conn, "class", class_id)
            consent_cases.resolve(conn, child, class_id, now_ms)

        await self._store.change(actor, "consent.resolve", MANAGE, run, detail={"child": child, "class": class_id})

    async def unresolve(self, actor: Actor, child: PublicId, class_id: PublicId) -> None:
        """Take a resolution back: the class waits again."""
        await self._store.change(
            actor,
            "consent.unresolve",
            MANAGE,
            lambda conn, now_ms: consent_cases.unresolve(conn, child, class_id, now_ms),
            detail={"child": child, "class": class_id},
        )

    # asking; the caller has decided

    async def rows(self, *, guardian: PublicId | None = None) -> tuple[ChildRow, ...]:
        """Return all children, or those a guardian stands for now, with class and consents of now."""
        facts, now_ms = self._store.current, self._store.clock.now_ms()
        mine = None
        if guardian is not None:
            mine = {row.child for row in facts.index.guardians_of_person.get(guardian, ()) if row.holds(now_ms)}
        found = await self._store.db.read(
            lambda conn: conn.execute("SELECT * FROM child ORDER BY created_ms, id").fetchall()
        )
        return tuple(self._row(row, now_ms) for row in found if mine is None or row["id"] in mine)

    def _row(self, row: sqlite3.Row, now_ms: int) -> ChildRow:
        facts, child = self._store.current, PublicId(row["id"])
        classes = [item.class_id for item in facts.index.enrolments_of_child.get(child, ()) if item.holds(now_ms)]
        said = [item for item in facts.consents if item.child == child and item.holds(now_ms)]
        agreed_to = {kind for kind in Purpose if agreed(item for item in said if item.purpose is kind)}
        name = self._store.unseal(_NAME, child, row["name_sealed"])
        return ChildRow(child, name, classes[0] if classes else None, frozenset(agreed_to))

    def unanswered(self, class_id: PublicId) -> tuple[PublicId, ...]:
        """Return the children because of whom a class is not open; for the principal only."""
        facts, now_ms = self._store.current, self._store.clock.now_ms()
        waiting = []
        for row in facts.index.enrolments_of_class.get(class_id, ()):
            resolved = facts.index.resolutions_of_child.get(row.child, ())
            settled = classday.consents(facts, row.child, now_ms) or any(
                item.holds(now_ms) and item.class_id == class_id for item in resolved
            )
            if row.holds(now_ms) and not settled:
                waiting.append(row.child)
        return tuple(waiting)


def _enrol(conn: sqlite3.Connection, child: PublicId, class_id: PublicId, now_ms: int) -> None:
    conn.execute("INSERT INTO enrolment (child, class, since_ms) VALUES (?, ?, ?)", (child, class_id, now_ms))


def _end_guardian(conn: sqlite3.Connection, person: PublicId, child: PublicId, now_ms: int) -> int:
    """End one person's tie to a child; returns how many rows that were."""
    return conn.execute(
        "UPDATE guardian SET until_ms = ? WHERE person = ? AND child = ? AND (until_ms IS NULL OR until_ms > ?)",
        (now_ms, person, child, now_ms),
    ).rowcount
