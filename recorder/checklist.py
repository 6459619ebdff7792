"""What the installer entered or approved of a camera: certificate, need of a mask, the right view.

Owns the table `checklist` and the comparison of two outlines. Invariants: what nobody said is None, not "no";
a picture is never kept, only the outline of its edges (32x18 cells, nobody can be known in it).
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass

from gateway.core.db import Database
from gateway.core.errors import BadInput
from gateway.core.model import CameraId, StreamRole

MAX_QCVN = 80


@dataclass(frozen=True, slots=True)
class View:
    """An approved picture: what is compared with it later."""

    role: StreamRole
    """Stream it was seen in: the two streams of a camera may be cut differently."""
    outline: bytes
    detail: float
    at_ms: int


@dataclass(frozen=True, slots=True)
class Checklist:
    """What is known of one camera that no measurement tells."""

    qcvn: str = ""
    needs_mask: bool | None = None
    view: View | None = None


def likeness(one: bytes, other: bytes) -> float:
    """Return how alike two outlines are, -1 to 1 (their correlation); 0 where one of them is flat."""
    count = min(len(one), len(other))
    if not count:
        return 0.0
    mean, mean_other = sum(one[:count]) / count, sum(other[:count]) / count
    pairs = [(a - mean, b - mean_other) for a, b in zip(one[:count], other[:count], strict=True)]
    spread = math.sqrt(sum(a * a for a, _ in pairs) * sum(b * b for _, b in pairs))
    return round(sum(a * b for a, b in pairs) / spread, 3) if spread else 0.0


class ChecklistBook:
    """Reads and changes checklists."""

    def __init__(self, db: Database) -> None:
        self._db = db

    async def of(self, camera: CameraId) -> Checklist:
        """Return a camera's checklist; an empty one if nobody entered anything."""

        def read(connection: sqlite3.Connection) -> Checklist:
            row = connection.execute("SELECT * FROM checklist WHERE camera_id = ?", (camera,)).fetchone()
            return Checklist() if row is None else _checklist(row)

        return await self._db.read(read)

    async def set_qcvn(self, camera: CameraId, number: str) -> None:
        """Enter the number of its certificate; "" takes it back. BadInput if it is no such text."""
        number = " ".join(number.split())
        if len(number) > MAX_QCVN or not (number.isprintable() or not number):
            raise BadInput(f"a certificate's number has at most {MAX_QCVN} printable characters", key="qcvn")
        await self._set(camera, {"qcvn": number})

    async def set_needs_mask(self, camera: CameraId, *, needed: bool) -> None:
        """Say whether part of its picture must be hidden (beds, changing tables, the neighbour's window)."""
        await self._set(camera, {"needs_mask": int(needed)})

    async def approve(self, camera: CameraId, view: View) -> None:
        """Keep the outline of how the camera shall look."""
        await self._set(
            camera,
            {
                "view_role": view.role.value,
                "view_outline": view.outline,
                "view_detail": view.detail,
                "view_ms": view.at_ms,
            },
        )

    async def _set(self, camera: CameraId, columns: Mapping[str, object]) -> None:
        assignments = ", ".join(f"{name} = :{name}" for name in columns)

        def write(connection: sqlite3.Connection) -> None:
            connection.execute("INSERT OR IGNORE INTO checklist (camera_id) VALUES (?)", (camera,))
            connection.execute(
                f"UPDATE checklist SET {assignments} WHERE camera_id = :id",  # noqa: S608 - our own column names
                {**columns, "id": camera},
            )

        await self._db.write(write)


def _checklist(row: sqlite3.Row) -> Checklist:
    view = None
    if row["view_outline"] is not None:
        view = View(StreamRole(row["view_role"]), row["view_outline"], row["view_detail"], row["view_ms"])
    needs = row["needs_mask"]
    return Checklist(row["qcvn"], None if needs is None else bool(needs), view)
