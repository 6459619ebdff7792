"""Who sees which camera, now or at a chosen time: for the console and the principal's page.

Owns the join of the policy's explanations with names. Invariants: it asks the policy and decides nothing; whoever
calls has the right to read everybody's rights; nobody is told that was asked about.
"""

from __future__ import annotations

from typing import Any

from gateway.access.ask import Asking
from gateway.access.policy import decide
from gateway.access.reasons import Reason
from gateway.access.store import FactStore
from gateway.access.why import Explained, ends_with_the_search, explain
from gateway.core.errors import NotFound
from gateway.core.model import Action, Decision, ObjectKind, ObjectRef, PublicId
from gateway.roofs.names import Names

UNKNOWING = frozenset({Reason.NOT_FOUND, Reason.ROLE})
"""Who has nothing to do with a camera is not listed at it."""


class WhyDesk:
    """Answers; belongs to the event loop."""

    def __init__(self, store: FactStore, names: Names) -> None:
        self._store, self._names = store, names

    def why(self, person: PublicId, camera: PublicId, at_ms: int | None, *, on_site: bool) -> dict[str, Any]:
        """Explain one answer; NotFound for a person or camera that is not there."""
        store = self._store
        if person not in store.current.index.persons or camera not in store.current.cameras:
            raise NotFound("there is no such person or camera")
        when_ms = self._moment(at_ms)
        found = explain(store.current, person, camera, when_ms, self._asking(person, on_site))
        return self._person(person) | {"camera": camera, "at_ms": when_ms} | self._told(found, when_ms)

    def who(self, camera: PublicId, at_ms: int | None, *, on_site: bool) -> list[dict[str, Any]]:
        """Return who has to do with a camera, those who see it first; NotFound."""
        store = self._store
        if camera not in store.current.cameras:
            raise NotFound("there is no such camera")
        when_ms = self._moment(at_ms)
        rows = [
            self._person(person.id) | _answer(answer, when_ms)
            for person in store.current.persons
            if (answer := self._decide(person.id, camera, when_ms, on_site)).reason not in UNKNOWING
        ]
        return sorted(rows, key=lambda row: (not row["allowed"], row["role"] == "guardian", row["name"]))

    def what(self, person: PublicId, at_ms: int | None, *, on_site: bool) -> list[dict[str, Any]]:
        """Return the cameras a person has to do with, those that are seen first; NotFound."""
        store = self._store
        if person not in store.current.index.persons:
            raise NotFound("there is no such person")
        when_ms = self._moment(at_ms)
        rows = [
            {"camera": camera, "place": self.place(camera)} | _answer(answer, when_ms)
            for camera in store.current.cameras
            if (answer := self._decide(person, camera, when_ms, on_site)).reason not in UNKNOWING
        ]
        return sorted(rows, key=lambda row: (not row["allowed"], row["place"], row["camera"]))

    def people(self) -> list[tuple[PublicId, str, str]]:
        """Return everybody as (id, name, role), by name; guardians with their children's."""
        facts = self._store.current
        rows = [(row.id, self._names.told_apart(row.id, facts), row.role.value) for row in self._names.persons.values()]
        return sorted(rows, key=lambda row: (row[1], row[0]))

    def place(self, camera: PublicId) -> str:
        """Return the name of the class a camera shows, or nothing."""
        row = self._names.class_of_camera(camera)
        return row.name if row else ""

    def cameras(self) -> list[PublicId]:
        """Return all cameras, by place."""
        return sorted(self._store.current.cameras, key=lambda camera: (self.place(camera), camera))

    def _moment(self, at_ms: int | None) -> int:
        return self._store.clock.now_ms() if at_ms is None else at_ms

    def _asking(self, person: PublicId, on_site: bool) -> Asking:
        return Asking(on_site, None, self._store.circumstances.of(person, "").viewed)

    def _decide(self, person: PublicId, camera: PublicId, at_ms: int, on_site: bool) -> Decision:
        obj, asking = ObjectRef(ObjectKind.CAMERA, camera), self._asking(person, on_site)
        return decide(self._store.current, person, Action.LIVE, obj, at_ms, asking)

    def _person(self, person: PublicId) -> dict[str, Any]:
        role = self._store.current.index.persons[person].role.value
        return {"person": person, "name": self._names.person(person), "role": role}

    def _told(self, found: Explained, at_ms: int) -> dict[str, Any]:
        links = [
            {
                "code": link.code,
                "holds": link.holds,
                "class": self._class(link.class_id),
                "child": self._child(link.child),
            }
            for link in found.links
        ]
        return _answer(found.decision, at_ms) | {"links": links}

    def _class(self, class_id: PublicId | None) -> str:
        row = self._names.classes.get(class_id) if class_id is not None else None
        return row.name if row else ""

    def _child(self, child: PublicId | None) -> str:
        row = self._names.children.get(child) if child is not None else None
        return row.name if row else ""


def _answer(decision: Decision, at_ms: int) -> dict[str, Any]:
    return {
        "allowed": decision.allowed,
        "reason": str(decision.reason),
        "until_ms": decision.until_ms,
        "at_least": ends_with_the_search(decision, at_ms),
        "next_ms": decision.next_ms,
    }
