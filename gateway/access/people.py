"""People: who there is, in which role, under which name.

Owns `person` and `teaching`. Invariants: a name is sealed and leaves this module only as text for a page
whose asker may know it; a role never changes (another role is another person); disabling is at once and
keeps the row.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gateway.access.audit import Actor
from gateway.access.players import end_with_person
from gateway.access.policy import BOX
from gateway.access.roster.cells import name_key
from gateway.access.rules_staff import IN_CARE
from gateway.access.store import FactStore, Need, clean_name, refuse_erased, require
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role, new_public_id

MANAGE = Need(Action.PEOPLE, BOX)
_NAME = "person.name"


def _adding(role: Role) -> Need:
    """Return the right it takes to add somebody: who gets more than a class's rights is the principal's to say."""
    return MANAGE if role in IN_CARE else Need(Action.APPROVE, BOX)


@dataclass(frozen=True, slots=True)
class PersonRow:
    """A person as lists show them."""

    id: PublicId
    role: Role
    name: str
    disabled: bool
    created_ms: int


class People:
    """Adds, disables and names people."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def add(self, actor: Actor, role: Role, name: str, *, alone: bool = False) -> PublicId:
        """Add a person; BadInput for a name that is none, or (`alone`) that somebody at work has in this role."""
        store, person, text = self._store, new_public_id(), clean_name(name)

        def run(conn: sqlite3.Connection, now_ms: int) -> PublicId:
            if alone and any(self._called(row, text) for row in _at_work(conn, role)):
                raise BadInput("somebody of this role is called so", case="person_there", key="name")
            add_row(conn, store, person, role, text, now_ms)
            return person

        return await store.change(actor, "person.add", _adding(role), run, detail={"role": role, "who": person})

    def _called(self, row: sqlite3.Row, name: str) -> bool:
        return name_key(self._store.unseal(_NAME, row["id"], row["name_sealed"])) == name_key(name)

    async def disable(self, actor: Actor, person: PublicId, *, disabled: bool = True) -> None:
        """Take all rights from a person (or give them back); NotFound. Tokens of players end with it for good.

        BadInput (`person_erased`) for giving them back to somebody whose data was erased: that is a new person.
        """
        if actor.person == person:
            raise BadInput("nobody disables themselves", person=person)

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "person", person)
            if not disabled:
                refuse_erased(conn, person)
            conn.execute("UPDATE person SET disabled = ? WHERE id = ?", (disabled, person))
            if disabled:
                end_with_person(conn, person, now_ms)

        what = "person.disable" if disabled else "person.enable"
        # Taking rights away is never held up; giving them back is like adding somebody.
        need = Need(Action.PEOPLE, ObjectRef(ObjectKind.PERSON, person), fresh=not disabled)
        await self._store.change(actor, what, need, run, detail={"who": person})

    async def rename(self, actor: Actor, person: PublicId, name: str) -> None:
        """Correct a person's name; NotFound, BadInput."""
        store, text = self._store, clean_name(name)

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            require(conn, "person", person)
            refuse_erased(conn, person)
            conn.execute("UPDATE person SET name_sealed = ? WHERE id = ?", (store.seal(_NAME, person, text), person))

        need = Need(Action.PEOPLE, ObjectRef(ObjectKind.PERSON, person))
        await store.change(actor, "person.rename", need, run, detail={"who": person})

    async def teach(self, actor: Actor, person: PublicId, class_id: PublicId) -> None:
        """Give a class to a teacher; NotFound, BadInput for another role."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "person", person)
            require(conn, "class", class_id)
            refuse_erased(conn, person)
            if conn.execute("SELECT role FROM person WHERE id = ?", (person,)).fetchone()["role"] != Role.TEACHER:
                raise BadInput("only teachers teach", person=person)
            _stop_teaching(conn, person, class_id, now_ms)
            conn.execute("INSERT INTO teaching (person, class, since_ms) VALUES (?, ?, ?)", (person, class_id, now_ms))

        await self._store.change(actor, "teacher.add", MANAGE, run, detail={"who": person, "class": class_id})

    async def stop_teaching(self, actor: Actor, person: PublicId, class_id: PublicId) -> None:
        """Take a class from a teacher, at once; NotFound."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "person", person)
            if not _stop_teaching(conn, person, class_id, now_ms):
                raise NotFound("this person does not teach that class")

        await self._store.change(actor, "teacher.end", MANAGE, run, detail={"who": person, "class": class_id})

    async def rows(self) -> tuple[PersonRow, ...]:
        """Return everybody, by role and time of joining; the caller has decided."""
        rows = await self._store.db.read(
            lambda conn: conn.execute("SELECT * FROM person ORDER BY role, created_ms, id").fetchall()
        )
        return tuple(
            PersonRow(
                PublicId(row["id"]),
                Role(row["role"]),
                self._store.unseal(_NAME, row["id"], row["name_sealed"]),
                bool(row["disabled"]),
                row["created_ms"],
            )
            for row in rows
        )

    async def name(self, person: PublicId) -> str:
        """Return one person's name; NotFound. The caller has decided."""
        row = await self._store.db.read(
            lambda conn: conn.execute("SELECT name_sealed FROM person WHERE id = ?", (person,)).fetchone()
        )
        if row is None:
            raise NotFound("there is no such person")
        return self._store.unseal(_NAME, person, row["name_sealed"])


def add_row(conn: sqlite3.Connection, store: FactStore, person: PublicId, role: Role, name: str, now_ms: int) -> None:
    """Write a new person inside the caller's change, which has decided; the name is a clean one."""
    conn.execute(
        "INSERT INTO person (id, role, name_sealed, created_ms) VALUES (?, ?, ?, ?)",
        (person, role, store.seal(_NAME, person, name), now_ms),
    )


def _at_work(conn: sqlite3.Connection, role: Role) -> list[sqlite3.Row]:
    return conn.execute("SELECT id, name_sealed FROM person WHERE role = ? AND NOT disabled", (role,)).fetchall()


def _stop_teaching(conn: sqlite3.Connection, person: PublicId, class_id: PublicId, now_ms: int) -> int:
    """End what one person teaches one class; returns how many rows that were."""
    return conn.execute(
        "UPDATE teaching SET until_ms = max(?, since_ms) WHERE person = ? AND class = ?"
        " AND (until_ms IS NULL OR until_ms > ?)",
        (now_ms, person, class_id, now_ms),
    ).rowcount
