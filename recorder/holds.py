"""Holds: orders not to delete a span of a camera's footage.

Owns the tables `hold`, `found_hold` and `lifted_hold`, and when the copies on the disks are made. Invariants: a
hold of a camera covers all its streams, also after the camera was removed; it is placed when its row is on the
medium, and no deletion that was decided before is still under way then; no file is touched before that is
answered; copies follow and are made again until every disk has them; a disk that comes is read before it is
written or cleaned, and what it holds that nobody here ever knew or lifted holds on. The copies name no
person and no reason: a disk may be read by others. In the table the reason is sealed.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import anyio
import anyio.to_thread

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.errors import BadInput, NotFound, VolumeWrong
from gateway.core.log import get_logger
from gateway.core.model import PublicId, StreamId, new_public_id
from recorder.files import storage_error
from recorder.holdreasons import HoldReasons
from recorder.holdscopy import Copied, derived_id, encode_holds, read_copy, write_copy
from recorder.registry import Camera
from recorder.retention import Hold
from recorder.slot import Opened, Slot

log = get_logger("recorder.holds")

MAX_HOLDS = 1_000
_STREAMS = (
    "SELECT hold.public_id, stream.id, start_ms, end_ms, until_ms FROM hold JOIN stream USING (camera_id)"
    " UNION ALL SELECT public_id, stream, start_ms, end_ms, until_ms FROM found_hold ORDER BY 2, 1"
)

_BEING_ERASED = (
    "SELECT 1 FROM camera JOIN erasure ON erasure.camera IN ('', camera.public_id)"
    " WHERE camera.id = ? AND camera.removed_ms IS NOT NULL AND erasure.state = 'ordered'"
)


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


def read_copied(connection: sqlite3.Connection) -> list[Copied]:
    """Return every hold with its id, once per stream it covers, with those that disks brought."""
    return [
        Copied(PublicId(row[0]), Hold(StreamId(row[1]), row[2], row[3], row[4])) for row in connection.execute(_STREAMS)
    ]


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
        self._known: dict[int, Opened] = {}
        """The disks whose own copy was read since they were opened."""
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Make the copies whenever holds changed, until cancelled; a disk that was away gets its own with retention."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            await self.copy()

    async def place(self, camera: Camera, order: HoldOrder, hold: PublicId | None = None) -> Placed:
        """Keep a camera's footage; BadInput for an empty span or one that ends before it begins to count.

        A hold that is placed already (its id was given before) is returned as it stands; one that was lifted does
        not come back, so that footage under an order to erase is not said to be kept.
        """
        if hold is not None and (known := [item for item in await self.placed() if item.id == hold]):
            return known[0]
        if not order.start_ms < order.end_ms or order.until_ms <= self._clock.now_ms():
            raise BadInput("a hold needs a span, and an end that is yet to come", key="until_ms")
        placed = Placed(hold or new_public_id(), camera.public_id, order, self._clock.now_ms())
        sealed = self._reasons.seal(placed.id, order.why)
        row = (placed.id, camera.id, order.start_ms, order.end_ms, order.until_ms, order.who, sealed)

        def insert(connection: sqlite3.Connection) -> None:
            if connection.execute("SELECT 1 FROM lifted_hold WHERE public_id = ?", (placed.id,)).fetchone():
                raise BadInput("this hold was lifted, or its footage erased", key="hold")
            if connection.execute(_BEING_ERASED, (camera.id,)).fetchone() is not None:
                raise BadInput("its footage is being erased", key="camera")
            active = connection.execute("SELECT count(*) FROM hold WHERE until_ms > ?", (placed.placed_ms,))
            if active.fetchone()[0] >= MAX_HOLDS:
                raise BadInput("there are too many holds; lift one first", key="hold", limit=MAX_HOLDS)
            connection.execute(
                "INSERT INTO hold (public_id, camera_id, start_ms, end_ms, until_ms, who, why, why_sealed, placed_ms)"
                " VALUES (?, ?, ?, ?, ?, ?, '', ?, ?) ON CONFLICT (public_id) DO NOTHING",
                (*row, placed.placed_ms),
            )

        async with self._undeleting:
            await self._db.write(insert)
        self._changed.set()
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
        now_ms = self._clock.now_ms()

        def delete(connection: sqlite3.Connection) -> int:
            gone = connection.execute("DELETE FROM hold WHERE public_id = ?", (hold,)).rowcount
            gone += connection.execute("DELETE FROM found_hold WHERE public_id = ?", (hold,)).rowcount
            if gone:
                connection.execute("INSERT OR IGNORE INTO lifted_hold VALUES (?, ?)", (hold, now_ms))
            return gone

        if not await self._db.write(delete):
            raise NotFound("no such hold", key="hold")
        self._changed.set()

    async def placed(self, camera: PublicId | None = None) -> list[Placed]:
        """Return the holds of a camera, or all of them."""
        rows = await self._db.read(lambda connection: read_placed(connection, self._reasons))
        return [item for item in rows if camera in (None, item.camera)]

    async def start(self) -> None:
        """Seal reasons that an older version wrote in clear; call once, before the first hold."""
        await self._reasons.seal_all(self._db)

    async def found(self) -> list[Copied]:
        """Return the holds that disks brought and nobody here knew, once per stream."""
        rows = await self._db.read(
            lambda connection: connection.execute("SELECT * FROM found_hold ORDER BY start_ms, stream").fetchall()
        )
        return [
            Copied(
                PublicId(row["public_id"]),
                Hold(StreamId(row["stream"]), row["start_ms"], row["end_ms"], row["until_ms"]),
            )
            for row in rows
        ]

    async def active(self) -> list[Hold]:
        """Return what retention has to leave alone; disks that have no copy of it get one."""
        await self.copy()
        return [item.hold for item in await self._db.read(read_copied)]

    def vouches_for(self, opened: Opened) -> bool:
        """Say whether this disk's own copy was read: before that nobody knows what on it is held."""
        return any(known is opened for known in self._known.values())

    async def copy(self) -> int:
        """Read the copies of disks that came, bring all up to date; returns how many have it.

        A disk that fails is tried again.
        """
        async with self._copying:
            for number, slot in enumerate(self._slots):
                opened = slot.opened
                if opened is not None and self._known.get(number) is not opened:
                    await self._take_in(number, opened)
            return await self._copy(encode_holds(await self._db.read(read_copied)))

    async def _take_in(self, number: int, opened: Opened) -> None:
        """Keep what a disk says is held and nobody here knows."""
        try:
            carried = await anyio.to_thread.run_sync(read_copy, opened.volume.files)
        except VolumeWrong as error:  # put aside: the table alone decides
            log.error("holds.damaged", error)
            carried = []
        except OSError as error:
            log.error("holds.read", storage_error(error, str(opened.volume.path)))
            return
        count = await self._db.write(lambda connection: _keep_found(connection, carried, self._clock.now_ms()))
        if count:
            log.warning("holds.found", path=str(opened.volume.path), holds=count)
        self._known[number] = opened

    async def _copy(self, data: bytes) -> int:
        for number, slot in enumerate(self._slots):
            opened = slot.opened
            if opened is None or self._copied.get(number) == (opened, data) or self._known.get(number) is not opened:
                continue
            self._copied.pop(number, None)
            try:
                await anyio.to_thread.run_sync(write_copy, opened.volume.files, data)
            except OSError as error:
                log.error("holds.copy", storage_error(error, str(opened.volume.path)))
            else:
                self._copied[number] = (opened, data)
        return len(self._copied)


def _keep_found(connection: sqlite3.Connection, carried: Sequence[Copied], now_ms: int) -> int:
    """Write down the holds that no table knows; returns how many are new."""
    known = {row[0] for row in connection.execute("SELECT public_id FROM hold UNION SELECT public_id FROM lifted_hold")}
    known |= {derived_id(item.hold) for item in read_copied(connection)}
    fresh = [
        (item.id, item.hold.stream, item.hold.start_ms, item.hold.end_ms, item.hold.until_ms, now_ms)
        for item in carried
        if item.id not in known
    ]
    return connection.executemany("INSERT OR IGNORE INTO found_hold VALUES (?, ?, ?, ?, ?, ?)", fresh).rowcount
