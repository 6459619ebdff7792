"""One database: transactions, the writer thread, migrations."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest
from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.db import Database, apply_schema

pytestmark = pytest.mark.anyio

SCHEMA = """-- a comment; with a semicolon
create table fact (
  id integer primary key,
  name text not null check (name <> '')  -- never empty; really
);
create table child (fact integer not null references fact (id));
create trigger no_edit before update on fact begin select raise(abort, 'append only'); end;
"""


def migrations(tmp_path: Path, *, second: bool = False) -> Migrations:
    schema = tmp_path / "schema.sql"
    schema.write_text(SCHEMA, encoding="utf-8")
    steps = Migrations("test")

    @steps()
    def m0001(db: UtilsDatabase) -> None:
        apply_schema(db, schema)

    if second:

        @steps()
        def m0002(db: UtilsDatabase) -> None:
            db.table("fact").add_column("note", str)

    return steps


def add(name: str, connection: sqlite3.Connection) -> int:
    return int(connection.execute("INSERT INTO fact (name) VALUES (?)", (name,)).lastrowid or 0)


def names(connection: sqlite3.Connection) -> list[str]:
    return [row["name"] for row in connection.execute("SELECT name FROM fact ORDER BY id")]


async def test_what_was_written_is_read(tmp_path: Path) -> None:
    """A committed write is seen by the next read and after opening again."""
    async with Database(tmp_path / "d.db", [migrations(tmp_path)]) as db:
        assert await db.write(lambda c: add("một", c)) == 1
        assert await db.read(names) == ["một"]
    async with Database(tmp_path / "d.db", [migrations(tmp_path)]) as db:
        assert await db.read(names) == ["một"]


async def test_a_failed_write_leaves_nothing_and_raises(tmp_path: Path) -> None:
    """An exception inside a write undoes all of it and reaches the caller; the next write works."""

    def half(connection: sqlite3.Connection) -> None:
        add("a", connection)
        add("", connection)

    async with Database(tmp_path / "d.db", [migrations(tmp_path)]) as db:
        with pytest.raises(sqlite3.IntegrityError):
            await db.write(half)
        await db.write(lambda c: add("b", c))
        assert await db.read(names) == ["b"]


async def test_foreign_keys_and_triggers_hold(tmp_path: Path) -> None:
    """The schema's own rules are on: references and append-only triggers."""
    async with Database(tmp_path / "d.db", [migrations(tmp_path)]) as db:
        await db.write(lambda c: add("a", c))
        with pytest.raises(sqlite3.IntegrityError):
            await db.write(lambda c: c.execute("INSERT INTO child VALUES (99)"))
        with pytest.raises(sqlite3.IntegrityError, match="append only"):
            await db.write(lambda c: c.execute("UPDATE fact SET name = 'x'"))


async def test_all_writes_run_on_one_thread_that_is_not_the_loops(tmp_path: Path) -> None:
    """Writes from many callers are serial on the writer's own thread."""
    async with Database(tmp_path / "d.db", [migrations(tmp_path)]) as db:
        threads = await asyncio.gather(*(db.write(lambda c: threading.get_ident()) for _ in range(20)))
    assert len(set(threads)) == 1
    assert threads[0] != threading.get_ident()


async def test_a_cancelled_caller_does_not_undo_or_break_its_write(tmp_path: Path) -> None:
    """Cancelling the one who waits leaves the transaction whole and the writer running."""
    gate = threading.Event()

    def slow(connection: sqlite3.Connection) -> None:
        gate.wait(10)
        add("slow", connection)

    async with Database(tmp_path / "d.db", [migrations(tmp_path)]) as db:
        task = asyncio.create_task(db.write(slow))
        await asyncio.sleep(0)
        task.cancel()
        gate.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await db.write(lambda c: add("next", c))
        assert "next" in await db.read(names)


async def test_readers_cannot_write(tmp_path: Path) -> None:
    """A read connection refuses to change anything."""
    async with Database(tmp_path / "d.db", [migrations(tmp_path)]) as db:
        with pytest.raises(sqlite3.OperationalError):
            await db.read(lambda c: add("x", c))


async def test_an_upgraded_database_equals_a_fresh_one(tmp_path: Path) -> None:
    """Steps are applied once each, and old files end with the schema of new ones."""

    def shape(connection: sqlite3.Connection) -> list[str]:
        return [row[1] for row in connection.execute("PRAGMA table_info(fact)")]

    async with Database(tmp_path / "old.db", [migrations(tmp_path)]) as db:
        await db.write(lambda c: add("kept", c))
    async with Database(tmp_path / "old.db", [migrations(tmp_path, second=True)]) as db:
        upgraded = await db.read(shape)
        assert await db.read(names) == ["kept"]
    async with Database(tmp_path / "new.db", [migrations(tmp_path, second=True)]) as db:
        assert await db.read(shape) == upgraded


async def test_commits_are_durable_and_the_file_is_private(tmp_path: Path) -> None:
    """The writer runs WAL with synchronous FULL, and nobody else may open the file."""

    def pragmas(connection: sqlite3.Connection) -> tuple[str, int, int]:
        return tuple(
            connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "synchronous", "foreign_keys")
        )

    async with Database(tmp_path / "d.db", [migrations(tmp_path)]) as db:
        assert await db.write(pragmas) == ("wal", 2, 1)
        assert (tmp_path / "d.db").stat().st_mode & 0o077 == 0


def test_a_closed_database_refuses_work(tmp_path: Path) -> None:
    """Using a database outside its life is a bug and says so."""
    db = Database(tmp_path / "d.db", [migrations(tmp_path)])
    with pytest.raises(RuntimeError):
        db.write_sync(names)
    db.open()
    assert db.write_sync(lambda c: add("a", c)) == 1
    assert db.read_sync(names) == ["a"]
    db.close()
    with pytest.raises(RuntimeError):
        db.write_sync(names)


async def test_a_commit_that_fails_does_not_block_the_next_write(tmp_path: Path) -> None:
    """A constraint that speaks only at COMMIT undoes its own write and no other."""

    def orphan(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA defer_foreign_keys = ON")
        connection.execute("INSERT INTO child (fact) VALUES (99)")

    async with Database(tmp_path / "d.db", [migrations(tmp_path)]) as db:
        with pytest.raises(sqlite3.IntegrityError):
            await db.write(orphan)
        await db.write(lambda c: add("b", c))
        assert await db.read(names) == ["b"]


async def test_a_transaction_that_sqlite_ended_itself_raises_its_own_error(tmp_path: Path) -> None:
    """When SQLite has rolled back already, the caller hears why, not that there is nothing to roll back."""

    def twice(connection: sqlite3.Connection) -> None:
        add("a", connection)
        connection.execute("INSERT OR ROLLBACK INTO fact (id, name) VALUES (1, 'b')")

    async with Database(tmp_path / "d.db", [migrations(tmp_path)]) as db:
        with pytest.raises(sqlite3.IntegrityError):
            await db.write(twice)
        await db.write(lambda c: add("c", c))
        assert await db.read(names) == ["c"]


def test_a_write_that_meets_the_closing_ends(tmp_path: Path) -> None:
    """A write that comes while the last one still runs is refused; nobody waits for an answer for ever."""
    db = Database(tmp_path / "d.db", [migrations(tmp_path)])
    db.open()
    started, go = threading.Event(), threading.Event()

    def slow(connection: sqlite3.Connection) -> int:
        started.set()
        go.wait(20)
        return add("last", connection)

    running = threading.Thread(target=lambda: db.write_sync(slow))
    running.start()
    assert started.wait(20)
    closing = threading.Thread(target=db.close)
    closing.start()
    outcome: list[object] = []

    def late() -> None:
        while not outcome:
            try:
                db.write_sync(lambda c: add("late", c))
            except RuntimeError as error:
                outcome.append(error)

    knocking = threading.Thread(target=late, daemon=True)
    knocking.start()
    go.set()
    for thread in (running, closing, knocking):
        thread.join(20)
        assert not thread.is_alive()
    assert isinstance(outcome[0], RuntimeError)


def test_a_database_knows_whether_its_writer_lives(tmp_path: Path) -> None:
    """Alive from open to close: what the daemon's watchdog asks."""
    db = Database(tmp_path / "d.db", [migrations(tmp_path)])
    seen = [db.alive]
    db.open()
    seen.append(db.alive)
    db.close()
    seen.append(db.alive)
    assert seen == [False, True, False]


def test_a_database_that_is_not_open_answers_nothing(tmp_path: Path) -> None:
    """Reading needs an open database too; asking makes no file."""
    db = Database(tmp_path / "d.db", [migrations(tmp_path)])
    with pytest.raises(RuntimeError):
        db.read_sync(names)
    assert not (tmp_path / "d.db").exists()


def test_a_database_whose_disk_went_is_not_made_anew(tmp_path: Path) -> None:
    """Reading fails; nothing is written below the empty mount point."""
    mount = tmp_path / "a disk?mode=x&y#z %41"
    db = Database(mount / "d.db", [migrations(tmp_path)])
    db.open()
    try:
        mount.rename(tmp_path / "unplugged")
        mount.mkdir()
        with pytest.raises(sqlite3.OperationalError):
            db.read_sync(names)
        assert list(mount.iterdir()) == []
    finally:
        db.close()
    again = Database(tmp_path / "unplugged" / "d.db", [migrations(tmp_path)])
    again.open()
    try:
        assert again.read_sync(names) == []
    finally:
        again.close()
