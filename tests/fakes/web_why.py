"""The page of rights, answered from a handful of rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from gateway.core.errors import NotFound
from gateway.core.model import PublicId

if TYPE_CHECKING:
    from tests.fakes.web_services import FakeBox

Row = dict[str, Any]
NAP: Row = {"allowed": False, "reason": "plan.nap", "until_ms": None, "at_least": False, "next_ms": None}
LINKS: list[Row] = [
    {"code": "tie", "holds": True, "class": "Lớp Mầm 1", "child": "Bé Minh An"},
    {"code": "nap", "holds": False, "class": "Lớp Mầm 1", "child": ""},
]


class FakeWhy:
    """Everybody signed in here; the principal sees, guardians are at the nap."""

    def __init__(self, box: FakeBox) -> None:
        self._box = box
        self.asked: list[tuple[str, int | None, bool]] = []
        self.until_ms: int | None = None
        """How far the principal's answer was searched."""

    def people(self) -> Sequence[tuple[PublicId, str, str]]:
        return [(row.person, row.name, row.role.value) for row in self._box.sessions.values()]

    def cameras(self) -> Sequence[PublicId]:
        return list(self._box.status_of)

    def place(self, camera: PublicId) -> str:
        return str(self._box.status_of[camera]["name"])

    def _answer(self, person: PublicId, at_ms: int | None, on_site: bool) -> Row:
        self.asked.append((person, at_ms, on_site))
        caller = next((row for row in self._box.sessions.values() if row.person == person), None)
        if caller is None:
            raise NotFound("there is no such person")
        named = {"person": person, "name": caller.name, "role": caller.role.value}
        if caller.role.value == "principal":
            seen: Row = {"allowed": True, "reason": "role.principal", "until_ms": self.until_ms, "next_ms": None}
            return named | seen | {"at_least": self.until_ms is not None}
        return named | NAP | {"next_ms": self._box.clock.now_ms() + 3_600_000}

    def who(self, camera: PublicId, at_ms: int | None, *, on_site: bool) -> Sequence[Mapping[str, Any]]:
        del camera
        return [self._answer(row[0], at_ms, on_site) for row in self.people()]

    def what(self, person: PublicId, at_ms: int | None, *, on_site: bool) -> Sequence[Mapping[str, Any]]:
        answer = self._answer(person, at_ms, on_site)
        return [answer | {"camera": camera, "place": self.place(camera)} for camera in self.cameras()]

    def why(self, person: PublicId, camera: PublicId, at_ms: int | None, *, on_site: bool) -> Mapping[str, Any]:
        answer = self._answer(person, at_ms, on_site)
        return answer | {"camera": camera, "at_ms": at_ms or self._box.clock.now_ms(), "links": LINKS}
