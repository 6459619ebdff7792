"""All RTSP streams of the box in one thread.

Owns `RtspNetwork`: the thread, its selector and its batching. Invariants: the thread wakes at most
every 10 ms (2 ms while somebody watches) and then reads everything, so its cost follows the packets and
not the streams; a stream's failure, also its sink's, ends that stream only; `play()` returns after the
sockets are closed; when the owner is left, the thread has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import selectors
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import anyio

from drivers.gate import LoginGate
from drivers.rtsp.client import resolve
from drivers.rtsp.habits import HabitBook
from drivers.rtsp.link import Link, StreamStatistics
from drivers.rtsp.payload import MakeMedia, make_depacketizer
from drivers.rtsp.protocol import StreamSink, Timeouts
from drivers.rtsp.source import RtspSource
from drivers.rtsp.tracks import Takers
from gateway.core.clock import Clock, SystemClock
from gateway.core.errors import CameraClosed
from gateway.core.media import AudioUnit
from gateway.core.supervise import failure_of

__all__ = ["NetworkStatistics", "RtspNetwork", "StreamSink"]

BATCH_S = 0.010
"""While only the disk waits: half the wake-ups of 5 ms, a fifth to a quarter less CPU."""
FAST_BATCH_S = 0.002
TICK_S = 0.25


@dataclass(frozen=True, slots=True)
class NetworkStatistics:
    """What the thread did so far, and its streams."""

    wakes: int
    streams: tuple[StreamStatistics, ...]


class RtspNetwork:
    """Plays RTSP streams; an async context manager, entered in the event loop that calls `play()`."""

    def __init__(self, clock: Clock | None = None, timeouts: Timeouts | None = None) -> None:
        self._clock = clock or SystemClock()
        self._times = timeouts or Timeouts()
        self._batch_s = BATCH_S
        self._orders: deque[Callable[[], None]] = deque()
        self._links: set[Link] = set()
        self._habits = HabitBook()
        self._selector: selectors.BaseSelector
        self._wake_out: socket.socket
        self._wake_in: socket.socket
        self._lock = threading.Lock()
        self._stopping, self._over = False, True
        self._wakes = 0
        self._tick_ns = 0
        self._thread = threading.Thread(target=self._run, name="rtsp", daemon=True)

    async def __aenter__(self) -> Self:
        self._selector = selectors.DefaultSelector()
        self._wake_out, self._wake_in = socket.socketpair()
        for end in (self._wake_in, self._wake_out):
            end.setblocking(False)
        self._selector.register(self._wake_out, selectors.EVENT_READ, None)
        self._over = False
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._order(self._stop)
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self._thread.join)
        self._selector.close()
        self._wake_in.close()
        self._wake_out.close()

    @property
    def alive(self) -> bool:
        """Say whether the network thread runs: without it no camera is heard."""
        return self._thread.is_alive()

    async def play(
        self,
        source: RtspSource,
        gate: LoginGate,
        sink: StreamSink,
        *,
        on_audio: Callable[[AudioUnit], None] | None = None,
        make_media: MakeMedia = make_depacketizer,
    ) -> None:
        """Play a stream into `sink` until it ends, which is always by an exception.

        Sound is not even asked for, unless `on_audio` takes it (in the network thread, without blocking).

        CameraError: why it ended. Anything else: what the sink raised. Cancelled: the session was torn
        down (at most 1 s), and the sink is not called any more.
        """
        address = await resolve(source.host, source.port)
        loop, ended = asyncio.get_running_loop(), asyncio.Event()

        def on_end() -> None:
            loop.call_soon_threadsafe(ended.set)

        link = Link(
            source,
            address,
            gate,
            sink,
            timeouts=self._times,
            on_end=on_end,
            habit=self._habits.of(source),
            takers=Takers(on_audio, make_media),
        )
        if not self._order(lambda: self._open(link)):
            raise CameraClosed("the network is not running", address=source.authority)
        try:
            await ended.wait()
        except asyncio.CancelledError:
            self._order(lambda: self._leave(link))
            with anyio.CancelScope(shield=True):
                await ended.wait()
            raise
        raise link.outcome or CameraClosed("the network was stopped", address=source.authority)

    def fast(self, on: bool) -> None:
        """Batch for 2 ms instead of 10 ms while somebody watches live."""
        self._batch_s = FAST_BATCH_S if on else BATCH_S

    def statistics(self) -> NetworkStatistics:
        """Return the counters of all open streams; from any thread."""
        return NetworkStatistics(self._wakes, tuple(link.statistics() for link in tuple(self._links)))

    # everything below runs in the network thread, but for `_order`

    def _order(self, order: Callable[[], None]) -> bool:
        """Have the network thread do something soon, from any thread; False if it has ended."""
        with self._lock:
            if self._over:
                return False
            self._orders.append(order)
        with contextlib.suppress(BlockingIOError):  # full of wake-ups: it is about to wake anyway
            self._wake_in.send(b"\0")
        return True

    def _run(self) -> None:
        failure = failure_of(self._loop)
        for link in tuple(self._links):
            self._end(link, failure)
        self._stopping = True
        with self._lock:
            self._over = True
        self._obey()

    def _loop(self) -> None:
        while not (self._stopping and not self._links):
            ready = self._selector.select(TICK_S if self._links else None)
            if self._links and ready:
                # Let packets gather: one wake-up for all cameras instead of one for each packet.
                time.sleep(self._batch_s)
                ready = self._selector.select(0)
            self._wakes += 1
            now_ns = self._clock.mono_ns()
            for key, mask in ready:
                link: Link | None = key.data
                if link is None:
                    self._obey()
                elif link not in self._links:
                    continue
                elif key.fileobj is link.socket:
                    self._settle(link, failure_of(link.ready, mask, now_ns))
                else:
                    self._settle(link, failure_of(link.datagrams, now_ns))
            if now_ns - self._tick_ns >= TICK_S * 1e9:
                self._tick_ns = now_ns
                for link in tuple(self._links):
                    self._settle(link, failure_of(link.tick, now_ns))

    def _obey(self) -> None:
        """Do what was ordered."""
        with contextlib.suppress(BlockingIOError):
            self._wake_out.recv(4096)
        while self._orders:
            self._orders.popleft()()

    def _stop(self) -> None:
        self._stopping = True
        for link in tuple(self._links):
            self._leave(link)

    def _open(self, link: Link) -> None:
        if self._stopping:
            link.on_end()
            return
        self._links.add(link)
        failure = failure_of(self._connect, link)
        if failure is not None:
            self._end(link, failure)

    def _connect(self, link: Link) -> None:
        opened = link.open(self._clock.mono_ns())
        link.events = link.wanted()
        self._selector.register(opened, link.events, link)

    def _leave(self, link: Link) -> None:
        if link in self._links:
            self._settle(link, failure_of(link.leave))

    def _settle(self, link: Link, failure: Exception | None) -> None:
        """After any step of a stream: end it, or watch for what it waits for now."""
        if failure is not None or link.left:
            self._end(link, failure)
            return
        if link.socket is not None and (wanted := link.wanted()) != link.events:
            link.events = wanted
            self._selector.modify(link.socket, wanted, link)
        if (sockets := link.datagram_sockets) != link.watched:
            self._watch(link, sockets)

    def _watch(self, link: Link, sockets: tuple[socket.socket, ...]) -> None:
        """Watch these UDP sockets of a stream and no others."""
        for sock in link.watched:
            self._selector.unregister(sock)
        for sock in sockets:
            self._selector.register(sock, selectors.EVENT_READ, link)
        link.watched = sockets

    def _end(self, link: Link, failure: Exception | None) -> None:
        self._links.discard(link)
        if link.socket is not None and link.events:
            self._selector.unregister(link.socket)
        self._watch(link, ())
        link.close()
        link.outcome = failure
        with contextlib.suppress(RuntimeError):  # its event loop is closed: nobody waits any more
            link.on_end()
