"""The forms of viewing hours, day plans and the calendar: from fields to rows, and what is wrong with them.

Pure. Invariants: nothing is guessed and nothing is lost: a row that cannot be read is named with its value and a
remedy, and comes back as it was typed; a row without hours is no row; nap, toilet and changing are never visible,
whatever was ticked.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from web.room_services import HoursRow, MarkedDay, PlanRow

NEVER_VISIBLE = frozenset({"nap", "toilet", "changing"})
KINDS = ("arrival", "lesson", "meal", "nap", "toilet", "changing", "outdoors", "leaving", "other")
MOST_HOURS, MOST_BLOCKS = 6, 24
WEEKDAYS = ("0", "1", "2", "3", "4", "5", "6")
MOST_LABEL = 60
Raw: TypeAlias = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class TypedRow:
    """A row as it was typed, for a form that is shown again."""

    start: str = ""
    end: str = ""
    days: frozenset[int] = frozenset(range(5))
    kind: str = "lesson"
    visible: bool = True
    wrong: str = ""
    """Which field is wrong: start, end, days; empty = none."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong: the catalogue's `hours.bad.<what>`, the row it is in, and its value."""

    what: str
    part: str
    """hours or plan."""
    row: int
    value: str


@dataclass(slots=True)
class TypedTable:
    """A whole form: what was typed, what it means, what is wrong."""

    hours: list[TypedRow] = field(default_factory=list)
    plan: list[TypedRow] = field(default_factory=list)
    troubles: list[Trouble] = field(default_factory=list)
    hours_rows: list[HoursRow] = field(default_factory=list)
    plan_rows: list[PlanRow] = field(default_factory=list)


def minute_of(text: str) -> int | None:
    """Return the minute of the day of "07:30", "7:30", "7h30", "7.30" or "0730", 24:00 at most; None if it is no time.

    The number pad of many phones has no colon.
    """
    said = text.lower().replace("h", ":").replace(".", ":")
    if said.isascii() and said.isdigit() and len(said) in (3, 4):
        said = f"{said[:-2]}:{said[-2:]}"
    hour, colon, minute = said.partition(":")
    digits = hour.isascii() and minute.isascii() and hour.isdigit() and minute.isdigit()
    if not colon or not digits or len(hour) > 2 or len(minute) != 2 or int(minute) > 59:
        return None
    found = int(hour) * 60 + int(minute)
    return found if found <= 24 * 60 else None


def time_text(minute: int) -> str:
    """Return a minute of the day as people write it."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def typed_hours(row: HoursRow) -> TypedRow:
    """Return a row of a form for hours that stand."""
    return TypedRow(time_text(row.start_min), time_text(row.end_min), row.days)


def typed_plan(row: PlanRow) -> TypedRow:
    """Return a row of a form for a block that stands."""
    return TypedRow(time_text(row.start_min), time_text(row.end_min), row.days, row.kind, row.visible)


def read_table(form: Raw) -> TypedTable:
    """Read the form of a class; its rows are complete if there is no trouble."""
    table = TypedTable()
    for number in range(MOST_HOURS):
        typed, span = _row(form, f"g{number}", "hours", number, table.troubles)
        if typed is not None:
            table.hours.append(typed)
        if typed is not None and span is not None:
            table.hours_rows.append(HoursRow(*span, typed.days))
    for number in range(MOST_BLOCKS):
        typed, span = _row(form, f"k{number}", "plan", number, table.troubles)
        if typed is None:
            continue
        table.plan.append(typed)
        if typed.kind not in KINDS:
            table.troubles.append(Trouble("kind", "plan", number + 1, typed.kind))
        elif span is not None:
            visible = typed.visible and typed.kind not in NEVER_VISIBLE
            table.plan_rows.append(PlanRow(*span, typed.days, typed.kind, visible))
    return table


def _row(
    form: Raw, name: str, part: str, number: int, troubles: list[Trouble]
) -> tuple[TypedRow | None, tuple[int, int] | None]:
    """Return a row as typed and its minutes; no row at all where both times are empty."""
    start, end = (form.get(f"{name}_{key}", ("",))[0].strip()[:20] for key in ("tu", "den"))
    if not start and not end:
        return None, None
    days = frozenset(int(day) for day in form.get(f"{name}_thu", ()) if day in WEEKDAYS)
    kind, visible = form.get(f"{name}_loai", ("lesson",))[0][:20], f"{name}_xem" in form
    first, last = minute_of(start), minute_of(end)
    wrong, what, value = "", "", ""
    if first is None:
        wrong, what, value = "start", "time", start
    elif last is None:
        wrong, what, value = "end", "time", end
    elif first >= last:
        wrong, what, value = "end", "order", f"{start} – {end}"
    elif not days:
        wrong, what = "days", "days"
    if what:
        troubles.append(Trouble(what, part, number + 1, value))
    typed = TypedRow(start, end, days, kind, visible, wrong)
    return typed, None if what or first is None or last is None else (first, last)


def read_day(form: Raw) -> MarkedDay | Trouble:
    """Read the form of a marked day."""
    text = form.get("ngay", ("",))[0].strip()[:20]
    label = " ".join(form.get("ten", ("",))[0].split())
    how = form.get("kieu", ("",))[0]
    try:
        date = dt.date.fromisoformat(text)
    except ValueError:
        return Trouble("date", "day", 0, text)
    if len(label) > MOST_LABEL or not label.isprintable():
        return Trouble("label", "day", 0, label[:80])
    if how == "nghi":
        return MarkedDay(date, open=False, as_weekday=None, label=label)
    if how == "hoc":
        return MarkedDay(date, open=True, as_weekday=None, label=label)
    if how in WEEKDAYS:
        return MarkedDay(date, open=True, as_weekday=int(how), label=label)
    return Trouble("how", "day", 0, how[:20])
