"""A link between a viewer and the daemon that loses, delays and queues as a router does."""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self


class UdpProxy(asyncio.DatagramProtocol):
    """Relays between one viewer and one server address, on 127.0.0.1.

    `drops` decides about each datagram to the viewer; `rate_bps` (0 = any) drains a queue of `queue_bytes`, whose
    tail is dropped.
    """

    def __init__(
        self, *, drops: Callable[[bytes], bool] = lambda data: False, rate_bps: float = 0, queue_bytes: int = 30_000
    ) -> None:
        self.drops, self.rate_bps, self._queue_bytes = drops, rate_bps, queue_bytes
        self._server: tuple[str, int] | None = None
        self._viewer: tuple[str, int] | None = None
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._filled = asyncio.Event()
        self.dropped = self.passed_bytes = 0

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 0))
        self._transport = transport
        self._task = asyncio.create_task(self._drain())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._task.cancel()
        self._transport.close()

    def hide(self, offer: str) -> str:
        """Return an offer without candidates: the daemon hears of the viewer through us only."""
        return "".join(line for line in offer.splitlines(keepends=True) if not line.startswith("a=candidate"))

    def lead(self, answer: str) -> str:
        """Return an answer whose candidate is us."""
        port = self._transport.get_extra_info("sockname")[1]
        found = re.search(r"a=candidate:\S+ 1 udp \d+ 127\.0\.0\.1 (\d+)", answer)
        assert found is not None
        self._server = ("127.0.0.1", int(found[1]))
        return answer.replace(f"127.0.0.1 {found[1]} typ", f"127.0.0.1 {port} typ")

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        if addr != self._server:
            self._viewer = addr
            if self._server is not None:
                self._transport.sendto(data, self._server)
        elif self.drops(data) or (self.rate_bps and self._queued + len(data) > self._queue_bytes):
            self.dropped += 1
        elif not self.rate_bps and not self._queue:
            self._pass(data)
        else:
            self._queue.append(data)
            self._queued += len(data)
            self._filled.set()

    def _pass(self, data: bytes) -> None:
        if self._viewer is not None:
            self.passed_bytes += len(data)
            self._transport.sendto(data, self._viewer)

    async def _drain(self) -> None:
        free_s = 0.0
        while True:
            await self._filled.wait()
            self._filled.clear()
            while self._queue:
                data = self._queue.popleft()
                self._queued -= len(data)
                self._pass(data)
                if self.rate_bps:
                    free_s = max(free_s, time.monotonic()) + len(data) * 8 / self.rate_bps
                    await asyncio.sleep(max(0.0, free_s - time.monotonic()))


def is_media(data: bytes) -> bool:
    """Say whether a datagram is RTP, by its first two bytes (RFC 7983, RFC 5761)."""
    return 127 < data[0] < 192 and not 191 < data[1] < 224
