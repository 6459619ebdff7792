"""Why footage is held is sealed, also what an older version wrote in clear."""

from __future__ import annotations

import sqlite3
from functools import partial
from pathlib import Path

import pytest

from gateway.core.db import Database
from gateway.core.errors import KeyLocked
from gateway.core.model import PublicId, new_public_id
from gateway.core.secrets import SealKey
from recorder.holdreasons import HoldReasons
from recorder.holds import read_placed
from recorder.registry import MIGRATIONS
from tests.fakes.canary import every_byte
from tests.fakes.clock import FakeClock
from tests.fakes.recording import books, new_camera

pytestmark = pytest.mark.anyio
WHY = "bé Bông bị ngã ở cầu trượt số chín"
SEAL = SealKey(b"k" * 32)


async def _old_hold(path: Path) -> PublicId:
    """Write a hold as the version before did, and close the database without emptying its log."""
    hold = new_public_id()
    async with books(path, FakeClock()) as own:
        camera = await own.registry.add(new_camera())
        row = (hold, camera.id, new_public_id(), WHY)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO hold (public_id, camera_id, start_ms, end_ms, until_ms, who, why, placed_ms)"
                " VALUES (?1, ?2, 1, 2, 9, ?3, ?4, 1)",
                row,
            )

        await own.db.write(write)
    return hold


async def test_reasons_of_before_are_sealed_and_leave_no_trace(tmp_path: Path) -> None:
    """Existing holds keep working; the clear text is in no page and no log any more; a second start does nothing."""
    hold = await _old_hold(tmp_path)
    assert WHY.encode() in every_byte(tmp_path)
    async with books(tmp_path, FakeClock()) as own:
        reasons = HoldReasons(SEAL)
        assert await reasons.seal_all(own.db) == 1
        assert await reasons.seal_all(own.db) == 0
        (placed,) = await own.db.read(lambda db: read_placed(db, reasons))
        assert (placed.id, placed.order.why) == (hold, WHY)
        assert WHY.encode() not in every_byte(tmp_path)
    assert WHY.encode() not in every_byte(tmp_path)


async def test_a_reason_cannot_be_moved_or_read_elsewhere(tmp_path: Path) -> None:
    """It opens in its own row with this box's key only."""
    await _old_hold(tmp_path)
    await _old_hold_of_another(tmp_path)
    async with books(tmp_path, FakeClock()) as own:
        reasons = HoldReasons(SEAL)
        await reasons.seal_all(own.db)
        with pytest.raises(KeyLocked):
            await own.db.read(lambda db: read_placed(db, HoldReasons(SealKey(b"x" * 32))))

        def swap(connection: sqlite3.Connection) -> None:
            (first, second) = [row[0] for row in connection.execute("SELECT why_sealed FROM hold ORDER BY id")]
            connection.execute("UPDATE hold SET why_sealed = ? WHERE id = 1", (second,))
            connection.execute("UPDATE hold SET why_sealed = ? WHERE id = 2", (first,))

        await own.db.write(swap)
        with pytest.raises(KeyLocked):
            await own.db.read(lambda db: read_placed(db, reasons))


async def _old_hold_of_another(path: Path) -> None:
    async with books(path, FakeClock()) as own:
        row = (new_public_id(), new_public_id())
        await own.db.write(
            lambda db: db.execute(
                "INSERT INTO hold (public_id, camera_id, start_ms, end_ms, until_ms, who, why, placed_ms)"
                " VALUES (?1, 1, 1, 2, 9, ?2, 'khác', 1)",
                row,
            )
        )


def _add(row: tuple[str, str], connection: sqlite3.Connection) -> None:
    connection.execute("INSERT INTO volume VALUES (?, ?, 1)", row)


async def test_scrubbing_keeps_everything_else(tmp_path: Path) -> None:
    """After the rewriting every row is there, writes go on, and the log is empty."""
    async with Database(tmp_path / "a.db", [MIGRATIONS]) as db:
        for number in range(50):
            row = (str(number), "v" * 16)
            await db.write(partial(_add, row))
        await db.write(lambda con: con.execute("DELETE FROM volume WHERE path = '7'"))
        await db.scrub()
        assert (tmp_path / "a.db-wal").stat().st_size == 0
        assert (await db.read(lambda con: con.execute("SELECT count(*) FROM volume").fetchone()))[0] == 49
        await db.write(lambda con: con.execute("INSERT INTO volume VALUES ('new', ?, 1)", ("v" * 16,)))
        assert (await db.read(lambda con: con.execute("SELECT count(*) FROM volume").fetchone()))[0] == 50
