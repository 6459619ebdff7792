"""The addresses that the box gave to cameras.

Owns the table `address_lease` of `cameras.db` (schema_leases.sql). Invariants: what `remember` returned from
survives a power cut, so that an address is promised only after it is kept; a MAC has one address, an address
one MAC.
"""

from __future__ import annotations

import sqlite3
from importlib.resources import files
from ipaddress import IPv4Address

from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.clock import Clock
from gateway.core.db import Database, apply_schema

MIGRATIONS = Migrations("leases")


@MIGRATIONS()
def m0001_leases(db: UtilsDatabase) -> None:
    """Create the table."""
    apply_schema(db, files("recorder") / "schema_leases.sql")


class LeaseBook:
    """Implements what `drivers.lan.dhcp` needs; methods run on the database's own threads."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    async def leases(self) -> dict[str, IPv4Address]:
        """Return address by MAC."""
        rows = await self._db.read(lambda conn: conn.execute("SELECT mac, address FROM address_lease").fetchall())
        return {row["mac"]: IPv4Address(row["address"]) for row in rows}

    async def remember(self, mac: str, address: IPv4Address) -> None:
        """Keep a MAC's address; whoever had the address before has none any more."""
        row = (mac, str(address), self._clock.now_ms())

        def write(conn: sqlite3.Connection) -> None:
            conn.execute("DELETE FROM address_lease WHERE mac = ? OR address = ?", row[:2])
            conn.execute("INSERT INTO address_lease (mac, address, since_ms) VALUES (?, ?, ?)", row)

        await self._db.write(write)

    async def forget(self, mac: str) -> None:
        """Take a MAC's address back: it found somebody else there."""
        await self._db.write(lambda conn: conn.execute("DELETE FROM address_lease WHERE mac = ?", (mac,)))
