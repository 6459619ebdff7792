"""Passwords of cameras that are not adopted yet: on disk, sealed, never overwritten."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from gateway.core.db import Database
from gateway.core.errors import KeyLocked
from gateway.core.model import Login, Secret
from gateway.core.secrets import SealKey
from recorder.pending import MIGRATIONS, PendingLogins
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.anyio
KEY = SealKey(b"k" * 32)
LOGIN = Login("admin", Secret("A1b2C3d4E5f6G7h8"))


@asynccontextmanager
async def logins(root: Path, key: SealKey = KEY) -> AsyncIterator[PendingLogins]:
    async with Database(root / "cameras.db", [MIGRATIONS]) as db:
        yield PendingLogins(db, key, FakeClock())


async def test_a_password_outlives_the_process(tmp_path: Path) -> None:
    """What was kept is found by the next run."""
    async with logins(tmp_path) as pending:
        assert await pending.keep("10.0.0.9", LOGIN) == LOGIN
    async with logins(tmp_path) as pending:
        assert await pending.find("10.0.0.9") == LOGIN
        assert await pending.find("10.0.0.8") is None


async def test_the_first_one_stays(tmp_path: Path) -> None:
    """An earlier try may have reached the camera: a second password does not take the first one's place."""
    async with logins(tmp_path) as pending:
        await pending.keep("10.0.0.9", LOGIN)
        assert await pending.keep("10.0.0.9", Login("admin", Secret("another-one-1A"))) == LOGIN


async def test_it_is_sealed_to_its_address(tmp_path: Path) -> None:
    """Nothing in the file is readable, another key or another address opens nothing."""
    async with logins(tmp_path) as pending:
        await pending.keep("10.0.0.9", LOGIN)
    assert all(b"A1b2C3d4" not in path.read_bytes() for path in tmp_path.iterdir())
    async with logins(tmp_path, SealKey(b"x" * 32)) as pending:
        with pytest.raises(KeyLocked):
            await pending.find("10.0.0.9")
    connection = sqlite3.connect(tmp_path / "cameras.db")
    connection.execute("UPDATE pending_login SET address = '10.0.0.8'")
    connection.commit()
    connection.close()
    async with logins(tmp_path) as pending:
        with pytest.raises(KeyLocked):
            await pending.find("10.0.0.8")


async def test_it_is_forgotten_on_request(tmp_path: Path) -> None:
    """After adoption nothing is left; forgetting nothing is harmless."""
    async with logins(tmp_path) as pending:
        await pending.keep("10.0.0.9", LOGIN)
        await pending.forget("10.0.0.9")
        await pending.forget("10.0.0.9")
        assert await pending.find("10.0.0.9") is None
