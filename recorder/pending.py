"""Passwords we gave to cameras that are not adopted yet.

Owns the table `pending_login` of `cameras.db` (pending.sql) and the error of a login that such a camera
refuses. Invariants: a password is stored, sealed and on
disk, before a camera is told it, so that no power cut leaves a camera whose password nobody knows; it
stays until the camera is adopted; one an address: a camera that has no password yet gets the one kept for
its address, since an earlier try may have reached it.
"""

from __future__ import annotations

import sqlite3
from importlib.resources import files

from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.clock import Clock
from gateway.core.db import Database, apply_schema
from gateway.core.errors import CameraLoginRefused
from gateway.core.model import Login, Secret
from gateway.core.secrets import SealKey

MIGRATIONS = Migrations("pending")


@MIGRATIONS()
def m0001(db: UtilsDatabase) -> None:
    """Create the table."""
    apply_schema(db, files("recorder") / "pending.sql")


def _context(address: str) -> str:
    return f"pending:{address}"


class PendingLogins:
    """Logins by address; methods run on the database's own threads."""

    def __init__(self, db: Database, seal: SealKey, clock: Clock) -> None:
        self._db, self._seal, self._clock = db, seal, clock

    async def find(self, address: str) -> Login | None:
        """Return the login kept for an address; None without one."""
        row = await self._db.read(
            lambda connection: connection.execute(
                "SELECT username, password FROM pending_login WHERE address = ?", (address,)
            ).fetchone()
        )
        if row is None:
            return None
        return Login(row["username"], Secret(self._seal.unseal(row["password"], _context(address)).decode()))

    async def keep(self, address: str, login: Login) -> Login:
        """Keep a login for an address and return it; the one that is kept there already goes before."""
        sealed = self._seal.seal(login.password.reveal().encode(), _context(address))
        row = (address, login.username, sealed, self._clock.now_ms())
        await self._db.write(
            lambda connection: connection.execute(
                "INSERT INTO pending_login VALUES (?, ?, ?, ?) ON CONFLICT (address) DO NOTHING", row
            )
        )
        kept = await self.find(address)
        assert kept is not None
        return kept

    async def forget(self, address: str) -> None:
        """Drop what is kept for an address: its camera was adopted, or certainly took no password."""

        def drop(connection: sqlite3.Connection) -> None:
            connection.execute("DELETE FROM pending_login WHERE address = ?", (address,))

        await self._db.write(drop)


def refused_first(
    error: CameraLoginRefused, address: str, login: Login | None, kept: Login | None
) -> CameraLoginRefused:
    """Return the error of a camera that is not ours yet: nothing of it can be set, another login has to be given."""
    case = "login_wanted" if login is None else "login_kept" if login is kept else "login_first"
    return CameraLoginRefused(error.message, **error.fields | {"address": address, "case": case})
