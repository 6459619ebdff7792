"""Pins: footage of events, kept longer than other footage and given up before held footage.

Owns the table `pin`. Invariants: a pin of a camera covers all its streams; what a camera reports pins only
tampering and contacts, never motion; pins of a camera's reports that touch each other are one of at most a
day; there are at most `MAX_PINS`, and when a camera reports more, the oldest pin of a report becomes normal
footage; a pin that is over by a trusted clock is forgotten.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import CameraId, PublicId, StreamId, new_public_id
from recorder.registry import Camera
from recorder.retention import DAY_MS, Pin

MAX_PINS = 10_000
MOST_PIN_MS = DAY_MS
"""A pin marks an event, not a season: a longer span is a hold."""
BEFORE_MS, AFTER_MS = 30_000, 60_000
"""What led to it, and what came of it."""
JOIN_MS = 60_000


class PinKind(StrEnum):
    """Why footage is an event's."""

    TAMPER = "tamper"
    INPUT = "input"
    MARKED = "marked"


REPORTED = frozenset({PinKind.TAMPER, PinKind.INPUT})


@dataclass(frozen=True, slots=True)
class Pinned:
    """One pin as it was placed; UTC ms, half open."""

    id: PublicId
    camera: PublicId
    start_ms: int
    end_ms: int
    kind: PinKind
    who: str
    placed_ms: int


def read_pins(connection: sqlite3.Connection) -> list[Pin]:
    """Return every pin, once per stream it covers."""
    rows = connection.execute("SELECT stream.id, start_ms, end_ms FROM pin JOIN stream USING (camera_id)")
    return [Pin(StreamId(row[0]), row[1], row[2]) for row in rows]


def read_pinned(connection: sqlite3.Connection) -> list[Pinned]:
    """Return the pins as they were placed, oldest footage first."""
    rows = connection.execute(
        "SELECT pin.*, camera.public_id AS camera FROM pin JOIN camera ON camera.id = camera_id ORDER BY start_ms, id"
    )
    return [
        Pinned(
            PublicId(row["public_id"]),
            PublicId(row["camera"]),
            row["start_ms"],
            row["end_ms"],
            PinKind(row["kind"]),
            row["who"],
            row["placed_ms"],
        )
        for row in rows
    ]


class PinBook:
    """Places, removes and lists pins; event loop only."""

    def __init__(self, db: Database, clock: Clock) -> None:
        self._db, self._clock = db, clock

    async def mark(self, camera: Camera, start_ms: int, end_ms: int, who: str) -> Pinned:
        """Pin what a person calls an event; BadInput for a span that is none, or when there are too many."""
        if not start_ms < end_ms <= start_ms + MOST_PIN_MS:
            raise BadInput("an event lasts at most a day and ends after it began", key="to_ms")
        pinned = Pinned(new_public_id(), camera.public_id, start_ms, end_ms, PinKind.MARKED, who, self._clock.now_ms())

        def insert(connection: sqlite3.Connection) -> None:
            if connection.execute("SELECT count(*) FROM pin").fetchone()[0] >= MAX_PINS and not _drop(connection):
                raise BadInput("there are too many marked events; remove one first", key="pin", limit=MAX_PINS)
            _insert(connection, camera.id, pinned)

        await self._db.write(insert)
        return pinned

    async def reported(self, camera: PublicId, kind: PinKind, start_ms: int, end_ms: int) -> None:
        """Pin around what a camera reported, joined with what is pinned for the same reason close by."""
        pinned = Pinned(
            new_public_id(), camera, start_ms - BEFORE_MS, end_ms + AFTER_MS, kind, "", self._clock.now_ms()
        )

        def put(connection: sqlite3.Connection) -> None:
            found = connection.execute("SELECT id FROM camera WHERE public_id = ?", (camera,)).fetchone()
            if found is None:
                return
            start, end = pinned.start_ms, pinned.end_ms
            near = connection.execute(
                "SELECT id, start_ms, end_ms FROM pin"
                " WHERE camera_id = ? AND kind = ? AND start_ms <= ? AND end_ms >= ? ORDER BY start_ms DESC",
                (found["id"], kind.value, end + JOIN_MS, start - JOIN_MS),
            ).fetchall()
            for row in near:
                if max(end, row["end_ms"]) - min(start, row["start_ms"]) <= MOST_PIN_MS:
                    start, end = min(start, row["start_ms"]), max(end, row["end_ms"])
                    connection.execute("DELETE FROM pin WHERE id = ?", (row["id"],))
            if connection.execute("SELECT count(*) FROM pin").fetchone()[0] >= MAX_PINS and not _drop(connection):
                return  # people marked as much as there may be: what they marked stays
            _insert(connection, CameraId(found["id"]), pinned, start, end)

        await self._db.write(put)

    async def remove(self, pin: PublicId) -> None:
        """Make it normal footage again; NotFound for a pin that is none."""

        def delete(connection: sqlite3.Connection) -> int:
            return connection.execute("DELETE FROM pin WHERE public_id = ?", (pin,)).rowcount

        if not await self._db.write(delete):
            raise NotFound("no such pin", key="pin")

    async def placed(self, camera: PublicId | None = None) -> list[Pinned]:
        """Return the pins of a camera, or all of them."""
        return [item for item in await self._db.read(read_pinned) if camera in (None, item.camera)]

    async def active(self) -> list[Pin]:
        """Return what is pinned, stream by stream; whether a pin is over is the plan's matter."""
        return await self._db.read(read_pins)

    async def forget(self, days: Mapping[StreamId, int], now_ms: int) -> int:
        """Forget the pins that are over for every stream of their camera; returns how many."""

        def delete(connection: sqlite3.Connection) -> int:
            rows = connection.execute(
                "SELECT pin.id, end_ms, group_concat(stream.id) AS streams FROM pin JOIN stream USING (camera_id)"
                " GROUP BY pin.id"
            ).fetchall()
            over = [
                (row["id"],)
                for row in rows
                if all(
                    StreamId(int(item)) in days and row["end_ms"] + days[StreamId(int(item))] * DAY_MS <= now_ms
                    for item in row["streams"].split(",")
                )
            ]
            connection.executemany("DELETE FROM pin WHERE id = ?", over)
            return len(over)

        return await self._db.write(delete)


def _drop(connection: sqlite3.Connection) -> bool:
    """Make room: the oldest pin of a camera's report goes. False without one."""
    return bool(
        connection.execute(
            "DELETE FROM pin WHERE id = (SELECT id FROM pin WHERE kind != 'marked' ORDER BY start_ms LIMIT 1)"
        ).rowcount
    )


def _insert(
    connection: sqlite3.Connection,
    camera: CameraId,
    pin: Pinned,
    start_ms: int | None = None,
    end_ms: int | None = None,
) -> None:
    connection.execute(
        "INSERT INTO pin (public_id, camera_id, start_ms, end_ms, kind, who, placed_ms) VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            pin.id,
            camera,
            pin.start_ms if start_ms is None else start_ms,
            pin.end_ms if end_ms is None else end_ms,
            pin.kind.value,
            pin.who,
            pin.placed_ms,
        ),
    )
