"""One RTSP session of one stream: from the network thread into the feed and onto the disk.

Owns the sink a player delivers to, and the cut between runs. Invariants: the sink never waits; a run
begins at a key frame and its anchor is that key frame's arrival; a run that must end (the clock stepped)
ends exactly where the next begins (which takes over how late the network was, and whether the camera's clock
lies), so no picture is lost by it and none is stored twice; what the event loop has to know comes
as `Notice`s in order.
"""

from __future__ import annotations

import asyncio
import threading
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from gateway.core.clock import Clock
from gateway.core.media import TICKS_PER_S, AccessUnit, CodecConfig, ticks_to_ms
from gateway.core.model import RunId, StreamId
from recorder.feed import Feed
from recorder.gaps import GapCause
from recorder.runs import Anchor, Run
from recorder.timeline import Timeline


class Footage(Protocol):
    """Where pictures go to be kept. Called in the network thread: never waits, drops and counts instead."""

    def begin_run(self, run: Run) -> None:
        """Say that a run of `run.stream` begins with the next picture."""

    def offer(self, stream: StreamId, unit: AccessUnit, wall_90k: int) -> None:
        """Take one picture of the running run with its wall time, 90 kHz since 1970."""

    def end_run(self, stream: StreamId, cause: GapCause) -> None:
        """Say that the stream's run is over: its segment can be closed."""


@dataclass(frozen=True, slots=True)
class Playing:
    """The camera accepted PLAY."""


@dataclass(frozen=True, slots=True)
class RunBegan:
    """A run's first key frame arrived."""

    run: Run


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run is over; `at_ms` is the end of its last picture in the run's own wall time."""

    run: Run
    at_ms: int
    cause: GapCause


@dataclass(frozen=True, slots=True)
class ClockLies:
    """The run's pictures are stamped by arrival from now on: the camera's clock cannot be believed."""

    run: Run


Notice: TypeAlias = Playing | RunBegan | RunEnded | ClockLies


class SessionSink:
    """The `StreamSink` of one session. `playing` and `unit` run in the network thread, the rest in the loop."""

    def __init__(self, stream: StreamId, first_run: RunId, *, feed: Feed, footage: Footage, clock: Clock) -> None:
        self._stream, self._feed, self._footage, self._clock = stream, feed, footage, clock
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._next_run: RunId | None = first_run
        self._cut: GapCause | None = None
        self._run: Run | None = None
        self._timeline: Timeline | None = None
        self._last_90k = self._frame_90k = 0
        self._closed = self._told_lies = False
        self.units = 0
        self.notices: asyncio.Queue[Notice] = asyncio.Queue()
        """Three per run and one per session: bounded by the clock's steps, not by the camera."""

    @property
    def clock_lies(self) -> bool:
        """Say whether the camera's clock is no longer believed in this run (`recorder.timeline`)."""
        return self._timeline is not None and self._timeline.lies

    @property
    def run(self) -> Run | None:
        """The run that is being recorded."""
        return self._run

    def playing(self, config: CodecConfig | None) -> None:
        """Note that PLAY was accepted."""
        del config  # every unit carries its own
        self._tell(Playing())

    def unit(self, unit: AccessUnit) -> None:
        """Fan one picture out and give it to the disk."""
        with self._lock:
            if self._closed:
                return
            self.units += 1
            self._feed.publish(unit)
            if unit.is_key and self._next_run is not None:
                self._begin(self._next_run, unit)
            if self._timeline is None:
                return  # a session may start between two key frames
            wall_90k = self._timeline.stamp(unit)
            if self._timeline.lies and not self._told_lies and self._run is not None:
                self._told_lies = True
                self._tell(ClockLies(self._run))
            self._frame_90k = max(0, min(wall_90k - self._last_90k, TICKS_PER_S))
            self._last_90k = wall_90k
            self._footage.offer(self._stream, unit, wall_90k)

    def _begin(self, number: RunId, unit: AccessUnit) -> None:
        last, lies = self._timeline, self.clock_lies
        if self._run is not None:
            self._finish(self._run, self._cut or GapCause.CLOCK)
        taken_ns = unit.received_mono_ns - (last.late_ns(unit) if last is not None else 0)
        age_ms = (self._clock.mono_ns() - taken_ns) // 1_000_000
        anchor = Anchor(self._clock.now_ms() - age_ms, taken_ns, self._clock.trusted())
        self._run, self._next_run, self._cut = Run(number, self._stream, anchor), None, None
        self._timeline, self._last_90k = Timeline(anchor, unit, lies=lies), anchor.wall_ms * 90
        self._told_lies = False
        self._footage.begin_run(self._run)
        self._tell(RunBegan(self._run))

    def _finish(self, run: Run, cause: GapCause) -> None:
        self._footage.end_run(self._stream, cause)
        self._tell(RunEnded(run, ticks_to_ms(self._last_90k + self._frame_90k), cause))

    def _tell(self, notice: Notice) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.notices.put_nowait, notice)

    def cut(self, next_run: RunId, cause: GapCause) -> None:
        """End the run at the next key frame and begin `next_run` there."""
        with self._lock:
            self._next_run, self._cut = next_run, cause

    def close(self, cause: GapCause) -> Run | None:
        """End the session: nothing is taken any more; returns the run that was open."""
        with self._lock:
            self._closed = True
            run, self._run = self._run, None
            if run is not None:
                self._finish(run, cause)
            return run
