"""The control of bench `live`: a camera's pictures to viewers by aiortc as documented.

    python -m bench.live_plain RUN_FOLDER ADDRESS

Owns one packet track a camera, read from the feed socket, and a `MediaRelay`; every viewer is a peer connection.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from aiortc import RTCPeerConnection, RTCRtpSender, RTCSessionDescription
from aiortc.contrib.media import MediaRelay
from aiortc.mediastreams import MediaStreamTrack

from bench.live_viewer import Gatherer
from gateway.core import feedwire
from gateway.core.media import AccessUnit, CodecConfig
from gateway.core.model import PublicId, StreamRole
from gateway.core.wire import ControlServer, Reply, Request

START = b"\0\0\0\1"


class FeedTrack(MediaStreamTrack):
    """The feed's pictures as encoded packets, from the first key frame on."""

    kind = "video"

    def __init__(self, path: Path, camera: PublicId) -> None:
        super().__init__()
        self._path, self._camera = path, camera
        self._units: asyncio.Queue[AccessUnit] = asyncio.Queue(100)
        self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        reader, writer = await asyncio.open_unix_connection(str(self._path))
        writer.write(feedwire.encode_subscribe(feedwire.Subscription(self._camera, StreamRole.MAIN)))
        configs: dict[int, CodecConfig] = {}
        while True:
            kind, length = feedwire.HEAD.unpack(await reader.readexactly(feedwire.HEAD.size))
            body = await reader.readexactly(length)
            if kind == feedwire.CONFIG:
                config = feedwire.decode_config(body)
                configs[config.epoch] = config
            else:
                await self._units.put(feedwire.decode_unit(body, configs)[0])

    async def recv(self) -> av.Packet[Any]:
        unit = await self._units.get()
        nals = (unit.config.sps, unit.config.pps, *unit.nals) if unit.is_key else unit.nals
        packet = av.Packet(b"".join(START + nal for nal in nals))
        packet.pts, packet.time_base = unit.pts_90k, Fraction(1, 90_000)
        return packet


class Here(RTCPeerConnection):
    """A peer connection that gathers on one address (aioice leaves loopback out)."""

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address

    def _RTCPeerConnection__createDtlsTransport(self) -> Any:  # noqa: N802 - aiortc's own name
        base: Any = super()
        dtls = base._RTCPeerConnection__createDtlsTransport()
        gatherer, ice = Gatherer(self._address, controlling=False), dtls.transport
        ice._RTCIceTransport__iceGatherer, ice._connection = gatherer, gatherer._connection
        ice._recv, ice._send = gatherer._connection.recv, gatherer._connection.send
        return dtls


class Server:
    """Answers offers."""

    def __init__(self, run: Path, address: str) -> None:
        self._address = address
        self._relay, self._feed = MediaRelay(), run / "feed.sock"
        self._tracks: dict[str, FeedTrack] = {}
        self._peers: list[RTCPeerConnection] = []

    async def open(self, request: Request) -> Reply:
        """Add a viewer."""
        camera = request.text("camera")
        track = self._tracks.get(camera)
        if track is None:
            track = self._tracks[camera] = FeedTrack(self._feed, PublicId(camera))
        peer = Here(self._address)
        self._peers.append(peer)
        await peer.setRemoteDescription(RTCSessionDescription(request.text("offer"), "offer"))
        peer.addTrack(self._relay.subscribe(track))
        (transceiver,) = peer.getTransceivers()
        codecs = RTCRtpSender.getCapabilities("video").codecs
        transceiver.setCodecPreferences([codec for codec in codecs if codec.mimeType == "video/H264"])
        await peer.setLocalDescription(await peer.createAnswer())
        return Reply({"answer": peer.localDescription.sdp})

    async def status(self, request: Request) -> Reply:
        """Say that it runs."""
        del request
        return Reply({"viewers": len(self._peers)})


async def serve(run: Path, address: str) -> None:
    """Serve until SIGTERM."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    server = Server(run, address)

    def fault(name: str, error: BaseException) -> None:
        print(name, repr(error), file=sys.stderr)

    async with ControlServer(
        run / "live.sock", "plain", {"open": server.open, "status": server.status}, on_fault=fault
    ):
        await stop.wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), sys.argv[2]))
