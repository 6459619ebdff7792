"""Lists, classes and children for the control socket.

Owns these calls. Invariant: they answer what the pages are answered, to whoever acts as the console; a file comes as
bytes beside the call and is nowhere kept.
"""

from __future__ import annotations

from collections.abc import Mapping

from gateway.access.audit import CONSOLE
from gateway.core.errors import BadInput
from gateway.core.model import PublicId
from gateway.core.wire import Handler, Reply, Request
from gateway.roofs.lookup import only
from gateway.roofs.people_port import PeoplePort
from gateway.roofs.roster_desk import NO_CLASS, RosterDesk, day_of

ACTS = frozenset({"child.move", "child.leave", "class.add", "class.rename", "class.end", "teach", "unteach"}) | {
    "responsible.add",
    "responsible.end",
    "guardian.phone",
}
"""Acts of the pages that the console may ask for by name (`people.act`); adding staff has a call of its own."""


class RosterCalls:
    """The calls."""

    def __init__(self, desk: RosterDesk) -> None:
        self._desk, self._lists, self._port = desk, desk.lists, PeoplePort(desk)

    def handlers(self) -> Mapping[str, Handler]:
        """Return the methods by name."""
        return {
            "roster.open": self._open,
            "roster.columns": self._columns,
            "roster.answer": self._answer,
            "roster.apply": self._apply,
            "roster.acts": self._acts,
            "roster.undo": self._undo,
            "roster.year": self._year,
            "roster.classes": self._classes,
            "roster.children": self._children,
            "roster.staff": self._staff,
            "people.act": self._act,
        }

    async def _open(self, request: Request) -> Reply:
        return Reply(await self._lists.open(CONSOLE, request.blob, request.text("name", "")))

    async def _columns(self, request: Request) -> Reply:
        fields = {int(column): name for column, name in _texts(request, "fields").items() if column.isdigit()}
        return Reply(await self._lists.columns(CONSOLE, request.text("draft"), request.number("sheet", 0), fields))

    async def _answer(self, request: Request) -> Reply:
        return Reply(await self._lists.answer(CONSOLE, request.text("draft"), _texts(request, "answers")))

    async def _apply(self, request: Request) -> Reply:
        shown, absent = request.text("shown"), request.text("absent", "")
        return Reply(await self._lists.apply(CONSOLE, request.text("draft"), shown, absent))

    async def _acts(self, _request: Request) -> Reply:
        return Reply({"acts": await self._lists.all_acts(CONSOLE)})

    async def _undo(self, request: Request) -> Reply:
        return Reply(await self._lists.undo(CONSOLE, request.text("act")))

    async def _year(self, request: Request) -> Reply:
        """Show the step into a new year, and do it if `shown` is what it would do."""
        day, keep = day_of(request.text("day", "")), request.params.get("keep_teachers") is True
        said = request.text("consents", "")
        by_name = _texts(request, "targets")
        known, _ = await self._desk.known(CONSOLE)
        usual = await self._lists.year(CONSOLE, None, day, keep_teachers=keep)
        rows = [(class_id, name) for class_id, name in known.classes.items()]
        targets = {str(step["class"]): str(step["target"]) for step in usual["steps"]}
        targets |= {str(only(name, rows, "class")): target for name, target in by_name.items()}
        if shown := request.text("shown", ""):
            done = await self._lists.turn_year(CONSOLE, targets, shown, day, keep_teachers=keep, consents=said)
            return Reply(done)
        return Reply(await self._lists.year(CONSOLE, targets, day, keep_teachers=keep, consents=said))

    async def _classes(self, _request: Request) -> Reply:
        return Reply(await self._desk.overview(CONSOLE))

    async def _children(self, request: Request) -> Reply:
        if text := request.text("find", ""):
            return Reply({"children": await self._desk.search(CONSOLE, text)})
        name = request.text("class", NO_CLASS)
        class_id = name if name == NO_CLASS else await self._class(name)
        return Reply({"children": (await self._desk.one_class(CONSOLE, class_id))["children"]})

    async def _staff(self, _request: Request) -> Reply:
        return Reply(await self._desk.staff(CONSOLE))

    async def _act(self, request: Request) -> Reply:
        """Do an act of the pages; `child`, `class` and `person` may be names."""
        act, fields = request.text("act"), _texts(request, "fields")
        if act not in ACTS:
            raise BadInput(f"there is no act {act!r}", key="act")
        known, _ = await self._desk.known(CONSOLE)
        if "child" in fields:
            rows = [(child.id, child.name) for child in known.children.values()]
            fields["child"] = only(fields["child"], rows, "child")
        if "class" in fields:
            fields["class"] = only(fields["class"], list(known.classes.items()), "class")
        if "person" in fields:
            people = [(row.id, row.name) for row in await self._desk.people.rows()]
            fields["person"] = only(fields["person"], people, "person")
        await self._port.do(CONSOLE, act, fields)
        return Reply({})

    async def _class(self, name: str) -> PublicId:
        known, _ = await self._desk.known(CONSOLE)
        return only(name, list(known.classes.items()), "class")


def _texts(request: Request, key: str) -> dict[str, str]:
    """Return a parameter that maps texts to texts; absent is empty."""
    value = request.params.get(key, {})
    if not isinstance(value, dict) or not all(isinstance(item, str) for item in value.values()):
        raise BadInput(f"{request.method}: {key} must map texts to texts", key=key)
    return dict(value)
