"""Bytes as a camera's own network port lets them out: segment after segment, not in one burst.

Owns the one thread that writes for all paced connections. A 100 Mbit/s port needs about 120 us for a full
segment, so a reader on a real network sees many small arrivals where a burst over loopback shows it one;
benches need both. Invariants: all bytes of a connection go through its sink, in order; bytes that wait are
bounded by the outlet above (it asks `waiting_bytes`); a reset connection is dropped silently here, the event
loop notices it; left = the thread has ended.
"""

from __future__ import annotations

import asyncio
import heapq
import socket
import threading
import time
from collections import deque
from dataclasses import dataclass
from types import TracebackType
from typing import Self

RETRY_NS = 1_000_000
"""A connection whose buffer is full is tried again this much later."""
MOST_SLEEP_S = 0.001
"""The thread looks for new work at least this often while it has any."""

MOST_LAG_NS = 5_000_000
"""Later than this is not caught up with."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How a port lets bytes out."""

    segment_bytes: int = 1460
    gap_ns: int = 120_000
    """Between the beginnings of two segments of one connection: 100 Mbit/s."""


class PacedSink:
    """One connection's bytes; `write` is called in the event loop, `send_next` in the thread."""

    def __init__(self, sender: PacedSender, sock: socket.socket) -> None:
        self._sender, self._socket = sender, sock
        self._lock = threading.Lock()
        self._segments: deque[bytes] = deque()
        self._waiting = 0
        self._closed = False

    def write(self, data: bytes) -> None:
        """Queue bytes; never blocks."""
        size = self._sender.pace.segment_bytes
        with self._lock:
            if self._closed:
                return
            idle = not self._segments
            self._segments.extend(data[start : start + size] for start in range(0, len(data), size))
            self._waiting += len(data)
        if idle and data:
            self._sender.schedule(self)

    def waiting_bytes(self) -> int:
        """Return the bytes not yet given to the kernel."""
        return self._waiting

    def close(self) -> None:
        """Drop what waits and let the connection end; harmless twice."""
        with self._lock:
            if not self._closed:
                self._closed, self._waiting = True, 0
                self._segments.clear()
                self._socket.close()

    def send_next(self) -> int | None:
        """Send one segment; returns nanoseconds until the next, None when nothing waits."""
        with self._lock:
            if not self._segments:
                return None
            segment = self._segments[0]
            try:
                sent = self._socket.send(segment)
            except BlockingIOError:
                return RETRY_NS
            except OSError:
                self._segments.clear()
                self._waiting = 0
                return None
            self._waiting -= sent
            if sent < len(segment):
                self._segments[0] = segment[sent:]
            else:
                self._segments.popleft()
            return self._sender.pace.gap_ns if self._segments else None


class PacedSender:
    """Writes for all paced connections while entered."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self._wake = threading.Condition()
        self._due: list[tuple[int, int, PacedSink]] = []
        self._count = 0
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="simulated-pace", daemon=True)
        self.segments = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._wake:
            self._stopping = True
            self._wake.notify()
        self._thread.join()

    def sink(self, writer: asyncio.StreamWriter) -> PacedSink:
        """Return the sink for a connection; nothing may be written to `writer` itself any more."""
        sock: socket.socket = writer.get_extra_info("socket").dup()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return PacedSink(self, sock)

    def schedule(self, sink: PacedSink, at_ns: int | None = None) -> None:
        """Let `sink` send at `at_ns`, at once if None; any thread."""
        with self._wake:
            self._count += 1
            heapq.heappush(self._due, (at_ns or time.monotonic_ns(), self._count, sink))
            self._wake.notify()

    def _next(self) -> tuple[int, PacedSink] | None:
        """Wait for work; returns what is first due, None when the sender ends."""
        with self._wake:
            while not self._due and not self._stopping:
                self._wake.wait()
            if self._stopping:
                return None
            at_ns, _, sink = self._due[0]
            if at_ns <= time.monotonic_ns():
                heapq.heappop(self._due)
            return at_ns, sink

    def _run(self) -> None:
        while True:
            found = self._next()
            if found is None:
                return
            at_ns, sink = found
            ahead_ns = at_ns - time.monotonic_ns()
            if ahead_ns > 0:
                # Waiting on the condition would cost more than the gap itself; sleeping is what pacing is.
                time.sleep(min(ahead_ns / 1e9, MOST_SLEEP_S))
                continue
            wait_ns = sink.send_next()
            self.segments += 1
            if wait_ns is not None:
                # From when it was due, not from now: a late wake-up must not lower the rate.
                self.schedule(sink, max(at_ns + wait_ns, time.monotonic_ns() - MOST_LAG_NS))
