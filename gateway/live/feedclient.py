"""Subscriptions to the recorder's feed socket, one per watched stream.

Owns which streams are subscribed at `<run>/feed.sock`. Invariants: a stream is subscribed exactly while somebody
holds it; losing the recorder ends nothing here, the subscription is made again with back-off and the stream's
time line goes on; a peer that breaks the protocol costs that one connection; a stream that no browser plays (H.265), or
a sub stream that is not there, is the camera's small picture instead (`transcodes.py`).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from gateway.core.clock import Clock
from gateway.core.feedwire import Subscription
from gateway.core.media import Codec, CodecConfig
from gateway.core.model import PublicId, StreamRole
from gateway.core.supervise import Backoff, FaultSink, supervise
from gateway.live.ends import End
from gateway.live.sender import SendFrame, send_frame
from gateway.live.stream import LiveStream
from gateway.live.subscription import Picture, subscribed
from gateway.live.transcodes import Transcodes
from gateway.live.uplink import Uplink

BACKOFF = Backoff(first_s=0.25, most_s=5.0, healthy_after_s=10.0)
ENDED_PAUSE_S = 1.0
"""After END the recorder has nothing to send for the moment."""
ENDED = {"not_found": End.CAMERA_GONE}
"""END codes that mean the stream will not come back by itself."""

StreamKey = tuple[PublicId, StreamRole]


@dataclass(slots=True)
class _Held:
    stream: LiveStream
    holders: int = 0
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Feeds:
    """All subscriptions; async context manager (left = no connection open)."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        on_fault: FaultSink,
        send: SendFrame = send_frame,
        uplink: Uplink | None = None,
        transcodes: Transcodes | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`transcodes`: entered outside of this; None = what is not H.264 cannot be shown."""
        self._path, self._clock, self._on_fault, self._jitter = path, clock, on_fault, jitter
        self.transcodes = transcodes
        self._send, self.uplink = send, uplink
        self._held: dict[StreamKey, _Held] = {}
        self._tasks: TaskGroup | None = None
        self.reconnects = 0

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        assert self._tasks is not None
        self._tasks.cancel_scope.cancel()
        self._held.clear()
        return await self._tasks.__aexit__(kind, error, trace)

    @property
    def streams(self) -> tuple[LiveStream, ...]:
        """The streams held now."""
        return tuple(held.stream for held in self._held.values())

    def hold(self, camera: PublicId, role: StreamRole) -> LiveStream:
        """Return the stream, subscribing if nobody held it; every `hold` needs its `release`."""
        assert self._tasks is not None
        held = self._held.get((camera, role))
        if held is None:
            held = self._held[camera, role] = _Held(
                LiveStream(camera, role, self._clock, self._send, uplink=self.uplink)
            )
            self._tasks.start_soon(self._keep, held)
        held.holders += 1
        return held.stream

    def release(self, stream: LiveStream) -> None:
        """Give one hold back; the last one ends the subscription."""
        key = (stream.camera, stream.role)
        held = self._held.get(key)
        if held is None or held.stream is not stream:
            return
        held.holders -= 1
        if held.holders == 0:
            del self._held[key]
            held.scope.cancel()

    async def _keep(self, held: _Held) -> None:
        with held.scope:
            async with anyio.create_task_group() as tasks:
                if held.stream.line is not None:
                    tasks.start_soon(held.stream.line.run)
                await self._follow(held)

    async def _follow(self, held: _Held) -> None:
        await supervise(
            f"feed {held.stream.camera}/{held.stream.role}",
            lambda: self._read(held.stream),
            clock=self._clock,
            on_fault=self._on_fault,
            backoff=BACKOFF,
            jitter=self._jitter,
        )

    async def _read(self, stream: LiveStream) -> None:
        """Subscribe and deliver until the feed ends; returns at END, raises when the connection breaks."""
        self.reconnects += 1
        if await self._direct(stream):
            assert self.transcodes is not None
            await self.transcodes.show(stream.camera, stream.role, stream)
        else:
            await self._clock.sleep(ENDED_PAUSE_S)

    async def _direct(self, stream: LiveStream) -> bool:
        """Deliver the stream as it is until it ends; True if only the small picture helps."""
        small = self.transcodes is not None
        asks = partial(setattr, stream, "ask_key")
        async with subscribed(self._path, Subscription(stream.camera, stream.role), asks) as pieces:
            async for piece in pieces:
                if isinstance(piece, Picture):
                    stream.take(piece.unit, skipped=piece.skipped)
                elif isinstance(piece, CodecConfig):
                    if small and piece.codec is not Codec.H264:
                        return True
                    stream.ended = None if piece.codec is Codec.H264 else End.CODEC
                elif small and piece.code == "not_found" and stream.role is StreamRole.SUB:
                    return True
                else:
                    stream.ended = ENDED.get(piece.code, stream.ended)
        return False
