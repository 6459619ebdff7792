"""What the servers of the live benches show: one loop of pictures in real time, by feed socket and by RTP.

Owns the clock of the pictures. Invariants: each server gets the same pictures at the same times, over the feed
socket (ours, plain aiortc; the current GOP first, as from the recorder) or as RTP on a UDP port (the others); cameras
are out of step, their key frames too; `due_s` says when each picture was handed over.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from bench.sources import FPS, GOP
from gateway.core import feedwire
from gateway.core.media import AccessUnit, CodecConfig
from gateway.core.model import PublicId
from gateway.live.packetizer import packetize
from tests.fakes.live_box import CAMERA

RTP_TYPE = 96
AT_ONCE, BREATH_S = 32, 0.001
"""More packets at once overflow the socket that Janus receives on (212 kB, ninety packets)."""
APART = 7
"""Pictures between the key frames of two cameras."""
_HEAD = struct.Struct("!BBHII")


class Feed:
    """Plays a loop to the recorder's feed socket at `path` and, of the first camera, to the address `rtp` if set."""

    def __init__(
        self,
        path: Path,
        pictures: list[list[bytes]],
        config: CodecConfig,
        *,
        cameras: Sequence[PublicId] = (CAMERA,),
        fps: int = FPS,
    ) -> None:
        self._path, self._pictures, self._config = path, pictures, config
        self.cameras, self.fps = tuple(cameras), fps
        self.ticks = 90_000 // fps
        self._writers: dict[PublicId, set[asyncio.StreamWriter]] = {camera: set() for camera in cameras}
        self._gops: dict[PublicId, list[bytes]] = {camera: [] for camera in cameras}
        self._sequence = 0
        self.rtp: tuple[str, int] | None = None
        self.due_s: dict[PublicId, list[float]] = {camera: [] for camera in cameras}

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
            for writer in (writer for writers in self._writers.values() for writer in writers):
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, length = feedwire.HEAD.unpack(await reader.readexactly(feedwire.HEAD.size))
        camera = feedwire.decode_subscribe(await reader.readexactly(length)).camera
        writer.write(feedwire.encode_config(self._config))
        writer.writelines(self._gops[camera])
        self._writers[camera].add(writer)

    async def _play(self) -> None:
        began_s, step = time.monotonic(), 0
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            while True:
                number, which = divmod(step, len(self.cameras))
                await self._show(out, which, number)
                step += 1
                await asyncio.sleep(max(0.0, began_s + step / self.fps / len(self.cameras) - time.monotonic()))

    async def _show(self, out: socket.socket, which: int, number: int) -> None:
        camera = self.cameras[which]
        place = (number + which * APART) % len(self._pictures)
        is_key = place % GOP == 0
        nals = tuple(self._pictures[place])
        unit = AccessUnit(nals, number * self.ticks, is_key, time.monotonic_ns(), self._config)
        data = feedwire.encode_unit(unit, skipped=False)
        if is_key:
            self._gops[camera].clear()
        if is_key or self._gops[camera]:
            self._gops[camera].append(data)
        self.due_s[camera].append(time.monotonic())
        for writer in self._writers[camera]:
            writer.write(data)
        if self.rtp is not None and which == 0:
            await self._send(out, unit, self.rtp)

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
