"""The servers of the live benches: `vuon-live` as shipped, plain aiortc, and other people's.

Owns how each is started and how a viewer joins it. Invariants: all get the same pictures and serve real ICE, DTLS and
SRTP; `vuon-live` runs as its unit starts it, with tickets signed by a key made for the round.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx
from aiortc.exceptions import InvalidStateError
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.harness import Reading, Variant
from bench.live_feed import Feed
from bench.live_peers import RTP_PORT, Peer
from bench.live_round import Join, Open, Running, joining, no_offers, watched
from bench.live_viewer import Counting
from bench.sources import FPS, MAIN, encode_nals
from gateway.core import ticket
from gateway.core.clock import SystemClock
from gateway.core.errors import DaemonUnavailable
from gateway.core.media import Codec, CodecConfig
from gateway.core.model import PublicId
from gateway.core.wire import ControlClient
from tests.fakes.live_box import CAMERA, make_grant

LEASE_MS = 3_600_000

Look = Callable[[Running], Awaitable[Reading]]
"""What is measured while a server is watched."""
Serve = Callable[[Path, Feed], Awaitable[Reading]]

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


class OurKey:
    """The state folder of a `vuon-live` in `root`, and tickets it believes."""

    def __init__(self, root: Path, address: str) -> None:
        self._key, self._clock = Ed25519PrivateKey.generate(), SystemClock()
        keys = root / "state" / "keys"
        keys.mkdir(parents=True, mode=0o700)
        (keys / "gateway.key.pub").write_bytes(self._key.public_key().public_bytes_raw())
        (root / "config.toml").write_text(CONFIG.format(root=root, address=address))
        self.command = [sys.executable, "-m", "gateway.roofs.live", "--config", str(root / "config.toml")]

    async def open(self, client: ControlClient, offer: str, camera: PublicId) -> str:
        """Open a session with an offer; returns the answer."""
        await client.call("status")
        signed = ticket.sign(make_grant(self._clock, lease_ms=LEASE_MS, camera=camera), self._key)
        reply = await client.call("open", {"ticket": signed, "offer": offer, "stream": "main"})
        return str(reply.result["answer"])


class Servers:
    """The clip, made once, and a round for each server: `per_camera` viewers of each camera, measured by `look`."""

    def __init__(
        self,
        address: str,
        per_camera: int,
        look: Look,
        *,
        cameras: Sequence[PublicId] = (CAMERA,),
        fps: int = FPS,
    ) -> None:
        self._address, self._per_camera, self._look = address, per_camera, look
        self._cameras, self._fps = cameras, fps
        width, height, bps = MAIN
        # Coded for `FPS`: played faster, its pictures are made smaller by as much.
        sps, pps, self._pictures = encode_nals(width, height, bps * FPS // fps)
        self._config = CodecConfig(Codec.H264, sps, pps, width=width, height=height)

    def _in_folder(self, serve: Serve) -> Reading:
        async def body(root: Path) -> Reading:
            path = root / "run" / "feed.sock"
            return await serve(root, Feed(path, self._pictures, self._config, cameras=self._cameras, fps=self._fps))

        with tempfile.TemporaryDirectory(prefix="vuon-bench-") as folder:
            root = Path(folder)
            (root / "run").mkdir()
            try:
                return asyncio.run(body(root))
            except (OSError, DaemonUnavailable, httpx.TransportError, InvalidStateError) as error:
                return Reading({}, f"not all viewers connected ({str(error) or type(error).__name__})")

    async def _round(
        self, command: list[str], feed: Feed, root: Path, *, join: Join | None = None, open_: Open = no_offers
    ) -> Reading:
        how = join or joining(open_)
        async with watched(command, how, self._per_camera, feed, root / "log", self._address, open_) as running:
            return await self._look(running)

    def ours(self) -> Reading:
        """Measure `vuon-live`."""

        async def serve(root: Path, feed: Feed) -> Reading:
            key = OurKey(root, self._address)
            async with ControlClient(root / "run" / "live.sock", "live") as client:

                async def open_(offer: str, camera: PublicId) -> str:
                    return await key.open(client, offer, camera)

                return await self._round(key.command, feed, root, open_=open_)

        return self._in_folder(serve)

    def plain(self) -> Reading:
        """Measure plain aiortc."""

        async def serve(root: Path, feed: Feed) -> Reading:
            async with ControlClient(root / "run" / "live.sock", "plain") as client:

                async def open_(offer: str, camera: PublicId) -> str:
                    await client.call("status")
                    reply = await client.call("open", {"offer": offer, "camera": camera})
                    return str(reply.result["answer"])

                command = [sys.executable, "-m", "bench.live_plain", str(root / "run"), self._address]
                return await self._round(command, feed, root, open_=open_)

        return self._in_folder(serve)

    def peer(self, peer: Peer) -> Reading:
        """Measure another's server; it knows one camera."""

        async def serve(root: Path, feed: Feed) -> Reading:
            feed.rtp = (self._address, RTP_PORT)

            async def join(viewer: Counting, camera: PublicId) -> None:
                del camera
                await peer.join(viewer, self._address)

            return await self._round(peer.command(root, self._address), feed, root, join=join)

        return self._in_folder(serve)

    def peer_variant(self, name: str, found: Peer | str) -> Variant:
        """Return a row for a peer, also for one that cannot run."""
        if isinstance(found, str):
            return Variant(name, lambda: Reading({}, found))
        return Variant(name, lambda: self.peer(found))
