"""What the servers of bench `live` show: one loop of pictures in real time, by feed socket and by RTP.

Owns the clock of the pictures. Invariants: each server gets the same pictures at the same times, over the feed
socket (ours, plain aiortc) or as RTP on a UDP port (Janus, Pion); `due_s` says when each was handed over.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path

from bench.sources import FPS, GOP
from gateway.core import feedwire
from gateway.core.media import AccessUnit, CodecConfig
from gateway.live.packetizer import packetize

TICKS = 90_000 // FPS
RTP_TYPE = 96
AT_ONCE, BREATH_S = 32, 0.001
"""More packets at once overflow the socket that Janus receives on (212 kB, ninety packets)."""
_HEAD = struct.Struct("!BBHII")


class Feed:
    """Plays a loop to the recorder's feed socket at `path` and to `rtp`, an address, if there is one."""

    def __init__(self, path: Path, pictures: list[list[bytes]], config: CodecConfig) -> None:
        self._path, self._pictures, self._config = path, pictures, config
        self._writers: set[asyncio.StreamWriter] = set()
        self._sequence = 0
        self.rtp: tuple[str, int] | None = None
        self.due_s: list[float] = []

    @contextlib.asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
        """Play while entered."""
        server = await asyncio.start_unix_server(self._serve, str(self._path))
        task = asyncio.create_task(self._play())
        try:
            yield
        finally:
            task.cancel()
            server.close()
            for writer in self._writers:
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(feedwire.HEAD.size)
        writer.write(feedwire.encode_config(self._config))
        self._writers.add(writer)

    async def _play(self) -> None:
        began_s, number = time.monotonic(), 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while True:
                place = number % len(self._pictures)
                nals = tuple(self._pictures[place])
                unit = AccessUnit(nals, number * TICKS, place % GOP == 0, time.monotonic_ns(), self._config)
                self.due_s.append(time.monotonic())
                data = feedwire.encode_unit(unit, skipped=False)
                for writer in self._writers:
                    writer.write(data)
                if self.rtp is not None:
                    await self._send(out, unit, self.rtp)
                number += 1
                await asyncio.sleep(max(0.0, began_s + number / FPS - time.monotonic()))

    async def _send(self, out: socket.socket, unit: AccessUnit, address: tuple[str, int]) -> None:
        payloads = packetize(unit)
        for place, payload in enumerate(payloads):
            if place and place % AT_ONCE == 0:
                await asyncio.sleep(BREATH_S)
            kind = RTP_TYPE | (0x80 if place == len(payloads) - 1 else 0)
            head = _HEAD.pack(0x80, kind, self._sequence & 0xFFFF, unit.pts_90k & 0xFFFFFFFF, 0x1234)
            self._sequence += 1
            with contextlib.suppress(OSError):  # it is not up yet
                out.sendto(head + payload, address)
