"""What the pages of people and lists need, as narrow protocols.

Owns `PeopleDoor` and `ListDoor`. Invariants: whose act it is comes from the session; every reading and every act is
decided behind these doors; answers are JSON values as `gateway/roofs/roster_desk.py` and `roster_lists.py` shape
them; phone numbers come masked. All times are UTC milliseconds, days are ISO dates.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from web.caller import Caller


class PeopleDoor(Protocol):
    """Classes, children, guardians and staff."""

    async def overview(self, caller: Caller) -> Mapping[str, Any]:
        """Return `classes`: id, name, children, guardians, bound, waiting, teachers."""

    async def one_class(self, caller: Caller, class_id: str) -> Mapping[str, Any]:
        """Return id, name and `children` with their guardians; NotFound. "-" is the children in no class."""

    async def search(self, caller: Caller, text: str) -> Sequence[Mapping[str, Any]]:
        """Return children whose name, or a guardian's, has these words; at most 50."""

    async def child(self, caller: Caller, child: str) -> Mapping[str, Any]:
        """Return one child; NotFound."""

    async def staff(self, caller: Caller) -> Mapping[str, Any]:
        """Return `people`, `responsible` and `classes`."""

    async def act(self, caller: Caller, act: str, fields: Mapping[str, str]) -> None:
        """Do one act of a form; NotFound, Denied, BadInput."""


class ListDoor(Protocol):
    """Imports of lists, and the step into a new school year."""

    async def open(self, caller: Caller, data: bytes, name: str) -> Mapping[str, Any]:
        """Read a file; BadInput with `case` says why it is refused."""

    async def look(self, caller: Caller, draft: str) -> Mapping[str, Any]:
        """Return what a draft would do; NotFound."""

    async def columns(self, caller: Caller, draft: str, sheet: int, fields: Mapping[int, str]) -> Mapping[str, Any]:
        """Say what columns hold."""

    async def answer(self, caller: Caller, draft: str, answers: Mapping[str, str]) -> Mapping[str, Any]:
        """Say which child a row is, or "new"."""

    async def apply(self, caller: Caller, draft: str, shown: str, absent: str) -> Mapping[str, Any]:
        """Write what was shown; absent is leave, keep or "" (nobody is absent)."""

    async def drop(self, caller: Caller, draft: str) -> None:
        """Forget a draft."""

    async def became(self, caller: Caller, draft: str) -> Mapping[str, Any]:
        """Return what became of a draft that is no more; NotFound.

        `ending` is applied, dropped, late or crowded, `at_ms` when; of an applied one `act` (as lists show it) and
        `by`, the name of who did it, empty for the console.
        """

    async def all_acts(self, caller: Caller) -> Sequence[Mapping[str, Any]]:
        """Return the newest acts."""

    async def undo(self, caller: Caller, act: str) -> Mapping[str, Any]:
        """Undo an act; `blockers` say what stands in the way."""

    async def year(
        self, caller: Caller, targets: Mapping[str, str] | None, day: str, *, keep_teachers: bool, consents: str = ""
    ) -> Mapping[str, Any]:
        """Return what the step into a new school year would do."""

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
        """Do it; `consents` is keep or again, asked for while a family's yes stands."""
