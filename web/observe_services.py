"""What the pages of guests ("dự giờ") need of the rest of the box: making visits, the teacher's word, the guest's view.

Owns the protocol of `Services.observe` and the values that cross it. Invariants: web asks and translates, it decides
nothing; a family that said no is a number to the school and nothing at all to the guest; a code is in one answer only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.model import Decision, PublicId, Secret
from web.caller import Caller

WAITS, YES, NO = "waits", "yes", "no"
"""What the teacher of the class said."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A visit as the school sees it; times UTC ms."""

    id: PublicId
    guest: str
    class_id: PublicId
    class_name: str
    since_ms: int
    until_ms: int
    phase: str
    """coming, running, past (by time) or ended (by somebody)."""
    said: str
    """waits, yes, no."""
    said_by: str = ""
    """Name of who said so; "console" as such."""
    made_by: str = ""
    reason: str = ""
    invited: str = ""
    came: bool = False
    """The guest has signed in."""
    missing: int = 0
    """Children of the class without their family's consent to guests."""
    teachers: int = 0
    """Teachers of the class, who can agree."""


@dataclass(frozen=True, slots=True)
class Named:
    """Something to choose."""

    id: PublicId
    name: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A visit to be made: a guest who is known (`guest`) or a new one (`name`)."""

    class_id: PublicId
    since_ms: int
    until_ms: int
    guest: PublicId | None
    name: str
    reason: str
    invited: str


@dataclass(frozen=True, slots=True)
class WayIn:
    """A guest's way in, to be printed or shown once."""

    visit: Visit
    code: Secret
    url: str


@dataclass(frozen=True, slots=True)
class MyVisit:
    """A visit as its guest sees it: nothing of any family."""

    id: PublicId
    class_name: str
    cameras: tuple[PublicId, ...]
    since_ms: int
    until_ms: int
    said: str
    decision: Decision


class ObserveDoor(Protocol):
    """Guests and their visits. Raises NotFound for what the person may not know of, Denied, BadInput."""

    async def visits(self, caller: Caller) -> Sequence[Visit]:
        """Return the visits of the school, the newest first; for leaders."""

    def classes(self, caller: Caller) -> Sequence[Named]:
        """Return the classes that can be visited, by name; for leaders."""

    def guests(self, caller: Caller) -> Sequence[Named]:
        """Return the guests who are known, by name; for leaders."""

    async def make(self, caller: Caller, wanted: Wanted) -> PublicId:
        """Make a visit; BadInput, Denied `login.stale`."""

    async def way_in(self, caller: Caller, visit: PublicId) -> WayIn:
        """Make a visit's code, which ends older ones; NotFound, BadInput, Denied `login.stale`."""

    async def end(self, caller: Caller, visit: PublicId) -> None:
        """End a visit, or call one off."""

    async def answer(self, caller: Caller, class_id: PublicId, visit: PublicId, *, given: bool) -> None:
        """Say the teacher's word for a visit of her class, or take it back."""

    async def mine(self, caller: Caller) -> MyVisit | None:
        """Return the guest's visit: the one their login is for, else the one that runs or comes next."""
