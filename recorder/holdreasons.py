"""Why footage is held: free text about an incident, sealed.

Owns the column `hold.why_sealed` (schema_holds.sql) and what becomes of texts that were written before it was there.
Invariants: a reason is bound to its hold; `hold.why` stays empty; texts of before are sealed at the first
start, and the pages and log that held them in clear are rewritten, so that a copy of the file does not show them.
"""

from __future__ import annotations

import sqlite3
from importlib.resources import files

from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.db import Database, apply_schema
from gateway.core.model import PublicId
from gateway.core.secrets import SealKey

MIGRATIONS = Migrations("holds")


@MIGRATIONS()
def m0001(db: UtilsDatabase) -> None:
    """Add the sealed column; it needs the table `hold`."""
    apply_schema(db, files("recorder") / "schema_holds.sql")


class HoldReasons:
    """Seals and opens reasons."""

    def __init__(self, seal: SealKey) -> None:
        self._seal = seal

    def seal(self, hold: PublicId, why: str) -> bytes:
        """Return the sealed reason of a hold."""
        return self._seal.seal(why.encode(), f"hold.why:{hold}")

    def open(self, row: sqlite3.Row) -> str:
        """Return the reason in a row of `hold`; KeyLocked if it was sealed by another box."""
        if row["why_sealed"] is None:
            return str(row["why"])
        return self._seal.unseal(row["why_sealed"], f"hold.why:{row['public_id']}").decode()

    async def seal_all(self, db: Database) -> int:
        """Seal what is still clear; returns how many reasons that were."""

        def seal(connection: sqlite3.Connection) -> int:
            rows = connection.execute("SELECT id, public_id, why FROM hold WHERE why_sealed IS NULL").fetchall()
            connection.executemany(
                "UPDATE hold SET why = '', why_sealed = ? WHERE id = ?",
                [(self.seal(PublicId(row["public_id"]), row["why"]), row["id"]) for row in rows],
            )
            return len(rows)

        count = await db.write(seal)
        if count:
            await db.scrub()
        return count
