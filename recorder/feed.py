"""The fan-out point of one stream: every picture from the network thread to bounded readers.

Owns the feed and its two kinds of reader. Invariants: `publish` runs in the network thread, takes a
lock and never waits; units are shared, not copied; the feed keeps the pictures since the last key frame
(at most `KEEP_BYTES`, otherwise none), so that a new reader starts with a picture; a reader that falls
behind loses whole pictures up to the next key frame and its losses are counted; no reader can delay
another one or the network thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.core.media import AccessUnit, CodecConfig
from gateway.core.model import PublicId, StreamRole

KEEP_BYTES = 4 << 20
"""A 2 s GOP of 4 Mbit/s is 1 MB; a longer or fatter GOP is not kept whole in memory for every stream."""
READER_BYTES = 8 << 20
"""What one slow socket may keep in memory before it loses pictures; above KEEP_BYTES by design."""
RATE_WINDOW_S = 5.0
REORDER_90K = 90_000
"""A picture shown before the one sent ahead of it, by less than that, is a B-frame; by more, the clock jumped."""
LEAST_REORDERED = 3


class Reader(Protocol):
    """One consumer of a feed. All methods run under the feed's lock and must not wait or call the feed."""

    def offer(self, unit: AccessUnit) -> None:
        """Take or drop one picture."""

    def ended(self, code: str) -> None:
        """Learn that the stream ended, with an error code."""


@dataclass(frozen=True, slots=True)
class FeedFacts:
    """What the feed saw, for the status page."""

    connected: bool
    config: CodecConfig | None
    units: int
    lost_packets: int
    fps: float
    bitrate_bps: int
    last_unit_mono_ns: int
    """0 before the first picture."""
    readers: int
    dropped: int
    """Pictures that slow socket readers missed."""
    b_frames: bool
    """Pictures are sent in another order than they are shown: recorded as they are, no browser plays them live."""


class _Rate:
    """Pictures and bits per second over the last whole window, by arrival."""

    def __init__(self) -> None:
        self._start_ns, self._units, self._bytes = 0, 0, 0
        self.fps, self.bitrate_bps = 0.0, 0

    def count(self, mono_ns: int, size_bytes: int) -> None:
        if not self._start_ns:
            self._start_ns = mono_ns
        elapsed_s = (mono_ns - self._start_ns) / 1e9
        if elapsed_s >= RATE_WINDOW_S:
            self.fps = round(self._units / elapsed_s, 1)
            self.bitrate_bps = round(self._bytes * 8 / elapsed_s)
            self._start_ns, self._units, self._bytes = mono_ns, 0, 0
        self._units += 1
        self._bytes += size_bytes

    def clear(self) -> None:
        self.__init__()  # type: ignore[misc]  # the same empty state as a new one


class Feed:
    """Fan-out of one stream; thread-safe."""

    def __init__(self, camera: PublicId, role: StreamRole, *, keep_bytes: int = KEEP_BYTES) -> None:
        self.camera, self.role = camera, role
        self._keep_bytes = keep_bytes
        self._lock = threading.Lock()
        self._readers: list[Reader] = []
        self._gop: list[AccessUnit] = []
        self._gop_bytes = 0
        self._config: CodecConfig | None = None
        self._connected = False
        self._code = "camera_unreachable"
        self._units = self._lost = self._last_ns = self._dropped_before = 0
        self._rate = _Rate()
        self._latest_90k = self._reordered = 0

    def publish(self, unit: AccessUnit) -> None:
        """Hand one picture to all readers; called in the network thread."""
        size = unit.size_bytes
        with self._lock:
            self._connected = True
            self._config, self._last_ns = unit.config, unit.received_mono_ns
            self._units += 1
            self._lost += unit.lost_before
            self._rate.count(unit.received_mono_ns, size)
            self._watch_order(unit.pts_90k)
            self._keep(unit, size)
            for reader in self._readers:
                reader.offer(unit)

    def _watch_order(self, pts_90k: int) -> None:
        if 0 < self._latest_90k - pts_90k < REORDER_90K:
            self._reordered += 1
        else:
            self._latest_90k = pts_90k

    def _keep(self, unit: AccessUnit, size: int) -> None:
        if unit.is_key:
            self._gop, self._gop_bytes = [], 0
        elif not self._gop:
            return  # no key frame yet, or the GOP has outgrown its place
        self._gop_bytes += size
        if self._gop_bytes > self._keep_bytes:
            self._gop = []
        else:
            self._gop.append(unit)

    def end(self, code: str) -> None:
        """Say that the stream ended (an error code); readers stay attached and may see it resume."""
        with self._lock:
            self._connected, self._code = False, code
            self._gop, self._gop_bytes = [], 0
            self._rate.clear()
            self._latest_90k = self._reordered = 0
            for reader in self._readers:
                reader.ended(code)

    def attach(self, reader: Reader) -> None:
        """Add a reader: it gets the current GOP at once, then everything new."""
        with self._lock:
            for unit in self._gop:
                reader.offer(unit)
            if not self._connected:
                reader.ended(self._code)
            self._readers.append(reader)

    def detach(self, reader: Reader) -> None:
        """Remove a reader; unknown ones are ignored."""
        with self._lock:
            if reader in self._readers:
                self._readers.remove(reader)
                self._dropped_before += _dropped(reader)

    def facts(self) -> FeedFacts:
        """Return the feed's figures."""
        with self._lock:
            return FeedFacts(
                connected=self._connected,
                config=self._config,
                units=self._units,
                lost_packets=self._lost,
                fps=self._rate.fps,
                bitrate_bps=self._rate.bitrate_bps,
                last_unit_mono_ns=self._last_ns,
                readers=len(self._readers),
                dropped=self._dropped_before + sum(map(_dropped, self._readers)),
                b_frames=self._reordered >= LEAST_REORDERED,
            )


def _dropped(reader: Reader) -> int:
    return reader.dropped if isinstance(reader, QueueReader) else 0


class Taken(NamedTuple):
    """What a reader gets: a picture, and whether pictures are missing before it."""

    unit: AccessUnit
    skipped: bool


class QueueReader:
    """A bounded queue into the event loop: one per subscriber of the feed socket.

    `offer` and `ended` come from the network thread, `take` is awaited in the loop it was made in.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, *, most_bytes: int = READER_BYTES) -> None:
        self._loop, self._most_bytes = loop, most_bytes
        self._lock = threading.Lock()
        self._queue: deque[Taken] = deque()
        self._bytes = 0
        self._wait_for_key = True
        self._skipped = False
        self._end: str | None = None
        self._awake = False
        self._something = asyncio.Event()
        self.dropped = 0

    def offer(self, unit: AccessUnit) -> None:
        """Queue a picture, or drop pictures up to the next key frame if there is no room."""
        size = unit.size_bytes
        with self._lock:
            if self._end is not None:
                return
            if self._wait_for_key and not unit.is_key:
                self.dropped += self._skipped
                return
            if self._queue and self._bytes + size > self._most_bytes:
                self.dropped += len(self._queue)
                self._queue.clear()
                self._bytes, self._skipped = 0, True
                if not unit.is_key:
                    self._wait_for_key = True
                    self.dropped += 1
                    return
            self._queue.append(Taken(unit, self._skipped))
            self._bytes += size
            self._wait_for_key = self._skipped = False
            self._wake()

    def ended(self, code: str) -> None:
        """Let `take` raise StreamEnded once the queue is empty."""
        with self._lock:
            if self._end is None:
                self._end = code
                self._wake()

    def _wake(self) -> None:
        if not self._awake and not self._loop.is_closed():
            self._awake = True
            self._loop.call_soon_threadsafe(self._something.set)

    async def take(self) -> Taken:
        """Return the next picture; raises StreamEnded after the last one."""
        while True:
            with self._lock:
                if self._queue:
                    taken = self._queue.popleft()
                    self._bytes -= taken.unit.size_bytes
                    return taken
                if self._end is not None:
                    raise StreamEnded(self._end)
                self._awake = False
                self._something.clear()
            await self._something.wait()


class StreamEnded(Exception):
    """The stream of a reader ended; `code` is the error code that goes to the subscriber."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code
