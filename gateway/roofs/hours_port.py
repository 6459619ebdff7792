"""Hours, day plans, the calendar and the notice to staff as their pages see them: adapters over access.

Owns the translation; decides nothing. Invariants: what is tried and what is kept go through the same types, so a
preview is refused for the same reasons as the real thing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from gateway.access import daterange, dayhours, localtime, noticerules
from gateway.access.classes import Classes, Hours, PlanItem
from gateway.access.facts import BlockKind, Facts
from gateway.access.schooldays import SchoolDays
from gateway.access.staffnotices import StaffNotices
from gateway.access.store import FactStore
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import PublicId, Role
from gateway.roofs.actors import actor_of
from gateway.roofs.names import Names
from web.caller import Caller
from web.room_services import HoursRow, MarkedDay, PlanRow, SeenDay, Signature, Timetable


class HoursPort:
    """`web.room_services.HoursDoor`."""

    def __init__(self, store: FactStore, classes: Classes, days: SchoolDays, names: Names) -> None:
        self._store, self._classes, self._days, self._names = store, classes, days, names

    async def table(self, caller: Caller, class_id: PublicId) -> Timetable:
        """Return what stands."""
        del caller  # the route's guard has decided
        return self._table(self._store.current, class_id)

    async def tried(
        self, caller: Caller, class_id: PublicId, hours: Sequence[HoursRow], plan: Sequence[PlanRow]
    ) -> Timetable:
        """Return what would stand."""
        del caller
        facts = dayhours.tried(self._store.current, class_id, hours_of(hours), plan_of(plan))
        return self._table(facts, class_id)

    def _table(self, facts: Facts, class_id: PublicId) -> Timetable:
        row = self._names.classes.get(class_id)
        if row is None or class_id not in facts.classes:
            raise NotFound("there is no such class")
        seen = dayhours.seen_week(facts, class_id, self._monday())
        return Timetable(
            class_id,
            row.name,
            tuple(HoursRow(item.start_min, item.end_min, item.days) for item in dayhours.hours_of(facts, class_id)),
            tuple(
                PlanRow(
                    item.hours.start_min, item.hours.end_min, item.hours.days, str(item.kind), item.guardian_visible
                )
                for item in dayhours.plan_of(facts, class_id)
            ),
            tuple(SeenDay(day.date, day.spans, day.marked, day.open) for day in seen),
        )

    def _monday(self) -> dt.date:
        today = self._today()
        return today - dt.timedelta(days=today.weekday())

    def _today(self) -> dt.date:
        return localtime.moment(self._store.current.zone, self._store.clock.now_ms()).date

    async def save(
        self, caller: Caller, class_id: PublicId, hours: Sequence[HoursRow], plan: Sequence[PlanRow]
    ) -> None:
        """Keep both; what has not changed is not written."""
        facts, actor = self._store.current, actor_of(caller)
        windows, blocks = hours_of(hours), plan_of(plan)
        if windows != list(dayhours.hours_of(facts, class_id)):
            await self._classes.set_windows(actor, class_id, windows)
        if blocks != list(dayhours.plan_of(facts, class_id)):
            await self._classes.set_plan(actor, class_id, blocks)

    async def names(self) -> Sequence[tuple[PublicId, str]]:
        """Return all classes by name."""
        return sorted(((row.id, row.name) for row in self._names.classes.values()), key=lambda item: item[1])

    async def days(self, caller: Caller) -> Sequence[MarkedDay]:
        """Return the marked days from this week on."""
        del caller
        rows = await self._days.rows(self.markable()[0])
        return [MarkedDay(row.date, row.open, row.as_weekday, row.label) for row in rows]

    def markable(self) -> tuple[dt.date, dt.date]:
        """Return the first and the last day that can be marked."""
        return daterange.markable(self._today())

    async def mark(self, caller: Caller, day: MarkedDay) -> None:
        """Mark a day."""
        await self._classes.set_day(
            actor_of(caller), day.date, is_open=day.open, as_weekday=day.as_weekday, label=day.label
        )

    async def clear(self, caller: Caller, date: dt.date) -> None:
        """Take a mark back."""
        await self._days.clear(actor_of(caller), date)


def hours_of(rows: Sequence[HoursRow]) -> list[Hours]:
    """Return windows from a form's rows; BadInput."""
    return [Hours(row.start_min, row.end_min, row.days) for row in rows]


def plan_of(rows: Sequence[PlanRow]) -> list[PlanItem]:
    """Return blocks from a form's rows, by their hours; BadInput."""
    found = []
    for row in sorted(rows, key=lambda row: (row.start_min, row.end_min)):
        if row.kind not in set(BlockKind):
            raise BadInput("there is no such kind of block", key="kind")
        kind = BlockKind(row.kind)
        found.append(PlanItem(Hours(row.start_min, row.end_min, row.days), kind, row.visible))
    return found


class NoticePort:
    """`web.room_services.NoticeDoor`."""

    version = noticerules.NOTICE_VERSION

    def __init__(self, store: FactStore, notices: StaffNotices, names: Names) -> None:
        self._store, self._notices, self._names = store, notices, names

    def signed(self, caller: Caller) -> bool:
        """Say whether the asker has signed."""
        return noticerules.has_signed(self._store.current, caller.person, self._store.clock.now_ms())

    async def sign(self, caller: Caller) -> None:
        """Sign for oneself."""
        await self._notices.sign(actor_of(caller))

    async def all(self, caller: Caller) -> Sequence[Signature]:
        """Return every teacher who may work here."""
        del caller
        facts, now_ms = self._store.current, self._store.clock.now_ms()
        rows = {row.person: row for row in await self._notices.rows()}
        found = []
        for person in facts.persons:
            if person.role is not Role.TEACHER or person.disabled:
                continue
            teaches = [row.class_id for row in facts.index.teachings_of_person.get(person.id, ()) if row.holds(now_ms)]
            names = sorted(self._names.classes[item].name for item in set(teaches) if item in self._names.classes)
            row = rows.get(person.id)
            found.append(
                Signature(
                    person.id,
                    self._names.person(person.id),
                    tuple(names),
                    row.signed_ms if row else None,
                    row.on_date if row else None,
                    row.scan if row else "",
                )
            )
        return sorted(found, key=lambda item: (item.signed_ms is not None, item.name, item.person))

    async def on_paper(self, caller: Caller, person: PublicId, date: dt.date, scan: str) -> None:
        """Enter a signature on paper."""
        await self._notices.sign_on_paper(actor_of(caller), person, date, scan)
