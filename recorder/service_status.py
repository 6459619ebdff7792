"""Control calls about the recorder itself: status and journal.

Owns the picture of the whole that `vuon status` and the pages show. Invariants: nothing here waits for a
camera or a disk (figures are what the tasks last knew); a gap that lasts counts up to now.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.errors import CameraSessionLimit
from gateway.core.model import StreamId
from gateway.core.wire import Handler, Reply, Request
from recorder.camera import CameraTask, State, StreamTask
from recorder.cameras import Cameras
from recorder.cleaner import Cleaner
from recorder.completeness import Completeness
from recorder.gaps import GapSum, gap_sums
from recorder.journal import Journal
from recorder.registry import Camera, Stream
from recorder.relief import Relief
from recorder.rulesource import RuleSource
from recorder.schoolday import Hours
from recorder.service_completeness import CompletenessService
from recorder.service_volumes import volume_facts
from recorder.store import Store
from recorder.vision.client import VisionClient


class Figures(NamedTuple):
    """What is worked out beside the running tasks."""

    completeness: CompletenessService
    skew_ms: Callable[[Stream], int | None]
    """By how much the clock of a stream's camera is ahead of ours."""
    beside: Callable[[], dict[str, Any]]
    """What else a status says: `daemon`, and `lan`, what is served to cameras."""


FRESH_MS = 30_000
"""A stream counts as recording while its newest picture on disk is younger: GOP, queue and sync included."""
_NONE = GapSum(0, 0.0)


def day_start_ms(now_ms: int, zone: ZoneInfo) -> int:
    """Return the start of the site's day that `now_ms` lies in, UTC ms."""
    today = dt.datetime.fromtimestamp(now_ms / 1000, zone).date()
    return int(dt.datetime.combine(today, dt.time(), zone).timestamp() * 1000)


class StatusService:
    """Handlers of `status` and `journal`."""

    def __init__(
        self,
        cameras: Cameras,
        store: Store,
        keeping: tuple[Cleaner, Relief, RuleSource],
        vision: VisionClient | None,
        books: tuple[Database, Journal],
        clock: Clock,
        *,
        zone: ZoneInfo,
        figures: Figures,
    ) -> None:
        self._cameras, self._store, self._vision = cameras, store, vision
        self._cleaner, self._relief, self._rules = keeping
        (self._db, self._journal), self._clock = books, clock
        self._zone, self._figures = zone, figures

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {"status": self.status, "journal": self.journal}

    async def journal(self, request: Request) -> Reply:
        """Return events after a cursor; waits up to `wait_ms` when there are none."""
        events = await self._journal.read(
            request.number("after", 0), max(1, request.number("limit", 500)), request.number("wait_ms", 0)
        )
        return Reply({"stream": self._journal.id, "events": events})

    async def status(self, request: Request) -> Reply:
        """Return how everything is."""
        del request
        now_ms = self._clock.now_ms()
        start_ms = day_start_ms(now_ms, self._zone)
        sums = await self._db.read(lambda connection: gap_sums(connection, start_ms, now_ms))
        tasks = self._cameras.all()
        latest = await self._figures.completeness.latest([task.camera for task in tasks])
        cameras = [self._camera(task, sums, now_ms) | _complete(task, latest) for task in tasks]
        result = {
            **self._figures.beside(),
            "time_trusted": self._clock.trusted(),
            "cameras": cameras,
            "volumes": [volume_facts(slot) | self._cleaner.state(slot) for slot in self._store.slots],
            "totals": {
                "cameras": len(cameras),
                "up": sum(item["state"] == State.UP for item in cameras),
                "recording": sum(item["recording"] for item in cameras),
                "bitrate_bps": sum(item["bitrate_bps"] for item in cameras),
                "full_by_hold": bool(self._cleaner.tight),
            },
            "retention": {"unknown": [item._asdict() for item in self._rules.unknown]},
            "vision": self._vision_facts(),
        }
        return Reply(result)

    def _vision_facts(self) -> dict[str, Any] | None:
        if self._vision is None:
            return None
        facts = self._vision.facts()
        return {
            "running": facts.running,
            "sandboxed": facts.sandboxed,
            "looked": facts.looked,
            "dropped": facts.dropped,
            "bad": facts.bad,
        }

    def _camera(self, task: CameraTask, sums: Mapping[StreamId, GapSum], now_ms: int) -> dict[str, Any]:
        camera: Camera = task.camera
        streams = [self._stream(item, now_ms) for item in task.streams]
        lead = streams[0]
        # A sub stream that the device has no session for is no fault of the camera: its main stream tells.
        # Nor is one that rests while held footage fills the disks: the volume tells.
        counted = [item for item in streams if item["why"] != CameraSessionLimit.code and not item["resting"]] or [lead]
        gaps = [sums.get(item.stream.id, _NONE) for item in task.streams]
        sight = self._vision.sight(camera.public_id) if self._vision is not None else None
        return {
            "id": camera.public_id,
            "name": camera.name,
            "address": camera.about.address,
            "channel": camera.about.identity.channel,
            "driver": camera.about.driver,
            "state": task.state.value,
            "why": task.why,
            "connected": all(item["connected"] for item in counted),
            "recording": all(item["recording"] for item in counted),
            "streams": streams,
            "fps": lead["fps"],
            "bitrate_bps": sum(item["bitrate_bps"] for item in streams),
            "last_segment_ms": lead["last_segment_ms"],
            "gaps_today": max((item.count for item in gaps), default=0),
            "gap_seconds_today": max((item.seconds for item in gaps), default=0.0),
            "skew_ms": next((item["skew_ms"] for item in streams if item["skew_ms"] is not None), None),
            "still_ms": self._vision.still_ms(camera.public_id) if self._vision is not None else None,
            "motion": sight.look.motion if sight is not None else None,
            "frozen": sight is not None and sight.frozen and any(item["connected"] for item in streams),
        }

    def _stream(self, task: StreamTask, now_ms: int) -> dict[str, Any]:
        facts, stream = task.feed.facts(), task.stream
        written_ms = self._store.written_ms(stream.id)
        stored = facts.connected and task.run_number is not None and self._store.is_stored(stream.id)
        config = facts.config
        return {
            "stream": stream.role.value,
            "state": task.state.value,
            "why": task.why,
            "connected": facts.connected,
            "recording": stored and written_ms is not None and now_ms - written_ms < FRESH_MS,
            "codec": config.codec.value if config is not None else stream.spec.codec,
            "width": config.width if config is not None else stream.spec.width,
            "height": config.height if config is not None else stream.spec.height,
            "fps": facts.fps,
            "bitrate_bps": facts.bitrate_bps,
            "lost_packets": facts.lost_packets,
            "readers": facts.readers,
            "reader_drops": facts.dropped,
            "b_frames": facts.b_frames,
            "clock_lies": task.clock_lies,
            "resting": stream.id in self._relief.resting,
            "time_quality": task.time_quality,
            "skew_ms": self._figures.skew_ms(stream) if facts.connected else None,
            "last_segment_ms": written_ms,
            "run": task.run_number,
        }


def _complete(
    task: CameraTask, latest: tuple[Hours, Mapping[StreamId, Completeness]] | None
) -> dict[str, dict[str, Any] | None]:
    """Return how complete the main stream is on the school day that runs or was last."""
    found = latest[1].get(task.streams[0].stream.id) if latest is not None else None
    if latest is None or found is None:
        return {"complete": None}
    return {"complete": {"day": str(latest[0].day), **found.as_dict()}}
