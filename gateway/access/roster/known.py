"""The school's children, classes and guardians as they are, with their names in clear.

Owns one reading of them for a plan. Invariants: read inside the caller's transaction, so plan and rows belong
together; names leave it only into a plan or a page of somebody who may manage people.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from gateway.access import consent_rows
from gateway.access.consent_rules import Said, agreed, counting
from gateway.access.facts import Purpose
from gateway.access.localtime import moment
from gateway.access.phones import PHONE
from gateway.access.roster.cells import class_key, name_key
from gateway.access.store import FactStore
from gateway.core.errors import BadInput
from gateway.core.model import PublicId

CHILD_NAME, CHILD_BIRTH, CHILD_CODE = "child.name", "child.birth", "child.code"
PERSON_NAME = "person.name"


@dataclass(frozen=True, slots=True)
class KnownKin:
    """A person who stands for a child now; `tie` is the row of the link."""

    tie: int
    person: PublicId
    kind: str
    name: str
    phone: str | None


@dataclass(frozen=True, slots=True)
class KnownChild:
    """A child, enrolled or not."""

    id: PublicId
    name: str
    birth: dt.date | None
    code: str | None
    class_id: PublicId | None
    """The class of now (or the next one, for a child that starts later); None: not enrolled."""
    kin: tuple[KnownKin, ...] = ()
    answers: frozenset[Said] = frozenset()
    """What was said to viewing and not taken back, also by whoever stands for the child no more."""
    settled: frozenset[PublicId] = frozenset()
    """Classes that go on without this child's consent: the principal settled how."""

    def waits(self, guardians: AbstractSet[PublicId], class_id: PublicId | None) -> bool:
        """Say whether a class would show guardians nothing because of this child, with these who stand for it."""
        return class_id not in self.settled and not agreed(counting(self.answers, guardians))


@dataclass(frozen=True, slots=True)
class Known:
    """The whole school, found by what a list names."""

    classes: Mapping[PublicId, str]
    children: Mapping[PublicId, KnownChild]
    people: Mapping[tuple[str, str], PublicId]
    """Guardians by (name, phone): brothers and sisters have one mother."""
    today: dt.date

    def class_called(self, name: str) -> str:
        """Return our own name of the class a list calls so ("Mầm 1" is our "Lớp Mầm 1"), else the list's."""
        ours = self.id_called(name)
        return name if ours is None else self.classes[ours]

    def id_called(self, name: str) -> PublicId | None:
        """Return our class that a list calls so, if there is one."""
        key = class_key(name)
        return next((class_id for class_id, ours in self.classes.items() if class_key(ours) == key), None)

    def place(self, child: KnownChild) -> str:
        """Return the name of a child's class, "" for one that is in none."""
        return "" if child.class_id is None else self.classes.get(child.class_id, "")


def require_apart(classes: Iterable[str]) -> None:
    """Raise BadInput where two open classes cannot be told apart by name, as old databases may have them.

    A list or a new year names classes: children would be put into one of the two, by chance.
    """
    seen: dict[str, str] = {}
    for name in sorted(classes):
        if (key := class_key(name)) in seen:
            raise BadInput("two classes are called alike", case="class_twins", key="class", name=seen[key], other=name)
        seen[key] = name


def read_known(store: FactStore, conn: sqlite3.Connection, now_ms: int) -> Known:
    """Read everything; a few milliseconds for a school."""
    kin: dict[str, list[KnownKin]] = {}
    people: dict[tuple[str, str], PublicId] = {}
    persons: dict[str, tuple[str, str | None]] = {}
    for row in conn.execute(
        "SELECT person.id, name_sealed, phone_sealed FROM person"
        " LEFT JOIN guardian_phone ON guardian_phone.id = person.id WHERE role = 'guardian'"
    ):
        phone = opened(store, PHONE, row["id"], row["phone_sealed"])
        persons[row["id"]] = (store.unseal(PERSON_NAME, row["id"], row["name_sealed"]), phone)
        if phone is not None:
            people[name_key(persons[row["id"]][0]), phone] = PublicId(row["id"])
    for row in conn.execute(
        "SELECT id, person, child, kind FROM guardian WHERE until_ms IS NULL OR until_ms > ? ORDER BY id", (now_ms,)
    ):
        if row["person"] in persons:
            name, phone = persons[row["person"]]
            kin.setdefault(row["child"], []).append(
                KnownKin(row["id"], PublicId(row["person"]), row["kind"], name, phone)
            )
    places: dict[str, PublicId] = {}
    for row in conn.execute(
        "SELECT child, class FROM enrolment WHERE until_ms IS NULL OR until_ms > max(?, since_ms) ORDER BY since_ms",
        (now_ms,),
    ):
        places.setdefault(row["child"], PublicId(row["class"]))
    answers, settled = consent_rows.said(conn, Purpose.VIEW, now_ms), _settled(conn, now_ms)
    children = {
        PublicId(row["id"]): KnownChild(
            PublicId(row["id"]),
            store.unseal(CHILD_NAME, row["id"], row["name_sealed"]),
            date_or_none(opened(store, CHILD_BIRTH, row["id"], row["birth_sealed"])),
            opened(store, CHILD_CODE, row["id"], row["code_sealed"]),
            places.get(row["id"]),
            tuple(kin.get(row["id"], ())),
            answers.get(PublicId(row["id"]), frozenset()),
            frozenset(settled.get(row["id"], ())),
        )
        for row in conn.execute("SELECT id, name_sealed, birth_sealed, code_sealed FROM child ORDER BY created_ms, id")
    }
    classes = {
        PublicId(row["id"]): row["name"] for row in conn.execute("SELECT id, name FROM class WHERE ended_ms IS NULL")
    }
    return Known(classes, children, people, moment(store.current.zone, now_ms).date)


def _settled(conn: sqlite3.Connection, now_ms: int) -> dict[str, set[PublicId]]:
    """Return the classes that go on without a child's consent, by child."""
    found: dict[str, set[PublicId]] = {}
    for row in conn.execute(
        "SELECT child, class FROM resolution WHERE since_ms <= :now AND (until_ms IS NULL OR until_ms > :now)",
        {"now": now_ms},
    ):
        found.setdefault(row["child"], set()).add(PublicId(row["class"]))
    return found


def opened(store: FactStore, context: str, row_id: str, sealed: bytes | None) -> str | None:
    """Return a sealed value, None if there is none or it was wiped."""
    if sealed is None:
        return None
    return store.unseal(context, row_id, sealed)


def date_or_none(text: str | None) -> dt.date | None:
    """Return a date of the store; a wiped one is none."""
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        return None
