"""The sheet on the wall of a class room: a QR that opens "Tạm ẩn hình" without a login.

Owns `wall_sheet`. Invariants: a sheet carries 128 random bits, kept as a hash, and is good for one class and for hiding
and showing alone; one sheet of a class at a time, a new one ends the old; what it does is written down as the wall of
that class; who asks from another network than the school's is not answered here at all (the pages see to that, before
the secret is looked at); hammering on one sheet disturbs no other class.
"""

from __future__ import annotations

import base64
import hashlib
import os
import sqlite3
from collections.abc import Callable

from gateway.access.audit import Actor
from gateway.access.limits import RateLimit
from gateway.access.pauserules import wall_device
from gateway.access.store import FactStore, Need, require
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Secret

SECRET_BYTES = 16
SECRET_CHARS = 26
BURST, EVERY_S = 6, 20.0
"""Acts of one sheet: six at once, then one every twenty seconds."""


def secret_hash(secret: str) -> bytes:
    """Return what is kept of a sheet's secret."""
    return hashlib.sha256(b"vuon-wall-1\0" + secret.encode()).digest()


class Walls:
    """Makes, knows and ends sheets."""

    def __init__(self, store: FactStore, *, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        self._store, self._random = store, random_bytes
        self._limit = RateLimit(store.clock.mono_ns, burst=BURST, every_s=EVERY_S)
        self._classes: dict[bytes, PublicId] = {}

    async def load(self) -> None:
        """Read which sheets are good; call once before anything else."""
        await self._read()

    async def _read(self) -> None:
        rows = await self._store.db.read(
            lambda conn: conn.execute("SELECT class, secret_hash FROM wall_sheet WHERE ended_ms IS NULL").fetchall()
        )
        self._classes = {bytes(row["secret_hash"]): PublicId(row["class"]) for row in rows}

    async def replace(self, actor: Actor, class_id: PublicId) -> Secret:
        """Make a sheet for a class and end the one before; returns the secret, which is kept nowhere."""
        secret = base64.b32encode(self._random(SECRET_BYTES)).decode("ascii").lower().rstrip("=")

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "class", class_id)
            _end(conn, class_id, now_ms)
            conn.execute(
                "INSERT INTO wall_sheet (class, secret_hash, created_by, created_ms) VALUES (?, ?, ?, ?)",
                (class_id, secret_hash(secret), actor.person or "console", now_ms),
            )

        await self._store.change(actor, "wall.replace", _configure(class_id), run, detail={"class": class_id})
        await self._read()
        return Secret(secret)

    async def end(self, actor: Actor, class_id: PublicId) -> None:
        """Let the sheet of a class open nothing any more."""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            require(conn, "class", class_id)
            _end(conn, class_id, now_ms)

        await self._store.change(actor, "wall.end", _configure(class_id), run, detail={"class": class_id})
        await self._read()

    def class_of(self, secret: str) -> PublicId | None:
        """Return the class a sheet is for, or None."""
        return self._classes.get(secret_hash(secret)) if len(secret) == SECRET_CHARS and secret.isascii() else None

    def actor(self, class_id: PublicId) -> Actor | None:
        """Return the wall of a class as an actor, using up one of its tries; None if none is left for now."""
        return Actor(None, wall_device(class_id)) if self._limit.take_key(class_id) else None

    def has_sheet(self, class_id: PublicId) -> bool:
        """Say whether a good sheet of this class was printed."""
        return class_id in self._classes.values()


def _end(conn: sqlite3.Connection, class_id: PublicId, now_ms: int) -> None:
    conn.execute("UPDATE wall_sheet SET ended_ms = ? WHERE class = ? AND ended_ms IS NULL", (now_ms, class_id))


def _configure(class_id: PublicId) -> Need:
    return Need(Action.CONFIGURE, ObjectRef(ObjectKind.CLASS, class_id))
