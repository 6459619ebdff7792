"""Bench `live`: viewers of one camera, our data plane beside plain aiortc, Janus and Pion.

Owns the order of a round; feed and viewers live in this process, and what is measured is the server process alone:
`vuon-live` as shipped, `bench.live_plain` (one packet track, `MediaRelay`, one `RTCPeerConnection` a viewer), and
`bench.live_peers`. All get the same pictures and serve real ICE, DTLS and SRTP, in a network of this bench's own
where it may make one (root, iproute2). Invariant: a round counts only if no viewer missed a packet by number and
the server kept up.
"""

from __future__ import annotations

import asyncio
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.harness import Options, Reading, Table, Variant, compare
from bench.live_feed import TICKS, Feed
from bench.live_peers import RTP_PORT, Peer, janus, pion
from bench.live_viewer import Counting, lateness_ms
from bench.schedstat import Meter, memory_of
from bench.sources import FPS, MAIN, encode_nals
from gateway.core import ticket
from gateway.core.clock import SystemClock
from gateway.core.errors import DaemonUnavailable
from gateway.core.media import Codec, CodecConfig
from gateway.core.wire import ControlClient
from tests.fakes.live_box import make_grant
from tests.isolation import CARD, enter_own_network

WARM_S = 4.0
START_S = 30.0
LOOK_S = 0.5
LEAST_SHARE = 0.97
"""Of the pictures must arrive in the window, or the server did less work than the others."""
JOINING = 4
"""Viewers that join at once: these all join, and the server is measured only afterwards."""

Join = Callable[[Counting], Awaitable[None]]


async def measure(command: list[str], join: Join, options: Options, feed: Feed, log: Path, address: str) -> Reading:
    """Start a server, join all viewers, measure it."""
    async with feed.playing():
        with log.open("w") as out:
            server = subprocess.Popen(command, stdout=out, stderr=out)  # noqa: ASYNC220 - before anything is timed
        viewers = [Counting(address) for _ in range(options.viewers)]
        try:
            await _first(server, join, viewers[0])
            for at in range(1, len(viewers), JOINING):
                await asyncio.gather(*(join(viewer) for viewer in viewers[at : at + JOINING]))
            await _all_see(viewers)
            await asyncio.sleep(WARM_S)
            return await _window(server.pid, viewers, options.seconds, feed)
        finally:
            for viewer in viewers:
                await viewer.close()
            server.send_signal(signal.SIGTERM)
            server.wait()


async def _first(server: subprocess.Popen[bytes], join: Join, viewer: Counting) -> None:
    """Join the first viewer as soon as the server answers."""
    end_s = time.monotonic() + START_S
    while True:
        try:
            await join(viewer)
        except (OSError, DaemonUnavailable, httpx.TransportError) as error:
            if time.monotonic() > end_s or server.poll() is not None:
                raise TimeoutError("the server does not answer") from error
            await asyncio.sleep(0.2)
        else:
            return


async def _window(pid: int, viewers: list[Counting], seconds: float, feed: Feed) -> Reading:
    packets, holes = sum(viewer.packets for viewer in viewers), sum(viewer.holes for viewer in viewers)
    for viewer in viewers:
        viewer.arrivals.clear()
    meter = Meter([pid], time.monotonic)
    meter.look()
    end_s = time.monotonic() + seconds
    while (left_s := end_s - time.monotonic()) > 0:
        await asyncio.sleep(min(LOOK_S, left_s))
        meter.look()
    used = meter.used()
    packets = sum(viewer.packets for viewer in viewers) - packets
    lost = sum(viewer.holes for viewer in viewers) - holes
    late = sorted(late for viewer in viewers for late in lateness_ms(viewer.arrivals, feed.due_s, TICKS))
    if not late:
        return Reading({}, "no picture arrived")
    figures = {
        "CPU, % of a core": used.cpu_percent,
        "CPU per viewer, %": used.cpu_percent / len(viewers),
        "PSS, MB": memory_of([pid]).pss_bytes / 1e6,
        "packets/s a viewer": packets / used.wall_s / len(viewers),
        "pictures/s a viewer": len(late) / used.wall_s / len(viewers),
        "late p50, ms": statistics.median(late),
        "late p99, ms": late[int(len(late) * 0.99)],
        "waited for a CPU, %": used.waited_percent,
    }
    behind = figures["pictures/s a viewer"] < LEAST_SHARE * FPS
    return Reading(figures, f"{lost} packets lost" if lost else "fell behind the camera" if behind else "")


async def _all_see(viewers: list[Counting]) -> None:
    async with asyncio.timeout(START_S):
        while not all(viewer.packets for viewer in viewers):  # noqa: ASYNC110 - counted as they are read
            await asyncio.sleep(0.1)


CONFIG = """
[paths]
state = "{root}/state"
run = "{root}/run"
[live]
addresses = ["{address}"]
allow_loopback = true
max_viewers = 1000
[clock]
require_ntp = false
"""


class Bench:
    """The clip, made once, and the servers."""

    def __init__(self, options: Options, address: str) -> None:
        self._options, self._address = options, address
        sps, pps, self._pictures = encode_nals(*MAIN)
        self._config = CodecConfig(Codec.H264, sps, pps, width=MAIN[0], height=MAIN[1])

    def _in_folder(self, run: Callable[[Path, Feed], Awaitable[Reading]]) -> Reading:
        async def body(root: Path) -> Reading:
            return await run(root, Feed(root / "run" / "feed.sock", self._pictures, self._config))

        with tempfile.TemporaryDirectory(prefix="vuon-bench-") as folder:
            root = Path(folder)
            (root / "run").mkdir()
            try:
                return asyncio.run(body(root))
            except TimeoutError as error:
                return Reading({}, str(error) or "not all viewers connected")

    def ours(self) -> Reading:
        """Measure `vuon-live`."""

        async def run(root: Path, feed: Feed) -> Reading:
            key, clock = Ed25519PrivateKey.generate(), SystemClock()
            keys = root / "state" / "keys"
            keys.mkdir(parents=True, mode=0o700)
            (keys / "gateway.key.pub").write_bytes(key.public_key().public_bytes_raw())
            (root / "config.toml").write_text(CONFIG.format(root=root, address=self._address))
            async with ControlClient(root / "run" / "live.sock", "live") as client:

                async def join(viewer: Counting) -> None:
                    await client.call("status")
                    signed = ticket.sign(make_grant(clock, lease_ms=3_600_000), key)
                    params = {"ticket": signed, "offer": await viewer.offer(), "stream": "main"}
                    await viewer.answered(str((await client.call("open", params)).result["answer"]))

                command = [sys.executable, "-m", "gateway.roofs.live", "--config", str(root / "config.toml")]
                return await measure(command, join, self._options, feed, root / "log", self._address)

        return self._in_folder(run)

    def plain(self) -> Reading:
        """Measure plain aiortc."""

        async def run(root: Path, feed: Feed) -> Reading:
            async with ControlClient(root / "run" / "live.sock", "plain") as client:

                async def join(viewer: Counting) -> None:
                    await client.call("status")
                    answer = await client.call("open", {"offer": await viewer.offer()})
                    await viewer.answered(str(answer.result["answer"]))

                command = [sys.executable, "-m", "bench.live_plain", str(root / "run"), self._address]
                return await measure(command, join, self._options, feed, root / "log", self._address)

        return self._in_folder(run)

    def peer(self, peer: Peer) -> Reading:
        """Measure another's server."""

        async def run(root: Path, feed: Feed) -> Reading:
            feed.rtp = (self._address, RTP_PORT)

            async def join(viewer: Counting) -> None:
                await peer.join(viewer, self._address)

            command = peer.command(root, self._address)
            return await measure(command, join, self._options, feed, root / "log", self._address)

        return self._in_folder(run)

    def peer_variant(self, name: str, found: Peer | str) -> Variant:
        """Return a row for a peer, also for one that cannot run."""
        if isinstance(found, str):
            return Variant(name, lambda: Reading({}, found))
        return Variant(name, lambda: self.peer(found))


VIEWERS = (
    f"One camera 1080p{FPS}, 2 Mbit/s, in a network of its own; viewers are aiortc receivers in another process that "
    "count packets as they come off the socket, and send one report a second."
)
LATE = (
    "Late: from the picture's being handed to the server to its last packet's being read by the viewer, so a busy "
    "machine shows in it. Ours and aiortc get pictures over a Unix socket, Janus and Pion as RTP."
)
NOTES = (
    VIEWERS,
    "Only the server process is measured; the receiving half of loopback is charged to it, alike for all.",
    LATE,
    "go2rtc and MediaMTX are not run: Go's proxy here serves neither; both send through Pion.",
)


def run(options: Options) -> list[Table]:
    """Measure all servers in turn."""
    with tempfile.TemporaryDirectory(prefix="vuon-bench-") as folder:
        others: dict[str, Peer | str] = {"Janus, event_loops = 1": janus(), "Pion": pion(Path(folder))}
        address = CARD[0].partition("/")[0]
        try:
            enter_own_network()
        except (OSError, subprocess.CalledProcessError) as error:
            address, others = "127.0.0.1", dict.fromkeys(others, f"not run: no network of its own ({error})")
        bench = Bench(options, address)
        rows = [
            Variant("vuon-live", bench.ours),
            Variant("aiortc, MediaRelay", bench.plain, control=True),
            *(bench.peer_variant(name, found) for name, found in others.items()),
        ]
        load = f"Load average at the start: {os.getloadavg()[0]:.1f}."
        return [compare(f"live: {options.viewers} viewers of one camera", rows, options, (*NOTES, load))]
