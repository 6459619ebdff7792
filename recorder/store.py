"""All footage disks of the box: which stream goes where, what was lost, what is there.

Owns the slots and the route of each stream. Invariants: a stream keeps its disk while that works, otherwise
it moves within `LOOK_S` to the one with the most room, with all that waits for the old one; without any disk
the newest footage waits in memory for one to come, and what finds no room there is a loss with cause `disk`,
counted and told. `begin_run`, `offer` and `end_run` run in the network thread and never wait for a disk.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple, Self

import anyio
import anyio.to_thread

from gateway.core.clock import Clock
from gateway.core.errors import NotFound, VolumeMissing
from gateway.core.media import AccessUnit
from gateway.core.model import RunId, StreamId
from recorder.gaps import GapCause
from recorder.gop import RunInfo
from recorder.index import After
from recorder.journal import Journal
from recorder.losses import Losses
from recorder.recovery import ReindexReport
from recorder.registry import Registry
from recorder.rows import SegmentRow
from recorder.runs import Run, RunBook
from recorder.slot import OK, Slot

LOOK_S = 5.0
_FRAME_MS = 100
"""Length of a lost picture for the books; spans are joined anyway."""

Changed = Callable[[], Awaitable[None]]


class Found(NamedTuple):
    """A segment and the disk it lies on."""

    slot: Slot
    row: SegmentRow


class Place(NamedTuple):
    """Where a page ended: the order of `Store.find`."""

    begin_ms: int
    stream: StreamId
    run: RunId

    @classmethod
    def of(cls, item: Found) -> Self:
        """Return the place of a row."""
        return cls(item.row.begin_ms, item.row.stream, item.row.run)

    def after(self, stream: StreamId) -> After:
        """Return after which of its own rows a stream goes on."""
        if stream == self.stream:
            return After(self.begin_ms, self.run)
        return After(self.begin_ms, -1 if stream > self.stream else LAST_ID)


LAST_ID = (1 << 63) - 1
"""The largest number SQLite holds."""
START = Place(-(1 << 62), StreamId(0), RunId(0))


class Store:
    """The disks; `opened()` is the life of all of them."""

    def __init__(
        self,
        slots: Sequence[Slot],
        losses: Losses,
        runs: RunBook,
        registry: Registry,
        journal: Journal,
        clock: Clock,
    ) -> None:
        self.slots = tuple(slots)
        self.losses = losses
        self._runs, self._registry, self._journal, self._clock = runs, registry, journal, clock
        self._routes: dict[StreamId, Slot] = {}
        self._moving = threading.Lock()
        """Held while a stream changes its disk, so that no picture falls between two."""
        self._homes: dict[StreamId, Slot] = {}
        self._told: dict[int, str] = dict.fromkeys(range(len(self.slots)), OK)
        self._avoided: frozenset[Slot] = frozenset()
        self._resting: frozenset[StreamId] = frozenset()
        self._looking = anyio.Lock()

    # --- Footage: the network thread ---

    def begin_run(self, run: Run) -> None:
        """Choose the disk of a run; without any it waits for one. A resting stream gets none."""
        with self._moving:
            if run.stream in self._resting:
                self._routes.pop(run.stream, None)
                return
            slot = self._choose(run.stream)
            self._homes[run.stream] = self._routes[run.stream] = slot
            slot.backlog.begin_run(RunInfo(run.id, run.stream, run.anchor.wall_ms, run.offset_ms))

    def _choose(self, stream: StreamId) -> Slot:
        home = self._homes.get(stream)
        if home is not None and home.usable and home.state == OK and home not in self._avoided:
            return home
        best = max(
            self.slots, key=lambda slot: (slot.usable, slot.state == OK, slot not in self._avoided, slot.free_bytes)
        )
        return best if best.usable or home is None else home

    def offer(self, stream: StreamId, unit: AccessUnit, wall_90k: int) -> None:
        """Give a picture to the stream's disk; that of one that rests, or woke and awaits its next run, is lost."""
        with self._moving:
            slot = self._routes.get(stream)
            if slot is not None:
                slot.backlog.offer(stream, unit, wall_90k)
            else:
                self.losses.note(stream, wall_90k // 90, wall_90k // 90 + _FRAME_MS, GapCause.DISK)

    def home(self, stream: StreamId) -> Slot | None:
        """Return the disk a stream is written to, if it was ever given one."""
        return self._homes.get(stream)

    def avoid(self, slots: frozenset[Slot]) -> None:
        """Give streams to these disks only if there is no other. Any thread."""
        self._avoided = slots

    def rest(self, streams: frozenset[StreamId]) -> None:
        """Store nothing of these streams: what they deliver is lost with cause `disk`. Any thread.

        The others are stored again from their next run on.
        """
        self._resting = streams
        for stream in streams:
            self.end_run(stream, GapCause.DISK)

    def end_run(self, stream: StreamId, cause: GapCause) -> None:
        """Let the stream's segment be closed."""
        with self._moving:
            slot = self._routes.pop(stream, None)
            if slot is not None:
                slot.backlog.end_run(stream, cause.value)

    def _move(self) -> None:
        """Move streams whose disk takes nothing, with what waits for it, to one that does."""
        best = max(
            self.slots,
            key=lambda slot: (slot.usable, slot.state == OK, slot not in self._avoided, slot.free_bytes),
            default=None,
        )
        if best is None or not best.usable or best.state != OK:
            return
        for stream, home in list(self._homes.items()):
            if home is not best and not home.usable:
                with self._moving:
                    home.backlog.move(stream, best.backlog)
                    self._homes[stream] = best
                    if stream in self._routes:
                        self._routes[stream] = best

    # --- the event loop ---

    @contextlib.asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Open what is there (AddressTaken if another recorder has it); at the end close every segment."""
        try:
            await self._open_missing()
            yield
        finally:
            with anyio.CancelScope(shield=True):
                async with anyio.create_task_group() as tasks:
                    for slot in self.slots:
                        tasks.start_soon(anyio.to_thread.run_sync, slot.close)

    async def _open_missing(self) -> bool:
        """Try every disk that is not in use; returns whether one came."""
        came = False
        for slot in [slot for slot in self.slots if slot.opened is None]:
            await anyio.to_thread.run_sync(slot.open, await self._runs.offsets())
            if (opened := slot.opened) is not None:  # it may have gone again at the first look
                await self._registry.note_volume(str(slot.options.path), opened.volume.marker.volume)
                came = True
        return came

    async def run(self, on_change: Changed) -> None:
        """Look at the disks every few seconds; `await on_change()` when one came."""
        while True:
            await self.look(on_change)
            await self._clock.sleep(LOOK_S)

    async def look(self, on_change: Changed) -> None:
        """Take one look: close what went away, open what came back, journal what changed. One caller at a time."""
        async with self._looking:
            for slot in self.slots:
                await anyio.to_thread.run_sync(slot.look)
            if await self._open_missing():
                await on_change()
            self._move()
            await self._tell()

    async def run_rebuilding(self) -> None:
        """Make lost indexes anew, beside the looks: that takes minutes, and no other disk may wait for it."""
        while True:
            await self.rebuild()
            await self._clock.sleep(LOOK_S)

    async def rebuild(self) -> None:
        """Make every index anew that was lost; StorageError from a disk: tried again by the next call."""
        for number, slot in enumerate(self.slots, 1):
            if slot.opened is not None and slot.needs_reindex:
                report = await self._reindex(slot)
                event = self._journal.event(
                    "volume.reindexed", volume=str(number), segments=report.segments, damaged=len(report.damaged)
                )
                await self._journal.note(event)

    async def _reindex(self, slot: Slot) -> ReindexReport:
        """Make one index equal to its files; a cancelled caller ends it at the next hour of footage."""
        halt, offsets = threading.Event(), await self._runs.offsets()
        try:
            report = await anyio.to_thread.run_sync(slot.reindex, offsets, halt.is_set, abandon_on_cancel=True)
        finally:
            halt.set()
        if (opened := slot.opened) is not None:  # a clock may have been set right meanwhile
            await anyio.to_thread.run_sync(opened.index.set_offsets, await self._runs.offsets())
        return report

    async def _tell(self) -> None:
        for number, slot in enumerate(self.slots):
            if self._told[number] != slot.state:
                self._told[number] = slot.state
                free_pct = round(100 * slot.free_bytes / slot.total_bytes) if slot.total_bytes else 0
                await self._journal.note(
                    self._journal.event("volume.state", volume=str(number + 1), state=slot.state, free_pct=free_pct)
                )

    # --- reading, for the control socket ---

    async def find(
        self,
        streams: Sequence[StreamId],
        from_ms: int,
        to_ms: int,
        *,
        after: Place = START,
        limit: int | None = None,
        closed_only: bool = False,
    ) -> list[Found]:
        """Return segments of streams in [from_ms, to_ms) by time, then stream and run; a page of them after one."""

        def read() -> list[Found]:
            found = [
                Found(slot, row)
                for stream in streams
                for slot in self.slots
                for row in slot.rows(
                    stream, from_ms, to_ms, closed_only=closed_only, after=after.after(stream), limit=limit
                )
            ]
            return sorted(found, key=Place.of)[:limit]

        return await anyio.to_thread.run_sync(read)

    async def get(self, stream: StreamId, start_ms: int, run: RunId) -> list[Found]:
        """Return the closed segment of this name, if there is one."""

        def read() -> list[Found]:
            there = [(slot, opened) for slot in self.slots if (opened := slot.opened) is not None]
            rows = [(slot, opened.index.get(stream, start_ms, run)) for slot, opened in there]
            return [Found(slot, row) for slot, row in rows if row is not None]

        return await anyio.to_thread.run_sync(read)

    async def segment(self, stream: StreamId, start_ms: int, run: RunId) -> Found:
        """Return the segment of this name, also while it is written; NotFound without one."""

        def look() -> Found | None:
            rows = ((slot, slot.row(stream, start_ms, run)) for slot in self.slots)
            return next((Found(slot, row) for slot, row in rows if row is not None), None)

        found = await anyio.to_thread.run_sync(look)
        if found is None:
            raise NotFound("no such segment", key="segment")
        return found

    def last_end_ms(self, stream: StreamId) -> int | None:
        """Return the true end of a stream's newest footage; blocks on SQLite the first time."""
        ends = [slot.last_end_ms(stream) for slot in self.slots]
        return max((end for end in ends if end is not None), default=None)

    def came_with_ms(self, stream: StreamId) -> int | None:
        """Return the true end of a stream's footage from before this start, on the disks that have come so far."""
        ends = [slot.came_with.get(stream) for slot in self.slots if slot.came_with is not None]
        return max((end for end in ends if end is not None), default=None)

    def written_ms(self, stream: StreamId) -> int | None:
        """Return how far a stream has been written since the start; never blocks."""
        there = [opened for slot in self.slots if (opened := slot.opened) is not None]
        ends = [opened.writer.last_end_ms(stream) for opened in there]
        return max((end for end in ends if end is not None), default=None)

    def is_stored(self, stream: StreamId) -> bool:
        """Say whether the stream's pictures reach a disk now."""
        slot = self._routes.get(stream)
        return slot is not None and slot.usable and stream not in self.losses.losing()

    async def set_offset(self, run: RunId, offset_ms: int) -> None:
        """Move the rows of a run to true time."""

        def change() -> None:
            failed: sqlite3.Error | None = None
            for slot in self.slots:
                try:
                    if (opened := slot.opened) is not None:
                        opened.index.set_offset(run, offset_ms)
                except sqlite3.Error as error:  # the other disks are set right all the same
                    failed = error
            if failed is not None:
                raise failed

        await anyio.to_thread.run_sync(change)

    def forget_keys(self) -> None:
        """Forget the data keys that were opened, on every disk; those in use for writing stay."""
        for slot in self.slots:
            if slot.opened is not None and slot.opened.ring is not None:
                slot.opened.ring.forget()

    async def accept(self, number: int, on_change: Changed) -> Slot:
        """Accept the disk that lies at a slot now and use it (see `Slot.accept`); `number` counts from 1.

        NotFound for another number, VolumeWrong and VolumeMissing as `Slot.accept`.
        """
        if not 1 <= number <= len(self.slots):
            raise NotFound(
                f"no disk {number} is configured",
                key="volume",
                case="volume_number",
                number=number,
                count=len(self.slots),
            )
        slot = self.slots[number - 1]
        async with self._looking:
            await anyio.to_thread.run_sync(slot.accept)
        await self.look(on_change)
        return slot

    async def reindex(self) -> list[ReindexReport]:
        """Make every index equal to its files; VolumeMissing if no disk is in use."""
        usable = [slot for slot in self.slots if slot.opened is not None]
        if not usable:
            raise VolumeMissing("no footage disk is in use")
        return [await self._reindex(slot) for slot in usable]
