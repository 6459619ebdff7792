"""Real disks, writer, index, holds and cleaner under a clock that a test moves; no cameras, no sockets."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from gateway.core.model import PublicId, StreamId, StreamRole, new_public_id
from gateway.core.secrets import SealKey
from gateway.health.tracker import Tracker
from recorder.agegate import AgeGate, CalmBook
from recorder.cleaner import Cleaned, Cleaner, Sources
from recorder.gaps import GapCause
from recorder.holdreasons import HoldReasons
from recorder.holds import HoldBook, HoldOrder
from recorder.losses import Losses
from recorder.pins import PinBook
from recorder.registry import Camera
from recorder.relief import Relief
from recorder.retention import Rule
from recorder.rows import SegmentRow
from recorder.runs import Anchor, Run
from recorder.slot import Slot, SlotOptions
from recorder.store import Store
from recorder.writer import WriterOptions
from tests.fakes.clock import FakeClock
from tests.fakes.footage import plain_unit
from tests.fakes.recording import BOOT, Books, books, new_camera

SEGMENT_S = 600
"""One file each ten minutes: hours of footage in few files."""
UNIT_S = 5
MAIN_UNIT_BYTES, SUB_UNIT_BYTES = 3_000, 500


class KeptBox:
    """A box that records what the test says and keeps what retention leaves."""

    def __init__(self, own: Books, slots: Sequence[Slot], cameras: Sequence[Camera], clock: FakeClock) -> None:
        self.own, self.slots, self.cameras, self.clock = own, tuple(slots), cameras, clock
        self.losses = Losses(clock)
        for slot in self.slots:
            slot.losses = self.losses
        self.store = Store(self.slots, self.losses, own.runs, own.registry, own.journal, clock)
        self.rules = {stream.id: Rule(30, event_days=90) for camera in cameras for stream in camera.streams}
        deleting = asyncio.Lock()
        self.holds = HoldBook(own.db, self.slots, clock, deleting, HoldReasons(SealKey(b"k" * 32)))
        self.pins = PinBook(own.db, clock)
        self.gate = AgeGate(clock)
        self.calm = CalmBook(own.db)
        sources = Sources(self._rules, self.holds.active, self.pins.active, own.runs.unsure, self.holds.vouches_for)
        self.cleaner = Cleaner(self.slots, sources, self.gate, clock, deleting=deleting, after=self._after)
        self.relief = Relief(
            self.store, lambda: self.of_role(StreamRole.MAIN), lambda: self.of_role(StreamRole.SUB), self.cut
        )
        self.tracker = Tracker(clock)
        self.gone: list[SegmentRow] = []
        """What retention deleted, in order."""
        self._runs: dict[StreamId, Run] = {}
        self._units: dict[StreamId, int] = {}

    async def _rules(self) -> dict[StreamId, Rule]:
        return self.rules

    async def _after(self, done: Sequence[Cleaned]) -> None:
        self.gone += [victim.row for item in done for victim in item.plan.victims]
        await self.relief.apply(self.cleaner.tight, [slot for slot in self.slots if slot.opened is not None])
        await self.calm.save(self.gate.left_s)

    @property
    def slot(self) -> Slot:
        """The only disk, or the first."""
        return self.slots[0]

    @property
    def streams(self) -> list[StreamId]:
        """Every stream, main streams first."""
        return [*self.of_role(StreamRole.MAIN), *self.of_role(StreamRole.SUB)]

    def of_role(self, role: StreamRole) -> list[StreamId]:
        """Return the streams of a role."""
        return [stream.id for camera in self.cameras for stream in camera.streams if stream.role is role]

    async def cut(self, streams: Collection[StreamId]) -> None:
        """Begin a new run of these streams, as a camera task does at the next key frame."""
        for stream in streams:
            if stream in self._runs:
                self.store.end_run(stream, GapCause.DISK)
            anchor = Anchor(self.clock.now_ms(), self.clock.mono_ns(), self.clock.trusted())
            run = Run(await self.own.runs.reserve(), stream, anchor)
            await self.own.runs.opened(run)
            self._runs[stream], self._units[stream] = run, 0
            self.store.begin_run(run)

    async def record(self, seconds: int = SEGMENT_S, *, wait: bool = True) -> None:
        """Let time pass and record it in all streams; waits for the files to be closed and indexed."""
        now_ms = self.clock.now_ms()
        for step in range(seconds // UNIT_S):
            self.clock.tick(UNIT_S)
            for stream in self.streams:
                size = MAIN_UNIT_BYTES if stream in self.of_role(StreamRole.MAIN) else SUB_UNIT_BYTES
                unit = plain_unit(self._units[stream], gop=1, step_90k=UNIT_S * 90_000, size=size)
                self._units[stream] += 1
                self.store.offer(stream, unit, (now_ms + step * UNIT_S * 1000) * 90)
        if wait:
            await self.settled()

    async def settled(self) -> None:
        """Wait until the writers have written what they can, and the index knows it."""

        def busy() -> bool:
            for slot in self.slots:
                if slot.opened is not None:
                    seen = slot.opened.writer.statistics()
                    if (seen.waiting_bytes and seen.failing is None) or seen.unindexed or seen.unfinished_segments:
                        return True
            return False

        with anyio.fail_after(30):
            while busy():  # noqa: ASYNC110 - the writer's threads tell nobody
                await anyio.sleep(0.005)
            await anyio.sleep(0.01)

    async def rows(self, stream: StreamId | None = None) -> list[SegmentRow]:
        """Return the closed segments, by time."""
        wanted = self.streams if stream is None else [stream]
        found = await self.store.find(wanted, -(1 << 60), 1 << 60, closed_only=True)
        return [item.row for item in found]

    def digests(self, rows: Collection[SegmentRow]) -> dict[str, str]:
        """Return what the files of rows hold."""
        root = self.slot.options.path
        return {row.path: hashlib.sha256((root / row.path).read_bytes()).hexdigest() for row in rows}

    async def hold(self, from_ms: int, to_ms: int) -> None:
        """Hold all cameras' footage of a span for a year."""
        for camera in self.cameras:
            until_ms = self.clock.now_ms() + 365 * 86_400_000
            await self.holds.place(camera, HoldOrder(from_ms, to_ms, until_ms, new_public_id(), "test"))

    def look(self) -> set[str]:
        """Let the health look at the disks; returns what is raised."""
        volumes = [{"state": slot.look()} | self.cleaner.state(slot) for slot in self.slots]
        edges = self.tracker.look({"recorder": {"cameras": [], "volumes": volumes}, "live": {}, "hub_ok": None})
        self.tracker.done(edges)
        return {item.code for item in self.tracker.current()}

    @contextlib.asynccontextmanager
    async def cleaning(self) -> AsyncIterator[None]:
        """Run the cleaner's own loop meanwhile."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.cleaner.run)
            yield
            tasks.cancel_scope.cancel()

    async def until(self, check: Any, *, at_most_s: float, step_s: float = 2.0) -> float:
        """Let the loops run until a check is true; returns the seconds of the box's own clock it took."""
        began_ns = self.clock.mono_ns()
        await self._asleep()
        while not check():
            passed_s = (self.clock.mono_ns() - began_ns) / 1e9
            assert passed_s < at_most_s, f"not within {at_most_s} s"
            await self.clock.advance(step_s)
            await self._asleep()
        return (self.clock.mono_ns() - began_ns) / 1e9

    async def _asleep(self) -> None:
        """Wait until the cleaner's loop has done what is due: worker threads take real time, not the box's."""
        with anyio.fail_after(30):
            while not self.clock.sleeping:  # noqa: ASYNC110 - threads tell nobody
                await anyio.sleep(0.005)


@asynccontextmanager
async def kept_box(
    state: Path,
    disks: Sequence[Path],
    *,
    clock: FakeClock | None = None,
    min_free_bytes: int = 0,
    cameras: int = 2,
    boot: str = BOOT,
    queue_bytes: int = 64 << 20,
) -> AsyncIterator[KeptBox]:
    """Open a box; one that was open in `state` before goes on with its database and disks."""
    clock = clock or FakeClock()
    state.mkdir(exist_ok=True)
    async with books(state, clock, boot) as own:
        known = await own.registry.cameras()
        for number in range(len(known), cameras):
            await own.registry.add(new_camera(number + 1))
        writer = WriterOptions(segment_s=SEGMENT_S, sync_s=0.05, stagger=False, queue_bytes=queue_bytes, retry_s=0.02)
        slots = [
            Slot(SlotOptions(disk, PublicId("b" * 16), min_free_bytes, True, writer), None, Losses(clock), clock)
            for disk in disks
        ]
        box = KeptBox(own, slots, await own.registry.cameras(), clock)
        async with box.store.opened():
            ends = [
                end for stream in box.streams if (end := await anyio.to_thread.run_sync(box.store.last_end_ms, stream))
            ]
            box.gate.restore(await box.calm.load())
            box.gate.newest_was(max(ends, default=None))
            await own.runs.recover({})
            await box.cut(box.streams)
            yield box
