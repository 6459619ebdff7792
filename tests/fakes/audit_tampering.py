"""A real gateway.db with an audit, and what somebody who holds the file can do to it with sqlite3 alone."""

from __future__ import annotations

import contextlib
import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from gateway.access import audit
from gateway.access.audit import Checkpoint
from gateway.access.migrations import MIGRATIONS
from gateway.core.db import Database
from gateway.upstream import outbox
from tests.fakes.access_world import KEY
from tests.fakes.school import NOW, pid

ROWS, EVERY = 30, 10


def filled(path: Path, rows: int = ROWS) -> list[Checkpoint]:
    """Write an audit with a checkpoint after every ten rows; returns what the hub has of it."""
    database = Database(path, [MIGRATIONS, outbox.MIGRATIONS])
    database.open()

    def fill(conn: sqlite3.Connection) -> list[Checkpoint]:
        for n in range(1, rows + 1):
            audit.append(conn, {"at_ms": NOW + n, "what": "granted", "person": pid("p"), "object": pid("cam")})
            if n % EVERY == 0:
                audit.checkpoint(conn, KEY, NOW + n)
        return [point for point, _ in audit.checkpoints(conn, sparse=False)]

    try:
        return database.write_sync(fill)
    finally:
        database.close()


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The file as a thief of the disk opens it: triggers dropped, no foreign keys."""
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.row_factory = sqlite3.Row
        for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            conn.execute(f"DROP TRIGGER {name}")
        yield conn
        conn.commit()


def edit_row(conn: sqlite3.Connection, seq: int) -> None:
    """Say that somebody else looked."""
    conn.execute("UPDATE audit_body SET body = replace(body, ?, ?) WHERE seq = ?", (pid("p"), pid("q"), seq))


def remove_row(conn: sqlite3.Connection, seq: int) -> None:
    """Take one row out."""
    conn.execute("DELETE FROM audit_body WHERE seq = ?", (seq,))
    conn.execute("DELETE FROM audit WHERE seq = ?", (seq,))


def cut_tail(conn: sqlite3.Connection, seq: int) -> None:
    """Take this row and all after it out, and the checkpoints that would tell."""
    for table in ("audit_body", "audit", "audit_checkpoint"):
        conn.execute(f"DELETE FROM {table} WHERE seq >= ?", (seq,))


def rewrite(conn: sqlite3.Connection, seq: int) -> None:
    """Edit a row, re-make every hash from it on as our own code would, and forget the later checkpoints."""
    edit_row(conn, seq)
    rehash(conn, seq)
    conn.execute("DELETE FROM audit_checkpoint WHERE seq >= ?", (seq,))


def rehash(conn: sqlite3.Connection, first: int, last: int = 1 << 40) -> None:
    """Re-make the hashes of rows."""
    before = conn.execute("SELECT hash FROM audit WHERE seq < ? ORDER BY seq DESC LIMIT 1", (first,)).fetchone()
    previous = before["hash"] if before else bytes(32)
    rows = conn.execute("SELECT * FROM audit_body WHERE seq BETWEEN ? AND ? ORDER BY seq", (first, last)).fetchall()
    for row in rows:
        digest = hashlib.sha256(row["salt"] + row["body"].encode()).digest()
        made = hashlib.sha256(b"vuon-audit-1\0" + row["seq"].to_bytes(8, "big") + previous + digest).digest()
        conn.execute(
            "UPDATE audit SET previous = ?, body_hash = ?, hash = ? WHERE seq = ?", (previous, digest, made, row["seq"])
        )
        previous = made


ATTACKS: Mapping[str, Callable[[sqlite3.Connection, int], None]] = {
    "row_edited": edit_row,
    "row_missing": remove_row,
    "tail_cut": cut_tail,
    "rewritten": rewrite,
}
"""The four attacks, under the name that each must be found by."""


def write_points(path: Path, points: list[Checkpoint], *, form: str = "lines") -> Path:
    """Keep checkpoints as somebody elsewhere does: printed lines, or the hub's JSON."""
    if form == "hub":
        text = "\n".join(json.dumps({"type": "audit.checkpoint.v1", "data": point.fields}) for point in points)
    else:
        text = "\n".join(f"{point.seq} {point.head} {point.signed}" for point in points)
    key = KEY.public_key().public_bytes_raw().hex()
    path.write_text(f"# vuon-audit-checkpoints-1\n# box-key {key}\n{text}\n", encoding="utf-8")
    return path
