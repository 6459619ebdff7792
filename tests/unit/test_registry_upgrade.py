"""cameras.db of an older version becomes what a new one is."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path

import pytest
from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.db import Database, apply_schema
from recorder.registry import MIGRATIONS
from tests.fakes.clock import FakeClock
from tests.fakes.recording import books, new_camera

pytestmark = pytest.mark.anyio
OLD = Path(__file__).parents[1] / "fakes" / "cameras_1.sql"
"""The schema as version 1 of this database was delivered."""


def version_1() -> Migrations:
    steps = Migrations("cameras")

    @steps()
    def m0001(db: UtilsDatabase) -> None:
        apply_schema(db, OLD)

    return steps


def _execute(sql: str, values: dict[str, object], connection: sqlite3.Connection) -> None:
    connection.execute(sql, values)


def columns_of(table: str, connection: sqlite3.Connection) -> set[str]:
    return {row["name"] for row in connection.execute(f"PRAGMA table_info({table})")}


def shape(connection: sqlite3.Connection) -> dict[str, object]:
    """Tables with columns, keys and indexes, and the number of checks: all but the text's layout."""
    names = [
        row[0]
        for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'")
    ]
    found: dict[str, object] = {}
    for name in sorted(names):
        columns = sorted(tuple(row)[1:] for row in connection.execute(f"PRAGMA table_xinfo({name})"))
        keys = [tuple(row) for row in connection.execute(f"PRAGMA foreign_key_list({name})")]
        indexes = sorted(tuple(row)[1:] for row in connection.execute(f"PRAGMA index_list({name})"))
        (text,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = ?", (name,)).fetchone()
        checks = sum(line.partition("--")[0].count("CHECK") for line in str(text).splitlines())
        found[name] = (columns, keys, indexes, checks, "STRICT" in text)
    return found


async def test_an_upgraded_database_equals_a_fresh_one(tmp_path: Path) -> None:
    """Columns, types, defaults, keys, indexes and the number of checks are the same."""
    async with Database(tmp_path / "old.db", [version_1()]):
        pass
    async with Database(tmp_path / "old.db", [MIGRATIONS]) as old, Database(tmp_path / "new.db", [MIGRATIONS]) as new:
        assert await old.read(shape) == await new.read(shape)


async def test_the_cameras_of_before_are_there_and_whole(tmp_path: Path) -> None:
    """A camera adopted by version 1 reads as one without a channel, its login unsealed."""
    async with books(tmp_path, FakeClock()) as own:
        camera = await own.registry.add(new_camera())
        rows = await own.db.read(lambda db: [dict(row) for row in db.execute("SELECT * FROM camera")])
        streams = await own.db.read(lambda db: [dict(row) for row in db.execute("SELECT * FROM stream")])
    folder = tmp_path / "old"
    folder.mkdir()
    async with Database(folder / "cameras.db", [version_1()]) as old:
        for table, found in (("camera", rows), ("stream", streams)):
            known = await old.read(partial(columns_of, table))
            for row in found:
                kept = {name: value for name, value in row.items() if name in known}
                names, marks = ", ".join(kept), ", ".join(f":{name}" for name in kept)
                sql = f"INSERT INTO {table} ({names}) VALUES ({marks})"
                await old.write(partial(_execute, sql, kept))
    async with books(folder, FakeClock()) as own:
        (again,) = await own.registry.cameras()
    assert again == camera
    assert again.about.identity.channel == 0


@pytest.mark.parametrize("channel", [-1, 257])
async def test_a_channel_is_a_small_number_on_either_database(tmp_path: Path, channel: int) -> None:
    """The check of the new column holds where it was added, too."""
    async with Database(tmp_path / "cameras.db", [version_1()]):
        pass
    async with books(tmp_path, FakeClock()) as own:
        await own.registry.add(new_camera())
        with pytest.raises(sqlite3.IntegrityError):
            await own.db.write(lambda db: db.execute("UPDATE camera SET channel = ?", (channel,)))
