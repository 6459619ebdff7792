"""Bench `live`: viewers of one camera, our data plane beside aiortc as its documents show it.

Owns the feed and the viewers, both in this process; what is measured is the server process alone: `vuon-live`
as shipped, or `bench.live_plain` (one packet track, `MediaRelay`, one `RTCPeerConnection` a viewer). Both
read the same feed socket and serve real ICE, DTLS and SRTP. Invariant: a round counts only if no viewer
missed a packet by sequence number.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.harness import Options, Reading, Table, Variant, compare
from bench.schedstat import Meter, memory_of
from bench.sources import FPS, GOP, MAIN, encode_nals
from gateway.core import feedwire, ticket
from gateway.core.clock import SystemClock
from gateway.core.errors import DaemonUnavailable
from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.wire import ControlClient
from tests.fakes.live_box import make_grant
from tests.fakes.viewer import Viewer

WARM_S = 4.0
START_S = 30.0
LOOK_S = 0.5


class Counting(Viewer):
    """A viewer that counts packets instead of decoding them."""

    def __init__(self) -> None:
        super().__init__()
        self.packets = self.holes = 0
        self._next: dict[int, int] = {}

    def _RTCPeerConnection__createDtlsTransport(self) -> Any:  # noqa: N802 - aiortc's own name
        dtls = super()._RTCPeerConnection__createDtlsTransport()
        dtls._handle_rtp_data = self._count
        return dtls

    async def _count(self, data: bytes, arrival_time_ms: int) -> None:
        del arrival_time_ms
        sequence, ssrc = struct.unpack_from(">2xH4xI", data)
        self.packets += 1
        self.holes += (sequence - self._next.get(ssrc, sequence)) & 0xFFFF
        self._next[ssrc] = (sequence + 1) & 0xFFFF


class Feed:
    """The recorder's feed socket, playing a loop in real time."""

    def __init__(self, path: Path, pictures: list[list[bytes]], config: CodecConfig) -> None:
        self._path, self._pictures, self._config = path, pictures, config
        self._writers: set[asyncio.StreamWriter] = set()

    @contextlib.asynccontextmanager
    async def playing(self) -> AsyncIterator[None]:
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
        while True:
            place = number % len(self._pictures)
            nals = tuple(self._pictures[place])
            unit = AccessUnit(nals, number * 90_000 // FPS, place % GOP == 0, time.monotonic_ns(), self._config)
            data = feedwire.encode_unit(unit, skipped=False)
            for writer in self._writers:
                writer.write(data)
            number += 1
            await asyncio.sleep(max(0.0, began_s + number / FPS - time.monotonic()))


Open = Callable[[ControlClient, str], Awaitable[str]]
"""Gives an offer, returns the answer."""


async def measure(folder: Path, command: list[str], service: str, offer: Open, options: Options, feed: Feed) -> Reading:
    """Start a server, join all viewers, measure it."""
    async with feed.playing(), ControlClient(folder / "run" / "live.sock", service) as client:
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(command, stdout=log, stderr=log)  # noqa: ASYNC220 - once, before anything is timed
        viewers: list[Counting] = []
        try:
            await _up(client)
            for _ in range(options.viewers):
                viewer = Counting()
                viewers.append(viewer)
                await viewer.answered(await offer(client, await viewer.offer()))
            await _all_see(viewers)
            await asyncio.sleep(WARM_S)
            return await _window(server.pid, viewers, options.seconds)
        finally:
            for viewer in viewers:
                await viewer.close()
            server.send_signal(signal.SIGTERM)
            server.wait()


async def _window(pid: int, viewers: list[Counting], seconds: float) -> Reading:
    packets, holes = sum(viewer.packets for viewer in viewers), sum(viewer.holes for viewer in viewers)
    meter = Meter([pid], time.monotonic)
    meter.look()
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0:
        await asyncio.sleep(min(LOOK_S, left_s))
        meter.look()
    used = meter.used()
    packets = sum(viewer.packets for viewer in viewers) - packets
    lost = sum(viewer.holes for viewer in viewers) - holes
    figures = {
        "CPU, % of a core": used.cpu_percent,
        "CPU per viewer, %": used.cpu_percent / len(viewers),
        "PSS, MB": memory_of([pid]).pss_bytes / 1e6,
        "packets/s a viewer": packets / used.wall_s / len(viewers),
    }
    return Reading(figures, f"{lost} packets lost" if lost else "")


async def _up(client: ControlClient) -> None:
    end_s = time.monotonic() + START_S
    while True:
        try:
            await client.call("status")
        except DaemonUnavailable:
            if time.monotonic() > end_s:
                raise
            await asyncio.sleep(0.1)
        else:
            return


async def _all_see(viewers: list[Counting]) -> None:
    async with asyncio.timeout(START_S):
        while not all(viewer.packets for viewer in viewers):  # noqa: ASYNC110 - counted by aiortc's own tasks
            await asyncio.sleep(0.1)


CONFIG = """
[paths]
state = "{root}/state"
run = "{root}/run"
[live]
addresses = ["127.0.0.1"]
allow_loopback = true
max_viewers = 200
[clock]
require_ntp = false
"""


class Bench:
    """The clip, made once, and the two servers."""

    def __init__(self, options: Options) -> None:
        self._options = options
        sps, pps, self._pictures = encode_nals(*MAIN)
        self._config = CodecConfig(Codec.H264, sps, pps, width=MAIN[0], height=MAIN[1])

    def _in_folder(self, run: Callable[[Path, Feed], Awaitable[Reading]]) -> Reading:
        async def body(root: Path) -> Reading:
            return await run(root, Feed(root / "run" / "feed.sock", self._pictures, self._config))

        with tempfile.TemporaryDirectory(prefix="vuon-bench-") as folder:
            root = Path(folder)
            (root / "run").mkdir()
            return asyncio.run(body(root))

    def ours(self) -> Reading:
        """Measure `vuon-live`."""

        async def run(root: Path, feed: Feed) -> Reading:
            key, clock = Ed25519PrivateKey.generate(), SystemClock()
            keys = root / "state" / "keys"
            keys.mkdir(parents=True, mode=0o700)
            (keys / "gateway.key.pub").write_bytes(key.public_key().public_bytes_raw())
            (root / "config.toml").write_text(CONFIG.format(root=root))

            async def offer(client: ControlClient, sdp: str) -> str:
                params = {"ticket": ticket.sign(make_grant(clock), key), "offer": sdp, "stream": "main"}
                return str((await client.call("open", params)).result["answer"])

            command = [sys.executable, "-m", "gateway.roofs.live", "--config", str(root / "config.toml")]
            return await measure(root, command, "live", offer, self._options, feed)

        return self._in_folder(run)

    def plain(self) -> Reading:
        """Measure plain aiortc."""

        async def run(root: Path, feed: Feed) -> Reading:
            async def offer(client: ControlClient, sdp: str) -> str:
                return str((await client.call("open", {"offer": sdp})).result["answer"])

            command = [sys.executable, "-m", "bench.live_plain", str(root / "run")]
            return await measure(root, command, "plain", offer, self._options, feed)

        return self._in_folder(run)


NOTES = (
    "One camera 1080p15, 2 Mbit/s, over loopback; viewers are aiortc receivers in another process that do not decode.",
    "Only the server process is measured. It is its first sender: one sendto and one SRTP call per packet.",
)


def run(options: Options) -> list[Table]:
    """Measure both servers in turn."""
    bench = Bench(options)
    rows = [Variant("vuon-live", bench.ours), Variant("aiortc, MediaRelay", bench.plain, control=True)]
    return [compare(f"live: {options.viewers} viewers of one camera", rows, options, NOTES)]
