"""The small H.264 picture of one camera, for viewers whose stream cannot be sent as it is.

Owns the choice of source and the one transcoder of a camera: the sub stream as it is where that is H.264, else the
sub stream transcoded, else (a camera without one) the main stream transcoded. Invariants: everybody who watches
shares one process; it runs only while units need it and `run` is awaited, and has a place just as long; a taker begins
with a key frame and never gets a unit older than one it had; whatever fails is raised, so that `supervise` starts the
whole again at a key frame.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeAlias

from gateway.core.clock import Clock
from gateway.core.errors import ConfigError
from gateway.core.feedwire import Subscription
from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import PublicId, StreamRole
from gateway.live.backlog import Backlog
from gateway.live.ends import End
from gateway.live.subscription import Ended, subscribed
from gateway.live.transcoder.pipe import MOST_UNIT_BYTES
from gateway.live.transcoder.process import Transcoder

STALE_NS = 500_000_000
"""Units that late are decoded for those after them, not shown; but for one a second, so that something is seen."""
STALE_EVERY_NS = 1_000_000_000
ENDED_PAUSE_S = 1.0
NOT_FOUND = "not_found"
"""END code: the recorder has no such stream."""


class Taker(Protocol):
    """`stream.LiveStream`, as far as it is needed here."""

    ended: End | None

    def take(self, unit: AccessUnit, *, skipped: bool) -> None:
        """Take the next unit."""


Place: TypeAlias = Callable[[], AbstractAsyncContextManager[bool]]
"""Entered: whether a process may run, at most so many doing so in all; left when it is dead."""


@dataclass(slots=True)
class Pace:
    """Which units are worth showing; pure."""

    floor_ns: int = 0
    """Time of receipt of the newest unit that was delivered."""
    shown_ns: int = 0

    def quiet(self, unit: AccessUnit, now_ns: int) -> bool:
        """Say whether a unit is decoded only."""
        received_ns = unit.received_mono_ns
        if received_ns <= self.floor_ns:
            return True
        stale = now_ns - received_ns > STALE_NS
        if stale and self.shown_ns and received_ns - self.shown_ns < STALE_EVERY_NS:
            return True
        self.shown_ns = received_ns
        return False


class SmallPicture:
    """One camera's; `run` once, for as long as anybody watches."""

    def __init__(
        self,
        camera: PublicId,
        path: Path,
        *,
        clock: Clock,
        place: Place,
        make: Callable[[], Transcoder],
    ) -> None:
        self.camera, self._path, self._clock = camera, path, clock
        self._place, self._make = place, make
        self._takers: dict[int, tuple[Taker, asyncio.Event]] = {}
        self._fresh: set[int] = set()
        self._pace = Pace()
        self._wants_key = False
        self._hole = False
        """A unit was left out: what follows has no reference up to the next key frame."""
        self.pid: int | None = None
        """Of the process; None while there is none."""
        self.source: tuple[StreamRole, Codec] | None = None
        self.started = self.dropped = self.bad = self.made = 0

    async def show(self, taker: Taker) -> None:
        """Give a taker the pictures until the source changes; it is to look for its own stream then."""
        mine = id(taker)
        changed = asyncio.Event()
        self._takers[mine] = (taker, changed)
        self._fresh.add(mine)
        self._wants_key = True
        try:
            await changed.wait()
        finally:
            del self._takers[mine]
            self._fresh.discard(mine)

    def ask_key(self) -> None:
        """Make the next picture a key frame."""
        self._wants_key = True

    async def run(self) -> None:
        """Follow the camera until its feed ends; raises when something fails."""
        ended = await self._follow(StreamRole.SUB)
        if ended is not None and ended.code == NOT_FOUND:
            ended = await self._follow(StreamRole.MAIN)
        if ended is None:
            self._tell(End.TRANSCODES)
        else:
            if ended.code == NOT_FOUND:
                self._tell(End.CAMERA_GONE)
            for _, changed in self._takers.values():
                changed.set()
        await self._clock.sleep(ENDED_PAUSE_S)

    async def _follow(self, role: StreamRole) -> Ended | None:
        """Hand pictures on until the feed ends (returned), or None when there is no place for a process."""
        backlog = Backlog()
        filling = asyncio.create_task(self._fill(role, backlog), name=f"small {self.camera}")
        filling.add_done_callback(backlog.filled)
        try:
            return await self._drain(role, backlog)
        except ConfigError:
            self._tell(End.CODEC)
            raise
        finally:
            self.pid = None
            self.dropped += backlog.dropped
            filling.cancel()
            await asyncio.wait([filling])

    def _tell(self, end: End) -> None:
        for taker, _ in self._takers.values():
            taker.ended = end

    async def _fill(self, role: StreamRole, backlog: Backlog) -> None:
        async with subscribed(self._path, Subscription(self.camera, role)) as pieces:
            async for piece in pieces:
                if not isinstance(piece, CodecConfig):
                    backlog.put(piece)

    async def _drain(self, role: StreamRole, backlog: Backlog) -> Ended | None:
        transcoder: Transcoder | None = None
        async with AsyncExitStack() as stack:
            while True:
                piece = await backlog.take()
                if isinstance(piece, Ended):
                    return piece
                unit = piece.unit
                self.source = (role, unit.config.codec)
                if role is StreamRole.SUB and unit.config.codec is Codec.H264:
                    if transcoder is not None:
                        await stack.aclose()
                        transcoder = self.pid = None
                    self._deliver(unit, skipped=piece.skipped)
                    continue
                if transcoder is None:
                    if not await stack.enter_async_context(self._place()):
                        return None
                    transcoder = await stack.enter_async_context(self._make())
                    self.pid, self.started = transcoder.pid, self.started + 1
                await self._transcode(transcoder, unit)

    async def _transcode(self, transcoder: Transcoder, unit: AccessUnit) -> None:
        if unit.is_key:
            self._hole = False
        if self._hole or unit.size_bytes > MOST_UNIT_BYTES // 2:
            self._hole = True
            self.bad += 1
            return
        bad, key, self._wants_key = transcoder.bad, self._wants_key, False
        quiet = self._pace.quiet(unit, self._clock.mono_ns())
        for made in await transcoder.give(unit, quiet=quiet, key=key):
            self.made += 1
            self._deliver(made, skipped=False)
        self.bad += transcoder.bad - bad

    def _deliver(self, unit: AccessUnit, *, skipped: bool) -> None:
        self._pace.floor_ns = max(self._pace.floor_ns, unit.received_mono_ns)
        for mine, (taker, _) in list(self._takers.items()):
            if mine in self._fresh:
                if not unit.is_key:
                    continue
                self._fresh.discard(mine)
            taker.ended = None
            taker.take(unit, skipped=skipped)
