"""Consent on a running school: the acts of access, and the pages' adapter over them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.access.audit import Actor
from gateway.access.classes import Classes
from gateway.access.consent_cases import Cases
from gateway.access.consent_paper import PaperSheets
from gateway.access.consent_rules import OnWithdrawal
from gateway.access.consent_texts import SchoolFacts, Texts
from gateway.access.consents import Consents
from gateway.access.facts import Purpose
from gateway.access.policy import decide
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role
from gateway.roofs.consent_port import ConsentPort
from gateway.roofs.names import Names
from tests.fakes.access_world import World, add_family, school
from web.caller import Caller

VIEW = Purpose.VIEW


@dataclass
class ConsentWorld:
    """A school with two families that have not answered (unless `agreed`), and their teacher."""

    w: World
    consents: Consents
    cases: Cases
    papers: PaperSheets
    names: Names
    door: ConsentPort
    teacher: Actor

    @property
    def mother(self) -> Actor:
        return Actor(self.w.mother, self.w.phone)

    @property
    def father(self) -> Actor:
        """Of the other family's child."""
        return Actor(self.w.father_of_mate, "phone2")

    async def say(self, actor: Actor, child: PublicId, *, given: bool, purpose: Purpose = VIEW) -> None:
        """Answer on one's own phone, the text in force."""
        text = (await self.consents.texts.all())[purpose]
        await self.consents.answer(actor, child, purpose, given=given, sha256=text.sha256)

    def sees(self, person: PublicId) -> str:
        """Why this person does or does not see the class's camera now."""
        now_ms = self.w.clock.now_ms()
        obj = ObjectRef(ObjectKind.CAMERA, self.w.camera)
        return str(decide(self.w.access.store.current, person, Action.LIVE, obj, now_ms).reason)

    async def caller(self, actor: Actor) -> Caller:
        await self.names.load()
        assert actor.person is not None
        role = self.w.access.store.current.index.persons[actor.person].role
        return Caller(actor.person, role, self.names.person(actor.person), PublicId(actor.device))

    async def second_guardian(self) -> Actor:
        """A second guardian of the mother's child."""
        person = await self.w.access.people.add(self.w.actor, Role.GUARDIAN, "Bố An")
        await self.w.access.children.add_guardian(self.w.actor, person, self.w.child)
        return Actor(person, "phone3")


@asynccontextmanager
async def consent_school(
    folder: Path, *, on_withdrawal: OnWithdrawal = "pause_class", agreed: bool = True
) -> AsyncIterator[ConsentWorld]:
    """Run the school with everything of consent; with `agreed` both families' paper says yes."""
    async with school(folder) as w:
        store = w.access.store
        teacher = await w.access.people.add(w.actor, Role.TEACHER, "Cô Hoa")
        await w.access.people.teach(w.actor, teacher, w.class_id)
        await w.access.notices.sign(Actor(teacher, "t"))
        consents = Consents(store, Texts(store, SchoolFacts("Hoa Sen", 30)), on_withdrawal=on_withdrawal)
        cases, papers = Cases(store), PaperSheets(store, consents)
        names = Names(store, w.access.people, w.access.children, Classes(store))
        await names.load()
        door = ConsentPort(store, consents, cases, papers, names)
        if not agreed:
            await w.db.write(lambda conn: conn.execute("DELETE FROM consent"))
            await w.access.sharing.stop_all(w.actor, stopped=False)  # any change reads the facts again
        yield ConsentWorld(w, consents, cases, papers, names, door, Actor(teacher, "t"))


__all__ = ["VIEW", "ConsentWorld", "add_family", "consent_school"]
