"""A recorder's feed socket for tests: plays a clip in real time, or what a test tells it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.core import feedwire
from gateway.core.callers import Callers
from gateway.core.media import AccessUnit
from tests.fakes.h264 import Clip, clip


class FakeFeed:
    """Serves one clip to every subscriber: the current GOP first, then live."""

    def __init__(self, path: Path, what: Clip | None = None, *, play: bool = True) -> None:
        self.path, self.clip, self._play = path, what or clip(), play
        self.subscribed: list[feedwire.Subscription] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self._gop: list[AccessUnit] = []
        self._server: asyncio.Server | None = None
        self._task: asyncio.Task[None] | None = None
        self._callers = Callers(self._serve)
        self.number = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_unix_server(self._callers, str(self.path))
        if self._play:
            self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._callers.close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self.path.unlink(missing_ok=True)

    @property
    def readers(self) -> int:
        """How many connections are open now."""
        return len(self._writers)

    def hang_up(self) -> None:
        """Break every connection, as a restarting recorder does."""
        for writer in list(self._writers):
            writer.close()

    def send(self, unit: AccessUnit, *, skipped: bool = False) -> None:
        """Send one unit to everybody and remember the GOP."""
        self._gop = [unit] if unit.is_key else [*self._gop, unit]
        for writer in list(self._writers):
            writer.write(feedwire.encode_unit(unit, skipped=skipped))

    def end(self, code: str) -> None:
        """Send END to everybody."""
        for writer in list(self._writers):
            writer.write(feedwire.frame(feedwire.END, f'{{"code": "{code}"}}'.encode()))

    def next_unit(self) -> AccessUnit:
        """Return the next picture of the clip, received now."""
        unit = self.clip.unit(self.number, time.monotonic_ns())
        self.number += 1
        return unit

    async def _run(self) -> None:
        began = time.monotonic()
        while True:
            self.send(self.next_unit())
            await asyncio.sleep(max(0.0, began + self.number / self.clip.fps - time.monotonic()))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            kind, length = feedwire.HEAD.unpack(await reader.readexactly(feedwire.HEAD.size))
            assert kind == feedwire.SUBSCRIBE
            self.subscribed.append(feedwire.decode_subscribe(await reader.readexactly(length)))
            writer.write(feedwire.encode_config(self.clip.config))
            for unit in self._gop:
                writer.write(feedwire.encode_unit(unit))
            self._writers.add(writer)
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self._writers.discard(writer)
