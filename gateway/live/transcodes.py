"""The cameras that are watched through a small picture, and how many of them may have a process.

Owns the table of `SmallPicture`s and their places. Invariants: one a camera; at most `most` processes, counting one
that is ending; a small picture ends `LINGER_S` after its last viewer, or at once when another camera needs its place;
who finds no place is refused and counted, never queued; left = every process dead.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import anyio
from anyio.abc import TaskGroup

from gateway.core.clock import Clock
from gateway.core.errors import TranscodesFull
from gateway.core.model import PublicId, StreamRole
from gateway.core.supervise import Backoff, FaultSink, supervise
from gateway.live.ends import End
from gateway.live.smallpicture import SmallPicture, Taker
from gateway.live.transcoder.process import Transcoder, command

MOST = 4
LINGER_S = 10.0
BACKOFF = Backoff(first_s=0.25, most_s=10.0, healthy_after_s=20.0)
REMEMBER_S = 60.0
"""So long after a refusal the next viewer of the camera is refused at the door, unless a place is free."""
MOST_REMEMBERED = 256


@dataclass(slots=True, eq=False)
class _Shown:
    picture: SmallPicture
    holders: int = 0
    place: bool = False
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    idle: anyio.CancelScope | None = None


class Transcodes:
    """All small pictures; async context manager."""

    def __init__(
        self,
        path: Path,
        *,
        clock: Clock,
        on_fault: FaultSink,
        most: int = MOST,
        process: Sequence[str] = (),
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """`path`: the recorder's feed socket; `process`: how a transcoder is started."""
        self._path, self._clock, self._on_fault, self._jitter = path, clock, on_fault, jitter
        self.most, self._command = most, tuple(process) or command()
        self._shown: dict[PublicId, _Shown] = {}
        self._ending: list[_Shown] = []
        """Those that show no more but may still have a process."""
        self._tasks: TaskGroup | None = None
        self._refused_ns: dict[tuple[PublicId, StreamRole], int] = {}
        self.refused = self.failed = 0
        self._before = {"started": 0, "made": 0, "dropped": 0, "bad": 0}

    async def __aenter__(self) -> Self:
        self._tasks = await anyio.create_task_group().__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        assert self._tasks is not None
        self._tasks.cancel_scope.cancel()
        self._shown.clear()
        return await self._tasks.__aexit__(kind, error, trace)

    async def show(self, camera: PublicId, role: StreamRole, taker: Taker) -> None:
        """Give a taker the camera's small picture until its source changes; to be cancelled when nobody watches."""
        async with self._held(camera) as picture:
            try:
                await picture.show(taker)
            finally:
                if taker.ended is End.TRANSCODES:
                    self._remember(camera, role)

    def require(self, camera: PublicId, role: StreamRole) -> None:
        """Raise TranscodesFull where a viewer would find no place, as far as that is known."""
        refused_ns = self._refused_ns.get((camera, role))
        if refused_ns is None or self._clock.mono_ns() - refused_ns > REMEMBER_S * 1e9:
            return
        shown = self._shown.get(camera)
        if (shown is None or not shown.place) and not self._free() and self._idle() is None:
            raise TranscodesFull("every place for a transcode is taken", reason=End.TRANSCODES.value)

    def ask_key(self, camera: PublicId) -> bool:
        """Have a camera's next small picture made a key frame; False if it has none."""
        shown = self._shown.get(camera)
        if shown is None:
            return False
        shown.picture.ask_key()
        return True

    def facts(self) -> dict[str, Any]:
        """Return the figures of all."""
        pictures = [shown.picture for shown in (*self._shown.values(), *self._ending)]
        return {
            "most": self.most,
            "processes": sum(picture.pid is not None for picture in pictures),
            "refused": self.refused,
            "failed": self.failed,
            **{name: self._before[name] + sum(getattr(item, name) for item in pictures) for name in self._before},
            "cameras": {
                str(camera): {
                    "source": "" if shown.picture.source is None else shown.picture.source[0].value,
                    "codec": "" if shown.picture.source is None else shown.picture.source[1].value,
                    "transcoded": shown.picture.pid is not None,
                    "watched": shown.holders > 0,
                }
                for camera, shown in self._shown.items()
            },
        }

    @contextlib.asynccontextmanager
    async def _held(self, camera: PublicId) -> AsyncIterator[SmallPicture]:
        assert self._tasks is not None
        shown = self._shown.get(camera)
        if shown is None:
            shown = self._shown[camera] = self._new(camera)
            self._tasks.start_soon(self._keep, shown)
        shown.holders += 1
        if shown.idle is not None:
            shown.idle.cancel()
            shown.idle = None
        try:
            yield shown.picture
        finally:
            shown.holders -= 1
            if not shown.holders and self._shown.get(camera) is shown:
                shown.idle = anyio.CancelScope()
                self._tasks.start_soon(self._linger, shown, shown.idle)

    def _new(self, camera: PublicId) -> _Shown:
        picture = SmallPicture(
            camera,
            self._path,
            clock=self._clock,
            place=lambda: self._place(shown),
            make=lambda: Transcoder(self._command),
        )
        shown = _Shown(picture)
        return shown

    async def _keep(self, shown: _Shown) -> None:
        try:
            with shown.scope:
                await supervise(
                    f"small {shown.picture.camera}",
                    shown.picture.run,
                    clock=self._clock,
                    on_fault=self._failed,
                    backoff=BACKOFF,
                    jitter=self._jitter,
                )
        finally:
            for name in self._before:
                self._before[name] += getattr(shown.picture, name)
            if shown in self._ending:
                self._ending.remove(shown)
            shown.ended.set()

    def _failed(self, name: str, error: BaseException) -> None:
        self.failed += 1
        self._on_fault(name, error)

    async def _linger(self, shown: _Shown, idle: anyio.CancelScope) -> None:
        with idle:
            await self._clock.sleep(LINGER_S)
            if shown.idle is idle and not shown.holders:
                self._end(shown)

    def _end(self, shown: _Shown) -> None:
        """Let a small picture go, once; its place is free when its process is dead."""
        if shown.idle is not None:
            shown.idle.cancel()
            shown.idle = None
        if self._shown.get(shown.picture.camera) is not shown:
            return
        del self._shown[shown.picture.camera]
        self._ending.append(shown)
        shown.scope.cancel()

    def _free(self) -> bool:
        return sum(shown.place for shown in (*self._shown.values(), *self._ending)) < self.most

    def _idle(self) -> _Shown | None:
        """Return one that has a place but no viewer."""
        return next((shown for shown in self._shown.values() if shown.place and not shown.holders), None)

    @contextlib.asynccontextmanager
    async def _place(self, shown: _Shown) -> AsyncIterator[bool]:
        """Have a place while a process lives: its end, not that of watching, lets the next one in."""
        shown.place = await self._is_room()
        try:
            yield shown.place
        finally:
            shown.place = False

    async def _is_room(self) -> bool:
        """Say whether one more process may start, when those that must end for it are dead."""
        while not self._free():
            idle = self._idle()
            if idle is not None:
                self._end(idle)
            leaving = next((item for item in self._ending if item.place), None)
            if leaving is None:
                self.refused += 1
                return False
            await leaving.ended.wait()
        return True

    def _remember(self, camera: PublicId, role: StreamRole) -> None:
        self._refused_ns.pop((camera, role), None)
        self._refused_ns[camera, role] = self._clock.mono_ns()
        while len(self._refused_ns) > MOST_REMEMBERED:
            del self._refused_ns[next(iter(self._refused_ns))]
