"""Classes: their cameras, viewing windows, day plan, and the school's calendar.

Owns `class`, `class_camera`, `access_camera`, `viewing_window`, `plan_block`, `calendar_day`. Invariants:
a camera shows one class at a time unless `shared` is said; windows and plans are replaced as a whole;
nap, toilet and changing can not be stored as visible.
"""

from __future__ import annotations

import datetime as dt
import sqlite3
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from gateway.access.audit import Actor
from gateway.access.daterange import checked_date
from gateway.access.facts import MINUTES_PER_DAY, NEVER_VISIBLE, SCHOOL_WEEK, BlockKind
from gateway.access.localtime import moment
from gateway.access.policy import BOX
from gateway.access.roster.cells import class_key
from gateway.access.rows import pack_days
from gateway.access.store import FactStore, Need, clean_name, require
from gateway.core.errors import BadInput
from gateway.core.model import Action, PublicId, new_public_id

CONFIGURE = Need(Action.CONFIGURE, BOX)


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A class as lists show it."""

    id: PublicId
    name: str
    cameras: tuple[PublicId, ...]


@dataclass(frozen=True, slots=True)
class Hours:
    """Minutes of the local day on some weekdays, half open."""

    start_min: int
    end_min: int
    days: frozenset[int] = SCHOOL_WEEK

    def __post_init__(self) -> None:
        if not 0 <= self.start_min < self.end_min <= MINUTES_PER_DAY or not self.days <= frozenset(range(7)):
            raise BadInput("hours run forward within one day", case="hours", start=self.start_min, end=self.end_min)
        if not self.days:
            raise BadInput("hours need a weekday")


@dataclass(frozen=True, slots=True)
class PlanItem:
    """One block of a day plan."""

    hours: Hours
    kind: BlockKind
    guardian_visible: bool = True

    def __post_init__(self) -> None:
        if self.guardian_visible and self.kind in NEVER_VISIBLE:
            raise BadInput(f"{self.kind} is never shown to guardians", kind=str(self.kind))


def at(text: str) -> int:
    """Return the minute of the day of "07:30"; BadInput if it is no time."""
    hour, colon, minute = text.partition(":")
    digits = colon and len(text) <= 5 and hour.isdecimal() and minute.isdecimal()  # isdigit() would let "²" pass
    if not digits or int(minute) > 59 or int(hour) * 60 + int(minute) > MINUTES_PER_DAY:
        raise BadInput(f"{text!r} is no time of day", case="hour", value=text)
    return int(hour) * 60 + int(minute)


def usual_plan(days: frozenset[int] = SCHOOL_WEEK) -> tuple[PlanItem, ...]:
    """Return the day of a preschool as most schools run it; to be edited by the principal."""
    plan = (
        ("07:00", "08:00", BlockKind.ARRIVAL, True),
        ("08:00", "10:30", BlockKind.LESSON, True),
        ("10:30", "11:30", BlockKind.MEAL, True),
        ("11:30", "14:00", BlockKind.NAP, False),
        ("14:00", "14:30", BlockKind.CHANGING, False),
        ("14:30", "16:30", BlockKind.LESSON, True),
        ("16:30", "17:30", BlockKind.LEAVING, True),
    )
    return tuple(PlanItem(Hours(at(start), at(end), days), kind, visible) for start, end, kind, visible in plan)


class Classes:
    """Sets up classes; every method needs the right to configure the box."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def add(self, actor: Actor, name: str) -> PublicId:
        """Add a class; BadInput for a name that is none, or that another class has."""
        class_id, text = new_public_id(), clean_name(name)

        def run(conn: sqlite3.Connection, now_ms: int) -> PublicId:
            _alone(conn, text)
            conn.execute("INSERT INTO class (id, name, created_ms) VALUES (?, ?, ?)", (class_id, text, now_ms))
            return class_id

        return await self._store.change(actor, "class.add", CONFIGURE, run, detail={"class": class_id})

    async def rename(self, actor: Actor, class_id: PublicId, name: str) -> None:
        """Call a class otherwise; NotFound, BadInput."""
        text = clean_name(name)

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            require(conn, "class", class_id)
            _alone(conn, text, class_id)
            conn.execute("UPDATE class SET name = ? WHERE id = ?", (text, class_id))

        await self._store.change(actor, "class.rename", CONFIGURE, run, detail={"class": class_id})

    async def end(self, actor: Actor, class_id: PublicId) -> None:
        """Close a class that no child is in or comes to; its cameras and teachers go. NotFound, BadInput."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "class", class_id)
            sql = "SELECT count(*) FROM enrolment WHERE class = ? AND (until_ms IS NULL OR until_ms > max(?, since_ms))"
            if count := conn.execute(sql, (class_id, now_ms)).fetchone()[0]:
                raise BadInput(f"{count} children are in this class", case="class_used", key="class", count=count)
            conn.execute("UPDATE class SET ended_ms = ? WHERE id = ? AND ended_ms IS NULL", (now_ms, class_id))
            for table in ("class_camera", "teaching"):
                conn.execute(
                    f"UPDATE {table} SET until_ms = max(?, since_ms) WHERE class = ?"  # noqa: S608 - our own table names
                    " AND (until_ms IS NULL OR until_ms > ?)",
                    (now_ms, class_id, now_ms),
                )

        await self._store.change(actor, "class.end", CONFIGURE, run, detail={"class": class_id})

    async def sync_cameras(self, actor: Actor, cameras: Collection[PublicId]) -> None:
        """Learn which cameras are adopted; a camera that is gone leaves its classes. Idempotent."""
        if self._store.current.cameras == frozenset(cameras):
            return

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            known = {PublicId(row["id"]) for row in conn.execute("SELECT id FROM access_camera")}
            for camera in known - frozenset(cameras):
                conn.execute("DELETE FROM access_camera WHERE id = ?", (camera,))
                _end_links(conn, camera, now_ms)
            conn.executemany("INSERT OR IGNORE INTO access_camera (id) VALUES (?)", [(item,) for item in cameras])

        await self._store.change(actor, "cameras.sync", CONFIGURE, run, detail={"cameras": len(cameras)})

    async def assign(self, actor: Actor, camera: PublicId, class_id: PublicId | None, *, shared: bool = False) -> None:
        """Say which class a camera shows from now on (None = no class).

        A camera may show several classes (`shared`, a yard): guardians then see it only while every one
        of them is open. NotFound for unknown ids.
        """

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "access_camera", camera)
            if class_id is not None:
                require(conn, "class", class_id)
            if not shared:
                _end_links(conn, camera, now_ms)
            elif class_id is not None:
                _end_link(conn, camera, class_id, now_ms)
            if class_id is not None:
                conn.execute(
                    "INSERT INTO class_camera (class, camera, since_ms) VALUES (?, ?, ?)", (class_id, camera, now_ms)
                )

        detail: dict[str, str | int | bool] = {"camera": camera, "class": class_id or "", "shared": shared}
        await self._store.change(actor, "camera.assign", CONFIGURE, run, detail=detail)

    async def release(self, actor: Actor, camera: PublicId, class_id: PublicId) -> None:
        """Say that a camera does not show a class any more, other classes of it stay. Idempotent; NotFound."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "access_camera", camera)
            require(conn, "class", class_id)
            _end_link(conn, camera, class_id, now_ms)

        detail: dict[str, str | int | bool] = {"camera": camera, "class": class_id}
        await self._store.change(actor, "camera.release", CONFIGURE, run, detail=detail)

    async def set_windows(self, actor: Actor, class_id: PublicId, windows: Iterable[Hours]) -> None:
        """Replace the viewing windows of a class; none closes it to guardians."""
        rows = [(class_id, pack_days(item.days), item.start_min, item.end_min) for item in windows]

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            require(conn, "class", class_id)
            conn.execute("DELETE FROM viewing_window WHERE class = ?", (class_id,))
            conn.executemany("INSERT INTO viewing_window (class, days, start_min, end_min) VALUES (?, ?, ?, ?)", rows)

        await self._store.change(actor, "class.windows", CONFIGURE, run, detail={"class": class_id, "rows": len(rows)})

    async def set_plan(self, actor: Actor, class_id: PublicId, plan: Sequence[PlanItem]) -> None:
        """Replace the day plan of a class; a minute without a visible block is hidden."""
        rows = [
            (
                class_id,
                pack_days(item.hours.days),
                item.hours.start_min,
                item.hours.end_min,
                item.kind,
                item.guardian_visible,
            )
            for item in plan
        ]

        def run(conn: sqlite3.Connection, _now_ms: int) -> None:
            require(conn, "class", class_id)
            conn.execute("DELETE FROM plan_block WHERE class = ?", (class_id,))
            conn.executemany(
                "INSERT INTO plan_block (class, days, start_min, end_min, kind, guardian_visible) "
                "VALUES (?, ?, ?, ?, ?, ?)",
                rows,
            )

        await self._store.change(actor, "class.plan", CONFIGURE, run, detail={"class": class_id, "rows": len(rows)})

    async def set_day(
        self, actor: Actor, date: dt.date, *, is_open: bool, as_weekday: int | None = None, label: str = ""
    ) -> None:
        """Mark a date as a holiday, or as open and run like another weekday (0 = Monday); BadInput if it is far off."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            checked_date(date, moment(self._store.current.zone, now_ms).date)
            conn.execute(
                "INSERT OR REPLACE INTO calendar_day (date, open, as_weekday, label) VALUES (?, ?, ?, ?)",
                (date.isoformat(), is_open, as_weekday, label),
            )

        detail: dict[str, str | int | bool] = {"date": date.isoformat(), "open": is_open}
        await self._store.change(actor, "calendar.set", CONFIGURE, run, detail=detail)

    async def rows(self) -> tuple[ClassRow, ...]:
        """Return all classes by name with their cameras of now."""
        now_ms = self._store.clock.now_ms()
        links = [row for row in self._store.current.class_cameras if row.holds(now_ms)]
        found = await self._store.db.read(
            lambda conn: conn.execute("SELECT id, name FROM class WHERE ended_ms IS NULL ORDER BY name, id").fetchall()
        )
        return tuple(
            ClassRow(
                PublicId(row["id"]), row["name"], tuple(link.camera for link in links if link.class_id == row["id"])
            )
            for row in found
        )

    def windows(self, class_id: PublicId) -> tuple[Hours, ...]:
        """Return the viewing windows of a class, as set."""
        rows = self._store.current.index.windows_of_class.get(class_id, ())
        return tuple(Hours(row.start_min, row.end_min, row.days) for row in rows)


def _alone(conn: sqlite3.Connection, name: str, class_id: PublicId | None = None) -> None:
    """Raise BadInput if another class is called so: lists, slips and the console know classes by their names."""
    for row in conn.execute("SELECT id, name FROM class WHERE ended_ms IS NULL"):
        if row["id"] != class_id and class_key(row["name"]) == class_key(name):
            raise BadInput("another class is called so", case="class_there", key="name", name=row["name"])


def _end_link(conn: sqlite3.Connection, camera: PublicId, class_id: PublicId, now_ms: int) -> None:
    sql = "UPDATE class_camera SET until_ms = ? WHERE camera = ? AND class = ? AND until_ms IS NULL"
    conn.execute(sql, (now_ms, camera, class_id))


def _end_links(conn: sqlite3.Connection, camera: PublicId, now_ms: int) -> None:
    conn.execute("UPDATE class_camera SET until_ms = ? WHERE camera = ? AND until_ms IS NULL", (now_ms, camera))
