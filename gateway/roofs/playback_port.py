"""Recorded footage as the pages want it: `web.services.PlaybackDoor` over opened playbacks and the recorder.

Owns the translation. Invariants: every byte and picture goes out under a right that was decided again for this
request, and a long answer is decided again at every chunk; what a person may not know of is NotFound; one
chunk is held at a time, so a slow reader slows the recorder's disk and fills no memory.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, cast

from gateway.access.playbacks import Playbacks
from gateway.core.clock import Clock
from gateway.core.errors import NotFound
from gateway.core.model import Grant, PublicId, StreamRole
from gateway.core.wire import ControlClient
from web.caller import Caller
from web.services import HourIndex, OpenedPlayback, SegmentSize, Still

HOUR_MS = 3_600_000
LATE_MS = 300_000
"""So long after an hour nothing of it is still on its way to the disk, also if the camera is away."""


class PlaybackPort:
    """Asks the recorder for what the grant covers."""

    def __init__(self, playbacks: Playbacks, client: ControlClient, clock: Clock) -> None:
        self._playbacks, self._client, self._clock = playbacks, client, clock

    async def days(
        self, camera: PublicId, from_ms: int | None, to_ms: int | None, stream: StreamRole | None
    ) -> Mapping[str, Any]:
        """Say which days have footage."""
        bounds = {key: value for key, value in (("from_ms", from_ms), ("to_ms", to_ms)) if value is not None}
        return (await self._client.call("playback.days", {"camera": camera, **bounds, **_of(stream)})).result

    async def timeline(
        self, camera: PublicId, from_ms: int, to_ms: int, stream: StreamRole | None
    ) -> Mapping[str, Any]:
        """Say where footage is, where it is missing and why."""
        asked = {"camera": camera, "from_ms": from_ms, "to_ms": to_ms, **_of(stream)}
        return (await self._client.call("playback.timeline", asked)).result

    async def open(self, caller: Caller, camera: PublicId, from_ms: int, to_ms: int) -> OpenedPlayback:
        """Decide, write the audit row, keep the right."""
        name, grant = await self._playbacks.open(caller.person, caller.device, camera, from_ms, to_ms)
        has = (await self._client.call("playback.streams", {"camera": camera})).result["streams"]
        streams = tuple(role for role in StreamRole if role in grant.streams and role.value in has)
        return OpenedPlayback(name, from_ms, to_ms, streams, grant.until_ms)

    async def close(self, caller: Caller, camera: PublicId, playback: str) -> None:
        """End a playback."""
        self._playbacks.close(caller.person, caller.device, camera, PublicId(playback))

    async def index(
        self,
        caller: Caller,
        camera: PublicId,
        playback: str,
        stream: StreamRole,
        span: tuple[int | None, int | None] = (None, None),
    ) -> Mapping[str, Any]:
        """List segments and GOPs."""
        bounds = {key: value for key, value in zip(("from_ms", "to_ms"), span, strict=True) if value is not None}
        asked = {"ticket": self._ticket(caller, camera, playback), "stream": stream.value, **bounds}
        return (await self._client.call("playback.index", asked)).result

    async def hour(
        self, caller: Caller, camera: PublicId, playback: str, stream: StreamRole, start_ms: int
    ) -> HourIndex:
        """List the segments of one hour, as far as the playback covers it; NotFound if it does not at all."""
        grant = self._grant(caller, camera, playback)
        from_ms, to_ms = max(start_ms, grant.from_ms or 0), min(start_ms + HOUR_MS, grant.to_ms or 0)
        if from_ms >= to_ms:
            raise NotFound("the playback has nothing of this hour", key="hour")
        told = await self.index(caller, camera, playback, stream, (from_ms, to_ms))
        written_ms = max(told["newest_ms"] or 0, self._clock.now_ms() - LATE_MS)
        return HourIndex(told["segments"], over=written_ms >= to_ms)

    async def init(
        self, caller: Caller, camera: PublicId, playback: str, stream: StreamRole, config: str
    ) -> tuple[str, bytes]:
        """Return media type and bytes of an init segment."""
        asked = {"ticket": self._ticket(caller, camera, playback), "stream": stream.value, "config": config}
        reply = await self._client.call("playback.init", asked)
        return str(reply.result["mime"]), reply.blob

    async def segment(
        self, caller: Caller, camera: PublicId, playback: str, stream: StreamRole, segment: str
    ) -> SegmentSize:
        """Return how long a segment is now."""
        asked = {"ticket": self._ticket(caller, camera, playback), "stream": stream.value, "segment": segment}
        result = (await self._client.call("playback.segment", asked)).result
        return SegmentSize(int(result["size_bytes"]), bool(result["closed"]))

    async def media(
        self,
        caller: Caller,
        camera: PublicId,
        playback: str,
        stream: StreamRole,
        segment: str,
        offset: int,
        size: int,
    ) -> AsyncGenerator[bytes, None]:
        """Yield bytes of a segment; whatever is refused or missing is raised before the first."""
        asked = {
            "ticket": self._ticket(caller, camera, playback),
            "stream": stream.value,
            "segment": segment,
            "offset": offset,
            "size": size,
        }
        stream_ = cast("AsyncGenerator[bytes, None]", self._client.stream("playback.media", asked))
        async with aclosing(stream_) as chunks:
            async for chunk in chunks:
                self._grant(caller, camera, playback)
                yield chunk

    async def thumb(self, caller: Caller, camera: PublicId, playback: str, at_ms: int, width: int) -> Still:
        """Return the key frame at or before an instant."""
        asked = {"ticket": self._ticket(caller, camera, playback), "at_ms": at_ms, "width": width}
        reply = await self._client.call("playback.thumb", asked)
        result = reply.result
        return Still(int(result["captured_ms"]), int(result["width"]), int(result["height"]), reply.blob)

    def _grant(self, caller: Caller, camera: PublicId, playback: str) -> Grant:
        return self._playbacks.use(caller.person, caller.device, camera, PublicId(playback))

    def _ticket(self, caller: Caller, camera: PublicId, playback: str) -> dict[str, str]:
        return dict(self._playbacks.ticket(self._grant(caller, camera, playback)))


def _of(stream: StreamRole | None) -> dict[str, str]:
    return {} if stream is None else {"stream": stream.value}
