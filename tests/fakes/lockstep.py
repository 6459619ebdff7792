"""A recorder on a real disk whose clock is the footage it is offered: minutes of school in a second of test.

Owns the streams' footage (real H.264), the writer's clock, and the list of what was acknowledged: the rows that
are committed. Invariant in lockstep: the clock stands still until what was offered is in the kernel's hands, so
what a cut may cost is exact: `sync_s`, the GOP in memory and one grain.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

from gateway.core.media import AccessUnit
from gateway.core.model import PublicId, RunId, StreamId
from recorder.gop import RunInfo
from recorder.losses import Losses
from recorder.rows import SegmentRow
from recorder.school import SchoolKey
from recorder.slot import Slot, SlotOptions
from recorder.writer import WriterOptions
from tests.fakes.footage import START_MS, encoded
from tests.fakes.waiting import wait_until

BOX = PublicId("b" * 16)
GRAIN_MS = 250
GOP_MS = 1000
LIFE_MS = 1_000_000
"""Between the beginnings of two lives of a recorder."""
STREAMS = tuple(StreamId(number) for number in range(1, 5))
OPTIONS = WriterOptions(segment_s=12, sync_s=5, stop_s=60, retry_s=0.02)


class HandClock:
    """A clock that the test moves."""

    def __init__(self, start_ms: int = START_MS) -> None:
        self.start_ms, self.passed_ms = start_ms, 0

    def now_ms(self) -> int:
        return self.start_ms + self.passed_ms

    def mono_ns(self) -> int:
        return self.passed_ms * 1_000_000

    def trusted(self) -> bool:
        return True

    async def sleep(self, seconds: float) -> None:
        raise NotImplementedError


class HeardSlot(Slot):
    """A slot that remembers which rows it acknowledged."""

    acknowledged: list[SegmentRow]

    def segment_closed(self, row: SegmentRow) -> None:
        self.acknowledged.append(row)


def slot_on(path: Path, school: SchoolKey | None, *, create: bool = False, clock: HandClock | None = None) -> HeardSlot:
    """Return the slot of a disk, not yet opened."""
    clock = clock or HandClock()
    slot = HeardSlot(SlotOptions(path, BOX, 1 << 20, create, OPTIONS), school, Losses(clock), clock)
    slot.acknowledged = []
    return slot


def unit_of(number: int) -> AccessUnit:
    """Return the n-th picture of endless footage: 4 a second, a key frame every second."""
    clip = encoded(frames=8, fps=4, gop=4)
    return replace(clip[number % len(clip)], pts_90k=number * GRAIN_MS * 90)


class Lockstep:
    """Records all streams in a thread of its own while entered; left = stopped in order."""

    def __init__(
        self, path: Path, school: SchoolKey, *, number: int = 0, drained: Callable[[int], None] = lambda now_ms: None
    ) -> None:
        """Record into a folder, for the `number`-th time; `drained` hears the time up to which all is handed over."""
        self.clock = HandClock(START_MS + number * LIFE_MS)
        self.slot = slot_on(path, school, create=True, clock=self.clock)
        self._first_run, self._drained = 1 + number * len(STREAMS), drained
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._feed, name="lockstep")

    def __enter__(self) -> Self:
        assert self.slot.open({}) is not None, self.slot.state
        for place, stream in enumerate(STREAMS):
            run = RunInfo(RunId(self._first_run + place), stream, self.clock.start_ms + place * GRAIN_MS, 0)
            self.slot.backlog.begin_run(run)
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join(60)
        assert not self._thread.is_alive()
        self.slot.close()

    def until_recorded(self, seconds: int) -> None:
        """Wait until there are so many seconds of footage."""
        wait_until(lambda: self.clock.passed_ms >= seconds * 1000)

    def _feed(self) -> None:
        grain = 0
        while not self._over.is_set():
            self.clock.passed_ms = grain * GRAIN_MS
            for place, stream in enumerate(STREAMS):
                if grain >= place:
                    self.slot.backlog.offer(stream, unit_of(grain - place))
            while self.slot.backlog.waiting_bytes and not self._over.is_set():
                time.sleep(0.0001)
            self._drained(self.clock.now_ms())
            grain += 1


def lost_ms(now_ms: int, rows: Mapping[StreamId, list[SegmentRow]], start_ms: int = START_MS) -> dict[StreamId, int]:
    """Return how much of what was filmed in this life up to this instant is not on the disk, by stream."""
    return {
        stream: now_ms - max([row.end_ms for row in rows[stream]] + [start_ms + place * GRAIN_MS])
        for place, stream in enumerate(STREAMS)
    }
