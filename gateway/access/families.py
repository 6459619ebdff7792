"""Families added by hand: a child, or somebody who stands for one, with a phone number, in one change.

Owns these two acts; the rows are those of `child`, `enrolment`, `person`, `guardian` and `guardian_phone`. Invariants:
all of it is written or nothing; whoever has the same name and phone number as a guardian of ours is that guardian
(brothers and sisters have one mother, with one device), as with an imported list, and never silently one whose rights
were ended; nothing begins under an id that was erased; the same form sent twice changes nothing the second time.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gateway.access.audit import Actor
from gateway.access.people import MANAGE, add_row
from gateway.access.phones import clean_phone, keep_phone
from gateway.access.roster.cells import name_key
from gateway.access.roster.known import CHILD_NAME, Known, KnownKin, read_known
from gateway.access.store import FactStore, clean_name, refuse_erased, require
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import GuardianKind, PublicId, Role, new_public_id


@dataclass(frozen=True, slots=True)
class NewKin:
    """Somebody who stands for a child, as it was typed and found good."""

    name: str
    kind: GuardianKind
    phone: str | None


def new_kin(name: str, kind: GuardianKind, phone: str) -> NewKin:
    """Return what was typed, cleaned; BadInput. An empty number is none."""
    return NewKin(clean_name(name), kind, clean_phone(phone) if phone.strip() else None)


class Families:
    """Adds children and their guardians."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def add_child(self, actor: Actor, name: str, class_id: PublicId, kin: NewKin | None) -> PublicId:
        """Add a child to a class, with a guardian if one was named; NotFound, BadInput for a name that is there."""
        store, child, text = self._store, new_public_id(), clean_name(name)

        def run(conn: sqlite3.Connection, now_ms: int) -> PublicId | None:
            require(conn, "class", class_id)
            known = read_known(store, conn, now_ms)
            if any(
                row.class_id == class_id and name_key(row.name) == name_key(text) for row in known.children.values()
            ):
                raise BadInput("the class has a child of that name", case="child_there", key="name")
            conn.execute(
                "INSERT INTO child (id, name_sealed, created_ms) VALUES (?, ?, ?)",
                (child, store.seal(CHILD_NAME, child, text), now_ms),
            )
            conn.execute("INSERT INTO enrolment (child, class, since_ms) VALUES (?, ?, ?)", (child, class_id, now_ms))
            return None if kin is None else self._tie(conn, known, child, kin, now_ms)

        detail: dict[str, str | int | bool] = {"child": child, "class": class_id}
        await self._store.change(
            actor, "child.add", MANAGE, run, detail=lambda who: detail | ({"who": who} if who else {})
        )
        return child

    async def add_guardian(self, actor: Actor, child: PublicId, kin: NewKin) -> PublicId:
        """Let somebody stand for a child; returns the person. NotFound."""

        def run(conn: sqlite3.Connection, now_ms: int) -> PublicId:
            refuse_erased(conn, child)
            known = read_known(self._store, conn, now_ms)
            if child not in known.children:
                raise NotFound("there is no such child")
            return self._tie(conn, known, child, kin, now_ms)

        return await self._store.change(
            actor, "guardian.add", MANAGE, run, detail=lambda who: {"who": who, "child": child}
        )

    def _tie(self, conn: sqlite3.Connection, known: Known, child: PublicId, kin: NewKin, now_ms: int) -> PublicId:
        row = known.children.get(child)
        tied = None if row is None else _same(row.kin, kin)
        if tied is not None:
            conn.execute("UPDATE guardian SET kind = ? WHERE id = ?", (kin.kind, tied.tie))
            person = tied.person
        else:
            key = (name_key(kin.name), kin.phone or "")
            person = known.people.get(key) or self._person(conn, kin.name, now_ms)
            if conn.execute("SELECT disabled FROM person WHERE id = ?", (person,)).fetchone()["disabled"]:
                raise BadInput("the rights of this guardian were ended", case="guardian_disabled", key="name")
            conn.execute(
                "INSERT INTO guardian (person, child, kind, since_ms) VALUES (?, ?, ?, ?)",
                (person, child, kin.kind, now_ms),
            )
        if kin.phone is not None:
            keep_phone(conn, self._store, person, kin.phone, now_ms)
        return person

    def _person(self, conn: sqlite3.Connection, name: str, now_ms: int) -> PublicId:
        person = new_public_id()
        add_row(conn, self._store, person, Role.GUARDIAN, name, now_ms)
        return person


def _same(known: tuple[KnownKin, ...], kin: NewKin) -> KnownKin | None:
    """Return who of a child's guardians this is: by name, and by number where both are known."""
    for item in known:
        if name_key(item.name) == name_key(kin.name) and (None in (item.phone, kin.phone) or item.phone == kin.phone):
            return item
    return None
