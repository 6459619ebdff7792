"""The raised conditions in `gateway.db`: functions on one connection.

Owns the table of `schema.sql`. Invariant: the caller writes the edges and their events in one transaction.
"""

from __future__ import annotations

import sqlite3
from importlib.resources import files

from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.db import apply_schema
from gateway.health.conditions import Raised
from gateway.health.tracker import Edges

MIGRATIONS = Migrations("health")


@MIGRATIONS()
def m0001_conditions(db: UtilsDatabase) -> None:
    """Create the tables of schema.sql."""
    apply_schema(db, files("gateway.health") / "schema.sql")


def load(connection: sqlite3.Connection) -> dict[Raised, int]:
    """Return what is raised, with since when (UTC ms)."""
    rows = connection.execute("SELECT code, subject, since_ms FROM condition")
    return {Raised(row["code"], row["subject"]): row["since_ms"] for row in rows}


def save(connection: sqlite3.Connection, edges: Edges) -> None:
    """Write what changed in one look."""
    for item in edges.cleared:
        connection.execute("DELETE FROM condition WHERE code = ? AND subject = ?", item)
    for item, since_ms in edges.raised.items():
        connection.execute(
            "INSERT INTO condition (code, subject, since_ms) VALUES (?, ?, ?)"
            " ON CONFLICT (code, subject) DO UPDATE SET since_ms = excluded.since_ms",
            (*item, since_ms),
        )
