"""Holds: orders not to delete a span of a camera's footage.

Owns the table `hold` and its copies `<volume>/holds.json`. Invariants: a hold of a camera covers all its
streams, also after the camera was removed; it is placed when its row is on the medium, and no deletion that
was decided before is still under way then; the row is first, the copies follow and are made again until every
disk has them, so the table alone decides; a copy is replaced whole or not at all. The copies name no person
and no reason: a disk may be read by others. In the table the reason is sealed.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import anyio.to_thread

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.errors import BadInput, NotFound
from gateway.core.log import get_logger
from gateway.core.model import PublicId, StreamId, new_public_id
from recorder.files import VolumeFiles, storage_error
from recorder.holdreasons import HoldReasons
from recorder.layout import HOLDS_NAME
from recorder.registry import Camera
from recorder.retention import Hold
from recorder.slot import Opened, Slot

log = get_logger("recorder.holds")

FORMAT = 1
MAX_HOLDS = 1_000
_NEW_NAME = f"{HOLDS_NAME}.new"


@dataclass(frozen=True, slots=True)
class HoldOrder:
    """What somebody wants kept; UTC ms, [start, end), until then."""

    start_ms: int
    end_ms: int
    until_ms: int
    who: PublicId
    why: str


@dataclass(frozen=True, slots=True)
class Placed:
    """A hold in force or expired."""

    id: PublicId
    camera: PublicId
    order: HoldOrder
    placed_ms: int


def read_holds(connection: sqlite3.Connection) -> list[Hold]:
    """Return every hold, once per stream it covers."""
    rows = connection.execute(
        "SELECT stream.id, start_ms, end_ms, until_ms FROM hold JOIN stream USING (camera_id) ORDER BY stream.id"
    )
    return [Hold(StreamId(row[0]), row[1], row[2], row[3]) for row in rows]


def read_placed(connection: sqlite3.Connection, reasons: HoldReasons) -> list[Placed]:
    """Return the holds as people placed them, oldest first."""
    rows = connection.execute(
        "SELECT hold.*, camera.public_id AS camera FROM hold JOIN camera ON camera.id = camera_id ORDER BY hold.id"
    ).fetchall()
    return [
        Placed(
            PublicId(row["public_id"]),
            PublicId(row["camera"]),
            HoldOrder(row["start_ms"], row["end_ms"], row["until_ms"], PublicId(row["who"]), reasons.open(row)),
            row["placed_ms"],
        )
        for row in rows
    ]


def encode_holds(holds: Sequence[Hold]) -> bytes:
    """Return the bytes of a copy."""
    rows = [
        {"stream": hold.stream, "start_ms": hold.start_ms, "end_ms": hold.end_ms, "until_ms": hold.until_ms}
        for hold in holds
    ]
    return json.dumps({"format": FORMAT, "holds": rows}, indent=1).encode() + b"\n"


def write_copy(files: VolumeFiles, data: bytes) -> None:
    """Replace a volume's copy: written beside, synced, renamed, folder synced. OSError from the disk."""
    if files.exists(_NEW_NAME):  # of a write that was cut short
        files.unlink(_NEW_NAME)
    fd = files.create(_NEW_NAME)
    try:
        files.write(fd, [data], 0)
        files.fdatasync(fd)
    finally:
        files.close(fd)
    files.rename(_NEW_NAME, HOLDS_NAME)
    files.fsync_dir(".")


class HoldBook:
    """Places, lifts and lists holds; event loop only."""

    def __init__(
        self,
        db: Database,
        slots: Sequence[Slot],
        clock: Clock,
        undeleting: AbstractAsyncContextManager[object],
        reasons: HoldReasons,
    ) -> None:
        """Take `undeleting`, entered while a hold is written: nothing is deleted meanwhile."""
        self._db, self._slots, self._clock, self._undeleting = db, slots, clock, undeleting
        self._reasons = reasons
        self._copying = asyncio.Lock()
        self._copied: dict[int, tuple[Opened, bytes]] = {}

    async def place(self, camera: Camera, order: HoldOrder, hold: PublicId | None = None) -> Placed:
        """Keep a camera's footage; BadInput for an empty span or one that ends before it begins to count.

        A hold that is placed already (its id was given before) is returned as it stands.
        """
        if hold is not None and (known := [item for item in await self.placed() if item.id == hold]):
            return known[0]
        if not order.start_ms < order.end_ms or order.until_ms <= self._clock.now_ms():
            raise BadInput("a hold needs a span, and an end that is yet to come", key="until_ms")
        placed = Placed(hold or new_public_id(), camera.public_id, order, self._clock.now_ms())
        sealed = self._reasons.seal(placed.id, order.why)
        row = (placed.id, camera.id, order.start_ms, order.end_ms, order.until_ms, order.who, sealed)

        def insert(connection: sqlite3.Connection) -> None:
            if connection.execute("SELECT count(*) FROM hold").fetchone()[0] >= MAX_HOLDS:
                raise BadInput("there are too many holds; lift one first", key="hold", limit=MAX_HOLDS)
            connection.execute(
                "INSERT INTO hold (public_id, camera_id, start_ms, end_ms, until_ms, who, why, why_sealed, placed_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, '', ?, ?) ON CONFLICT (public_id) DO NOTHING",
                (*row, placed.placed_ms),
            )

        async with self._undeleting:
            await self._db.write(insert)
        await self.copy()
        return placed

    async def renew(self, hold: PublicId, until_ms: int) -> Placed:
        """Change when a hold ends; NotFound, BadInput for an end that is over."""
        if until_ms <= self._clock.now_ms():
            raise BadInput("a hold needs an end that is yet to come", key="until_ms")

        def change(connection: sqlite3.Connection) -> int:
            return connection.execute("UPDATE hold SET until_ms = ? WHERE public_id = ?", (until_ms, hold)).rowcount

        async with self._undeleting:
            if not await self._db.write(change):
                raise NotFound("no such hold", key="hold")
        await self.copy()
        return next(item for item in await self.placed() if item.id == hold)

    async def lift(self, hold: PublicId) -> None:
        """Give the footage back to retention; NotFound for a hold that is none."""

        def delete(connection: sqlite3.Connection) -> int:
            return connection.execute("DELETE FROM hold WHERE public_id = ?", (hold,)).rowcount

        if not await self._db.write(delete):
            raise NotFound("no such hold", key="hold")
        await self.copy()

    async def placed(self, camera: PublicId | None = None) -> list[Placed]:
        """Return the holds of a camera, or all of them."""
        rows = await self._db.read(lambda connection: read_placed(connection, self._reasons))
        return [item for item in rows if camera in (None, item.camera)]

    async def start(self) -> None:
        """Seal reasons that an older version wrote in clear; call once, before the first hold."""
        await self._reasons.seal_all(self._db)

    async def active(self) -> list[Hold]:
        """Return what retention has to leave alone; disks that have no copy of it get one."""
        await self.copy()
        return await self._db.read(read_holds)

    async def copy(self) -> int:
        """Bring the copies on all disks up to date; returns how many have it. A disk that fails is tried again."""
        async with self._copying:
            return await self._copy(encode_holds(await self._db.read(read_holds)))

    async def _copy(self, data: bytes) -> int:
        for number, slot in enumerate(self._slots):
            opened = slot.opened
            if opened is None or self._copied.get(number) == (opened, data):
                continue
            self._copied.pop(number, None)
            try:
                await anyio.to_thread.run_sync(write_copy, opened.volume.files, data)
            except OSError as error:
                log.error("holds.copy", storage_error(error, str(opened.volume.path)))
            else:
                self._copied[number] = (opened, data)
        return len(self._copied)
