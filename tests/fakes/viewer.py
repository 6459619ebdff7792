"""A viewer for tests: aiortc as receiver on loopback, with a tap on what arrives."""

from __future__ import annotations

import asyncio
import contextlib
import select
import socket
from types import TracebackType
from typing import Any, Self

import aioice.ice
from aiortc import MediaStreamTrack, RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.mediastreams import MediaStreamError
from aiortc.rtcicetransport import RTCIceGatherer

from gateway.core.model import PublicId, StreamRole
from gateway.live.client import LiveClient
from tests.fakes.udp_proxy import UdpProxy

SO_RCVBUFFORCE = 33
"""Linux socket(7); for root. `socket` has no name for it."""
ROOM_BYTES = 8 << 20


class _Loopback(aioice.ice.Connection):
    """Gathers on one address: aioice leaves 127.0.0.1 out of its own gathering."""

    def __init__(self, address: str) -> None:
        super().__init__(ice_controlling=True)
        self._address = address

    async def gather_candidates(self) -> None:
        if not self._local_candidates_start:
            self._local_candidates_start = True
            self._local_candidates += await self.get_component_candidates(1, [self._address])
            self._local_candidates_end = True
            for item in self.sockets():  # a busy machine reads late, which is no loss of the sender's
                with contextlib.suppress(PermissionError):
                    item.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM_BYTES)

    def sockets(self) -> list[socket.socket]:
        """Return the sockets candidates live on."""
        return [protocol.transport.get_extra_info("socket") for protocol in self._protocols]

    @property
    def is_behind(self) -> bool:
        """Whether something that was sent to us is not read yet."""
        return bool(select.select(self.sockets(), [], [], 0)[0])


class _Gatherer(RTCIceGatherer):
    def __init__(self, address: str) -> None:
        super().__init__(iceServers=[])
        self._connection: _Loopback = _Loopback(address)


class Viewer(RTCPeerConnection):
    """Watches one session; async context manager (left = closed)."""

    def __init__(self, address: str = "127.0.0.1") -> None:
        self._address = address
        self._links: list[_Loopback] = []
        super().__init__(RTCConfiguration(iceServers=[]))
        self.pictures: list[Any] = []
        self.told: list[str] = []
        self.rtp: list[bytes] = []
        """Every decrypted RTP packet's first bytes, in order of arrival."""
        self.session = PublicId("")
        self._readers: list[asyncio.Task[None]] = []
        self.addTransceiver("video", direction="recvonly")
        self.channel = self.createDataChannel("vuon")
        self.channel.on("message", self.told.append)
        self.on("track", lambda track: self._readers.append(asyncio.ensure_future(self._read(track))))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
        for task in self._readers:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    def _RTCPeerConnection__createDtlsTransport(self) -> Any:  # noqa: N802 - aiortc's own name
        base: Any = super()
        dtls = base._RTCPeerConnection__createDtlsTransport()
        gatherer = _Gatherer(self._address)
        self._links.append(gatherer._connection)
        ice = dtls.transport
        ice._RTCIceTransport__iceGatherer = gatherer
        ice._connection = gatherer._connection
        ice._recv, ice._send = gatherer._connection.recv, gatherer._connection.send
        take = dtls._handle_rtp_data

        async def tap(data: bytes, arrival_time_ms: int) -> None:
            self.rtp.append(data)
            await take(data, arrival_time_ms=arrival_time_ms)

        dtls._handle_rtp_data = tap
        return dtls

    @property
    def link(self) -> _Loopback:
        """The agent that pictures come through: aiortc makes one a media line and uses one."""
        return next((item for item in self._links if item._nominated), self._links[-1])

    async def offer(self) -> str:
        """Return our offer with its candidates."""
        await self.setLocalDescription(await self.createOffer())
        return self.localDescription.sdp

    async def answered(self, answer: str) -> None:
        """Take the answer: connecting begins."""
        await self.setRemoteDescription(RTCSessionDescription(answer, "answer"))

    async def watch(
        self,
        client: LiveClient,
        ticket: dict[str, str],
        stream: StreamRole | None = None,
        *,
        link: UdpProxy | None = None,
    ) -> None:
        """Offer, take the answer, and begin to read; over `link` if there is one."""
        offer = await self.offer()
        opened = await client.open(ticket, link.hide(offer) if link else offer, stream)
        self.session = opened.session
        await self.answered(link.lead(opened.answer) if link else opened.answer)

    async def seen(self, count: int, seconds: float = 60.0) -> None:
        """Wait until so many pictures were decoded."""
        async with asyncio.timeout(seconds):
            while len(self.pictures) < count:  # noqa: ASYNC110 - filled by aiortc's own tasks
                await asyncio.sleep(0.01)

    async def caught_up(self, seconds: float = 60.0) -> None:
        """Wait until all that was sent to this viewer before is in `rtp`."""
        async with asyncio.timeout(seconds):
            while self.link.is_behind:  # noqa: ASYNC110 - the kernel has no event of ours
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)  # the last one is on its way from the queue to the tap

    async def can_hear(self, seconds: float = 60.0) -> None:
        """Wait until the data channel is open: what is said before reaches nobody."""
        async with asyncio.timeout(seconds):
            while self.channel.readyState != "open":  # noqa: ASYNC110 - opened by aiortc's own tasks
                await asyncio.sleep(0.01)

    async def lost(self) -> int:
        """Return the packets this receiver missed."""
        stats = await self.getStats()
        return sum(item.packetsLost for item in stats.values() if item.type == "inbound-rtp")

    async def _read(self, track: MediaStreamTrack) -> None:
        with contextlib.suppress(MediaStreamError):
            while True:
                self.pictures.append(await track.recv())
