"""Subscriptions to the recorder's feed socket, one per watched stream.

Owns the connections to `<run>/feed.sock`. Invariants: a stream is subscribed exactly while somebody holds
it; losing the recorder ends nothing here, the subscription is made again with back-off and the stream's
time line goes on; a peer that breaks the protocol costs that one connection.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from gateway.core import feedwire
from gateway.core.clock import Clock
from gateway.core.errors import DaemonUnavailable, WireError
from gateway.core.media import Codec, CodecConfig
from gateway.core.model import PublicId, StreamRole
from gateway.core.supervise import Backoff, FaultSink, supervise
from gateway.live.ends import End
from gateway.live.sender import SendFrame, send_frame
from gateway.live.stream import LiveStream
from gateway.live.uplink import Uplink

CONNECT_TIMEOUT_S = 2.0
BACKOFF = Backoff(first_s=0.25, most_s=5.0, healthy_after_s=10.0)
READ_BUFFER_BYTES = 1 << 20
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
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._path, self._clock, self._on_fault, self._jitter = path, clock, on_fault, jitter
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
        wanted = feedwire.Subscription(stream.camera, stream.role)
        configs: dict[int, CodecConfig] = {}
        async with self._connected() as (reader, writer):
            writer.write(feedwire.encode_subscribe(wanted))
            await writer.drain()
            stream.ask_key = lambda: writer.write(feedwire.encode_key_wanted())  # a closed one takes it silently
            while True:
                kind, body = await _frame(reader)
                if kind == feedwire.CONFIG:
                    config = feedwire.decode_config(body)
                    configs = {config.epoch: config}
                    stream.ended = None if config.codec is Codec.H264 else End.CODEC
                elif kind == feedwire.UNIT:
                    unit, skipped = feedwire.decode_unit(body, configs)
                    stream.take(unit, skipped=skipped)
                elif kind == feedwire.END:
                    stream.ended = ENDED.get(_end_code(body), stream.ended)
                    await self._clock.sleep(ENDED_PAUSE_S)
                    return
                else:
                    raise WireError(f"unexpected frame kind {kind} on the feed socket")

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
        writer: asyncio.StreamWriter | None = None
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT_S):
                reader, writer = await asyncio.open_unix_connection(os.fspath(self._path), limit=READ_BUFFER_BYTES)
            yield reader, writer
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            raise DaemonUnavailable("the recorder's feed is not there", service="recorder") from error
        finally:
            if writer is not None:
                writer.close()


async def _frame(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    kind, length = feedwire.HEAD.unpack(await reader.readexactly(feedwire.HEAD.size))
    if length > feedwire.MAX_BODY_BYTES:
        raise WireError(f"feed frame of {length} bytes is over the cap")
    return kind, await reader.readexactly(length)


def _end_code(body: bytes) -> str:
    try:
        head = json.loads(body)
    except ValueError as error:
        raise WireError("malformed END frame") from error
    return str(head.get("code", "")) if isinstance(head, dict) else ""
