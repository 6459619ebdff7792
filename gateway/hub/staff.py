"""The authority's people: one-use sign-in codes and sessions.

Owns the tables `code` and `session` of `hub.db`. Invariants: a code works once, only hashes are stored;
a session ends 12 hours after it began and 30 minutes after it was last used; what expired is deleted when
the next one is made.
"""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import sqlite3
from collections.abc import Callable

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.errors import CodeRefused

CODE_MS = 30 * 60_000
SESSION_MS = 12 * 3_600_000
IDLE_MS = 30 * 60_000
TOUCH_MS = 60_000
"""A session's last use is written once a minute, not at each look of an open board."""


def hashed(text: str) -> bytes:
    """Return SHA-256; enough for secrets of 80 random bits and more."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def tidy_code(text: str) -> str:
    """Return a code as it is stored: upper case, without spaces and dashes."""
    return "".join(text.upper().split()).replace("-", "")


def new_code(random_bytes: Callable[[int], bytes] = os.urandom) -> str:
    """Return a fresh 80-bit code in four groups, to be read aloud and typed."""
    raw = base64.b32encode(random_bytes(10)).decode("ascii")
    return "-".join(raw[at : at + 4] for at in range(0, 16, 4))


class Staff:
    """Codes and sessions."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    async def make_code(self) -> str:
        """Return a one-use sign-in code, valid 30 minutes."""
        code, now_ms = new_code(), self._clock.now_ms()

        def apply(db: sqlite3.Connection) -> None:
            db.execute("DELETE FROM code WHERE expires_at <= ?", (now_ms,))
            db.execute(
                "INSERT INTO code (code_hash, expires_at) VALUES (?, ?)", (hashed(tidy_code(code)), now_ms + CODE_MS)
            )

        await self._db.write(apply)
        return code

    async def redeem(self, code: str) -> str:
        """Trade a code for a session token; CodeRefused if it is unknown, used or expired."""
        wanted, token, now_ms = hashed(tidy_code(code)), secrets.token_urlsafe(32), self._clock.now_ms()

        def apply(db: sqlite3.Connection) -> None:
            row = db.execute("DELETE FROM code WHERE code_hash = ? RETURNING expires_at", (wanted,)).fetchone()
            if row is None or row["expires_at"] <= now_ms:
                raise CodeRefused("the code is unknown, used or expired", reason="code")
            db.execute(
                "DELETE FROM session WHERE started_at <= ? OR seen_at <= ?", (now_ms - SESSION_MS, now_ms - IDLE_MS)
            )
            db.execute(
                "INSERT INTO session (token_hash, started_at, seen_at) VALUES (?, ?, ?)",
                (hashed(token), now_ms, now_ms),
            )

        await self._db.write(apply)
        return token

    async def signed_in(self, token: str) -> bool:
        """Say whether a session token is good now, and remember that it was used."""
        now_ms, wanted = self._clock.now_ms(), hashed(token)
        row = await self._db.read(
            lambda db: db.execute(
                "SELECT seen_at FROM session WHERE token_hash = ? AND started_at > ? AND seen_at > ?",
                (wanted, now_ms - SESSION_MS, now_ms - IDLE_MS),
            ).fetchone()
        )
        if row is None:
            return False
        if now_ms - row["seen_at"] >= TOUCH_MS:
            await self._db.write(
                lambda db: db.execute("UPDATE session SET seen_at = ? WHERE token_hash = ?", (now_ms, wanted))
            )
        return True

    async def sign_out(self, token: str) -> None:
        """End a session."""
        await self._db.write(lambda db: db.execute("DELETE FROM session WHERE token_hash = ?", (hashed(token),)))
