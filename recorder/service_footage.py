"""Control calls about footage: segments, gaps, stills, reindex.

Owns the translation between the control socket and the disks. Invariants: pictures leave only against a
signed grant for exactly this action, camera, stream and time; paths that come in are parsed, never
opened as text; a page is bounded and says whether there is more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.errors import BadInput, GrantRefused, NotFound
from gateway.core.model import Action, Grant, RunId, StreamId, StreamRole
from gateway.core.ticket import require
from gateway.core.wire import Handler, Reply, Request
from recorder.gaps import gaps_between
from recorder.params import OpenTicket, camera_param, known_camera, role_of, segment_of_path, span_of
from recorder.registry import Camera, Registry, Stream
from recorder.runs import worth_of
from recorder.store import LAST_ID, START, Found, Place, Store
from recorder.vision.client import VisionClient

MAX_SEGMENTS = 4_000
"""A page of that many is about 700 kB of JSON: below the frame's cap."""
MAX_DAMAGED_SHOWN = 2_000


class FootageService:
    """Handlers of the footage calls."""

    def __init__(
        self,
        registry: Registry,
        db: Database,
        store: Store,
        vision: VisionClient | None,
        open_ticket: OpenTicket,
        clock: Clock,
    ) -> None:
        self._registry, self._db, self._store = registry, db, store
        self._vision, self._open_ticket, self._clock = vision, open_ticket, clock

    def handlers(self) -> Mapping[str, Handler]:
        """Return the calls by name."""
        return {
            "segments": self.segments,
            "gaps": self.gaps,
            "still": self.still,
            "reindex": self.reindex,
        }

    async def segments(self, request: Request) -> Reply:
        """List segments of a camera by time; `next`, given back as `after`, asks for the next page.

        With `path` only the closed segment of that path.
        """
        camera = await known_camera(self._registry, camera_param(request))
        streams = _streams(camera, request)
        roles, more = {item.id: item.role for item in streams}, False
        if path := request.text("path", ""):
            number, name = segment_of_path(path)
            found = await self._store.get(number, name.start_ms, name.run) if number in roles else []
        else:
            from_ms, to_ms = span_of(request)
            limit = min(max(1, request.number("limit", MAX_SEGMENTS)), MAX_SEGMENTS)
            found = await self._store.find(
                [item.id for item in streams],
                from_ms,
                to_ms,
                after=_place(request.text("after", "")),
                limit=limit + 1,
                closed_only=request.params.get("closed_only") is True,
            )
            found, more = found[:limit], len(found) > limit
        worth = await worth_of(self._db, (item.row.run for item in found))
        rows = [_segment(camera, roles, item) | {"time_quality": worth.get(item.row.run)} for item in found]
        return Reply({"segments": rows, "more": more} | ({"next": _after(found[-1])} if more else {}))

    async def gaps(self, request: Request) -> Reply:
        """List the gaps of a camera that touch the span; one that lasts ends at the span's end or now."""
        camera = await known_camera(self._registry, camera_param(request))
        streams = {item.id: item.role for item in _streams(camera, request)}
        from_ms, to_ms = span_of(request)
        found = await self._db.read(lambda connection: gaps_between(connection, list(streams), from_ms, to_ms))
        now_ms = min(to_ms, self._clock.now_ms())
        rows = [
            {
                "stream": streams[gap.stream].value,
                "start_ms": gap.start_ms,
                "end_ms": max(gap.start_ms, now_ms) if gap.end_ms is None else gap.end_ms,
                "open": gap.end_ms is None,
                "cause": gap.cause.value,
            }
            for gap in found
        ]
        return Reply({"gaps": rows})

    async def still(self, request: Request) -> Reply:
        """Return the newest still of the grant's camera."""
        grant = self._grant(request)
        action = grant.action if grant.action in {Action.LIVE, Action.AIM} else Action.SNAPSHOT
        require(grant, action, grant.camera)
        still = self._vision.still(grant.camera) if self._vision is not None else None
        if still is None:
            raise NotFound("there is no still of this camera yet", key="camera")
        if still.role not in grant.streams:
            # A main-only picture for a sub-only grant: shown no larger than a sub stream would be.
            width = min(request.number("width", 320), 320)
        else:
            width = request.number("width", 320)
        jpeg = still.at_width(width)
        head = {"captured_ms": still.captured_ms, "width": jpeg.width, "height": jpeg.height}
        return Reply(head, jpeg.data)

    def _grant(self, request: Request) -> Grant:
        ticket = request.params.get("ticket")
        if not isinstance(ticket, dict):
            raise GrantRefused("a signed grant is needed", reason="grant.missing")
        return self._open_ticket(ticket)

    async def reindex(self, request: Request) -> Reply:
        """Make the index equal to the files of every disk in use."""
        del request
        reports = await self._store.reindex()
        damaged = [path for report in reports for path in report.damaged]
        return Reply(
            {
                "segments": sum(report.segments for report in reports),
                "files": sum(report.files for report in reports),
                "added": sum(report.added for report in reports),
                "removed": sum(report.removed for report in reports),
                "changed": sum(report.changed for report in reports),
                "closed": sum(report.closed for report in reports),
                "damaged": damaged[:MAX_DAMAGED_SHOWN],
            }
        )


def _streams(camera: Camera, request: Request) -> Sequence[Stream]:
    text = request.text("stream", "")
    role = role_of(text) if text else None
    return [stream for stream in camera.streams if role in (None, stream.role)]


def _segment(camera: Camera, roles: Mapping[StreamId, StreamRole], item: Found) -> dict[str, Any]:
    row = item.row
    return {
        "camera": camera.public_id,
        "stream": roles[row.stream].value,
        "path": row.path,
        "start_ms": row.begin_ms,
        "duration_ms": row.duration_ms,
        "bytes": row.size_bytes,
        "run": row.run,
        "offset_ms": row.offset_ms,
        "closed": row.closed,
    }


def _place(text: str) -> Place:
    """Read where the last page ended; BadInput if it is not what `next` said."""
    if not text:
        return START
    try:
        begin_ms, stream, run = map(int, text.split("."))
    except ValueError as error:
        raise BadInput("after must be what `next` said", key="after") from error
    if max(abs(begin_ms), abs(stream), abs(run)) > LAST_ID:
        raise BadInput("after must be what `next` said", key="after")
    return Place(begin_ms, StreamId(stream), RunId(run))


def _after(item: Found) -> str:
    return ".".join(str(int(value)) for value in Place.of(item))
