"""Lists, classes, children and staff for whoever manages people: the same answers for the pages and the console.

Owns what `web.people_services` and the control socket are told, as JSON. Invariants: every reading is decided like a
change (who may manage people); names and masked numbers are in these answers and nowhere else; ids that name nothing
are NotFound.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Mapping
from typing import Any

from gateway.access.audit import Actor
from gateway.access.children import Children
from gateway.access.classes import Classes, usual_plan
from gateway.access.facts import Facts
from gateway.access.families import Families, new_kin
from gateway.access.people import MANAGE, People
from gateway.access.phones import Phones, masked
from gateway.access.responsible import ResponsiblePersons
from gateway.access.roster.cells import class_key, date_of, plain
from gateway.access.roster.known import Known, KnownChild, read_known
from gateway.access.store import FactStore
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import GuardianKind, PublicId, Role
from gateway.roofs.roster_lists import RosterLists

MOST_FOUND = 50
NO_CLASS = "-"
"""Stands for a class on the page of children that are in none."""


class RosterDesk:
    """Reads and changes people for an actor."""

    def __init__(self, store: FactStore, people: People, children: Children, classes: Classes) -> None:
        self._store, self.people, self.children, self.classes = store, people, children, classes
        self.phones, self.responsible = Phones(store), ResponsiblePersons(store)
        self.families = Families(store)
        self.lists = RosterLists(store)

    async def known(self, actor: Actor) -> tuple[Known, Mapping[PublicId, str]]:
        """Return the school in clear, and for each guardian how far they are with their phone."""
        await self._store.demand(actor, MANAGE)
        now_ms = self._store.clock.now_ms()

        def read(conn: sqlite3.Connection) -> tuple[Known, Mapping[PublicId, str]]:
            return read_known(self._store, conn, now_ms), guardian_states(conn, now_ms)

        return await self._store.db.read(read)

    async def overview(self, actor: Actor) -> dict[str, Any]:
        """Return all classes with counts and teachers."""
        known, states = await self.known(actor)
        names = {row.id: row.name for row in await self.people.rows()}
        return {"classes": class_cards(known, states, self._store.current, names, self._store.clock.now_ms())}

    async def one_class(self, actor: Actor, class_id: str) -> dict[str, Any]:
        """Return the children of a class (`-`: of those in none) with their guardians; NotFound."""
        known, states = await self.known(actor)
        if class_id != NO_CLASS and class_id not in known.classes:
            raise NotFound("there is no such class")
        wanted = None if class_id == NO_CLASS else class_id
        rows = [self._child(known, states, child) for child in known.children.values() if child.class_id == wanted]
        name = "" if wanted is None else known.classes[PublicId(wanted)]
        return {"id": class_id, "name": name, "children": sorted(rows, key=lambda row: given_first(row["name"]))}

    async def search(self, actor: Actor, text: str) -> list[dict[str, Any]]:
        """Return children whose name, or a guardian's, has these words, accents or not."""
        known, states = await self.known(actor)
        words = plain(text)
        rows = [
            self._child(known, states, child)
            for child in known.children.values()
            if words and any(words in plain(name) for name in (child.name, *(kin.name for kin in child.kin)))
        ]
        return sorted(rows, key=lambda row: given_first(row["name"]))[:MOST_FOUND]

    async def child(self, actor: Actor, child: str) -> dict[str, Any]:
        """Return one child with all that can be changed; NotFound."""
        known, states = await self.known(actor)
        row = known.children.get(PublicId(child))
        if row is None:
            raise NotFound("there is no such child")
        return self._child(known, states, row)

    async def staff(self, actor: Actor) -> dict[str, Any]:
        """Return everybody but guardians, with the classes of teachers, and the responsible persons."""
        await self._store.demand(actor, MANAGE)
        now_ms, facts = self._store.clock.now_ms(), self._store.current
        classes = {row.id: row.name for row in await self.classes.rows()}
        people = [
            {
                "id": row.id,
                "name": row.name,
                "role": row.role.value,
                "disabled": row.disabled,
                "classes": [
                    {"id": item.class_id, "name": classes[item.class_id]}
                    for item in facts.index.teachings_of_person.get(row.id, ())
                    if item.holds(now_ms) and item.class_id in classes
                ],
            }
            for row in await self.people.rows()
            if row.role is not Role.GUARDIAN
        ]
        responsible = [
            {
                "id": row.id,
                "name": row.name,
                "title": row.title,
                "decision": row.decision,
                "decision_day": row.decision_day.isoformat(),
                "since": row.since.isoformat(),
                "until": row.until.isoformat() if row.until else None,
            }
            for row in await self.responsible.rows()
        ]
        listed = [{"id": class_id, "name": name} for class_id, name in classes.items()]
        return {"people": people, "responsible": responsible, "classes": listed}

    async def add_class(self, actor: Actor, name: str) -> PublicId:
        """Add a class with the usual day; its viewing hours are set apart, so guardians see nothing yet."""
        class_id = await self.classes.add(actor, name)
        await self.classes.set_plan(actor, class_id, usual_plan())
        return class_id

    async def add_guardian(self, actor: Actor, child: PublicId, name: str, kind: GuardianKind, phone: str) -> PublicId:
        """Let somebody stand for a child: a guardian of ours if name and number are known, else a new person."""
        return await self.families.add_guardian(actor, child, new_kin(name, kind, phone))

    def _child(self, known: Known, states: Mapping[PublicId, str], child: KnownChild) -> dict[str, Any]:
        return {
            "id": child.id,
            "name": child.name,
            "birth": child.birth.isoformat() if child.birth else None,
            "code": child.code or "",
            "class": child.class_id,
            "place": known.place(child),
            "next": self._next(known, child.id),
            "guardians": [
                {
                    "id": kin.person,
                    "name": kin.name,
                    "kind": kin.kind,
                    "phone": masked(kin.phone),
                    "state": states.get(kin.person, "none"),
                }
                for kin in child.kin
            ],
        }

    def _next(self, known: Known, child: PublicId) -> dict[str, Any] | None:
        """Return what a date has in store: the day, and the class it moves to ("" = it leaves)."""
        now_ms, facts = self._store.clock.now_ms(), self._store.current
        rows = facts.index.enrolments_of_child.get(child, ())
        ends = [row.until_ms for row in rows if row.holds(now_ms) and row.until_ms is not None]
        later = [row for row in rows if row.since_ms > now_ms and (row.until_ms is None or row.until_ms > row.since_ms)]
        if later:
            return {"at_ms": later[0].since_ms, "place": known.classes.get(later[0].class_id, "")}
        return {"at_ms": ends[0], "place": ""} if ends else None


def class_cards(
    known: Known, states: Mapping[PublicId, str], facts: Facts, names: Mapping[PublicId, str], now_ms: int
) -> list[dict[str, Any]]:
    """Return each class with its counts; children that are in none come last."""
    cards: dict[PublicId | None, dict[str, Any]] = {
        class_id: {
            "id": class_id,
            "name": name,
            "children": 0,
            "guardians": 0,
            "bound": 0,
            "waiting": 0,
            "teachers": [],
            "cameras": [],
        }
        for class_id, name in sorted(known.classes.items(), key=lambda item: class_key(item[1]))
    }
    cards[None] = {"id": NO_CLASS, "name": "", "children": 0, "guardians": 0, "bound": 0, "waiting": 0}
    cards[None] |= {"teachers": [], "cameras": []}
    for child in known.children.values():
        card = cards.get(child.class_id, cards[None])
        card["children"] += 1
        for kin in child.kin:
            state = states.get(kin.person, "none")
            card["guardians"] += 1
            card["bound"] += state == "bound"
            card["waiting"] += state == "waiting"
    for shown in facts.class_cameras:
        if shown.holds(now_ms) and shown.class_id in cards:
            cards[shown.class_id]["cameras"].append(shown.camera)
    for row in facts.teachings:
        if row.holds(now_ms) and row.class_id in cards:
            cards[row.class_id]["teachers"].append({"id": row.person, "name": names.get(row.person, "")})
    if not cards[None]["children"]:
        del cards[None]
    return list(cards.values())


def guardian_states(conn: sqlite3.Connection, now_ms: int) -> dict[PublicId, str]:
    """Return how far each guardian is: none (no slip), invited, waiting (for the school), bound, ended (no rights)."""
    states: dict[PublicId, str] = {}
    for row in conn.execute(
        "SELECT person FROM slip WHERE used_ms IS NULL AND ended_ms IS NULL AND expires_ms > ?", (now_ms,)
    ):
        states[PublicId(row["person"])] = "invited"
    columns = {row["name"] for row in conn.execute("PRAGMA table_info(device)")}
    approves = "approved_ms" in columns
    for row in conn.execute("SELECT * FROM device WHERE ended_ms IS NULL"):
        if not approves or row["approved_ms"] is not None:
            states[PublicId(row["person"])] = "bound"
        elif row["refused_ms"] is None and states.get(PublicId(row["person"])) != "bound":
            states[PublicId(row["person"])] = "waiting"
    for row in conn.execute("SELECT id FROM person WHERE role = 'guardian' AND disabled = 1"):
        states[PublicId(row["id"])] = "ended"
    return states


def given_first(name: str) -> tuple[str, str]:
    """Return how a name is sorted: Vietnamese lists go by the given name, which comes last."""
    words = plain(name)
    return words.rpartition(" ")[2], words


def day_of(text: str) -> dt.date | None:
    """Return a day as forms and people write it (2026-09-05 or 05/09/2026), None for an empty text; BadInput."""
    if not text.strip():
        return None
    day = date_of(text)
    if day is None:
        raise BadInput(f"{text!r} is no day", case="day", key="day", value=text)
    return day
