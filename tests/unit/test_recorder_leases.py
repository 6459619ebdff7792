"""The book of addresses the box gave."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from gateway.core.db import Database
from recorder.leases import MIGRATIONS, LeaseBook
from recorder.registry import MIGRATIONS as CAMERAS
from tests.fakes.clock import NOON_MS, FakeClock

pytestmark = pytest.mark.anyio
A, B = "44:19:b6:00:00:01", "44:19:b6:00:00:02"
FIRST, SECOND = IPv4Address("192.168.10.100"), IPv4Address("192.168.10.101")


async def test_an_address_is_there_after_a_restart(tmp_path: Path) -> None:
    """With when it was given."""
    async with Database(tmp_path / "cameras.db", [CAMERAS, MIGRATIONS]) as db:
        await LeaseBook(db, FakeClock()).remember(A, FIRST)
    async with Database(tmp_path / "cameras.db", [CAMERAS, MIGRATIONS]) as db:
        assert await LeaseBook(db, FakeClock()).leases() == {A: FIRST}
        rows = await db.read(lambda conn: conn.execute("SELECT since_ms FROM address_lease").fetchall())
    assert [row["since_ms"] for row in rows] == [NOON_MS]


async def test_an_address_has_one_owner(tmp_path: Path) -> None:
    """Giving it to another takes it from the first; a MAC that gets another address has only that."""
    async with Database(tmp_path / "cameras.db", [MIGRATIONS]) as db:
        book = LeaseBook(db, FakeClock())
        await book.remember(A, FIRST)
        await book.remember(B, FIRST)
        assert await book.leases() == {B: FIRST}
        await book.remember(B, SECOND)
        assert await book.leases() == {B: SECOND}
        await book.forget(B)
        await book.forget(A)
        assert await book.leases() == {}


async def test_the_table_comes_to_a_database_that_has_cameras(tmp_path: Path) -> None:
    """A box of an older version gets it at its next start and loses nothing."""
    async with Database(tmp_path / "cameras.db", [CAMERAS]) as db:
        await db.write(lambda conn: conn.execute("INSERT INTO fact VALUES ('box_id', 'x')"))
    async with Database(tmp_path / "cameras.db", [CAMERAS, MIGRATIONS]) as db:
        await LeaseBook(db, FakeClock()).remember(A, FIRST)
        assert await db.read(lambda conn: conn.execute("SELECT count(*) FROM fact").fetchone()[0]) == 1
