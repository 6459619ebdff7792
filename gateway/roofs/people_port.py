"""What the pages of people ask, answered by the desk: the adapters of `web.people_services`.

Owns the table of acts and the fields each takes. Invariants: whose act it is comes from the session; each act is one
change of facts, decided and written down by access.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypedDict

from gateway.access.audit import Actor
from gateway.access.families import new_kin
from gateway.access.kin import kind_of
from gateway.access.people import People
from gateway.core.errors import BadInput
from gateway.core.model import PublicId, Role
from gateway.roofs.actors import actor_of
from gateway.roofs.roster_desk import RosterDesk, day_of
from gateway.roofs.roster_lists import RosterLists
from web.caller import Caller

Fields = Mapping[str, str]


class PeoplePort:
    """`web.people_services.PeopleDoor` over the desk."""

    def __init__(self, desk: RosterDesk) -> None:
        self._desk = desk
        self._acts: Mapping[str, Callable[[Actor, Fields], Awaitable[Any]]] = {
            "child.add": self._add_child,
            "child.rename": lambda actor, f: desk.children.rename(actor, _id(f, "child"), f.get("name", "")),
            "child.move": lambda actor, f: desk.children.enrol(actor, _id(f, "child"), _id(f, "class"), _day(f, "day")),
            "child.leave": lambda actor, f: desk.children.leave(
                actor, _id(f, "child"), last_day=_day(f, "day"), at_once=f.get("when") == "now"
            ),
            "guardian.add": lambda actor, f: desk.add_guardian(
                actor, _id(f, "child"), f.get("name", ""), kind_of(f.get("kind", "")), f.get("phone", "")
            ),
            "guardian.end": lambda actor, f: desk.children.revoke_guardian(actor, _id(f, "person"), _id(f, "child")),
            "guardian.phone": lambda actor, f: desk.phones.set(actor, _id(f, "person"), f.get("phone", "")),
            "guardian.rename": lambda actor, f: desk.people.rename(actor, _id(f, "person"), f.get("name", "")),
            "person.add": self._add_person,
            "person.rename": lambda actor, f: desk.people.rename(actor, _id(f, "person"), f.get("name", "")),
            "person.disable": lambda actor, f: desk.people.disable(actor, _id(f, "person")),
            "person.enable": lambda actor, f: desk.people.disable(actor, _id(f, "person"), disabled=False),
            "class.add": lambda actor, f: desk.add_class(actor, f.get("name", "")),
            "class.rename": lambda actor, f: desk.classes.rename(actor, _id(f, "class"), f.get("name", "")),
            "class.end": lambda actor, f: desk.classes.end(actor, _id(f, "class")),
            "camera.give": lambda actor, f: desk.classes.assign(
                actor, _id(f, "camera"), _id(f, "class"), shared=f.get("shared") == "1"
            ),
            "camera.take": lambda actor, f: desk.classes.release(actor, _id(f, "camera"), _id(f, "class")),
            "teach": lambda actor, f: desk.people.teach(actor, _id(f, "person"), _id(f, "class")),
            "unteach": lambda actor, f: desk.people.stop_teaching(actor, _id(f, "person"), _id(f, "class")),
            "responsible.add": self._name_responsible,
            "responsible.end": lambda actor, f: desk.responsible.end(actor, _id(f, "row"), _day(f, "day")),
        }

    async def overview(self, caller: Caller) -> Mapping[str, Any]:
        """Return all classes with counts and teachers."""
        return await self._desk.overview(actor_of(caller))

    async def one_class(self, caller: Caller, class_id: str) -> Mapping[str, Any]:
        """Return the children of a class."""
        return await self._desk.one_class(actor_of(caller), class_id)

    async def search(self, caller: Caller, text: str) -> Sequence[Mapping[str, Any]]:
        """Return children by words of a name."""
        return await self._desk.search(actor_of(caller), text)

    async def child(self, caller: Caller, child: str) -> Mapping[str, Any]:
        """Return one child."""
        return await self._desk.child(actor_of(caller), child)

    async def staff(self, caller: Caller) -> Mapping[str, Any]:
        """Return staff and responsible persons."""
        return await self._desk.staff(actor_of(caller))

    async def act(self, caller: Caller, act: str, fields: Fields) -> None:
        """Do one act."""
        await self.do(actor_of(caller), act, fields)

    async def do(self, actor: Actor, act: str, fields: Fields) -> None:
        """Do one act for an actor (the console too)."""
        if act not in self._acts:
            raise BadInput("no such act", key="act")
        await self._acts[act](actor, fields)

    async def _add_child(self, actor: Actor, fields: Fields) -> None:
        name, phone = fields.get("guardian", "").strip(), fields.get("phone", "").strip()
        if phone and not name:
            raise BadInput("a number of nobody", case="phone_alone", key="guardian")
        kin = new_kin(name, kind_of(fields.get("kind", "")), phone) if name else None
        await self._desk.families.add_child(actor, fields.get("name", ""), _id(fields, "class"), kin)

    async def _add_person(self, actor: Actor, fields: Fields) -> None:
        role = fields.get("role", "")
        if role not in set(Role) or role == Role.GUARDIAN:
            raise BadInput("no such role", key="role")
        await self._desk.people.add(actor, Role(role), fields.get("name", ""), alone=True)

    async def _name_responsible(self, actor: Actor, fields: Fields) -> None:
        decided, since = _day(fields, "decision_day"), _day(fields, "since")
        if decided is None or since is None:
            raise BadInput("a day is missing", case="day", key="since", value="")
        await self._desk.responsible.add(
            actor,
            fields.get("name", ""),
            fields.get("title", ""),
            fields.get("decision", ""),
            decided,
            since,
            _day(fields, "until"),
        )


class ListPort:
    """`web.people_services.ListDoor` over the lists."""

    def __init__(self, lists: RosterLists, people: People) -> None:
        self._lists, self._people = lists, people

    async def open(self, caller: Caller, data: bytes, name: str) -> Mapping[str, Any]:
        """Read a file."""
        return await self._lists.open(actor_of(caller), data, name)

    async def look(self, caller: Caller, draft: str) -> Mapping[str, Any]:
        """Return what a draft would do."""
        return await self._lists.look(actor_of(caller), draft)

    async def columns(self, caller: Caller, draft: str, sheet: int, fields: Mapping[int, str]) -> Mapping[str, Any]:
        """Say what columns hold."""
        return await self._lists.columns(actor_of(caller), draft, sheet, fields)

    async def answer(self, caller: Caller, draft: str, answers: Fields) -> Mapping[str, Any]:
        """Say which child a row is."""
        return await self._lists.answer(actor_of(caller), draft, answers)

    async def apply(self, caller: Caller, draft: str, shown: str, absent: str) -> Mapping[str, Any]:
        """Write what was shown."""
        return await self._lists.apply(actor_of(caller), draft, shown, absent)

    async def drop(self, caller: Caller, draft: str) -> None:
        """Forget a draft."""
        await self._lists.drop(actor_of(caller), draft)

    async def became(self, caller: Caller, draft: str) -> Mapping[str, Any]:
        """Return what became of a draft that is no more, with the name of who applied it."""
        view = await self._lists.became(actor_of(caller), draft)
        names = {str(row.id): row.name for row in await self._people.rows()} if view["by"] else {}
        return {**view, "by": names.get(view["by"], "")}

    async def all_acts(self, caller: Caller) -> Sequence[Mapping[str, Any]]:
        """Return the newest acts."""
        return await self._lists.all_acts(actor_of(caller))

    async def undo(self, caller: Caller, act: str) -> Mapping[str, Any]:
        """Undo an act."""
        return await self._lists.undo(actor_of(caller), act)

    async def year(
        self, caller: Caller, targets: Fields | None, day: str, *, keep_teachers: bool, consents: str = ""
    ) -> Mapping[str, Any]:
        """Return what the step into a new school year would do."""
        return await self._lists.year(
            actor_of(caller), targets, day_of(day), keep_teachers=keep_teachers, consents=consents
        )

    async def turn_year(
        self, caller: Caller, targets: Fields, shown: str, day: str, *, keep_teachers: bool, consents: str = ""
    ) -> Mapping[str, Any]:
        """Do it."""
        return await self._lists.turn_year(
            actor_of(caller), targets, shown, day_of(day), keep_teachers=keep_teachers, consents=consents
        )


class Ports(TypedDict):
    """Fields of `web.services.Services`."""

    people: PeoplePort
    lists: ListPort


def ports_of(desk: RosterDesk) -> Ports:
    """Return both doors."""
    return Ports(people=PeoplePort(desk), lists=ListPort(desk.lists, desk.people))


def _id(fields: Fields, key: str) -> PublicId:
    return PublicId(fields.get(key, ""))


def _day(fields: Fields, key: str) -> Any:
    return day_of(fields.get(key, ""))
