"""`<run>/feed.sock`: live pictures for vuon-live, one connection a subscription.

Owns the server side of `gateway.core.feedwire`. Invariants: only allowed uids are answered; the current
GOP comes first and every epoch's CONFIG before its first UNIT; a slow peer only fills its own bounded
queue (`recorder.feed`); at most `MAX_SUBSCRIPTIONS` at once; `watched` hears when the first one begins and
when the last one has ended, `wants_key` each wish for a key frame.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from gateway.core import feedwire
from gateway.core.errors import WireError
from gateway.core.feedwire import Subscription
from gateway.core.supervise import FaultSink, contained
from gateway.core.unixdoor import Peer, UnixDoor
from recorder.feed import Feed, QueueReader, StreamEnded

FindFeed: TypeAlias = Callable[[Subscription], Feed | None]
MAX_SUBSCRIPTIONS = 256
SUBSCRIBE_TIMEOUT_S = 5.0
MAX_SUBSCRIBE_BYTES = 4096
SOCKET_BUFFER_BYTES = 256 << 10
"""Kept small: what does not fit must wait in the bounded queue, where it can be dropped."""

_HANGUPS = (EOFError, ConnectionError, WireError, TimeoutError)


def _nobody_to_tell(_: bool) -> None:
    """Stand in for who wants to hear."""


def _no_camera_to_ask(_: Subscription) -> None:
    """Stand in for who asks cameras."""


class FeedServer:
    """Serves feeds while entered."""

    def __init__(
        self,
        path: Path,
        find: FindFeed,
        *,
        allowed_uids: frozenset[int] | None = None,
        watched: Callable[[bool], None] = _nobody_to_tell,
        wants_key: Callable[[Subscription], None] = _no_camera_to_ask,
        on_fault: FaultSink,
    ) -> None:
        self._find, self._on_fault = find, on_fault
        self._watched, self._watching, self._wants_key = watched, 0, wants_key
        self._door = UnixDoor(
            path, "feed", self._serve, allowed_uids=allowed_uids, hangups=_HANGUPS, most=MAX_SUBSCRIPTIONS
        )

    async def __aenter__(self) -> Self:
        await self._door.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._door.__aexit__(kind, error, trace)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, _: Peer) -> None:
        async with contained("feed", self._on_fault, passing=_HANGUPS):
            await self._subscription(reader, writer)

    async def _subscription(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(SUBSCRIBE_TIMEOUT_S):
            kind, length = feedwire.HEAD.unpack(await reader.readexactly(feedwire.HEAD.size))
            if kind != feedwire.SUBSCRIBE or length > MAX_SUBSCRIBE_BYTES:
                raise WireError("expected a subscription")
            wanted = feedwire.decode_subscribe(await reader.readexactly(length))
        feed = self._find(wanted)
        if feed is None:
            await _end(writer, "not_found")
            return
        writer.transport.set_write_buffer_limits(high=SOCKET_BUFFER_BYTES)
        queue = QueueReader(asyncio.get_running_loop())
        feed.attach(queue)
        self._count(1)
        gone = asyncio.create_task(self._hear(reader, wanted), name="feed-hangup")
        try:
            await self._pump(queue, writer, gone)
        finally:
            feed.detach(queue)
            self._count(-1)
            gone.cancel()
            await asyncio.wait([gone])
            gone.cancelled() or gone.exception()

    async def _hear(self, reader: asyncio.StreamReader, wanted: Subscription) -> None:
        """Take wishes for a key frame; returns at the end, or when the peer says anything else."""
        try:
            while True:
                kind, length = feedwire.HEAD.unpack(await reader.readexactly(feedwire.HEAD.size))
                if kind != feedwire.KEY or length:
                    return
                self._wants_key(wanted)
        except _HANGUPS:
            return

    def _count(self, change: int) -> None:
        before, self._watching = self._watching, self._watching + change
        if bool(before) != bool(self._watching):
            self._watched(bool(self._watching))

    @staticmethod
    async def _pump(queue: QueueReader, writer: asyncio.StreamWriter, gone: asyncio.Task[None]) -> None:
        """Send until the stream ends or the subscriber is gone."""
        epoch: int | None = None
        gone.add_done_callback(lambda task: None if task.cancelled() else queue.ended("closed"))
        while True:
            try:
                unit, skipped = await queue.take()
            except StreamEnded as end:
                await _end(writer, end.code)
                return
            if unit.config.epoch != epoch:
                epoch = unit.config.epoch
                writer.write(feedwire.encode_config(unit.config))
            writer.write(feedwire.encode_unit(unit, skipped=skipped))
            await writer.drain()


async def _end(writer: asyncio.StreamWriter, code: str) -> None:
    writer.write(feedwire.frame(feedwire.END, json.dumps({"code": code}).encode()))
    await writer.drain()
