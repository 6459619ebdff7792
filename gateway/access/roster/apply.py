"""The rows of a plan.

Owns how differences become rows. Invariants: called inside the transaction of the change, with a plan made in it;
every row goes through the journal; names, birth dates, codes and phone numbers are sealed to their rows.
"""

from __future__ import annotations

import sqlite3

from gateway.access.enrolment import leave, move
from gateway.access.phones import PHONE
from gateway.access.roster.cells import class_key, name_key
from gateway.access.roster.entries import Entry
from gateway.access.roster.journal import Journal
from gateway.access.roster.known import CHILD_BIRTH, CHILD_CODE, CHILD_NAME, PERSON_NAME, Known
from gateway.access.roster.plan import Change, KinChange, Kind, Plan
from gateway.access.store import FactStore
from gateway.core.model import PublicId, Role, new_public_id


class Applying:
    """One plan, being written."""

    def __init__(
        self, store: FactStore, conn: sqlite3.Connection, journal: Journal, known: Known, now_ms: int, left_ms: int
    ) -> None:
        """`left_ms` is when children that leave have left."""
        self._store, self._conn, self._journal = store, conn, journal
        self._now_ms, self._left_ms = now_ms, left_ms
        self._classes = {class_key(name): class_id for class_id, name in known.classes.items()}
        self._people = dict(known.people)

    def write(self, plan: Plan, *, absent_leave: bool) -> None:
        """Write everything."""
        for name in plan.new_classes:
            class_id = new_public_id()
            self._journal.insert("class", {"id": class_id, "name": name, "created_ms": self._now_ms})
            self._classes[class_key(name)] = class_id
        for change in plan.changes:
            self._change(change)
        for change in plan.absent if absent_leave else ():
            assert change.child is not None
            leave(self._conn, self._journal, change.child, self._left_ms)

    def _change(self, change: Change) -> None:
        entry, child = change.entry, change.child
        if change.kind is Kind.LEFT and child is not None:
            leave(self._conn, self._journal, child, self._left_ms)
        elif entry is not None and change.kind is not Kind.SAME:
            if child is None:
                child = new_public_id()
                sealed = self._sealed(child, entry, ("name", "birth", "code"))
                self._journal.insert("child", {"id": child, **sealed, "created_ms": self._now_ms})
            elif change.details:
                self._journal.update("child", child, self._sealed(child, entry, change.details))
            if change.kind in (Kind.NEW, Kind.BACK, Kind.MOVED):
                move(self._conn, self._journal, child, self._classes[class_key(change.class_to)], self._now_ms)
            for item in change.kin:
                self._kin(child, item)

    def _sealed(self, child: PublicId, entry: Entry, details: tuple[str, ...]) -> dict[str, bytes | None]:
        values = {
            "name": (CHILD_NAME, entry.name),
            "birth": (CHILD_BIRTH, entry.birth.isoformat() if entry.birth else None),
            "code": (CHILD_CODE, entry.code),
        }
        return {
            f"{what}_sealed": None if text is None else self._store.seal(context, child, text)
            for what, (context, text) in values.items()
            if what in details
        }

    def _kin(self, child: PublicId, item: KinChange) -> None:
        if item.what == "ended":
            self._journal.update("guardian", item.tie, {"until_ms": self._now_ms})
            return
        if item.what in ("phone", "renamed"):
            assert item.person is not None
            if item.phone is not None:
                self._phone(item.person, item.phone)
            if item.what == "renamed":
                sealed = self._store.seal(PERSON_NAME, item.person, item.name)
                self._journal.update("person", item.person, {"name_sealed": sealed})
            return
        person = item.person or self._people.get(self._key(item)) or self._person(item)
        self._journal.insert(
            "guardian",
            {"person": person, "child": child, "kind": item.kind, "since_ms": self._now_ms, "until_ms": None},
        )

    @staticmethod
    def _key(item: KinChange) -> tuple[str, str]:
        return name_key(item.name), item.phone or ""

    def _person(self, item: KinChange) -> PublicId:
        """Add a guardian; with a phone number, the next child of the list has the same one."""
        person, store = new_public_id(), self._store
        values = {
            "id": person,
            "role": Role.GUARDIAN.value,
            "name_sealed": store.seal(PERSON_NAME, person, item.name),
            "created_ms": self._now_ms,
        }
        self._journal.insert("person", values)
        if item.phone:
            self._phone(person, item.phone)
            self._people[self._key(item)] = person
        return person

    def _phone(self, person: PublicId, phone: str) -> None:
        values = {"phone_sealed": self._store.seal(PHONE, person, phone), "changed_ms": self._now_ms}
        if self._conn.execute("SELECT 1 FROM guardian_phone WHERE id = ?", (person,)).fetchone() is None:
            self._journal.insert("guardian_phone", {"id": person, **values})
        else:
            self._journal.update("guardian_phone", person, values)
