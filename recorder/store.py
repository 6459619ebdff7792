"""All footage disks of the box: which stream goes where, what was lost, what is there.

Owns the slots and the route of each stream. Invariants: a run stays on one disk; a stream keeps its disk
while that works, otherwise it gets the one with the most room; a picture without a disk is a loss with
cause `disk`, counted and told; a disk that comes back is used again within `LOOK_S`, from the next key
frame on. `begin_run`, `offer` and `end_run` run in the network thread and never wait.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Self

import anyio
import anyio.to_thread

from gateway.core.clock import Clock
from gateway.core.errors import VolumeMissing
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
from recorder.slot import OK, Opened, Slot

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


class _Route(NamedTuple):
    slot: Slot
    opened: Opened

    @property
    def dead(self) -> bool:
        """True once the disk went away (it may have been opened anew since)."""
        return self.slot.opened is not self.opened


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
        self._routes: dict[StreamId, _Route] = {}
        self._homes: dict[StreamId, Slot] = {}
        self._told: dict[int, str] = dict.fromkeys(range(len(self.slots)), OK)

    # --- Footage: the network thread ---

    def begin_run(self, run: Run) -> None:
        """Choose the disk of a run and tell its writer."""
        slot = self._choose(run.stream)
        opened = slot.opened if slot is not None else None
        if slot is None or opened is None:
            self._routes.pop(run.stream, None)
            return
        self._homes[run.stream] = slot
        self._routes[run.stream] = _Route(slot, opened)
        opened.writer.begin_run(RunInfo(run.id, run.stream, run.anchor.wall_ms, run.offset_ms))

    def _choose(self, stream: StreamId) -> Slot | None:
        home = self._homes.get(stream)
        if home is not None and home.opened is not None and home.state == OK:
            return home
        usable = [slot for slot in self.slots if slot.opened is not None]
        return max(usable, key=lambda slot: (slot.state == OK, slot.free_bytes), default=None)

    def offer(self, stream: StreamId, unit: AccessUnit, wall_90k: int) -> None:
        """Give a picture to the stream's disk, or note it as lost."""
        route = self._routes.get(stream)
        if route is None or route.dead:
            self.losses.note(stream, wall_90k // 90, wall_90k // 90 + _FRAME_MS, GapCause.DISK)
        else:
            route.opened.writer.offer(stream, unit, wall_90k)

    def end_run(self, stream: StreamId, cause: GapCause) -> None:
        """Let the stream's segment be closed."""
        route = self._routes.pop(stream, None)
        if route is not None:
            route.opened.writer.end_run(stream, cause.value)

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
        for slot in self.slots:
            if slot.opened is None:
                offsets = await self._runs.offsets()
                if await anyio.to_thread.run_sync(slot.open, offsets) is not None:
                    await self._registry.note_volume(str(slot.options.path), slot.require().volume.marker.volume)
                    came = True
        return came

    async def run(self, on_change: Changed) -> None:
        """Look at the disks every few seconds; `await on_change()` when streams should choose again."""
        while True:
            await self.look(on_change)
            await self._clock.sleep(LOOK_S)

    async def look(self, on_change: Changed) -> None:
        """Take one look: close what went away, open what came back, journal what changed."""
        for slot in self.slots:
            await anyio.to_thread.run_sync(slot.look)
        if await self._open_missing():
            await on_change()
        for slot in self.slots:
            if slot.opened is not None and slot.needs_reindex:
                await anyio.to_thread.run_sync(slot.reindex, await self._runs.offsets())
        await self._tell()

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
            rows = [(slot, slot.opened.index.get(stream, start_ms, run)) for slot in self.slots if slot.opened]
            return [Found(slot, row) for slot, row in rows if row is not None]

        return await anyio.to_thread.run_sync(read)

    def last_end_ms(self, stream: StreamId) -> int | None:
        """Return the true end of a stream's newest footage; blocks on SQLite the first time."""
        ends = [slot.last_end_ms(stream) for slot in self.slots]
        return max((end for end in ends if end is not None), default=None)

    def written_ms(self, stream: StreamId) -> int | None:
        """Return how far a stream has been written since the start; never blocks."""
        ends = [slot.opened.writer.last_end_ms(stream) for slot in self.slots if slot.opened is not None]
        return max((end for end in ends if end is not None), default=None)

    def is_stored(self, stream: StreamId) -> bool:
        """Say whether the stream's pictures reach a disk now."""
        route = self._routes.get(stream)
        return route is not None and not route.dead and stream not in self.losses.losing()

    async def set_offset(self, run: RunId, offset_ms: int) -> None:
        """Move the rows of a run to true time."""

        def change() -> None:
            for slot in self.slots:
                if slot.opened is not None:
                    slot.opened.index.set_offset(run, offset_ms)

        await anyio.to_thread.run_sync(change)

    def forget_keys(self) -> None:
        """Forget the data keys that were opened, on every disk; those in use for writing stay."""
        for slot in self.slots:
            if slot.opened is not None and slot.opened.ring is not None:
                slot.opened.ring.forget()

    async def reindex(self) -> list[ReindexReport]:
        """Make every index equal to its files; VolumeMissing if no disk is in use."""
        offsets: Mapping[RunId, int] = await self._runs.offsets()
        usable = [slot for slot in self.slots if slot.opened is not None]
        if not usable:
            raise VolumeMissing("no footage disk is in use")
        return [await anyio.to_thread.run_sync(slot.reindex, offsets) for slot in usable]
