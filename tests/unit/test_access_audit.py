"""The audit cannot be edited quietly: four attacks, and what a page reads out of it."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.access import audit
from gateway.access.audit import Checkpoint, Verdict
from gateway.access.migrations import MIGRATIONS
from gateway.core.db import Database
from tests.fakes.access_world import KEY
from tests.fakes.memory_disk import in_memory
from tests.fakes.school import NOW, pid

PUBLIC = KEY.public_key()
ROWS = 30


@pytest.fixture
def db(tmp_path: Path) -> Iterator[Database]:
    """A database with 30 audit rows and a checkpoint after every ten."""
    database = Database(in_memory(tmp_path) / "gateway.db", [MIGRATIONS])
    database.open()

    def fill(conn: sqlite3.Connection) -> None:
        for n in range(1, ROWS + 1):
            audit.append(conn, {"at_ms": NOW + n, "what": "granted", "person": pid("p"), "classes": [pid(f"k{n % 2}")]})
            if n % 10 == 0:
                audit.checkpoint(conn, KEY, NOW + n)

    database.write_sync(fill)
    yield database
    database.close()


def kept(db: Database) -> list[Checkpoint]:
    """What the hub has."""
    rows = db.read_sync(lambda conn: conn.execute("SELECT * FROM audit_checkpoint").fetchall())
    return [Checkpoint(row["seq"], row["hash"], row["signature"]) for row in rows]


def attack(db: Database, *statements: str, then: Callable[[sqlite3.Connection], None] = lambda _conn: None) -> None:
    """Do what somebody with the database file can do: without triggers."""

    def run(conn: sqlite3.Connection) -> None:
        for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            conn.execute(f"DROP TRIGGER {name}")
        conn.execute("PRAGMA defer_foreign_keys = ON")
        for statement in statements:
            conn.execute(statement)
        then(conn)

    db.write_sync(run)


def verdict(db: Database, upstream: list[Checkpoint] | None = None) -> Verdict:
    return db.read_sync(lambda conn: audit.verify(conn, PUBLIC, upstream or []))


def named(db: Database, upstream: list[Checkpoint] | None = None) -> list[tuple[str, int, int]]:
    return [(item.problem.value, item.seq, item.to_seq) for item in verdict(db, upstream).findings]


def test_an_untouched_chain_verifies(db: Database) -> None:
    """Thirty rows and three checkpoints are whole."""
    assert verdict(db, kept(db)) == Verdict(ROWS, 6)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit SET hash = zeroblob(32) WHERE seq = 5",
        "DELETE FROM audit WHERE seq = 5",
        "UPDATE audit_body SET body = '{}' WHERE seq = 5",
        "DELETE FROM audit_body WHERE seq = 5",
        "UPDATE audit_checkpoint SET seq = 1 WHERE seq = 10",
        "DELETE FROM audit_checkpoint",
    ],
)
def test_the_database_refuses_changes(db: Database, statement: str) -> None:
    """Every update and delete of audit tables aborts."""
    with pytest.raises(sqlite3.IntegrityError, match="append-only"):
        db.write_sync(lambda conn: conn.execute(statement))
    assert verdict(db).problem is None


def test_editing_a_row_is_found(db: Database) -> None:
    """Tamper 1: another body under the same hash."""
    attack(db, "UPDATE audit_body SET body = json_set(body, '$.person', 'x') WHERE seq = 7")
    assert named(db) == [("row_edited", 7, 7)]


def test_cutting_a_row_out_is_found(db: Database) -> None:
    """Tamper 2: a row gone from the middle."""
    attack(db, "DELETE FROM audit_body WHERE seq = 7", "DELETE FROM audit WHERE seq = 7")
    assert named(db) == [("row_missing", 7, 7)]


def test_erasing_a_body_only_is_found(db: Database) -> None:
    """Tamper 2b: the row stays, what it said is gone."""
    attack(db, "DELETE FROM audit_body WHERE seq = 7")
    assert named(db) == [("body_missing", 7, 7)]


def test_cutting_the_end_is_found(db: Database) -> None:
    """Tamper 3: the newest rows gone; the box's own checkpoints contradict, or the hub's if those went too."""
    hub = kept(db)
    attack(db, "DELETE FROM audit_body WHERE seq > 25", "DELETE FROM audit WHERE seq > 25")
    assert named(db) == [("tail_cut", 26, 30)]
    attack(db, "DELETE FROM audit_checkpoint WHERE seq > 25")
    assert verdict(db).problem is None
    assert named(db, hub) == [("tail_cut", 26, 30)]


def rehash(conn: sqlite3.Connection) -> None:
    """Re-make every hash from row 7 on, as somebody with the code would."""
    previous = conn.execute("SELECT hash FROM audit WHERE seq = 6").fetchone()[0]
    for seq in range(7, ROWS + 1):
        salt, body = conn.execute("SELECT salt, body FROM audit_body WHERE seq = ?", (seq,)).fetchone()
        digest = hashlib.sha256(salt + body.encode()).digest()
        made = hashlib.sha256(b"vuon-audit-1\0" + seq.to_bytes(8, "big") + previous + digest).digest()
        conn.execute(
            "UPDATE audit SET previous = ?, body_hash = ?, hash = ? WHERE seq = ?", (previous, digest, made, seq)
        )
        previous = made


def test_rewriting_history_is_found(db: Database) -> None:
    """Tamper 4: a row edited and all after it re-hashed; only what was signed before tells."""
    hub = kept(db)
    attack(db, "UPDATE audit_body SET body = '{}' WHERE seq = 7", then=rehash)
    assert named(db) == [("rewritten", 1, 10)]
    attack(db, "DELETE FROM audit_checkpoint")
    assert verdict(db).problem is None
    assert named(db, hub) == [("rewritten", 1, 10)]


def test_a_foreign_checkpoint_is_found(db: Database) -> None:
    """A checkpoint that another key signed proves nothing and is named."""
    forged = Checkpoint(10, bytes(32), bytes(64))
    assert named(db, [forged]) == [("checkpoint_forged", 10, 10)]


def test_checkpoints_come_only_when_something_happened(db: Database) -> None:
    """No new row, no new checkpoint; the fields of its event make it again."""
    assert db.write_sync(lambda conn: audit.checkpoint(conn, KEY, NOW)) is None
    db.write_sync(lambda conn: audit.append(conn, {"at_ms": NOW, "what": "x"}))
    made = db.write_sync(lambda conn: audit.checkpoint(conn, KEY, NOW))
    assert made is not None
    assert Checkpoint.from_fields({"seq": made.seq, "head": made.head, "signature": made.signed}) == made
    with pytest.raises(ValueError):
        Checkpoint.from_fields({"seq": 1})


def test_a_failed_transaction_leaves_no_row(db: Database) -> None:
    """An audit row lives and dies with what it tells."""

    def run(conn: sqlite3.Connection) -> None:
        audit.append(conn, {"at_ms": NOW, "what": "x"})
        raise RuntimeError("the fact could not be written")

    with pytest.raises(RuntimeError):
        db.write_sync(run)
    assert verdict(db).entries == ROWS


@pytest.mark.parametrize(
    "value",
    [
        "Nguyễn Thị Hoa",
        "Hoa Nguyen",
        "Bé",
        "0912345678",
        "+84912345678",
        "02253123118",
        ["ok", "Bé An"],
        {"who": "Cô Hà"},
        "a" * 200,
    ],
)
def test_a_body_holds_no_words_of_people(db: Database, value: object) -> None:
    """A name, a phone number or a sentence is refused before it is written, wherever in the body it stands."""
    with pytest.raises(ValueError, match="no words of people"):
        db.write_sync(lambda conn: audit.append(conn, {"at_ms": NOW, "what": "x", "detail": value}))
    assert verdict(db).entries == ROWS


def test_who_looked_at_a_class(db: Database) -> None:
    """A class's page lists the looks at it, newest first, and not those at another class."""
    looks = db.read_sync(lambda conn: audit.looks(conn, pid("k1"), limit=3))
    assert [look.seq for look in looks] == [29, 27, 25]
    assert db.read_sync(lambda conn: audit.looks(conn, pid("k1"), since_ms=NOW + 28))[0].seq == 29
    assert db.read_sync(lambda conn: audit.entries(conn, person=pid("q"))) == []
    assert len(db.read_sync(lambda conn: audit.entries(conn, person=pid("p"), limit=5))) == 5
