"""Completeness of the cameras by school day: the control call, the figure of the status, the day's event.

Owns the reading of the ledger for it and the loop that tells each day once. Invariants: what is told of a day is
told after its last hour and once for each camera, also over restarts (the journal is asked); nothing is told
by a clock that is not trusted; a camera is as complete as its main stream.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.errors import BadInput
from gateway.core.model import PublicId, StreamId
from gateway.core.wire import Handler, Reply, Request
from recorder.completeness import Completeness, completeness_of
from recorder.gaps import Gap, gaps_between
from recorder.journal import Journal
from recorder.params import camera_param, known_camera
from recorder.registry import Camera, Registry, Stream
from recorder.schoolday import Hours, SchoolHours

MOST_DAYS = 366
USUAL_DAYS = 7
TELL_EVERY_S = 600.0
SETTLED_MS = 120_000
"""After the last hour: losses are told in parts of up to a minute."""
EVENT = "recording.completeness"


class CompletenessService:
    """Handler of `completeness`, and what else needs it."""

    def __init__(self, registry: Registry, books: tuple[Database, Journal], clock: Clock, hours: SchoolHours) -> None:
        self._registry, self._clock, self._hours = registry, clock, hours
        self._db, self._journal = books

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {"completeness": self.completeness}

    async def completeness(self, request: Request) -> Reply:
        """Return the school days of the last `days` dates, newest first, camera by camera and stream by stream."""
        count = request.number("days", USUAL_DAYS)
        if not 1 <= count <= MOST_DAYS:
            raise BadInput(f"days must be 1 to {MOST_DAYS}", key="days", value=str(count))
        wanted = [await known_camera(self._registry, camera_param(request))] if request.text("camera", "") else None
        cameras = wanted or await self._registry.cameras()
        now_ms = self._clock.now_ms()
        days = []
        for hours in self._hours.back(now_ms, count):
            found = await self._of_day(cameras, hours, now_ms)
            rows = [_row(camera, found) for camera in cameras]
            span = {"start_ms": hours.start_ms, "end_ms": hours.end_ms}
            days.append({"day": str(hours.day), **span, "cameras": rows})
        return Reply({"days": days})

    async def latest(self, cameras: Sequence[Camera]) -> tuple[Hours, dict[StreamId, Completeness]] | None:
        """Return the school day that runs or was last, for the status."""
        now_ms = self._clock.now_ms()
        hours = self._hours.latest(now_ms)
        return None if hours is None else (hours, await self._of_day(cameras, hours, now_ms))

    async def _of_day(self, cameras: Sequence[Camera], hours: Hours, now_ms: int) -> dict[StreamId, Completeness]:
        streams = [(stream, camera.added_ms) for camera in cameras for stream in camera.streams]
        gaps = await self._gaps([stream for stream, _ in streams], hours)
        return {
            stream.id: completeness_of(
                gaps.get(stream.id, ()), hours.start_ms, hours.end_ms, since_ms=added_ms, now_ms=now_ms
            )
            for stream, added_ms in streams
        }

    async def _gaps(self, streams: Sequence[Stream], hours: Hours) -> dict[StreamId, list[Gap]]:
        ids = [stream.id for stream in streams]
        found = await self._db.read(lambda conn: gaps_between(conn, ids, hours.start_ms, hours.end_ms)) if ids else ()
        by_stream: dict[StreamId, list[Gap]] = {}
        for gap in found:
            by_stream.setdefault(gap.stream, []).append(gap)
        return by_stream

    # --- the day's event ---

    async def run(self) -> None:
        """Tell each school day when it is over, for ever."""
        while True:
            await self.tell()
            await self._clock.sleep(TELL_EVERY_S)

    async def tell(self) -> int:
        """Tell what is due of the last days; returns how many events that were."""
        if not self._clock.trusted():
            return 0
        now_ms, told = self._clock.now_ms(), 0
        cameras = await self._registry.cameras()
        for hours in self._hours.back(now_ms, USUAL_DAYS):
            if now_ms < hours.end_ms + SETTLED_MS:
                continue
            known = await self._db.read(partial(_told, str(hours.day)))
            missing = [camera for camera in cameras if camera.public_id not in known]
            found = await self._of_day(missing, hours, now_ms)
            for camera in missing:
                whole = found[camera.streams[0].id]
                if whole.percent is not None:
                    await self._note(camera, hours, whole)
                    told += 1
        return told

    async def _note(self, camera: Camera, hours: Hours, whole: Completeness) -> None:
        percent, cause = whole.percent, whole.main_cause
        assert percent is not None
        event = self._journal.event(
            EVENT,
            subject=camera.public_id,
            camera=camera.public_id,
            day=str(hours.day),
            percent=percent,
            expected=whole.expected_ms // 1000,
            missing=round(whole.lost_ms / 1000, 3),
            why=cause.value if cause is not None else "",
        )
        await self._journal.note(event)


def _told(day: str, connection: sqlite3.Connection) -> set[PublicId]:
    rows = connection.execute(
        "SELECT subject FROM journal WHERE type = ? AND json_extract(data, '$.day') = ?", (f"{EVENT}.v1", day)
    )
    return {PublicId(row["subject"]) for row in rows}


def _row(camera: Camera, found: Mapping[StreamId, Completeness]) -> dict[str, Any]:
    streams = [{"stream": stream.role.value, **found[stream.id].as_dict()} for stream in camera.streams]
    return {"camera": camera.public_id, "name": camera.name, "percent": streams[0]["percent"], "streams": streams}
