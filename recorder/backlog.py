"""What waits for the disk: one queue per stream, bounded in bytes over all of them.

Owns the hand-over from the network thread to a volume's writer thread. Invariants: `offer` never waits for
the disk; when the bound is passed, the oldest whole GOP of the stream with the most bytes waiting goes, so
one greedy camera cannot push out the others and the newest footage stays; every drop is counted and told
with its span; the order within a stream is kept, ends of runs are never dropped. It outlives its writer: while
a disk is away the newest footage waits here, for its return or for another disk. Any thread; one lock.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from gateway.core.media import AccessUnit
from gateway.core.model import StreamId
from recorder.gop import Assembler, Fragment, RunInfo
from recorder.rows import TICKS_PER_MS


class RunEnd(NamedTuple):
    """The run ended: its segment is closed."""

    run: RunInfo
    cause: str


class Drop(NamedTuple):
    """Footage of one stream that was not stored: true time, UTC ms."""

    stream: StreamId
    from_ms: int
    to_ms: int


Item: TypeAlias = Fragment | RunEnd


def drop_of(fragment: Fragment) -> Drop:
    """Return the span that is lost with a fragment."""
    offset_ms = fragment.run.offset_ms
    return Drop(fragment.run.stream, fragment.start_ms + offset_ms, fragment.end_90k // TICKS_PER_MS + offset_ms)


@dataclass(slots=True)
class _Lane:
    assembler: Assembler | None = None
    start_90k: int = 0
    queue: deque[Item] = field(default_factory=deque)
    queued_bytes: int = 0


class Backlog:
    """All lanes of one volume."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._changed = threading.Condition(threading.Lock())
        self._lanes: dict[StreamId, _Lane] = {}
        self._order: deque[StreamId] = deque()
        self._drops: dict[StreamId, Drop] = {}
        self._erased: set[StreamId] = set()
        """Streams whose footage was erased and that have not begun anew since."""
        self._heirs: dict[StreamId, Backlog] = {}
        """Where streams went that are written to another disk now."""
        self._closed = False
        self.waiting_bytes = 0
        """Bytes of fragments not yet written, with the one in the writer's hand."""
        self.dropped_fragments = 0
        self.dropped_bytes = 0
        self.bent = 0
        self.unstarted = 0

    def begin_run(self, run: RunInfo) -> None:
        """Start a run of a stream; one that still goes on is ended first."""
        with self._changed:
            lane = self._lanes.setdefault(run.stream, _Lane())
            self._erased.discard(run.stream)
            self._heirs.pop(run.stream, None)
            self._end(run.stream, lane, "replaced")
            lane.assembler = Assembler(run)
            lane.start_90k = run.start_wall_ms * TICKS_PER_MS

    def offer(self, stream: StreamId, unit: AccessUnit, wall_90k: int | None = None) -> bool:
        """Take a unit; False when there is no run, or when footage had to be dropped.

        `wall_90k` overrides the run's own time (start + pts) for cameras whose clock lies.
        """
        with self._changed:
            lane = self._lanes.get(stream)
            if lane is None or lane.assembler is None or self._closed:
                return False
            done = lane.assembler.add(unit, lane.start_90k + unit.pts_90k if wall_90k is None else wall_90k)
            return True if done is None else self._put(stream, lane, done)

    def end_run(self, stream: StreamId, cause: str) -> None:
        """End the stream's run, if there is one: its last fragment and the end are queued."""
        with self._changed:
            lane = self._lanes.get(stream)
            if lane is not None:
                self._end(stream, lane, cause)

    def close(self) -> None:
        """End all runs and take nothing more; `take` hands out the rest, then says it is over."""
        with self._changed:
            for stream, lane in self._lanes.items():
                self._end(stream, lane, "stopped")
            self._closed = True
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """True after `close`."""
        return self._closed

    def take(self, timeout_s: float, leaving: threading.Event | None = None) -> Item | None:
        """Return the next item, or None after `timeout_s`; at once when closed, and None when its writer leaves."""
        with self._changed:
            if not (self._order or self._closed or (leaving is not None and leaving.is_set())):
                self._changed.wait(timeout_s)
            if leaving is not None and leaving.is_set():
                return None
            while self._order:
                lane = self._lanes[self._order.popleft()]
                if lane.queue:
                    item = lane.queue.popleft()
                    if isinstance(item, Fragment):
                        lane.queued_bytes -= item.size_bytes
                    return item
            return None

    def done(self, fragment: Fragment, *, stored: bool) -> None:
        """Give back the room of a fragment that was taken; one that was not stored counts as dropped."""
        with self._changed:
            self.waiting_bytes -= fragment.size_bytes
            if not stored:
                self.dropped_fragments += 1
                self.dropped_bytes += fragment.size_bytes

    def put_back(self, fragment: Fragment, *, counted: bool = True) -> None:
        """Give back a fragment that cannot be stored now: it is the next of its stream, and its oldest.

        One whose stream moved to another disk meanwhile follows it there (not `counted`: it came from elsewhere);
        one whose stream was erased is forgotten.
        """
        stream = fragment.run.stream
        with self._changed:
            if counted:
                self.waiting_bytes -= fragment.size_bytes
            if stream in self._erased:
                return
            heir = self._heirs.get(stream)
            if heir is None:
                lane = self._lanes.setdefault(stream, _Lane())
                lane.queue.appendleft(fragment)
                lane.queued_bytes += fragment.size_bytes
                self.waiting_bytes += fragment.size_bytes
                self._order.appendleft(stream)
                self._changed.notify()
                return
        heir.put_back(fragment, counted=False)

    def pause(self, timeout_s: float, leaving: threading.Event | None = None) -> None:
        """Wait `timeout_s` for the disk; at once over when closed or when the writer leaves."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or (leaving is not None and leaving.is_set()), timeout_s)

    def wake(self) -> None:
        """Let a waiting writer look whether it should leave."""
        with self._changed:
            self._changed.notify_all()

    def move(self, stream: StreamId, target: Backlog) -> None:
        """Hand all that waits of a stream, and its running run, to another disk's backlog."""
        with self._changed:
            lane = self._lanes.pop(stream, None)
            if lane is None:
                return
            self._lanes[stream] = left = _Lane()
            self._heirs[stream] = target
            self.waiting_bytes -= lane.queued_bytes
            if lane.assembler is not None:  # what is written of the run here is closed here
                left.queue.append(RunEnd(lane.assembler.run, "disk"))
                self._order.append(stream)
                self._changed.notify()
        target.receive(stream, lane)

    def discard(self, streams: Collection[StreamId]) -> None:
        """Forget what waits of streams whose footage is erased; the ends of their runs stay."""
        with self._changed:
            self._erased |= self._lanes.keys() & set(streams)
            for stream in streams:
                lane = self._lanes.get(stream)
                if lane is not None:
                    self.waiting_bytes -= lane.queued_bytes
                    lane.queued_bytes = 0
                    lane.queue = deque(item for item in lane.queue if isinstance(item, RunEnd))

    def receive(self, stream: StreamId, lane: _Lane) -> None:
        """Take over what waited elsewhere."""
        with self._changed:
            self._heirs.pop(stream, None)
            own = self._lanes.setdefault(stream, _Lane())
            own.queue.extend(lane.queue)
            own.queued_bytes += lane.queued_bytes
            own.assembler, own.start_90k = lane.assembler, lane.start_90k
            self.waiting_bytes += lane.queued_bytes
            self._order.extend([stream] * len(lane.queue))
            while self.waiting_bytes > self._limit_bytes and self._drop_one():
                pass
            self._changed.notify()

    def drops(self) -> list[Drop]:
        """Return and forget the spans dropped for want of room, adjacent ones as one."""
        if not self._drops:
            return []
        with self._changed:
            drops = list(self._drops.values())
            self._drops.clear()
            return drops

    def _end(self, stream: StreamId, lane: _Lane, cause: str) -> None:
        if lane.assembler is None:
            return
        last, run = lane.assembler.flush(), lane.assembler.run
        self.bent += lane.assembler.bent
        self.unstarted += lane.assembler.unstarted
        lane.assembler = None
        if last is not None:
            self._put(stream, lane, last)
        lane.queue.append(RunEnd(run, cause))
        self._order.append(stream)
        self._changed.notify()

    def _put(self, stream: StreamId, lane: _Lane, done: Fragment) -> bool:
        lane.queue.append(done)
        lane.queued_bytes += done.size_bytes
        self.waiting_bytes += done.size_bytes
        self._order.append(stream)
        kept = True
        while self.waiting_bytes > self._limit_bytes and self._drop_one():
            kept = False
        self._changed.notify()
        return kept

    def _drop_one(self) -> bool:
        """Drop the oldest GOP of the heaviest lane; False when nothing waits."""
        lane = max(self._lanes.values(), key=lambda item: item.queued_bytes)
        first = next((item for item in lane.queue if isinstance(item, Fragment)), None)
        if first is None:
            return False
        place = lane.queue.index(first)
        while place < len(lane.queue):
            victim = lane.queue[place]
            if not isinstance(victim, Fragment) or (victim is not first and victim.is_key):
                break
            del lane.queue[place]
            lane.queued_bytes -= victim.size_bytes
            self.waiting_bytes -= victim.size_bytes
            self.dropped_fragments += 1
            self.dropped_bytes += victim.size_bytes
            self._note(drop_of(victim))
        return True

    def _note(self, drop: Drop) -> None:
        known = self._drops.get(drop.stream)
        if known is not None:
            drop = Drop(drop.stream, min(known.from_ms, drop.from_ms), max(known.to_ms, drop.to_ms))
        self._drops[drop.stream] = drop
