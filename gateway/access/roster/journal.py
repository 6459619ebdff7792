"""Rows that one act wrote, so that it can be undone exactly.

Owns the journal of an act and its undoing. Invariants: undoing is all or nothing: every row is as the act left it and
nothing new refers to a row the act made, else what stands in the way is named and nothing happens; afterwards the
tables are, byte for byte, what they were before the act. Values in the journal that were sealed stay so, and the
journal itself is sealed where it is kept.
"""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

TABLES = frozenset(
    {"person", "guardian_phone", "child", "class", "enrolment", "guardian", "teaching", "consent", "resolution"}
)
"""Whose rows an act may write here."""


class Blocker(NamedTuple):
    """A row that was built upon the act."""

    table: str
    about: tuple[str, str] | None
    """Table and id of the child, person or class it concerns."""


class Journal:
    """Writes rows and remembers how each was before."""

    def __init__(self, conn: sqlite3.Connection) -> None:
        self._conn = conn
        self._before: dict[tuple[str, Any], dict[str, Any] | None] = {}
        """Table and key to the row as it was, None if it was not there; in the order of writing."""

    def insert(self, table: str, values: Mapping[str, Any]) -> Any:
        """Write a new row; returns its key."""
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        sql = f"INSERT INTO {_ours(table)} ({names}) VALUES ({marks})"  # noqa: S608 - our own table and column names
        done = self._conn.execute(sql, tuple(values.values()))
        key = values.get("id", done.lastrowid)
        self._before[table, key] = None
        return key

    def update(self, table: str, key: Any, values: Mapping[str, Any]) -> None:
        """Change a row."""
        row = _row(self._conn, table, key)
        if row is None:
            raise LookupError(table)
        self._before.setdefault((table, key), row)
        names = ", ".join(f"{name} = ?" for name in values)
        sql = f"UPDATE {_ours(table)} SET {names} WHERE id = ?"  # noqa: S608 - our own table and column names
        self._conn.execute(sql, (*values.values(), key))

    def dump(self) -> str:
        """Return the journal as JSON: keys, rows as they were, and a mark of each row as it is now."""
        items = [
            {"t": table, "k": key, "was": _packed(was), "now": _mark(_row(self._conn, table, key))}
            for (table, key), was in self._before.items()
        ]
        return json.dumps(items, separators=(",", ":"))


def undo(conn: sqlite3.Connection, dumped: str) -> tuple[Blocker, ...]:
    """Put the rows back; returns what stands in the way, and has done nothing then."""
    items = json.loads(dumped)
    made = {(item["t"], item["k"]) for item in items if item["was"] is None}
    blockers = [
        Blocker(item["t"], _about(item["t"], item["k"], row))
        for item in items
        if _mark(row := _row(conn, item["t"], item["k"])) != item["now"]
    ]
    blockers += _references(conn, made)
    if blockers:
        return tuple(dict.fromkeys(blockers))
    for item in reversed(items):
        table = _ours(item["t"])
        if item["was"] is None:
            conn.execute(f"DELETE FROM {table} WHERE id = ?", (item["k"],))  # noqa: S608 - our own table names
        else:
            was = _unpacked(item["was"])
            names = ", ".join(f"{name} = ?" for name in was)
            conn.execute(f"UPDATE {table} SET {names} WHERE id = ?", (*was.values(), item["k"]))  # noqa: S608 - the same
    return ()


def _references(conn: sqlite3.Connection, made: set[tuple[str, Any]]) -> list[Blocker]:
    """Find rows that point at a row the act made and were not made by it."""
    found: list[Blocker] = []
    keys = {table: [key for name, key in made if name == table] for table, _ in made}
    for table, column, target in _foreign_keys(conn):
        for some in _chunks(keys.get(target, [])):
            marks = ", ".join("?" * len(some))
            rows = conn.execute(f"SELECT * FROM {table} WHERE {column} IN ({marks})", some)  # noqa: S608 - the schema's
            found += [
                Blocker(table, (target, row[column]))
                for row in rows
                if "id" not in row.keys() or (table, row["id"]) not in made  # noqa: SIM118 - a Row is no mapping
            ]
    return found


def _foreign_keys(conn: sqlite3.Connection) -> list[tuple[str, str, str]]:
    tables = [row[0] for row in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [
        (table, str(row["from"]), str(row["table"]))
        for table in tables
        for row in conn.execute(f"PRAGMA foreign_key_list({table})")
    ]


def _chunks(keys: Sequence[Any], size: int = 500) -> list[Sequence[Any]]:
    return [keys[at : at + size] for at in range(0, len(keys), size)]


def _about(table: str, key: Any, row: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """Return whom a changed row concerns: the child before the person before the class."""
    if table in ("person", "child", "class"):
        return table, str(key)
    if table == "guardian_phone":
        return "person", str(key)
    for column in ("child", "person", "class"):
        if row is not None and row.get(column):
            return column, str(row[column])
    return None


def _ours(table: str) -> str:
    if table not in TABLES:
        raise ValueError(table)
    return table


def _row(conn: sqlite3.Connection, table: str, key: Any) -> dict[str, Any] | None:
    row = conn.execute(f"SELECT * FROM {_ours(table)} WHERE id = ?", (key,)).fetchone()  # noqa: S608 - our own names
    return None if row is None else dict(row)


def _mark(row: Mapping[str, Any] | None) -> str:
    return "" if row is None else hashlib.sha256(repr(sorted(row.items())).encode()).hexdigest()[:32]


def _packed(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if row is None:
        return None
    return {
        key: {"b": base64.b64encode(value).decode()} if isinstance(value, bytes) else value
        for key, value in row.items()
    }


def _unpacked(row: Mapping[str, Any]) -> dict[str, Any]:
    return {key: base64.b64decode(value["b"]) if isinstance(value, dict) else value for key, value in row.items()}
