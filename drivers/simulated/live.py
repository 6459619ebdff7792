"""The live timeline: which access unit is due now, the same for every viewer of a stream.

Owns `LiveStream` (one encoding of one camera) and `Pacer` (the one task that serves all streams of a
process). Invariants: frame n of a stream is due at n / fps of the machine's monotonic clock, whoever
watches; a viewer gets key frames first; a stream without viewers costs nothing; after a stall of the
process the timeline jumps to now and never sends faster than live.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from drivers.simulated.faults import Faults
from drivers.simulated.scene import Loop, LoopUnit, SceneSpec, SceneStore
from gateway.core.clock import Clock
from gateway.core.media import TICKS_PER_S

TICK_S = 0.005
"""The pacer wakes at most this often: 64 streams then share one wake-up."""
STALL_S = 1.0
"""Later than this, frames are skipped instead of caught up with, unless a farm's world says otherwise."""
IDLE_S = 0.25
"""The pacer looks at its streams at least this often while any has viewers."""


@dataclass(frozen=True, slots=True)
class Due:
    """One access unit at its place in the timeline."""

    number: int
    """Frame number since the machine's clock began; decode order."""
    unit: LoopUnit
    payloads: tuple[bytes, ...]
    time_90k: int
    """Presentation time on the stream's timeline; RTP adds each viewer's random offset."""
    loop: Loop


class Viewer(Protocol):
    """A session's track, as the timeline sees it."""

    def deliver(self, due: Due) -> None:
        """Send one access unit; must not block."""


class LiveStream:
    """One encoding of one camera, looped on the machine's clock; used in the event loop only."""

    def __init__(
        self,
        store: SceneStore,
        wish: Callable[[], SceneSpec],
        clock: Clock,
        faults: Faults,
        *,
        phase: int = 0,
        mtu_bytes: int = 1400,
        stall_s: float = STALL_S,
    ) -> None:
        """`wish` says which scene is wanted now; only its look may change while somebody watches."""
        self._store, self._wish, self._clock, self._faults = store, wish, clock, faults
        self._phase, self._mtu, self._stall_s = phase, mtu_bytes, stall_s
        self.spec = wish()
        self._loop: Loop | None = None
        self._wanted: Loop | None = None
        self._next = 0
        self._shift = 0
        """Frames the loop is ahead, since key frames came out of turn."""
        self.viewers: set[Viewer] = set()

    async def ready(self) -> Loop:
        """Return the loop of the present `spec`, encoding it in a thread if nobody did before."""
        self.spec = spec = self._wish()
        loop = self._store.ready(spec)
        if loop is None:
            loop = await anyio.to_thread.run_sync(self._make, spec)
        if loop.spec == self.spec:
            self._wanted = loop
            if self._loop is None or not self.viewers:
                self._loop = loop
        return loop

    def _make(self, spec: SceneSpec) -> Loop:
        loop = self._store.get(spec)
        loop.payloads(self._mtu)
        return loop

    def now(self) -> int:
        """Return the number of the newest frame that is due."""
        return self._clock.mono_ns() * self.spec.fps // 1_000_000_000 + self._phase

    def due_at_ns(self, number: int) -> int:
        """Return when frame `number` is due, monotonic nanoseconds."""
        return -(-(number - self._phase) * 1_000_000_000 // self.spec.fps)

    def next_key(self) -> int:
        """Return the number of the next frame at which a viewer can start."""
        gop = self.spec.gop_frames
        return -(-(self.now() + 1 + self._shift) // gop) * gop - self._shift

    def synchronise(self) -> None:
        """Let the next frame be a key frame: the picture leaps to the beginning of the next group."""
        following = self._next if self.viewers else self.now() + 1
        self._shift += -(following + self._shift) % self.spec.gop_frames

    def time_90k(self, number: int) -> int:
        """Return the decode time of frame `number` on the stream's timeline."""
        return number * TICKS_PER_S // self.spec.fps

    def add(self, viewer: Viewer) -> None:
        """Begin to deliver to `viewer`, from the frame after now."""
        if not self.viewers:
            self._next = self.now() + 1
        self.viewers.add(viewer)

    def remove(self, viewer: Viewer) -> None:
        """Stop delivering; harmless when it was not added."""
        self.viewers.discard(viewer)

    def wake_at_ns(self) -> int | None:
        """Return when this stream next has something to send; None without viewers."""
        return self.due_at_ns(self._next) if self.viewers else None

    def pump(self) -> bool:
        """Deliver every frame that is due, skip what is older than a stall.

        Returns whether another scene is wished for, which `ready` has then to fetch; asked at key frames.
        """
        outdated = False
        if not self.viewers or self._wanted is None:
            return outdated
        newest = self.now()
        if newest - self._next > self._stall_s * self.spec.fps:
            self._next = newest
        while self._next <= newest:
            number, self._next = self._next, self._next + 1
            due = self._at(number)
            outdated = outdated or (due.unit.is_key and self._wish() != self.spec)
            for viewer in list(self.viewers):
                viewer.deliver(due)
        return outdated

    def _at(self, number: int) -> Due:
        assert self._wanted is not None
        loop = self._loop or self._wanted
        place = number + self._shift
        if loop is not self._wanted and self._wanted.units[place % len(self._wanted.units)].is_key:
            loop = self._wanted  # another look begins at a key frame, as after a real encoder's restart
        self._loop = loop
        unit = loop.units[place % len(loop.units)]
        payloads = loop.payloads(self._mtu, params_in_band=not self._faults.no_params_in_band)[place % len(loop.units)]
        return Due(number, unit, payloads, self.time_90k(number) + unit.lag_90k, loop)


class Pacer:
    """Serves the streams of a process while entered; one task, one wake-up per tick at most."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._streams: set[LiveStream] = set()
        self._stirred = anyio.Event()
        self._group: TaskGroup | None = None

    def join(self, stream: LiveStream) -> None:
        """Begin to serve `stream`."""
        self._streams.add(stream)

    def leave(self, stream: LiveStream) -> None:
        """Stop serving `stream`."""
        self._streams.discard(stream)

    def stir(self) -> None:
        """Tell the pacer that somebody began to watch."""
        self._stirred.set()

    async def __aenter__(self) -> Self:
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        self._group.start_soon(self._run)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._group is not None
        self._group.cancel_scope.cancel()
        if isinstance(error, asyncio.CancelledError):
            await self._group.__aexit__(kind, error, trace)  # it may be the group's own: then it raises the cause
        else:
            await self._group.__aexit__(None, None, None)  # the body's own error leaves as it is, in no group

    def _wakes(self) -> Iterator[int]:
        for stream in self._streams:
            at_ns = stream.wake_at_ns()
            if at_ns is not None:
                yield at_ns

    async def _run(self) -> None:
        while True:
            next_ns = min(self._wakes(), default=None)
            if next_ns is None:
                self._stirred = anyio.Event()
                await self._stirred.wait()
                continue
            pause_s = (next_ns - self._clock.mono_ns()) / 1e9
            await self._clock.sleep(min(IDLE_S, max(TICK_S, pause_s)))
            for stream in list(self._streams):
                if stream.pump():
                    assert self._group is not None
                    self._group.start_soon(stream.ready)
