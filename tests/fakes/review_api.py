"""The playback API of one box as the review page meets it, over footage that never was.

Written against the contract of the routes, by hand; it keeps count of what was asked and can refuse, lock, lose its
disk or fall silent in the middle.
"""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass, field
from typing import Annotated, Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Depends, FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from gateway.core.errors import BadInput, Denied, NotFound, SegmentCorrupt, VuonError
from gateway.core.model import Action, ObjectKind, Role
from tests.fakes.review_footage import GOP_MS, SEGMENT_MS, Footage
from web.caller import Caller
from web.guards import Right

ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
OF_CAMERA = Right(Action.PLAYBACK, ObjectKind.CAMERA, "camera", by_grant=True, roles=frozenset({Role.PRINCIPAL}))
Viewer = Annotated[Caller, Depends(OF_CAMERA)]
WINDOW_MS = 3_600_000


@dataclass
class ReviewApi:
    """The fake; tests set the fields."""

    streams: dict[str, Footage]
    jpeg: bytes = b""
    trouble: VuonError | None = None
    """What every request for pictures is answered with."""
    asked: list[str] = field(default_factory=list)
    grants: dict[str, tuple[int, int]] = field(default_factory=dict)
    refused: bool = False
    holds: list[list[int]] = field(default_factory=list)
    unsure: list[tuple[int, int, str]] = field(default_factory=list)
    """Stretches whose time is worth less: start, end, what it is worth."""
    torn: set[int] = field(default_factory=set)
    """Groups, by start, that the disk cannot give."""

    def install(self, app: FastAPI) -> FastAPI:
        """Put the routes before the app's own."""
        router = APIRouter()
        root = "/api/cameras/{camera}"
        grant = root + "/playback/{playback}"
        router.get(root + "/days")(self.days)
        router.get(root + "/timeline")(self.timeline)
        router.post(root + "/playback")(self.open)
        router.delete(grant)(self.close)
        router.get(grant + "/index")(self.index)
        router.get(grant + "/thumb.jpg")(self.thumb)
        router.get(grant + "/{stream}/init-{config}.mp4")(self.init)
        router.get(grant + "/{stream}/{name}.m4s")(self.media)
        router.get(grant + "/{stream}/{hour}.m3u8")(self.list_of_hour)
        app.router.routes[0:0] = router.routes
        return app

    def count(self, word: str) -> int:
        """How many requests of a kind came."""
        return sum(word in item for item in self.asked)

    def _decide(self) -> None:
        if self.refused:
            raise Denied("refused", reason="role.action")
        if self.trouble is not None:
            raise self.trouble

    def _granted(self, playback: str, from_ms: int, to_ms: int) -> None:
        self._decide()
        since, until = self.grants.get(playback, (0, 0))
        if not since <= from_ms < to_ms <= until:
            raise NotFound("no such playback, or another span")

    async def days(self, camera: str, caller: Viewer, request: Request) -> Response:
        """Days with footage, by sums."""
        self.asked.append("days")
        since, until = int(request.query_params["from"]), int(request.query_params["to"])
        main, found = self.streams["main"], []
        at = dt.datetime.fromtimestamp(since / 1000, ZONE)
        while (start := int(at.timestamp() * 1000)) < until:
            spans = main.spans(start, start + 24 * WINDOW_MS)
            if spans:
                found.append({"start_ms": start, "recorded_ms": sum(b - a for a, b in spans)})
            at += dt.timedelta(days=1)
        return JSONResponse({"days": found, "oldest_ms": main.start_ms, "newest_ms": main.newest_ms})

    async def timeline(self, camera: str, caller: Viewer, request: Request, stream: str = "main") -> Response:
        """Spans, gaps, motion."""
        self.asked.append("timeline")
        if self.refused:
            raise Denied("refused", reason="role.action")
        since, until = int(request.query_params["from"]), int(request.query_params["to"])
        if not 0 < until - since <= 26 * WINDOW_MS:
            raise BadInput("at most 26 hours")
        footage = self.streams[stream]
        gaps = [{"start_ms": a, "end_ms": b, "cause": why} for a, b, why in footage.gaps if b > since and a < until]
        levels = [
            _motion(at) if footage.recorded(at) else None for at in range(since, min(until, footage.newest_ms), 10_000)
        ]
        motion = {"start_ms": since, "step_ms": 10_000, "levels": levels}
        body: dict[str, Any] = {"spans": footage.spans(since, until), "gaps": gaps, "motion": motion}
        unsure = [{"start_ms": a, "end_ms": b, "time_quality": worth} for a, b, worth in self.unsure]
        return JSONResponse(body | {"newest_ms": footage.newest_ms, "holds": self.holds, "unsure": unsure})

    async def open(self, camera: str, caller: Viewer, request: Request) -> Response:
        """One grant for a span."""
        self.asked.append("open")
        if self.refused:
            raise Denied("refused", reason="role.action")
        body = await request.json()
        since, until = body["from_ms"], body["to_ms"]
        if not 0 < until - since <= 26 * WINDOW_MS:
            raise BadInput("at most 26 hours")
        playback = f"p{len(self.grants)}"
        self.grants[playback] = (since, until)
        answer = {"playback": playback, "from_ms": since, "to_ms": until, "streams": list(self.streams)}
        return JSONResponse(answer | {"until_ms": until + 400 * 24 * WINDOW_MS}, 201)

    async def close(self, camera: str, playback: str, caller: Viewer) -> Response:
        """Forget a grant."""
        self.asked.append("close")
        self.grants.pop(playback, None)
        return Response(status_code=204)

    async def index(self, camera: str, playback: str, caller: Viewer, request: Request, stream: str) -> Response:
        """Segments and their groups."""
        self.asked.append(f"index {stream}")
        since, until = int(request.query_params["from"]), int(request.query_params["to"])
        self._granted(playback, since, since + 1)
        footage = self.streams[stream]
        segments, configs = [], {}
        for start in range(since // SEGMENT_MS * SEGMENT_MS, until, SEGMENT_MS):
            if rows := footage.segment(start):
                config, (width, height) = footage.size_at(rows[0][0])
                configs[config] = {
                    "config": config, "mime": footage.mime(config), "width": width, "height": height,
                    "url": f"{stream}/init-{config}.mp4",
                }  # fmt: skip
                segments.append({
                    "segment": f"{start}-1", "config": config, "start_ms": rows[0][0], "end_ms": rows[-1][0] + GOP_MS,
                    "closed": rows[-1][0] + GOP_MS < footage.newest_ms, "size_bytes": rows[-1][2] + rows[-1][3],
                    "gops": rows, "url": f"{stream}/{start}-1.m4s",
                })  # fmt: skip
        answer = {"segments": segments, "configs": list(configs.values()), "newest_ms": footage.newest_ms}
        return JSONResponse(answer)

    async def init(self, camera: str, playback: str, stream: str, config: int, caller: Viewer) -> Response:
        """Return ftyp and moov."""
        self.asked.append("init")
        self._decide()
        return Response(self.streams[stream].init(config), media_type="video/mp4")

    async def media(
        self, camera: str, playback: str, stream: str, name: str, caller: Viewer, request: Request
    ) -> Response:
        """One range of one segment."""
        self.asked.append(f"media {stream}")
        start = int(name.partition("-")[0])
        self._granted(playback, start, start + 1)
        rows = self.streams[stream].segment(start)
        total = rows[-1][2] + rows[-1][3]
        found = re.fullmatch(r"bytes=(\d{1,12})-(\d{0,12})", request.headers["range"])
        if found is None:
            raise BadInput("one range")
        first, last = int(found[1]), int(found[2] or total - 1)
        wanted = [row for row in rows if row[2] <= last and row[2] + row[3] > first]
        if any(row[0] in self.torn for row in wanted):
            raise SegmentCorrupt("bad tag")
        data = b"".join(self.streams[stream].gop(row[0]) for row in wanted)
        begins = wanted[0][2]
        headers = {"Content-Range": f"bytes {first}-{last}/{total}"}
        return Response(data[first - begins : last + 1 - begins], 206, headers, "video/mp4")

    async def list_of_hour(self, camera: str, playback: str, stream: str, hour: int, caller: Viewer) -> Response:
        """One hour for a player of its own (RFC 8216), a byte range for each group."""
        self.asked.append("list")
        self._granted(playback, hour, hour + 1)
        footage = self.streams[stream]
        lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:2", "#EXT-X-PLAYLIST-TYPE:VOD"]
        lines.append('#EXT-X-MAP:URI="init-1.mp4"')
        for start in range(hour, hour + WINDOW_MS, SEGMENT_MS):
            for at_ms, length_ms, offset, size, _ in footage.segment(start):
                when = dt.datetime.fromtimestamp(at_ms / 1000, dt.UTC).isoformat(timespec="milliseconds")
                lines += [f"#EXT-X-PROGRAM-DATE-TIME:{when}", f"#EXTINF:{length_ms / 1000},"]
                lines += [f"#EXT-X-BYTERANGE:{size}@{offset}", f"{start}-1.m4s"]
        return Response("\n".join([*lines, "#EXT-X-ENDLIST", ""]), media_type="application/vnd.apple.mpegurl")

    async def thumb(self, camera: str, playback: str, caller: Viewer, request: Request, at: int) -> Response:
        """A small picture by time."""
        self.asked.append(f"thumb {at}")
        self._granted(playback, at, at + 1)
        captured = at // GOP_MS * GOP_MS
        return Response(self.jpeg, headers={"X-Captured-At": str(captured)}, media_type="image/jpeg")


def _motion(at_ms: int) -> int:
    """A school's day: still at night, lively in the morning, quiet after lunch."""
    hour = (at_ms / WINDOW_MS + 7) % 24
    busy = 0.0 if not 6.5 < hour < 17 else 0.12 if 11.5 < hour < 14 else 0.75
    return int(255 * busy * (0.4 + 0.6 * ((at_ms // 420_000 * 2_654_435_761) % 997) / 997))
