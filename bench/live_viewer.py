"""A viewer of bench `live`: real ICE and DTLS by aiortc, then packets are counted as they come off the socket.

Owns what is measured at the receiver. Invariants: media is not decrypted (headers are in the clear, RFC 3711 §3.1),
so that sixty viewers fit beside the server; STUN, DTLS and RTCP still go to aiortc; a report with an
estimate goes out each second, as browsers send it; loss is by sequence number; a packet's time is the kernel's
(socket(7), SIOCGSTAMP), when it reached the viewer's socket: how fast this process reads does not matter.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import aioice.ice
from aiortc import RTCCertificate, RTCConfiguration, RTCPeerConnection, RTCRtpReceiver, RTCSessionDescription
from aiortc.rtcicetransport import RTCIceGatherer
from aiortc.rtp import RtcpPsfbPacket, RtcpReceiverInfo, RtcpRrPacket, pack_remb_fci

ROOM_BYTES, SO_RCVBUFFORCE = 8 << 20, 33
SIOCGSTAMPNS = 0x8907
_STAMP = struct.Struct("@ll")
REPORT_S = 1.0
CONNECT_S = 30.0
ESTIMATE_BPS = 5_000_000
KEY_PACKETS = 25
"""A picture of so many is a key picture: this clip's have 39 and more, the others 17 at most."""


class _Here(aioice.ice.Connection):
    """Gathers on one address."""

    def __init__(self, address: str, controlling: bool) -> None:
        super().__init__(ice_controlling=controlling)
        self._address = address
        self.on_data: Callable[[bytes], bool] = lambda _data: False
        """Says whether it has taken a datagram that is no STUN."""

    def data_received(self, data: bytes, component: int) -> None:
        if not self.on_data(data):
            super().data_received(data, component)

    async def gather_candidates(self) -> None:
        if not self._local_candidates_start:
            self._local_candidates_start = True
            self._local_candidates += await self.get_component_candidates(1, [self._address])
            self._local_candidates_end = True


class Gatherer(RTCIceGatherer):
    """aiortc's gatherer on one address."""

    def __init__(self, address: str, *, controlling: bool) -> None:
        super().__init__(iceServers=[])
        self.here = _Here(address, controlling)
        self._connection = self.here


def is_media(data: bytes | bytearray) -> bool:
    """Say whether a datagram is RTP: neither DTLS nor STUN nor RTCP (RFC 7983 §7, RFC 5761 §4)."""
    return len(data) > 12 and 127 < data[0] < 192 and not 191 < data[1] < 224


class _AnyKey(RTCCertificate):
    """Also takes servers with an RSA key (GStreamer's is one), as browsers do."""

    def _create_ssl_context(self, srtp_profiles: list[Any]) -> Any:
        context = super()._create_ssl_context(srtp_profiles)
        context.set_cipher_list(b"ECDHE+AESGCM:ECDHE+CHACHA20")
        return context


class Counting(RTCPeerConnection):
    """Counts packets; `arrivals` holds (RTP time, monotonic seconds) of the last packet of each picture."""

    def __init__(self, address: str) -> None:
        super().__init__(RTCConfiguration(iceServers=[]))
        self._RTCPeerConnection__certificates = [_AnyKey.generateCertificate()]
        self._address = address
        self.packets = self.holes = 0
        self.arrivals: list[tuple[int, float]] = []
        self.first_s: float | None = None
        """When the first key picture was complete."""
        self._of_picture = 0
        self._offered = ""
        self._ssrc: int | None = None
        self._next = 0
        self._buffer = bytearray(2048)
        self._stamp = bytearray(_STAMP.size)
        self._wall_s = 0.0
        """What the wall clock is ahead of the monotonic one; looked at each second."""
        self._socket: Any = None
        self._reports: asyncio.Task[None] | None = None
        self._connected = asyncio.Event()
        self.on("connectionstatechange", self._changed)

    def _RTCPeerConnection__createDtlsTransport(self) -> Any:  # noqa: N802 - aiortc's own name
        base: Any = super()
        dtls = base._RTCPeerConnection__createDtlsTransport()
        gatherer, ice = Gatherer(self._address, controlling=True), dtls.transport
        gatherer.here.on_data = self._early
        ice._RTCIceTransport__iceGatherer, ice._connection = gatherer, gatherer._connection
        ice._recv, ice._send = gatherer._connection.recv, gatherer._connection.send
        return dtls

    async def offer(self) -> str:
        """Return an offer of H.264, made once."""
        if self._offered:
            return self._offered
        line = self.addTransceiver("video", direction="recvonly")
        known = RTCRtpReceiver.getCapabilities("video")
        assert known is not None
        line.setCodecPreferences([codec for codec in known.codecs if codec.name.lower() in ("h264", "rtx")])
        self.createDataChannel("vuon")
        await self.setLocalDescription(await self.createOffer())
        self._offered = str(self.localDescription.sdp)
        return self._offered

    async def answered(self, sdp: str) -> None:
        """Take an answer and connect."""
        await self.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        await self._counting()

    async def answer(self, sdp: str) -> str:
        """Return our answer to a server that offers; then call `connected`."""
        await self.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await self.setLocalDescription(await self.createAnswer())
        return self.localDescription.sdp

    async def connected(self) -> None:
        """Begin to count once the connection is made."""
        await self._counting()

    async def _counting(self) -> None:
        async with asyncio.timeout(CONNECT_S):
            await self._connected.wait()
        self._dtls: Any = self.getTransceivers()[0].receiver.transport
        pair = self._dtls.transport._connection._nominated[1]
        self._protocol, self._remote = pair.protocol, pair.remote_addr
        self._socket = pair.protocol.transport.get_extra_info("socket")
        self._plain = socket.socket(fileno=os.dup(self._socket.fileno()))  # asyncio's wrapper has no recv_into
        with contextlib.suppress(PermissionError):
            self._socket.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, ROOM_BYTES)
        loop: Any = asyncio.get_running_loop()
        loop._remove_reader(self._socket.fileno())
        loop._add_reader(self._plain.fileno(), self._read)
        self._wall_s = time.time() - time.monotonic()
        self._stamped_s()  # from the first question on the kernel keeps the time of what is read
        self._reports = asyncio.create_task(self._report())

    def _changed(self) -> None:
        if self.connectionState == "connected":
            self._connected.set()

    def _read(self) -> None:
        buffer, fd = self._buffer, self._plain
        while True:
            try:
                size = fd.recv_into(buffer)
            except BlockingIOError:
                return
            if is_media(buffer):
                self._take(buffer)
            else:
                self._protocol.datagram_received(bytes(buffer[:size]), self._remote)

    def _early(self, data: bytes) -> bool:
        """Take media that comes before `_counting` has the socket: a server sends as soon as it is connected."""
        if not is_media(data):
            return False
        self._take(data)
        return True

    def _take(self, packet: bytes | bytearray) -> None:
        kind, sequence, rtp, ssrc = struct.unpack_from(">xBHII", packet)
        if self._ssrc is None:
            self._ssrc, self._next = ssrc, sequence
        if ssrc != self._ssrc:
            return
        self.packets += 1
        self.holes += (sequence - self._next) & 0xFFFF
        self._next = (sequence + 1) & 0xFFFF
        self._of_picture += 1
        if kind & 0x80:
            at_s = self._stamped_s() if self._socket is not None else time.monotonic()
            self.arrivals.append((rtp, at_s))
            if self.first_s is None and self._of_picture >= KEY_PACKETS:
                self.first_s = at_s
            self._of_picture = 0

    def _stamped_s(self) -> float:
        """Return when the packet read last had arrived, on the monotonic clock; now if the kernel does not say."""
        try:
            fcntl.ioctl(self._plain, SIOCGSTAMPNS, self._stamp)
        except OSError:
            return time.monotonic()
        seconds, ns = _STAMP.unpack(self._stamp)
        return float(seconds + ns / 1e9) - self._wall_s

    async def _report(self) -> None:
        while True:
            await asyncio.sleep(REPORT_S)
            self._wall_s = time.time() - time.monotonic()
            if self._ssrc is None:
                continue
            info = RtcpReceiverInfo(
                ssrc=self._ssrc, fraction_lost=0, packets_lost=0, highest_sequence=self._next, jitter=10, lsr=0, dlsr=0
            )
            estimate = pack_remb_fci(ESTIMATE_BPS, [self._ssrc])
            report = bytes(RtcpRrPacket(ssrc=1, reports=[info]))
            report += bytes(RtcpPsfbPacket(fmt=15, ssrc=1, media_ssrc=0, fci=estimate))
            with contextlib.suppress(ConnectionError):
                await self._dtls._send_rtp(report)

    async def close(self) -> None:
        """Stop counting, then close; once or more often (aiortc closes itself when its peer has gone)."""
        if self._reports is not None:
            self._reports.cancel()
        if self._socket is not None:
            self._socket = None
            loop: Any = asyncio.get_running_loop()
            loop._remove_reader(self._plain.fileno())
            self._plain.close()
        await super().close()


def lateness_ms(arrivals: list[tuple[int, float]], due_s: list[float], ticks: int) -> list[float]:
    """Return how long after its being handed to the server each picture was complete, in milliseconds.

    `due_s[n]` is when picture `n` was handed over, `ticks` its length in RTP time. A viewer's RTP time begins
    anywhere: its first picture is the latest one that makes no picture arrive before it was handed over, so
    one picture of the window must have been late by less than its length.
    """
    start: int | None = None
    first = arrivals[0][0] if arrivals else 0
    numbered = [((rtp - first) + (1 << 31) & 0xFFFFFFFF) - (1 << 31) for rtp, _ in arrivals]
    newest = 0
    for step, (_, at_s) in zip(numbered, arrivals, strict=True):
        while newest + 1 < len(due_s) and due_s[newest + 1] <= at_s:
            newest += 1
        place = newest - round(step / ticks)
        start = place if start is None else min(start, place)
    if start is None:
        return []
    found = []
    for step, (_, at_s) in zip(numbered, arrivals, strict=True):
        number = start + round(step / ticks)
        if 0 <= number < len(due_s):
            found.append((at_s - due_s[number]) * 1000)
    return found
