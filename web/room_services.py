"""What the pages of class rooms need of the rest of the box: hiding, who looks, hours, the notice to staff, the wall.

Owns the narrow protocols of `Services.rooms` and the values that cross them. Invariants: web asks and translates, it
decides nothing; a guardian is named by child and kind only; all times are UTC milliseconds, minutes are of the local
day.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.model import PublicId, Secret
from web.caller import Caller
from web.observe_services import Visit


@dataclass(frozen=True, slots=True)
class Hidden:
    """A pause that runs."""

    pause: int
    since_ms: int
    until_ms: int | None
    by: str
    """A name; "wall" or "console" as such."""
    mine: bool
    """The asker may end it."""
    explain: bool
    """The asker hid the class, and may say why."""
    reason: str


@dataclass(frozen=True, slots=True)
class Looker:
    """Somebody who watches the class now."""

    role: str
    name: str
    """Of a guardian: the child's name."""
    tie: str
    """Of a guardian: mother, father, ... as the school wrote it."""
    since_ms: int


@dataclass(frozen=True, slots=True)
class Wish:
    """Somebody asks for one more pause today."""

    id: int
    by: str
    minutes: int
    at_ms: int


@dataclass(frozen=True, slots=True)
class Room:
    """One class as its teacher and the principal see it."""

    id: PublicId
    name: str
    sharing: str
    """open, closed (by the hour), paused (by somebody's doing or lack of it)."""
    reason: str
    """Why guardians do not see it; empty while they do."""
    hidden: Hidden | None
    last: Hidden | None
    """The asker's newest pause of today, for its reason; also after it ended."""
    used: int
    most: int
    """Pauses of today: used up, and how many there are."""
    wish: Wish | None
    lookers: tuple[Looker, ...]
    cameras: tuple[PublicId, ...]
    teachers: int
    unsigned: tuple[str, ...]
    """Teachers who have not signed the notice."""
    sheet: bool
    """A wall sheet is out."""
    visits: tuple[Visit, ...] = ()
    """Guests of the class that are here now or to come."""
    granted: int = 0
    """Pauses of today beyond `most`, each at somebody's wish."""


@dataclass(frozen=True, slots=True)
class PastPause:
    """A pause of today, for the principal."""

    class_name: str
    by: str
    wished_by: str
    since_ms: int
    until_ms: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class WaitingWish:
    """A wish that waits for the school's leaders, with its class."""

    class_id: PublicId
    name: str
    wish: Wish
    most: int
    """Pauses that a day has without asking."""


class RoomDoor(Protocol):
    """Class rooms of whoever asks: a teacher's own, the principal's all.

    Raises NotFound for a class the person may not know of, Denied with `reason`, BadInput.
    """

    async def rooms(self, caller: Caller) -> Sequence[Room]:
        """Return the class rooms by name."""

    async def hide(self, caller: Caller, class_id: PublicId, minutes: int | None) -> None:
        """Hide a class at once; None = until shown again."""

    async def show(self, caller: Caller, class_id: PublicId) -> None:
        """Show a class again: the asker's own pauses, the principal all."""

    async def explain(self, caller: Caller, class_id: PublicId, pause: int, reason: str) -> None:
        """Keep why a class was hidden."""

    async def ask(self, caller: Caller, class_id: PublicId, minutes: int) -> None:
        """Ask the principal for one more pause."""

    async def answer(self, caller: Caller, class_id: PublicId, wish: int, *, granted: bool) -> None:
        """Grant a wish, which hides the class at once, or refuse it."""

    async def wishes(self, caller: Caller) -> Sequence[WaitingWish]:
        """Return the wishes that wait, oldest first; none for whoever may not answer them."""

    async def today(self, caller: Caller) -> Sequence[PastPause]:
        """Return the pauses of today, newest first."""


@dataclass(frozen=True, slots=True)
class WallRoom:
    """What a sheet on the wall shows: no name of anybody."""

    name: str
    hidden: Hidden | None
    used: int
    most: int
    asked: bool
    granted: int = 0


class WallDoor(Protocol):
    """The sheet on the wall; every method but `sheet` and `end` is for whoever holds one, without a login."""

    def near(self, address: str) -> bool:
        """Say whether a connection comes from the school's own network."""

    async def room(self, secret: Secret) -> WallRoom:
        """Return the class of a sheet; NotFound."""

    async def hide(self, secret: Secret, minutes: int) -> None:
        """Hide the class; NotFound, Denied `pause.too_many` or `rate`, BadInput."""

    async def show(self, secret: Secret) -> None:
        """End what this wall hid; NotFound, Denied `rate`."""

    async def ask(self, secret: Secret, minutes: int) -> None:
        """Ask the principal for one more pause; NotFound, Denied `rate`."""

    async def sheet(self, caller: Caller, class_id: PublicId) -> tuple[str, str]:
        """Make a sheet, ending the one before; returns the class's name and the address, which is kept nowhere."""

    async def end(self, caller: Caller, class_id: PublicId) -> None:
        """Let the sheet open nothing any more."""


@dataclass(frozen=True, slots=True)
class HoursRow:
    """Viewing hours on some weekdays (0 = Monday)."""

    start_min: int
    end_min: int
    days: frozenset[int]


@dataclass(frozen=True, slots=True)
class PlanRow:
    """A block of the day plan; `kind` as in the catalogue's `block.<kind>`."""

    start_min: int
    end_min: int
    days: frozenset[int]
    kind: str
    visible: bool


@dataclass(frozen=True, slots=True)
class SeenDay:
    """A day as guardians may see it."""

    date: dt.date
    spans: tuple[tuple[int, int], ...]
    marked: bool
    open: bool


@dataclass(frozen=True, slots=True)
class Timetable:
    """Hours and plan of a class, and the week they make."""

    id: PublicId
    name: str
    hours: tuple[HoursRow, ...]
    plan: tuple[PlanRow, ...]
    week: tuple[SeenDay, ...]


@dataclass(frozen=True, slots=True)
class MarkedDay:
    """A day of the calendar that is not like its weekday."""

    date: dt.date
    open: bool
    as_weekday: int | None
    label: str


class HoursDoor(Protocol):
    """Hours, plans and the calendar: for whoever may configure a class (guards say so)."""

    async def table(self, caller: Caller, class_id: PublicId) -> Timetable:
        """Return what stands; NotFound."""

    async def tried(
        self, caller: Caller, class_id: PublicId, hours: Sequence[HoursRow], plan: Sequence[PlanRow]
    ) -> Timetable:
        """Return what would stand, without keeping it; BadInput."""

    async def save(
        self, caller: Caller, class_id: PublicId, hours: Sequence[HoursRow], plan: Sequence[PlanRow]
    ) -> None:
        """Keep both; they hold at once."""

    async def names(self) -> Sequence[tuple[PublicId, str]]:
        """Return all classes by name."""

    async def days(self, caller: Caller) -> Sequence[MarkedDay]:
        """Return the marked days from this week on."""

    def markable(self) -> tuple[dt.date, dt.date]:
        """Return the first and the last day that can be marked."""

    async def mark(self, caller: Caller, day: MarkedDay) -> None:
        """Mark a day; BadInput with the case `calendar_day` for one that cannot be."""

    async def clear(self, caller: Caller, date: dt.date) -> None:
        """Take a mark back; NotFound."""


@dataclass(frozen=True, slots=True)
class Signature:
    """How it stands with one teacher and the notice."""

    person: PublicId
    name: str
    classes: tuple[str, ...]
    signed_ms: int | None
    on_date: dt.date | None
    """Day of a signature on paper."""
    scan: str


class NoticeDoor(Protocol):
    """The notice to staff and who signed it."""

    version: str

    def signed(self, caller: Caller) -> bool:
        """Say whether the asker has signed the text in force."""

    async def sign(self, caller: Caller) -> None:
        """Sign for oneself."""

    async def all(self, caller: Caller) -> Sequence[Signature]:
        """Return every teacher, those who are missing first."""

    async def on_paper(self, caller: Caller, person: PublicId, date: dt.date, scan: str) -> None:
        """Enter a signature on paper; NotFound, BadInput."""


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything the pages of class rooms use."""

    rooms: RoomDoor
    wall: WallDoor
    hours: HoursDoor
    notice: NoticeDoor
