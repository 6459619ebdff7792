"""Browsers that are known: where a person signed in before.

Owns `browser_mark`. Invariants: a mark is 256 random bits in a cookie of its own, kept as a hash; it opens nothing and
names nobody, it only keeps its bearer out of the queue that strangers' wrong passwords make; a person has at most
`MOST` of them, the longest unused goes first; resetting a password forgets them.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sqlite3
from collections.abc import Callable

from gateway.access.store import FactStore
from gateway.core.model import PublicId, Secret

MARK_BYTES = 32
MOST = 10


def mark_hash(mark: str) -> bytes:
    """Return what is kept of a mark."""
    return hashlib.sha256(b"vuon-mark-1\0" + mark.encode()).digest()


class Marks:
    """Knows which browser belongs to whom."""

    def __init__(self, store: FactStore, *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._store, self._random = store, random_bytes

    async def lane(self, mark: Secret | None, person: PublicId | None) -> str:
        """Return the name of a known browser's lane, "" for a browser that this person did not sign in with."""
        if mark is None:
            return ""
        kept = mark_hash(mark.reveal())
        sql = "SELECT 1 FROM browser_mark WHERE mark_hash = ? AND person = ?"
        row = await self._store.db.read(lambda conn: conn.execute(sql, (kept, person or "")).fetchone())
        return kept.hex()[:16] if row is not None else ""

    def keep(self, conn: sqlite3.Connection, mark: Secret | None, person: PublicId) -> Secret:
        """Take note, in the caller's transaction, that a person signed in here; returns the browser's mark."""
        mine = mark if mark is not None and self._known(conn, mark) else self._new()
        conn.execute(
            "INSERT INTO browser_mark (mark_hash, person, used_ms) VALUES (?, ?, ?) "
            "ON CONFLICT (mark_hash, person) DO UPDATE SET used_ms = excluded.used_ms",
            (mark_hash(mine.reveal()), person, self._store.clock.now_ms()),
        )
        conn.execute(
            "DELETE FROM browser_mark WHERE person = ? AND mark_hash NOT IN "
            "(SELECT mark_hash FROM browser_mark WHERE person = ? ORDER BY used_ms DESC, mark_hash LIMIT ?)",
            (person, person, MOST),
        )
        return mine

    def _new(self) -> Secret:
        return Secret(base64.urlsafe_b64encode(self._random(MARK_BYTES)).decode("ascii").rstrip("="))

    @staticmethod
    def _known(conn: sqlite3.Connection, mark: Secret) -> bool:
        """Say whether a mark is one of ours: one that somebody put into a browser is not taken over."""
        sql = "SELECT 1 FROM browser_mark WHERE mark_hash = ?"
        return conn.execute(sql, (mark_hash(mark.reveal()),)).fetchone() is not None
