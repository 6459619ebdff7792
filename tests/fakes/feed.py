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
from gateway.core.model import StreamRole
from tests.fakes.h264 import Clip, clip


class FakeFeed:
    """Serves one clip to every subscriber: the current GOP first, then live.

    With `sub`, subscribers of the sub stream get that one instead, picture for picture at the same time.
    """

    def __init__(self, path: Path, what: Clip | None = None, *, play: bool = True, sub: Clip | None = None) -> None:
        self.path, self.clip, self._play, self._sub = path, what or clip(), play, sub
        self.absent: set[StreamRole] = set()
        """Streams the camera does not have: whoever asks for one hears so."""
        self._of_sub: set[asyncio.StreamWriter] = set()
        self.subscribed: list[feedwire.Subscription] = []
        self.wishes: list[feedwire.Subscription] = []
        """Who asked for a key frame."""
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
        for writer in list(self._writers - self._of_sub):
            writer.write(feedwire.encode_unit(unit, skipped=skipped))

    def turn_into(self, what: Clip) -> None:
        """Go on with another clip, from its first picture, as a camera that was set to another codec."""
        self.clip, self.number, self._gop = what, 0, []
        for writer in list(self._writers - self._of_sub):
            writer.write(feedwire.encode_config(what.config))

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
            unit = self.next_unit()
            self.send(unit)
            if self._sub is not None and self._of_sub:
                small = feedwire.encode_unit(self._sub.unit(self.number - 1, unit.received_mono_ns))
                for writer in list(self._of_sub):
                    writer.write(small)
            await asyncio.sleep(max(0.0, began + self.number / self.clip.fps - time.monotonic()))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            kind, length = feedwire.HEAD.unpack(await reader.readexactly(feedwire.HEAD.size))
            assert kind == feedwire.SUBSCRIBE
            wanted = feedwire.decode_subscribe(await reader.readexactly(length))
            self.subscribed.append(wanted)
            if wanted.stream in self.absent:
                writer.write(feedwire.frame(feedwire.END, b'{"code": "not_found"}'))
                await reader.read()
                return
            if self._sub is not None and wanted.stream is StreamRole.SUB:
                writer.write(feedwire.encode_config(self._sub.config))
                self._of_sub.add(writer)
            else:
                writer.write(feedwire.encode_config(self.clip.config))
                for unit in self._gop:
                    writer.write(feedwire.encode_unit(unit))
            self._writers.add(writer)
            while True:
                kind, length = feedwire.HEAD.unpack(await reader.readexactly(feedwire.HEAD.size))
                assert (kind, length) == (feedwire.KEY, 0)
                self.wishes.append(wanted)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            self._writers.discard(writer)
            self._of_sub.discard(writer)
