"""The end of one browser's key.

Owns how a row of `device_key` goes. Invariant: whoever ends a session that a key began ends the key in the same
transaction, or the browser would sign itself in again a moment later; a device ends with its last key.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from gateway.core.model import PublicId


def forget_keys(conn: sqlite3.Connection, keys: Iterable[PublicId], now_ms: int) -> None:
    """Unbind the browsers that hold these keys; one that is unknown is passed over."""
    for key in keys:
        row = conn.execute("SELECT device FROM device_key WHERE id = ?", (key,)).fetchone()
        if row is None:
            continue
        conn.execute("DELETE FROM device_key WHERE id = ?", (key,))
        conn.execute(
            "UPDATE device SET ended_ms = ? WHERE id = ? AND ended_ms IS NULL"
            " AND NOT EXISTS (SELECT 1 FROM device_key WHERE device_key.device = device.id)",
            (now_ms, row["device"]),
        )
