"""The audit as people read it: a page of lines, newest first, of the school, a class, or one person.

Owns reading rows into lines and the groups of acts. Reads only; who may read what is decided before, whose names are
shown is decided after (`gateway.roofs.ledger_port`). Invariants: a page is bounded in lines and in rows looked at, and
says where the next one begins; a line holds ids and codes; how long a look lasted comes from the row of its end.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, TypeAlias

from gateway.access.audit_lines import Line
from gateway.access.audit_looks import Seam
from gateway.core.model import Action, PublicId

LINES, MOST_LINES = 80, 200
"""Rows of a page at least, and at most if it is to end between looks (in an hour when everybody looks it does not)."""
LOOKED_AT = 20_000
"""Rows of one page at most, about 0.2 s; the page then goes on by itself from where it stopped."""
END = 1 << 62


class Group(StrEnum):
    """What an act is about, as the page filters."""

    LOOK = "look"
    COPY = "copy"
    DENIED = "denied"
    PEOPLE = "people"
    CONFIG = "config"


_PEOPLE = (
    "person.", "child.", "guardian.", "teacher.", "consent.", "code.", "slip.", "device.", "session.", "login",
    "logout", "player.", "class.pause", "class.resume", "pause.", "sharing.", "observation.", "audit.erase",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a page asks for; None is no limit. Times UTC ms, half open."""

    group: Group | None = None
    person: PublicId | None = None
    """Who acted, or whom the act is about."""
    class_id: PublicId | None = None
    camera: PublicId | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    before: int = END
    """Rows with smaller numbers."""


@dataclass(frozen=True, slots=True)
class Page:
    """Lines, newest first, and the `before` of the next page; None at the end."""

    lines: tuple[Line, ...]
    older: int | None


_Test: TypeAlias = Callable[[Line], bool]


def group_of(line: Line) -> Group:
    """Return which group an act belongs to."""
    what = line.text("what")
    if what.startswith("denied") or what.endswith(".refused"):
        return Group.DENIED
    if what.startswith(("hold.", "export.")) or (what == "granted" and line.text("action") == Action.EXPORT):
        return Group.COPY
    if what in {"granted", "ended"}:
        return Group.LOOK
    return Group.PEOPLE if what.startswith(_PEOPLE) else Group.CONFIG


def page(conn: sqlite3.Connection, wanted: Wanted, *, lines: int = LINES, most: int = 0) -> Page:
    """Return one page of everything; with `most` up to that many rows, so that it ends between looks."""
    return _page(conn, wanted, _fits(wanted), lines, most)


def looks_at(
    conn: sqlite3.Connection, class_id: PublicId, wanted: Wanted, *, lines: int = LINES, most: int = 0
) -> Page:
    """Return who looked at a class: live, stills, recorded time, copies; by whomever, the console too."""

    def fits(line: Line) -> bool:
        return line.text("what") == "granted" and class_id in line.classes

    return _page(conn, wanted, fits, lines, most)


def of_person(conn: sqlite3.Connection, person: PublicId, wanted: Wanted, *, lines: int = LINES, most: int = 0) -> Page:
    """Return what a person did, and what others did about that person; ends of looks are told with the looks."""

    def fits(line: Line) -> bool:
        return line.text("what") != "ended" and (line.text("person") == person or person in line.people)

    return _page(conn, replace(wanted, person=person), fits, lines, most)


def _fits(wanted: Wanted) -> _Test:
    def test(line: Line) -> bool:
        return (
            (wanted.group is None or group_of(line) is wanted.group)
            and (wanted.person is None or wanted.person == line.text("person") or wanted.person in line.people)
            and (wanted.class_id is None or wanted.class_id in line.classes)
            and (wanted.camera is None or wanted.camera == line.camera)
            # The end of a look is told with the look; in a list of everything it has its own line.
            and (wanted.group is not Group.LOOK or line.text("what") == "granted")
        )

    return test


def _page(conn: sqlite3.Connection, wanted: Wanted, fits: _Test, least: int, most: int) -> Page:
    found: list[Line] = []
    looked, last, most, seam = 0, wanted.before, max(least, most), Seam()
    for row in _rows(conn, wanted):
        if len(found) >= most or looked == LOOKED_AT:
            return Page(_with_ends(conn, found), last)
        line = Line(row["seq"], json.loads(row["body"]))
        shown = fits(line)
        if len(found) >= least and shown and seam.before(line):
            return Page(_with_ends(conn, found), last)
        looked, last = looked + 1, row["seq"]
        seam.take(line, shown=shown)
        if shown:
            found.append(line)
    return Page(_with_ends(conn, found), None)


def _rows(conn: sqlite3.Connection, wanted: Wanted) -> Iterator[sqlite3.Row]:
    """Yield the rows of the narrowest index, newest first."""
    values = {
        "before": wanted.before, "person": wanted.person, "from": wanted.from_ms or 0,
        "to": END if wanted.to_ms is None else wanted.to_ms, "most": LOOKED_AT + 1,
    }  # fmt: skip
    day = wanted.from_ms is not None or wanted.to_ms is not None
    hours = "AND at_ms >= :from AND at_ms < :to" if day else ""
    if wanted.person is not None and not day:
        sql = "SELECT seq, body FROM audit_body WHERE seq < :before AND (person = :person OR object = :person"
        sql += " OR json_extract(body, '$.who') = :person)"
    else:
        index = "INDEXED BY audit_body_at" if day else "NOT INDEXED"
        sql = f"SELECT seq, body FROM audit_body {index} WHERE seq < :before {hours}"  # noqa: S608 - our own words
    yield from conn.execute(f"{sql} ORDER BY seq DESC LIMIT :most", values)


def _with_ends(conn: sqlite3.Connection, lines: Iterable[Line]) -> tuple[Line, ...]:
    """Add to each look how long it lasted."""
    listed = tuple(lines)
    cameras = {line.camera for line in listed if line.what == "granted.live" and line.camera is not None}
    if not cameras:
        return listed
    first = min(line.seq for line in listed)
    marks = ", ".join("?" * len(cameras))
    sql = (
        f"SELECT body FROM audit_body WHERE object IN ({marks}) AND seq > ? "  # noqa: S608 - question marks
        "AND json_extract(body, '$.what') = 'ended' ORDER BY seq LIMIT ?"
    )
    ends = {}
    for (text,) in conn.execute(sql, (*cameras, first, LOOKED_AT)):
        body = json.loads(text)
        ends[str(body.get("grant"))] = body
    return tuple(_ended(line, ends.get(line.text("grant"))) for line in listed)


def _ended(line: Line, end: Mapping[str, Any] | None) -> Line:
    if end is None or line.what != "granted.live":
        return line
    return replace(line, seconds=int(end.get("seconds", 0)), ended=str(end.get("reason", "")))


def labels(conn: sqlite3.Connection, devices: Iterable[str]) -> dict[str, str]:
    """Return how devices and logins are called, by the id that rows name them with."""
    found: dict[str, str] = {}
    for table in ("device", "login_session"):
        for device in devices:
            row = conn.execute(f"SELECT label FROM {table} WHERE id = ?", (device,)).fetchone()  # noqa: S608 - ours
            if row is not None and row["label"]:
                found[device] = row["label"]
    return found
