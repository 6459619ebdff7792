"""The book of settings changed on cameras, and the login of before.

Owns the tables `setting_change` and `former_login`. Invariants: an order is written before the camera is
asked and completed afterwards, so that a cut-off order can still be taken back; no row carries a password;
the former login is sealed, bound to its camera, and gone as soon as it is of no use.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.model import Login, PublicId, Secret
from gateway.core.secrets import SealKey
from recorder.journal import Journal
from recorder.registry import Camera
from recorder.settings import SettingChange, SettingOutcome

KEEP_ORDERS = 200
"""Of each camera: years of setting it right."""
MOST_ROWS = 500


@dataclass(frozen=True, slots=True)
class Done:
    """An order of before that can be taken back."""

    order: int
    changes: tuple[SettingChange, ...]
    """As they were made: `after` is what the camera showed then."""


def _context(camera: PublicId) -> str:
    return f"former:{camera}"


class SettingBook:
    """Reads and writes the book; methods run on the database's own threads."""

    def __init__(self, db: Database, seal: SealKey, journal: Journal, clock: Clock) -> None:
        self._db, self._seal, self._journal, self._clock = db, seal, journal, clock

    async def begin(self, camera: Camera, who: str, changes: Sequence[SettingChange]) -> int:
        """Write what is about to be changed; returns the order's number."""
        now_ms = self._clock.now_ms()

        def write(connection: sqlite3.Connection) -> int:
            newest = connection.execute("SELECT coalesce(max(order_id), 0) FROM setting_change").fetchone()[0]
            order = int(newest) + 1
            connection.executemany(
                "INSERT INTO setting_change (order_id, camera_id, at_ms, who, setting, before, after)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [(order, camera.id, now_ms, who, item.setting, item.before, item.after) for item in changes],
            )
            connection.execute(
                "DELETE FROM setting_change WHERE camera_id = ?1 AND order_id NOT IN"
                " (SELECT DISTINCT order_id FROM setting_change WHERE camera_id = ?1 ORDER BY order_id DESC LIMIT ?2)",
                (camera.id, KEEP_ORDERS),
            )
            return order

        return await self._db.write(write)

    async def complete(self, camera: Camera, order: int, outcomes: Sequence[SettingOutcome]) -> None:
        """Write what became of an order, and tell it."""
        rows = [(item.now, int(item.applied), item.why, order, item.change.setting) for item in outcomes]
        await self._journal.record(
            lambda connection: connection.executemany(
                "UPDATE setting_change SET read_back = ?, applied = ?, why = ? WHERE order_id = ? AND setting = ?", rows
            ),
            self._event(camera, "apply", outcomes),
        )

    async def last(self, camera: Camera) -> Done | None:
        """Return the newest order of which something can be taken back; None without one."""

        def find(connection: sqlite3.Connection) -> list[sqlite3.Row]:
            return connection.execute(
                "SELECT * FROM setting_change WHERE undone_ms IS NULL AND coalesce(applied, 1) = 1 AND order_id ="
                " (SELECT max(order_id) FROM setting_change"
                "  WHERE camera_id = ? AND undone_ms IS NULL AND coalesce(applied, 1) = 1) ORDER BY id",
                (camera.id,),
            ).fetchall()

        rows = await self._db.read(find)
        if not rows:
            return None
        return Done(
            rows[0]["order_id"],
            tuple(SettingChange(row["setting"], row["before"], row["read_back"] or row["after"]) for row in rows),
        )

    async def undone(
        self, camera: Camera, order: int, outcomes: Sequence[SettingOutcome], given_up: Sequence[str]
    ) -> None:
        """Note which settings of an order were taken back, or can never be (`given_up`), and tell it."""
        gone = [item.change.setting for item in outcomes if item.applied] + list(given_up)
        rows = [(self._clock.now_ms(), order, setting) for setting in gone]
        await self._journal.record(
            lambda connection: connection.executemany(
                "UPDATE setting_change SET undone_ms = ? WHERE order_id = ? AND setting = ?", rows
            ),
            self._event(camera, "undo", outcomes),
        )

    def _event(self, camera: Camera, act: str, outcomes: Sequence[SettingOutcome]) -> Any:
        applied = sum(item.applied for item in outcomes)
        return self._journal.event(
            "camera.settings",
            subject=camera.public_id,
            camera=camera.public_id,
            action=act,
            applied=applied,
            failed=len(outcomes) - applied,
        )

    async def history(self, camera: Camera) -> list[dict[str, Any]]:
        """Return what was changed on a camera, newest first."""

        def find(connection: sqlite3.Connection) -> list[dict[str, Any]]:
            rows = connection.execute(
                "SELECT order_id, at_ms, who, setting, before, after, read_back, applied, why, undone_ms"
                " FROM setting_change WHERE camera_id = ? ORDER BY id DESC LIMIT ?",
                (camera.id, MOST_ROWS),
            )
            return [{**dict(row), "applied": None if row["applied"] is None else bool(row["applied"])} for row in rows]

        return await self._db.read(find)

    async def keep_former(self, camera: Camera, login: Login) -> None:
        """Remember the login of before; an older one stays, since it is the camera's own."""
        sealed = self._seal.seal(login.password.reveal().encode(), _context(camera.public_id))
        row = (camera.id, login.username, sealed, self._clock.now_ms())
        await self._db.write(
            lambda connection: connection.execute("INSERT OR IGNORE INTO former_login VALUES (?, ?, ?, ?)", row)
        )

    async def former(self, camera: Camera) -> Login | None:
        """Return the login of before."""
        row = await self._db.read(
            lambda connection: connection.execute(
                "SELECT * FROM former_login WHERE camera_id = ?", (camera.id,)
            ).fetchone()
        )
        if row is None:
            return None
        return Login(row["username"], Secret(self._seal.unseal(row["password"], _context(camera.public_id)).decode()))

    async def forget_former(self, camera: Camera) -> None:
        """Drop the login of before: it is in use again, or has another password now."""
        await self._db.write(
            lambda connection: connection.execute("DELETE FROM former_login WHERE camera_id = ?", (camera.id,))
        )
