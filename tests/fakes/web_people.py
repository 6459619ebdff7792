"""People and lists as the pages see them: the real access over a small school, or fields that tests set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gateway.core.errors import BadInput, NotFound
from tests.fakes.clock import NOON_MS
from tests.fakes.school import pid
from web.caller import Caller

CHILD = "c" * 16
CLASS = "l" * 16
GUARDIAN = {"id": "g" * 16, "name": "Trần Thị Mai", "kind": "mother", "phone": "09•• ••• 563", "state": "bound"}


def a_child(name: str = "An Nhiên", **changes: Any) -> dict[str, Any]:
    """A child as the desk shows it."""
    row = {
        "id": CHILD, "name": name, "birth": "2021-05-04", "code": "0100000001", "class": CLASS, "place": "Mầm 2",
        "next": None, "guardians": [GUARDIAN, {**GUARDIAN, "id": "h" * 16, "name": "Võ Thị Lan", "kind": "grandmother", "state": "waiting"}],
    }  # fmt: skip
    return row | changes


@dataclass
class FakePeople:
    """Implements `PeopleDoor`; acts are remembered, `error` is raised by the next one."""

    say: Callable[[str], None]
    children: list[dict[str, Any]] = field(default_factory=lambda: [a_child(), a_child("Bảo Ngọc", guardians=[])])
    error: BadInput | None = None

    async def overview(self, caller: Caller) -> Mapping[str, Any]:
        teachers = [{"id": "t" * 16, "name": "Cô Hạnh"}]
        card = {
            "children": len(self.children),
            "guardians": 2,
            "bound": 1,
            "waiting": 1,
            "teachers": teachers,
            "cameras": [pid("mam2")],
        }
        empty = {"children": 0, "guardians": 0, "bound": 0, "waiting": 0, "teachers": [], "cameras": []}
        return {"classes": [{"id": CLASS, "name": "Mầm 2", **card}, {"id": "k" * 16, "name": "Chồi 1", **empty}]}

    async def one_class(self, caller: Caller, class_id: str) -> Mapping[str, Any]:
        if class_id not in (CLASS, "k" * 16, "-"):
            raise NotFound("no such class")
        return {"id": class_id, "name": "Mầm 2", "children": self.children if class_id == CLASS else []}

    async def search(self, caller: Caller, text: str) -> Sequence[Mapping[str, Any]]:
        return [row for row in self.children if text.lower() in row["name"].lower()]

    async def child(self, caller: Caller, child: str) -> Mapping[str, Any]:
        if child != CHILD:
            raise NotFound("no such child")
        return self.children[0]

    async def staff(self, caller: Caller) -> Mapping[str, Any]:
        teacher = {
            "id": "t" * 16,
            "name": "Cô Hạnh",
            "role": "teacher",
            "disabled": False,
            "classes": [{"id": CLASS, "name": "Mầm 2"}],
        }
        named = {
            "id": "r" * 16, "name": "Lê Thị Hằng", "title": "Hiệu trưởng", "decision": "12/QĐ-MNHS",
            "decision_day": "2026-08-20", "since": "2026-09-01", "until": None,
        }  # fmt: skip
        return {"people": [teacher], "responsible": [named], "classes": [{"id": CLASS, "name": "Mầm 2"}]}

    async def act(self, caller: Caller, act: str, fields: Mapping[str, str]) -> None:
        if self.error is not None:
            raise self.error
        self.say(f"{act} by {caller.person}: {sorted(fields)}")


class NoLists:
    """Implements `ListDoor` without a list; `gone` says what became of drafts."""

    def __init__(self) -> None:
        self.gone: dict[str, Mapping[str, Any]] = {}

    async def open(self, caller: Caller, data: bytes, name: str) -> Mapping[str, Any]:
        raise BadInput("no list", case="import_heading")

    async def look(self, caller: Caller, draft: str) -> Mapping[str, Any]:
        raise NotFound("no such draft")

    async def columns(self, caller: Caller, draft: str, sheet: int, fields: Mapping[int, str]) -> Mapping[str, Any]:
        raise NotFound("no such draft")

    async def answer(self, caller: Caller, draft: str, answers: Mapping[str, str]) -> Mapping[str, Any]:
        raise NotFound("no such draft")

    async def apply(self, caller: Caller, draft: str, shown: str, absent: str) -> Mapping[str, Any]:
        raise NotFound("no such draft")

    async def drop(self, caller: Caller, draft: str) -> None:
        raise NotFound("no such draft")

    async def became(self, caller: Caller, draft: str) -> Mapping[str, Any]:
        if draft not in self.gone:
            raise NotFound("no such draft")
        return self.gone[draft]

    async def all_acts(self, caller: Caller) -> Sequence[Mapping[str, Any]]:
        return []

    async def undo(self, caller: Caller, act: str) -> Mapping[str, Any]:
        raise NotFound("no such act")

    async def year(
        self, caller: Caller, targets: Mapping[str, str] | None, day: str, *, keep_teachers: bool, consents: str = ""
    ) -> Mapping[str, Any]:
        steps = [{"class": CLASS, "name": "Mầm 2", "target": (targets or {}).get(CLASS, "Chồi 2"), "children": 27}]
        counts = {"moved": 27, "left": 0, "same": 0, "classes": 1}
        told = {"consents": 25, "asked": consents, "new_classes": ["Chồi 2"]}
        view = {"shown": "f" * 64, "counts": counts, "steps": steps, **told}
        if targets is None:
            return view
        closing = {"at_ms": NOON_MS, "classes": [{"name": "Mầm 2", "why": "nobody"}], "children": 27}
        closings = {key: {**closing, "people": 2, "logins": 3} for key in ("keep", "again")}
        return {**view, "now": not day, "closings": closings}

    async def turn_year(
        self,
        caller: Caller,
        targets: Mapping[str, str],
        shown: str,
        day: str,
        *,
        keep_teachers: bool,
        consents: str = "",
    ) -> Mapping[str, Any]:
        return {"act": "a" * 16, "counts": {}}
