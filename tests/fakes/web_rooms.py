"""Class rooms as their pages see them, in memory: `web.room_services` over a few fields that tests set."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from gateway.access.daterange import checked_date, markable
from gateway.core.clock import Clock
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import LEADER_ROLES, PublicId, Role, Secret
from web.caller import Caller
from web.room_services import (
    Hidden,
    HoursRow,
    MarkedDay,
    PastPause,
    PlanRow,
    Room,
    Rooms,
    SeenDay,
    Signature,
    Timetable,
    WaitingWish,
    WallRoom,
    Wish,
)

MINUTE_MS = 60_000
SHEET = "a" * 26
"""The secret of the first wall sheet."""
MONDAY = dt.date(2026, 9, 21)


def room(class_id: PublicId, name: str) -> Room:
    """A class that guardians see now."""
    return Room(class_id, name, "open", "", None, None, 0, 5, None, (), (), 1, (), sheet=False)


@dataclass
class FakeRooms:
    """Implements `RoomDoor`; the first class is the teacher's."""

    clock: Clock
    say: Callable[[str], None]
    all: list[Room] = field(default_factory=list)
    past: list[PastPause] = field(default_factory=list)

    async def rooms(self, caller: Caller) -> Sequence[Room]:
        return self.all if caller.role in LEADER_ROLES else self.all[:1] if caller.role is Role.TEACHER else []

    def put(self, class_id: PublicId, **changes: object) -> None:
        """Change a class room."""
        if all(item.id != class_id for item in self.all):
            raise NotFound("no such class")
        self.all = [
            replace(item, **changes) if item.id == class_id else item  # type: ignore[arg-type]  # a test's own fields
            for item in self.all
        ]

    def get(self, class_id: PublicId) -> Room:
        return next(item for item in self.all if item.id == class_id)

    async def hide(self, caller: Caller, class_id: PublicId, minutes: int | None) -> None:
        self.say(f"hide {class_id} {minutes} by {caller.person}")
        if minutes is not None and not 0 < minutes <= 15 and caller.role is Role.TEACHER:
            raise BadInput("no such length", key="minutes")
        here = self.get(class_id)
        if caller.role is Role.TEACHER and here.used >= here.most:
            raise Denied("too many", reason="pause.too_many")
        until_ms = None if minutes is None else self.clock.now_ms() + minutes * MINUTE_MS
        hidden = Hidden(7, self.clock.now_ms(), until_ms, caller.name, mine=True, explain=True, reason="")
        used = here.used + (caller.role is Role.TEACHER)
        self.put(class_id, hidden=hidden, last=hidden, sharing="paused", reason="class.paused", used=used)

    async def show(self, caller: Caller, class_id: PublicId) -> None:
        self.say(f"show {class_id} by {caller.person}")
        self.put(class_id, hidden=None, sharing="open", reason="")

    async def explain(self, caller: Caller, class_id: PublicId, pause: int, reason: str) -> None:
        self.say(f"explain {pause} by {caller.person}: {reason}")
        last = self.get(class_id).last
        if last is None or last.pause != pause:
            raise NotFound("no such pause")
        self.put(class_id, last=replace(last, reason=reason))

    async def ask(self, caller: Caller, class_id: PublicId, minutes: int) -> None:
        self.say(f"ask {class_id} {minutes} by {caller.person}")
        self.put(class_id, wish=Wish(3, caller.name, minutes, self.clock.now_ms()))

    async def answer(self, caller: Caller, class_id: PublicId, wish: int, *, granted: bool) -> None:
        self.say(f"answer {wish} {granted} by {caller.person}")
        self.put(class_id, wish=None)

    async def wishes(self, caller: Caller) -> Sequence[WaitingWish]:
        return [WaitingWish(item.id, item.name, item.wish, item.most) for item in self.all if item.wish is not None]

    async def today(self, caller: Caller) -> Sequence[PastPause]:
        return self.past


@dataclass
class FakeWall:
    """Implements `WallDoor` for one sheet of the teacher's class."""

    rooms: FakeRooms
    say: Callable[[str], None]
    here: bool = True
    """Whether whoever asks is on the school's network."""
    rate: bool = False
    asked: list[str] = field(default_factory=list)
    """Addresses that were judged."""

    def near(self, address: str) -> bool:
        self.asked.append(address)
        return self.here

    def _room(self, secret: Secret) -> Room:
        self.say("sheet looked up")
        if secret.reveal() != SHEET:
            raise NotFound("no such sheet")
        return self.rooms.all[0]

    async def room(self, secret: Secret) -> WallRoom:
        here = self._room(secret)
        return WallRoom(here.name, here.hidden, here.used, here.most, here.wish is not None, here.granted)

    async def _act(self, secret: Secret, what: str) -> Room:
        here = self._room(secret)
        self.say(what)
        if self.rate:
            raise Denied("too often", reason="rate")
        return here

    async def hide(self, secret: Secret, minutes: int) -> None:
        here = await self._act(secret, f"wall hides {minutes}")
        if here.used >= here.most:
            raise Denied("too many", reason="pause.too_many")
        now_ms = self.rooms.clock.now_ms()
        hidden = Hidden(8, now_ms, now_ms + minutes * MINUTE_MS, "wall", mine=True, explain=False, reason="")
        self.rooms.put(here.id, hidden=hidden, used=here.used + 1, sharing="paused", reason="class.paused")

    async def show(self, secret: Secret) -> None:
        here = await self._act(secret, "wall shows")
        self.rooms.put(here.id, hidden=None, sharing="open", reason="")

    async def ask(self, secret: Secret, minutes: int) -> None:
        here = await self._act(secret, f"wall asks {minutes}")
        self.rooms.put(here.id, wish=Wish(4, "wall", minutes, self.rooms.clock.now_ms()))

    async def sheet(self, caller: Caller, class_id: PublicId) -> tuple[str, str]:
        self.say(f"sheet of {class_id} by {caller.person}")
        self.rooms.put(class_id, sheet=True)
        return self.rooms.get(class_id).name, f"https://vuon.test/tuong/{SHEET}"

    async def end(self, caller: Caller, class_id: PublicId) -> None:
        self.say(f"sheet of {class_id} ended by {caller.person}")
        self.rooms.put(class_id, sheet=False)


@dataclass
class FakeHours:
    """Implements `HoursDoor`."""

    rooms: FakeRooms
    say: Callable[[str], None]
    hours: dict[PublicId, tuple[HoursRow, ...]] = field(default_factory=dict)
    plan: dict[PublicId, tuple[PlanRow, ...]] = field(default_factory=dict)
    marked: list[MarkedDay] = field(default_factory=list)

    async def table(self, caller: Caller, class_id: PublicId) -> Timetable:
        return await self.tried(caller, class_id, self.hours.get(class_id, ()), self.plan.get(class_id, ()))

    async def tried(
        self, caller: Caller, class_id: PublicId, hours: Sequence[HoursRow], plan: Sequence[PlanRow]
    ) -> Timetable:
        if all(item.id != class_id for item in self.rooms.all):
            raise NotFound("no such class")
        week = []
        for number in range(7):
            date = MONDAY + dt.timedelta(days=number)
            start = int(dt.datetime(date.year, date.month, date.day, tzinfo=dt.UTC).timestamp()) * 1000 - 7 * 3_600_000
            spans = [(start + row.start_min * MINUTE_MS, start + row.end_min * MINUTE_MS) for row in hours
                     if number in row.days]  # fmt: skip
            closed = any(day.date == date and not day.open for day in self.marked)
            week.append(SeenDay(date, () if closed else tuple(spans), marked=closed, open=not closed))
        return Timetable(class_id, self.rooms.get(class_id).name, tuple(hours), tuple(plan), tuple(week))

    async def save(
        self, caller: Caller, class_id: PublicId, hours: Sequence[HoursRow], plan: Sequence[PlanRow]
    ) -> None:
        self.say(f"hours of {class_id} by {caller.person}")
        self.hours[class_id], self.plan[class_id] = tuple(hours), tuple(plan)

    async def names(self) -> Sequence[tuple[PublicId, str]]:
        return [(item.id, item.name) for item in self.rooms.all]

    async def days(self, caller: Caller) -> Sequence[MarkedDay]:
        return self.marked

    def markable(self) -> tuple[dt.date, dt.date]:
        return markable(MONDAY + dt.timedelta(days=3))

    async def mark(self, caller: Caller, day: MarkedDay) -> None:
        self.say(f"mark {day.date} by {caller.person}")
        checked_date(day.date, MONDAY + dt.timedelta(days=3))
        self.marked.append(day)

    async def clear(self, caller: Caller, date: dt.date) -> None:
        if all(day.date != date for day in self.marked):
            raise NotFound("no such day")
        self.marked = [day for day in self.marked if day.date != date]


@dataclass
class FakeNotice:
    """Implements `NoticeDoor`."""

    say: Callable[[str], None]
    today: dt.date
    people: list[Signature] = field(default_factory=list)
    version: str = "1"

    def signed(self, caller: Caller) -> bool:
        return any(item.person == caller.person and item.signed_ms is not None for item in self.people)

    async def sign(self, caller: Caller) -> None:
        self.say(f"signed by {caller.person}")
        self.people = [
            replace(item, signed_ms=1_790_000_000_000) if item.person == caller.person else item for item in self.people
        ]

    async def all(self, caller: Caller) -> Sequence[Signature]:
        return self.people

    async def on_paper(self, caller: Caller, person: PublicId, date: dt.date, scan: str) -> None:
        if all(item.person != person for item in self.people):
            raise NotFound("no such teacher")
        if date > self.today:
            raise BadInput("to come", case="notice_date", key="date")
        self.say(f"paper of {person}")
        self.people = [
            replace(item, signed_ms=1_790_000_000_000, on_date=date, scan=scan) if item.person == person else item
            for item in self.people
        ]


class FakeSchool:
    """All four doors over one list of class rooms."""

    def __init__(
        self, clock: Clock, say: Callable[[str], None], rooms: Sequence[Room], people: Sequence[Signature]
    ) -> None:
        self.rooms = FakeRooms(clock, say, list(rooms))
        self.wall = FakeWall(self.rooms, say)
        self.hours = FakeHours(self.rooms, say)
        self.notice = FakeNotice(say, dt.datetime.fromtimestamp(clock.now_ms() / 1000, dt.UTC).date(), list(people))

    def services(self) -> Rooms:
        return Rooms(self.rooms, self.wall, self.hours, self.notice)
