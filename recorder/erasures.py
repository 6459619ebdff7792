"""Orders to erase footage for good, written down before the first byte goes.

Owns the tables `erasure` and `erasure_volume` (erasures.sql, erasures_box.sql). Invariants: an order is on the
medium before anything is erased and stays when all of it is gone; what lay on a disk is counted once, before its
first key goes; a camera under such an order is removed and its holds are lifted in the order's own transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, NamedTuple

from sqlite_utils import Migrations
from sqlite_utils.db import Database as UtilsDatabase

from gateway.core.db import Database, apply_schema
from gateway.core.errors import BadInput, NotFound
from gateway.core.events import Event
from gateway.core.model import PublicId, StreamId, new_public_id
from recorder.journal import Journal

MIGRATIONS = Migrations("erasures")
ALL = PublicId("")
"""The scope of an order for the whole box."""


@MIGRATIONS()
def m0001(db: UtilsDatabase) -> None:
    """Create the tables."""
    apply_schema(db, files("recorder") / "erasures.sql")


@MIGRATIONS()
def m0002_box(db: UtilsDatabase) -> None:
    """Note what an order for the whole box has done, and which cameras it is about."""
    apply_schema(db, files("recorder") / "erasures_box.sql")


class Counted(NamedTuple):
    """What lay on a disk."""

    keys: int
    files: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Scope:
    """Whose footage goes."""

    streams: tuple[StreamId, ...]
    spared: frozenset[StreamId] | None = None
    """None: only those streams. Otherwise all that lies on a disk, known here or not, but for these."""

    def on(self, found: Sequence[StreamId]) -> tuple[StreamId, ...]:
        """Return the streams to erase on a disk that has these."""
        if self.spared is None:
            return self.streams
        return tuple(sorted({*self.streams, *found} - self.spared))


@dataclass(frozen=True, slots=True)
class Erasure:
    """One order; `camera` empty = everything."""

    number: int
    id: PublicId
    camera: PublicId
    who: str
    holds: int
    ordered_ms: int
    state: str
    done_ms: int | None
    keys_gone: bool = False
    last_camera: int | None = None


def _erasure(row: sqlite3.Row) -> Erasure:
    return Erasure(
        row["id"],
        PublicId(row["public_id"]),
        PublicId(row["camera"]),
        row["who"],
        row["holds"],
        row["ordered_ms"],
        row["state"],
        row["done_ms"],
        bool(row["keys_gone"]),
        row["last_camera"],
    )


def _cameras(connection: sqlite3.Connection, camera: PublicId, last: int | None = None) -> dict[int, PublicId]:
    """Return the cameras of a scope; `last`: of an order, without those that were adopted after it."""
    query = "SELECT id, public_id FROM camera WHERE (?1 = '' OR public_id = ?1) AND (?2 IS NULL OR id <= ?2)"
    return {row[0]: PublicId(row[1]) for row in connection.execute(query, (camera, last))}


def _held(connection: sqlite3.Connection, camera: PublicId) -> list[str]:
    """Return the holds on cameras' footage, those that a disk brought included."""
    if camera == ALL:  # also those of streams that nobody here ever knew
        query = "SELECT public_id FROM hold UNION SELECT public_id FROM found_hold ORDER BY 1"
        return [row[0] for row in connection.execute(query)]
    cameras = list(_cameras(connection, camera))
    marks = _marks(cameras)
    query = (
        f"SELECT public_id FROM hold WHERE camera_id IN ({marks}) UNION SELECT found_hold.public_id FROM found_hold"  # noqa: S608 - question marks
        f" JOIN stream ON stream.id = found_hold.stream WHERE camera_id IN ({marks}) ORDER BY 1"
    )
    return [row[0] for row in connection.execute(query, cameras * 2)]


def _marks(values: list[int]) -> str:
    return ", ".join("?" * len(values))


class ErasureBook:
    """Reads and changes the orders; methods run on the database's own threads."""

    def __init__(self, db: Database, journal: Journal) -> None:
        self._db, self._journal = db, journal

    async def order(self, camera: PublicId, who: str, now_ms: int, *, lift_holds: bool) -> Erasure:
        """Write an order down; BadInput while footage is held and the holds are not lifted with it."""
        public_id = new_public_id()

        def write(connection: sqlite3.Connection) -> tuple[Erasure, list[Event]]:
            ids = list(_cameras(connection, camera))
            marks = _marks(ids)
            where = f"camera_id IN ({marks})"
            held = _held(connection, camera)
            if held and not lift_holds:
                raise BadInput("footage of it is held", case="erase_held", key="lift_holds", count=len(held))
            connection.execute(f"DELETE FROM hold WHERE {where}", ids)  # noqa: S608 - question marks
            names = [(item,) for item in held]
            connection.executemany("DELETE FROM found_hold WHERE public_id = ?", names)
            # a disk that is away still has them in its copy: they must not come back with it
            connection.executemany(
                "INSERT OR REPLACE INTO lifted_hold VALUES (?, ?)", [(item, now_ms) for item in held]
            )
            rows = connection.execute(
                f"SELECT public_id FROM camera WHERE id IN ({marks}) AND removed_ms IS NULL",  # noqa: S608 - question marks
                ids,
            )
            gone = [row[0] for row in rows]
            connection.executemany(
                "UPDATE camera SET removed_ms = ?, username = NULL, password = NULL WHERE public_id = ?",
                [(now_ms, item) for item in gone],
            )
            connection.execute(
                "INSERT INTO erasure (public_id, camera, who, holds, ordered_ms, last_camera)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (public_id, camera, who, len(held), now_ms, max(ids, default=0)),
            )
            erasure = _erasure(connection.execute("SELECT * FROM erasure ORDER BY id DESC LIMIT 1").fetchone())
            return erasure, [self._journal.event("camera.removed", subject=item, camera=item) for item in gone]

        return await self._journal.transact(write)

    async def pending(self) -> list[Erasure]:
        """Return the orders that are not finished, oldest first."""
        return await self._db.read(
            lambda db: [_erasure(row) for row in db.execute("SELECT * FROM erasure WHERE state != 'done' ORDER BY id")]
        )

    async def find(self, erasure: PublicId) -> tuple[Erasure, list[dict[str, Any]]]:
        """Return an order with what it found, disk by disk; NotFound if there is none."""

        def read(connection: sqlite3.Connection) -> tuple[Erasure, list[dict[str, Any]]] | None:
            row = connection.execute("SELECT * FROM erasure WHERE public_id = ?", (erasure,)).fetchone()
            if row is None:
                return None
            rows = connection.execute(
                "SELECT volume, keys, files, bytes, done_ms FROM erasure_volume WHERE erasure_id = ? ORDER BY volume",
                (row["id"],),
            )
            return _erasure(row), [dict(item) for item in rows]

        found = await self._db.read(read)
        if found is None:
            raise NotFound("no such erasure", key="erasure")
        return found

    async def held(self, camera: PublicId) -> int:
        """Return how many holds an order would have to lift."""
        return len(await self._db.read(lambda connection: _held(connection, camera)))

    async def cameras(self, erasure: Erasure) -> list[PublicId]:
        """Return the cameras an order is about."""
        return await self._db.read(lambda db: [*_cameras(db, erasure.camera, erasure.last_camera).values()])

    async def keys_gone(self, erasure: Erasure) -> None:
        """Note that the school's private keys were taken away."""
        row = (erasure.number,)
        await self._db.write(lambda db: db.execute("UPDATE erasure SET keys_gone = 1 WHERE id = ?", row))

    async def scope(self, camera: PublicId, last: int | None = None) -> Scope:
        """Return whose footage goes; `last`: an order's `last_camera`."""

        def read(connection: sqlite3.Connection) -> Scope:
            ids = list(_cameras(connection, camera, last))
            query = f"SELECT id FROM stream WHERE camera_id IN ({_marks(ids)}) ORDER BY id"  # noqa: S608 - question marks
            streams = tuple(StreamId(row[0]) for row in connection.execute(query, ids))
            if camera != ALL:
                return Scope(streams)
            others = connection.execute("SELECT id FROM stream")
            return Scope(streams, frozenset(StreamId(row[0]) for row in others).difference(streams))

        return await self._db.read(read)

    async def counted(self, erasure: Erasure, volume: PublicId, found: Counted) -> None:
        """Note what lies on a disk; the first count stands."""
        row = (erasure.number, volume, *found)
        await self._db.write(
            lambda db: db.execute(
                "INSERT OR IGNORE INTO erasure_volume (erasure_id, volume, keys, files, bytes) VALUES (?, ?, ?, ?, ?)",
                row,
            )
        )

    async def emptied(self, erasure: Erasure, volume: PublicId, now_ms: int) -> None:
        """Note that nothing of it is left on a disk."""
        row = (now_ms, erasure.number, volume)
        await self._db.write(
            lambda db: db.execute("UPDATE erasure_volume SET done_ms = ? WHERE erasure_id = ? AND volume = ?", row)
        )

    async def drop_rows(self, erasure: Erasure) -> None:
        """Delete the cameras and everything in this database that refers to them."""
        counts = (await self.find(erasure.id))[1]
        event = self._journal.event(
            "footage.erased",
            subject=erasure.camera,
            camera=erasure.camera,
            keys=sum(row["keys"] for row in counts),
            files=sum(row["files"] for row in counts),
        )

        def drop(connection: sqlite3.Connection) -> None:
            known = _cameras(connection, erasure.camera, erasure.last_camera)
            cameras = list(known)
            query = f"SELECT id FROM stream WHERE camera_id IN ({_marks(cameras)})"  # noqa: S608 - question marks
            streams = [row[0] for row in connection.execute(query, cameras)]
            for parent, ids in (("stream", streams), ("camera", cameras)):
                for table, column in _referring(connection, parent):
                    connection.execute(f"DELETE FROM {table} WHERE {column} IN ({_marks(ids)})", ids)  # noqa: S608 - the schema's names
                connection.execute(f"DELETE FROM {parent} WHERE id IN ({_marks(ids)})", ids)  # noqa: S608 - ours
            members = [(item,) for item in known.values()]
            connection.executemany("DELETE FROM camera_class_member WHERE camera = ?", members)
            if erasure.camera == ALL:
                for table in ("pending_login", "found_hold"):
                    connection.execute(f"DELETE FROM {table}")  # noqa: S608 - ours
                connection.execute(
                    "DELETE FROM camera_class WHERE id NOT IN (SELECT class_id FROM camera_class_member)"
                )
            connection.execute("UPDATE erasure SET state = 'dropped' WHERE id = ?", (erasure.number,))

        await self._journal.record(drop, event)

    async def finish(self, erasure: Erasure, now_ms: int) -> None:
        """Rewrite the database without the rows that went, then call the order done."""
        await self._db.scrub()
        row = (now_ms, erasure.number)
        await self._db.write(lambda db: db.execute("UPDATE erasure SET state = 'done', done_ms = ? WHERE id = ?", row))


def _referring(connection: sqlite3.Connection, parent: str) -> list[tuple[str, str]]:
    """Return (table, column) of every reference to a table, so that no later table is forgotten; `stream` goes last."""
    tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return [
        (table, str(row["from"]))
        for table in tables
        for row in connection.execute(f"PRAGMA foreign_key_list({table})")
        if row["table"] == parent and table != "stream"
    ]
