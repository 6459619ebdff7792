"""Recorded footage as the pages see it: a door to bytes in memory."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from gateway.core.errors import NotFound
from gateway.core.model import Action, PublicId, StreamRole
from web.caller import Caller
from web.services import HourIndex, OpenedPlayback, SegmentSize, Still

if TYPE_CHECKING:
    from tests.fakes.web_services import FakeBox

START_MS = 1_795_219_200_000
"""2026-11-21 00:00:00 UTC."""
PLAYBACK = "p" * 16
SEGMENT = f"{START_MS}-7"


def segment(
    start_ms: int = START_MS, run: int = 7, *, gops: int = 3, config: str = "0a1b2c3d", gop_ms: int = 2_000
) -> dict[str, Any]:
    """A segment as `playback.index` lists it: GOPs of 100 bytes."""
    return {
        "segment": f"{start_ms}-{run}",
        "config": config,
        "start_ms": start_ms,
        "end_ms": start_ms + gops * gop_ms,
        "closed": True,
        "size_bytes": gops * 100,
        "gops": [[start_ms + number * gop_ms, gop_ms, number * 100, 100, True] for number in range(gops)],
    }


@dataclass
class FakePlayback:
    """Implements `PlaybackDoor` over the box; tests set the fields."""

    box: FakeBox
    opened: dict[str, tuple[Caller, PublicId]] = field(default_factory=dict)
    data: dict[str, bytes] = field(default_factory=lambda: {SEGMENT: bytes(range(250))})
    closed: bool = True
    error: Exception | None = None
    """Raised by whatever gives bytes."""
    breaks_after: int | None = None
    """So many chunks come before the error."""
    chunk_bytes: int = 100
    given: int = 0
    """Chunks that were taken."""
    segments: list[dict[str, Any]] = field(default_factory=lambda: [segment()])
    over: bool = True

    def _own(self, caller: Caller, camera: PublicId, playback: str) -> None:
        if self.opened.get(playback) != (caller, camera):
            raise NotFound("no such playback")

    def _fail(self) -> None:
        if self.error is not None and self.breaks_after is None:
            raise self.error

    async def days(
        self, camera: PublicId, from_ms: int | None, to_ms: int | None, stream: StreamRole | None
    ) -> Mapping[str, Any]:
        self.box.calls.append(f"days of {camera} {from_ms} {to_ms} {stream}")
        return {"days": [{"day": "2026-11-21", "start_ms": START_MS, "recorded_ms": 5}], "oldest_ms": 1, "newest_ms": 2}

    async def timeline(
        self, camera: PublicId, from_ms: int, to_ms: int, stream: StreamRole | None
    ) -> Mapping[str, Any]:
        self.box.calls.append(f"timeline of {camera} {from_ms} {to_ms} {stream}")
        return {"spans": [[from_ms, to_ms]], "gaps": [], "newest_ms": to_ms}

    async def open(self, caller: Caller, camera: PublicId, from_ms: int, to_ms: int) -> OpenedPlayback:
        await self.box.grant(caller, Action.PLAYBACK, camera)
        self.opened[PLAYBACK] = (caller, camera)
        return OpenedPlayback(PLAYBACK, from_ms, to_ms, tuple(StreamRole))

    async def close(self, caller: Caller, camera: PublicId, playback: str) -> None:
        self._own(caller, camera, playback)
        del self.opened[playback]

    async def index(
        self,
        caller: Caller,
        camera: PublicId,
        playback: str,
        stream: StreamRole,
        span: tuple[int | None, int | None] = (None, None),
    ) -> Mapping[str, Any]:
        self._own(caller, camera, playback)
        self._fail()
        self.box.calls.append(f"index of {stream} {span[0]} {span[1]}")
        configs = [{"config": "0a1b2c3d", "mime": 'video/mp4; codecs="avc1.42C01E"', "width": 640, "height": 360}]
        return {"segments": self.segments, "configs": configs, "unreadable": 0, "newest_ms": 1}

    async def hour(
        self, caller: Caller, camera: PublicId, playback: str, stream: StreamRole, start_ms: int
    ) -> HourIndex:
        self._own(caller, camera, playback)
        return HourIndex(self.segments, self.over)

    async def init(
        self, caller: Caller, camera: PublicId, playback: str, stream: StreamRole, config: str
    ) -> tuple[str, bytes]:
        self._own(caller, camera, playback)
        self._fail()
        return 'video/mp4; codecs="avc1.42C01E"', b"init of " + config.encode()

    async def segment(
        self, caller: Caller, camera: PublicId, playback: str, stream: StreamRole, segment: str
    ) -> SegmentSize:
        self._own(caller, camera, playback)
        if segment not in self.data:
            raise NotFound("no such segment")
        return SegmentSize(len(self.data[segment]), self.closed)

    async def media(
        self, caller: Caller, camera: PublicId, playback: str, stream: StreamRole, segment: str, offset: int, size: int
    ) -> AsyncGenerator[bytes, None]:
        self._own(caller, camera, playback)
        self._fail()
        data = self.data[segment][offset : offset + size]
        for number, at in enumerate(range(0, len(data), self.chunk_bytes)):
            if self.error is not None and number == self.breaks_after:
                raise self.error
            self.given += 1
            yield data[at : at + self.chunk_bytes]

    async def thumb(self, caller: Caller, camera: PublicId, playback: str, at_ms: int, width: int) -> Still:
        self._own(caller, camera, playback)
        self._fail()
        return Still(at_ms - 300, width, width * 9 // 16, b"\xff\xd8thumb")
