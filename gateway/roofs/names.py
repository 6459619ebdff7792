"""The names behind the ids, kept in memory for pages.

Owns one snapshot of persons', children's and classes' names and guardians' phone numbers, read again after every
change of facts. Invariants: names are unsealed in this process only and never logged; a page may see a name up to one
change too old, never another person's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from gateway.access.children import Children, ChildRow
from gateway.access.classes import Classes, ClassRow
from gateway.access.facts import Facts
from gateway.access.people import People, PersonRow
from gateway.access.phones import SHOWN_DIGITS, Phones
from gateway.access.store import FactStore
from gateway.core.model import PublicId


class Names:
    """Read `persons`, `children`, `classes`; keep `run` running."""

    def __init__(self, store: FactStore, people: People, children: Children, classes: Classes) -> None:
        self._people, self._children, self._classes = people, children, classes
        self._phones = Phones(store)
        self._stale = asyncio.Event()
        self.persons: Mapping[PublicId, PersonRow] = {}
        self.children: Mapping[PublicId, ChildRow] = {}
        self.classes: Mapping[PublicId, ClassRow] = {}
        self.phones: Mapping[PublicId, str] = {}
        """Whole numbers, for showing their ends: no page gets more."""
        store.listeners.append(self._changed)

    def _changed(self, _facts: Facts) -> None:
        self._stale.set()

    async def load(self) -> None:
        """Read all names now; raises what the database raises, and stays due then."""
        self._stale.clear()
        try:
            await self._read()
        except BaseException:
            self._stale.set()
            raise

    async def _read(self) -> None:
        self.persons = {row.id: row for row in await self._people.rows()}
        self.children = {row.id: row for row in await self._children.rows()}
        self.classes = {row.id: row for row in await self._classes.rows()}
        self.phones = await self._phones.all()

    async def run(self) -> None:
        """Read them again after every change."""
        while True:
            await self._stale.wait()
            await self.load()

    def person(self, person: PublicId) -> str:
        """Return a person's name, or nothing for somebody unknown."""
        row = self.persons.get(person)
        return row.name if row else ""

    def child(self, child: PublicId) -> str:
        """Return a child's name, or nothing for an unknown one."""
        row = self.children.get(child)
        return row.name if row else ""

    def told_apart(self, person: PublicId, facts: Facts) -> str:
        """Return a person's name in a list to choose from: a guardian's with the children's, for many share one."""
        ties = facts.index.guardians_of_person.get(person, ())
        children = sorted({name for row in ties if (name := self.child(row.child))})
        return " · ".join((self.person(person), *([", ".join(children)] if children else [])))

    def mark(self, person: PublicId) -> str:
        """Return what is drawn over a guardian's picture: the name and the end of the phone number, if one is kept."""
        number = self.phones.get(person)
        return f"PH {self.person(person)}" + (f" · •••{number[-SHOWN_DIGITS:]}" if number else "")

    def class_of_camera(self, camera: PublicId) -> ClassRow | None:
        """Return the class a camera shows."""
        return next((row for row in self.classes.values() if camera in row.cameras), None)


def list_order(name: str) -> tuple[list[str], str]:
    """Return the key by which a class list is ordered: the given name, which comes last, then the whole name."""
    return name.split()[-1:], name
