"""The accounts of what was missed: while the recorder was off, and what its disks lost.

Owns the order in which the gap ledger learns it. Invariants: the time since the recorder last ran is accounted for
before anything new is recorded; a stream whose last footage lies on a disk that is not there is missing from the
start on, and the rest is added when that disk comes; losses are told at least every `TELL_LOSSES_S`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import anyio.to_thread

from gateway.core.clock import Clock
from gateway.core.model import StreamId
from recorder.agegate import AgeGate
from recorder.gaps import GapCause, GapLedger
from recorder.reckoning import last_known, set_right
from recorder.registry import Registry, Stream
from recorder.runs import RunBook
from recorder.store import Store

TELL_LOSSES_S = 5.0
PAST_MS = 24 * 3_600_000
"""How far back the last footage is looked for when there is some in the future."""


class Accounts:
    """Tells the ledger what was missed."""

    def __init__(
        self, store: Store, registry: Registry, runs: RunBook, ledger: GapLedger, gate: AgeGate, clock: Clock
    ) -> None:
        self._store, self._registry, self._runs = store, registry, runs
        self._ledger, self._gate, self._clock = ledger, gate, clock
        self._started_ms, self._died_of = 0, GapCause.RECORDER_RESTART
        self._late: set[Stream] = set()
        """Streams whose last footage lies on a disk that was not there at the start."""

    async def start(self) -> None:
        """Account for the time since the recorder last ran; call once, before anything is recorded."""
        cameras, clock = await self._registry.cameras(), self._clock
        streams = [stream for camera in cameras for stream in camera.streams]
        await set_right(self._runs, self._ledger, self._store.set_offset, clock)
        newest = await self._ends(streams)
        ends = await self._past(newest) if clock.trusted() else newest
        recording = await self._runs.unfinished()
        same_boot = await self._runs.recover(ends)
        self._started_ms, sure = clock.now_ms(), clock.trusted()
        self._died_of = GapCause.RECORDER_RESTART if same_boot else GapCause.POWER
        if any(slot.opened is None for slot in self._store.slots):
            self._late = {item for item in streams if recording.get(item.id, 0) > ends.get(item.id, 0)}
        last = last_known(cameras, ends, recording) | dict.fromkeys(self._late, self._started_ms)
        await self._ledger.recover(last.items(), self._started_ms, same_boot=same_boot, sure=sure)
        self._gate.newest_was(max(newest.values(), default=None))

    async def disk_came(self) -> None:
        """Account for what streams missed before the start, now that their disk has come and tells."""
        told = {stream.id: self._store.came_with_ms(stream.id) for stream in self._late}
        ends = {stream: end_ms for stream, end_ms in told.items() if end_ms is not None}
        for stream in [item for item in self._late if item.id in ends]:
            self._late.discard(stream)
            await self._ledger.fill(stream, ends[stream.id], self._started_ms, self._died_of)
        self._gate.newest_was(max(ends.values(), default=None))

    async def run(self) -> None:
        """Tell losses every few seconds until cancelled."""
        while True:
            await self._clock.sleep(TELL_LOSSES_S)
            await self.tell_losses()

    async def tell_losses(self, *, everything: bool = False) -> None:
        """Write down what the disks lost; with `everything` also losses that may still go on."""
        losses = self._store.losses.take(everything=everything)
        cameras = await self._registry.cameras() if losses else ()
        streams = {stream.id: stream for camera in cameras for stream in camera.streams}
        for loss in losses:
            if loss.stream in streams:
                await self._ledger.add(streams[loss.stream], loss.start_ms, loss.end_ms, loss.cause)

    async def _past(self, ends: Mapping[StreamId, int]) -> dict[StreamId, int]:
        """Return the ends with those in the future (the clock was ahead once) replaced by the last one before now."""
        now_ms, found = self._clock.now_ms(), dict(ends)
        for stream in [stream for stream, end_ms in ends.items() if end_ms > now_ms]:
            rows = await self._store.find([stream], now_ms - PAST_MS, now_ms)
            found[stream] = max((item.row.end_ms for item in rows if item.row.end_ms <= now_ms), default=now_ms)
        return found

    async def _ends(self, streams: Iterable[Stream]) -> dict[StreamId, int]:
        """Return the end of each stream's last footage on the disks that are there."""
        wanted = list(streams)

        def read() -> dict[StreamId, int | None]:
            return {stream.id: self._store.last_end_ms(stream.id) for stream in wanted}

        ends = await anyio.to_thread.run_sync(read)
        return {stream: end_ms for stream, end_ms in ends.items() if end_ms is not None}
