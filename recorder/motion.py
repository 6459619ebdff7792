"""How much moved in front of a camera: one level per 10 s, kept as long as the footage.

Owns the table `motion` of `cameras.db` (schema_motion.sql) and the levels of the running hour in memory.
Invariants: the level of 10 s is the highest of its key frames; what was written is never lowered; nothing is
noted by a clock that is not trusted, so an hour is never another's; a crash loses what came since the
last flush; it tells when a class was in the room, so an hour without footage has no levels. It is no
part of the index, which is made again from the files: reindexing leaves it alone. Event loop only.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from importlib.resources import files as resources

from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.clock import Clock
from gateway.core.db import Database, apply_schema
from gateway.core.model import PublicId
from recorder.layout import HOUR_MS

MIGRATIONS = Migrations("motion")
STEP_MS = 10_000
STEPS = HOUR_MS // STEP_MS
MAX_LEVEL = 254
FLUSH_S = 300.0
"""One transaction for all cameras."""
MAX_HOURS = 512
"""Camera-hours in memory: twice 256 cameras, while the database does not answer."""

_NONE = bytes(STEPS)


@MIGRATIONS()
def m0001(db: UtilsDatabase) -> None:
    """Create the table."""
    apply_schema(db, resources("recorder") / "schema_motion.sql")


def level_of(motion: float) -> int:
    """Return the level, 0-254, of a mean absolute luma difference, 0-255.

    By its square root: a child that crosses the room moves the mean by 1 or 2, a switched lamp by 50.
    """
    return round(MAX_LEVEL * math.sqrt(min(max(motion, 0.0), 255.0) / 255))


def merged(one: bytes, other: bytes) -> bytes:
    """Return the higher level of each 10 s."""
    return bytes(map(max, one, other))


class MotionBook:
    """Notes, writes and tells the levels of all cameras."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock
        self._hours: dict[tuple[PublicId, int], bytearray] = {}
        self._unwritten: set[tuple[PublicId, int]] = set()
        self.dropped = 0
        """Camera-hours that never reached the database."""

    def note(self, camera: PublicId, at_ms: int, motion: float) -> None:
        """Take the figure of a key frame seen at `at_ms`."""
        if not self._clock.trusted():
            return
        name = (camera, at_ms // HOUR_MS)
        levels = self._hours.get(name)
        if levels is None:
            self._make_room()
            levels = self._hours[name] = bytearray(STEPS)
        step = at_ms % HOUR_MS // STEP_MS
        levels[step] = max(levels[step], level_of(motion) + 1)
        self._unwritten.add(name)

    def _make_room(self) -> None:
        while len(self._hours) >= MAX_HOURS:
            name = next(iter(self._hours))
            del self._hours[name]
            self.dropped += name in self._unwritten
            self._unwritten.discard(name)

    async def run(self) -> None:
        """Write every few minutes until cancelled."""
        while True:
            await self._clock.sleep(FLUSH_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what came since the last time; raises what the database raises, nothing is lost then."""
        going = {name: bytes(self._hours[name]) for name in self._unwritten}
        self._unwritten.clear()
        try:
            await self._db.write(lambda connection: _write(connection, going))
        except BaseException:
            self._unwritten |= going.keys() & self._hours.keys()
            raise
        now = self._clock.now_ms() // HOUR_MS
        for name in [item for item in self._hours if item[1] < now and item not in self._unwritten]:
            del self._hours[name]

    def forget(self, camera: PublicId) -> None:
        """Forget what is in memory of a camera whose footage is erased; its rows go with the camera's."""
        for name in [item for item in self._hours if item[0] == camera]:
            del self._hours[name]
            self._unwritten.discard(name)

    async def levels(self, camera: PublicId, from_ms: int, to_ms: int) -> list[int | None]:
        """Return the levels of [from_ms, to_ms) from the 10 s that hold `from_ms`; None: nothing was seen."""
        first, last = from_ms // HOUR_MS, (to_ms - 1) // HOUR_MS
        stored = await self._db.read(lambda connection: _read(connection, camera, first, last))
        hours = [
            merged(stored.get(hour, _NONE), bytes(self._hours.get((camera, hour), _NONE)))
            for hour in range(first, last + 1)
        ]
        start = from_ms % HOUR_MS // STEP_MS
        count = -(-to_ms // STEP_MS) - from_ms // STEP_MS
        return [level - 1 if level else None for level in b"".join(hours)[start : start + count]]

    async def keep_only(self, footage: Mapping[PublicId, AbstractSet[int]]) -> int:
        """Forget the hours of these cameras that have no footage any more; returns how many rows went.

        The running hour and the one before stay: their footage may not be in the index yet.
        """
        newest = self._clock.now_ms() // HOUR_MS - 1
        for name in [
            item for item in self._hours if item[1] < newest and item[1] not in footage.get(item[0], {item[1]})
        ]:
            del self._hours[name]
            self._unwritten.discard(name)

        def forget(connection: sqlite3.Connection) -> int:
            rows = connection.execute(
                "SELECT public_id, camera_id, hour FROM motion JOIN camera ON camera.id = camera_id WHERE hour < ?",
                (newest,),
            ).fetchall()
            gone = [tuple(row[1:]) for row in rows if row[2] not in footage.get(PublicId(row[0]), {row[2]})]
            connection.executemany("DELETE FROM motion WHERE camera_id = ? AND hour = ?", gone)
            return len(gone)

        return await self._db.write(forget)


def _write(connection: sqlite3.Connection, going: Mapping[tuple[PublicId, int], bytes]) -> None:
    for (camera, hour), levels in going.items():
        known = connection.execute(
            "SELECT levels FROM motion JOIN camera ON camera.id = camera_id WHERE public_id = ? AND hour = ?",
            (camera, hour),
        ).fetchone()
        connection.execute(
            "INSERT INTO motion (camera_id, hour, levels) SELECT id, ?, ? FROM camera WHERE public_id = ?"
            " ON CONFLICT (camera_id, hour) DO UPDATE SET levels = excluded.levels",
            (hour, merged(known[0], levels) if known is not None else levels, camera),
        )


def _read(connection: sqlite3.Connection, camera: PublicId, first: int, last: int) -> dict[int, bytes]:
    rows = connection.execute(
        "SELECT hour, levels FROM motion JOIN camera ON camera.id = camera_id"
        " WHERE public_id = ? AND hour BETWEEN ? AND ?",
        (camera, first, last),
    )
    return {row[0]: row[1] for row in rows}
