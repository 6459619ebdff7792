"""One viewer's WebRTC transport: aiortc for SDP, ICE and DTLS, nothing of it for media.

Owns `Peer` and the daemon's certificate. Invariants: we are the DTLS server (then our order of SRTP
profiles decides, and browsers take AES-GCM); H.264 or no session; aiortc's own sender runs no loop and
sends nothing; a handshake that aiortc trips over ends the session, not in the log; `close()` always ends, whatever
state the connection is in, and leaves no socket behind.
aiortc's private names are used here, in dtls.py and in ice.py only; `tests/unit/test_live_transport.py` probes them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
from aiortc import RTCDataChannel, RTCPeerConnection, RTCRtpSender, RTCRtpTransceiver, RTCSessionDescription
from aiortc.exceptions import InvalidStateError, OperationError
from aiortc.mediastreams import MediaStreamTrack
from aiortc.rtcconfiguration import RTCBundlePolicy, RTCConfiguration
from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsTransport
from aiortc.rtcicetransport import RTCIceCandidate, RTCIceTransport
from aiortc.rtcrtpparameters import RTCRtpCodecParameters

from gateway.core.clock import Clock
from gateway.core.errors import OfferRefused
from gateway.core.iceservers import IceServer
from gateway.core.supervise import contained
from gateway.live.dtls import HardDtls
from gateway.live.ice import AddressRules, HardConnection, HardGatherer
from gateway.live.mailbox import Mailbox
from gateway.live.offers import ABS_SEND_TIME, WALL, Offer, RemoteCandidate
from gateway.live.relays import RelaySocket
from gateway.live.sender import DatagramSocket, Outlet
from gateway.live.srtp import Key

CHANNEL = "vuon"
"""Label of the data channel on which the page hears why its session ends."""
MOST_UNSAID = 16
"""Ends of the tiles of a wall."""
CLOSE_TIMEOUT_S = 3.0
RENEW_AFTER_S = 20 * 24 * 3600


@dataclass(frozen=True, slots=True)
class TransportRules:
    """What all sessions share: where to listen, whom to talk to, one certificate."""

    addresses: tuple[str, ...]
    rules: AddressRules
    certificate: Callable[[], RTCCertificate]
    mailbox: Mailbox = field(default_factory=Mailbox)
    sources: tuple[int, ...] = field(default_factory=lambda: tuple(secrets.randbits(32) for _ in range(WALL.videos)))
    """The SSRC of each media line, by place, the same on all connections: packets of viewers who get the same then
    differ in their encryption only, and are laid out once."""
    mono_ns: Callable[[], int] = time.monotonic_ns


@dataclass(frozen=True, slots=True)
class Negotiated:
    """The RTP facts of an answer."""

    ssrc: int
    payload_type: int
    rtx_ssrc: int
    rtx_payload_type: int | None
    abs_send_time_id: int
    more: tuple[Negotiated, ...] = ()
    """The same of the other video lines of a wall, in order."""


class Identity:
    """The daemon's certificate (P-256); viewers learn its fingerprint from the answer.

    Running sessions keep theirs when it is renewed.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._certificate = RTCCertificate.generateCertificate()
        self._made_ns = clock.mono_ns()

    def certificate(self) -> RTCCertificate:
        """Return the certificate, a new one after `RENEW_AFTER_S`: aiortc's are good for 30 days."""
        if self._clock.mono_ns() - self._made_ns > RENEW_AFTER_S * 1_000_000_000:
            self._certificate = RTCCertificate.generateCertificate()
            self._made_ns = self._clock.mono_ns()
        return self._certificate


def quiet_libraries() -> None:
    """Keep strangers from filling the log: aiortc and aioice report what comes off the network."""
    for name in ("aiortc", "aioice"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


class _SilentSender(RTCRtpSender):
    """aiortc's sender without its loops: media and reports are ours.

    The coroutines are overridden, not their tasks cancelled: a task cancelled before its first step never
    sets the events `stop()` waits for.
    """

    async def _run_rtp(self, codec: RTCRtpCodecParameters) -> None:  # noqa: ARG002 - aiortc's signature
        await self._wait("rtp")

    async def _run_rtcp(self) -> None:
        await self._wait("rtcp")

    async def _wait(self, which: str) -> None:
        getattr(self, f"_RTCRtpSender__{which}_started").set()
        try:
            await asyncio.Event().wait()
        finally:
            getattr(self, f"_RTCRtpSender__{which}_exited").set()


class Peer(RTCPeerConnection):
    """The connection to one viewer.

    `on_state` is called with aiortc's connection state, `on_rtcp` with each decrypted RTCP compound.
    """

    def __init__(
        self, shared: TransportRules, on_state: Callable[[str], None], on_rtcp: Callable[[bytes], None]
    ) -> None:
        self._shared, self._on_state, self._on_rtcp = shared, on_state, on_rtcp
        self._servers: Sequence[IceServer] = ()
        super().__init__(RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE))
        self._certificate = shared.certificate()
        self._RTCPeerConnection__certificates = [self._certificate]
        self._dtls: HardDtls | None = None
        self._ice: HardConnection | None = None
        self._pair: object = None
        self._outlet: Outlet | None = None
        self._dup: socket.socket | None = None
        self._channel: RTCDataChannel | None = None
        self._on_text: Callable[[object], None] = lambda _: None
        self._unsaid: list[str] = []
        """Said before the page had opened its channel: the picture may come first."""
        self._attempts: set[asyncio.Task[None]] = set()
        self.on("connectionstatechange", lambda: on_state(self.connectionState))
        self.on("datachannel", self._found_channel)

    # What aiortc builds inside, replaced by ours (its private names, mangled).

    def _RTCPeerConnection__createDtlsTransport(self) -> RTCDtlsTransport:  # noqa: N802 - aiortc's own name
        shared = self._shared
        gatherer = HardGatherer(shared.addresses, shared.rules, self._servers, shared.mailbox, shared.mono_ns)
        ice = RTCIceTransport(gatherer)
        dtls = HardDtls(ice, [self._certificate], self._on_rtcp, shared.mono_ns)
        names: Any = self
        gatherer.on("statechange", names._RTCPeerConnection__updateIceGatheringState)
        ice.on("statechange", names._RTCPeerConnection__updateIceConnectionState)
        ice.on("statechange", names._RTCPeerConnection__updateConnectionState)
        dtls.on("statechange", names._RTCPeerConnection__updateConnectionState)
        names._RTCPeerConnection__iceTransports.add(ice)
        names._RTCPeerConnection__dtlsTransports.add(dtls)
        self._dtls, self._ice = dtls, gatherer.connection
        return dtls

    def _RTCPeerConnection__createTransceiver(  # noqa: N802 - aiortc's own name
        self, direction: str, kind: str, sender_track: MediaStreamTrack | None = None
    ) -> RTCRtpTransceiver:
        base: Any = super()
        transceiver: Any = base._RTCPeerConnection__createTransceiver(direction, kind, sender_track)
        sender = _SilentSender(kind, transceiver.sender.transport)
        place = sum(line.kind == "video" for line in self.getTransceivers()) - 1
        if kind == "video" and place < len(self._shared.sources):
            sender._ssrc = self._shared.sources[place]
        transceiver._RTCRtpTransceiver__sender = sender
        transceiver.receiver._set_rtcp_ssrc(sender._ssrc)
        made: RTCRtpTransceiver = transceiver
        return made

    async def _RTCPeerConnection__connect(self) -> None:  # noqa: N802 - aiortc's own name
        """Connect as aiortc does, but known to us, so that `shut` can wait for it."""
        base: Any = super()
        task = asyncio.current_task()
        assert task is not None
        self._attempts.add(task)
        try:
            async with contained("live.connect", self._stumbled, passing=(ConnectionError,)):
                await base._RTCPeerConnection__connect()
        finally:
            self._attempts.discard(task)

    def _not_closed(self, _name: str, _error: BaseException) -> None:
        """Count what aiortc tripped over at the end; a stranger can repeat it."""
        if self._ice is not None:
            self._ice.dropped["close"] += 1

    def _stumbled(self, _name: str, _error: BaseException) -> None:
        """End what a viewer's handshake broke (an unreadable certificate); counted, a stranger can repeat it."""
        if self._ice is not None:
            self._ice.dropped["handshake"] += 1
        self._on_state("failed")

    async def accept(self, offer: Offer, servers: Sequence[IceServer] = ()) -> tuple[str, Negotiated]:
        """Apply a checked offer and return our answer with what was negotiated; OfferRefused otherwise.

        `servers` may be asked for ways beyond our own addresses.
        """
        self._servers = servers
        lines = [self.addTransceiver("video", direction="sendonly") for _ in range(offer.videos)]
        known = RTCRtpSender.getCapabilities("video").codecs
        # Before setRemoteDescription: afterwards aiortc has already chosen VP8.
        wanted = [codec for codec in known if codec.name.lower() in ("h264", "rtx")]
        # Constrained baseline first: every decoder that names it is a tried one; what is sent is the camera's own.
        wanted.sort(key=lambda codec: codec.parameters.get("profile-level-id") != "42e01f")
        for line in lines:
            line.setCodecPreferences(wanted)
        failures: list[BaseException] = []
        async with contained("live.offer", lambda _name, error: failures.append(error)):
            await self.setRemoteDescription(RTCSessionDescription(offer.sdp, "offer"))
            first, *more = map(self._negotiated, lines)
            await self.setLocalDescription(await self.createAnswer())
            return self.localDescription.sdp, replace(first, more=tuple(more))
        raise OfferRefused("the offer cannot be answered", why=str(failures[0])) from failures[0]

    @staticmethod
    def _negotiated(line: RTCRtpTransceiver) -> Negotiated:
        if not line._codecs or line._codecs[0].mimeType.lower() != "video/h264":
            raise OperationError("H.264 was not negotiated")
        chosen = line._codecs[0]
        assert chosen.payloadType is not None
        rtx = [codec for codec in line._codecs if codec.parameters.get("apt") == chosen.payloadType]
        times = [extension.id for extension in line._headerExtensions if extension.uri == ABS_SEND_TIME]
        return Negotiated(
            ssrc=line.sender._ssrc,
            payload_type=chosen.payloadType,
            rtx_ssrc=line.sender._rtx_ssrc,
            rtx_payload_type=rtx[0].payloadType if rtx else None,
            abs_send_time_id=times[0] if times else 0,
        )

    async def add_candidate(self, candidate: RemoteCandidate) -> None:
        """Add a trickled candidate; the address rules decide whether it is used."""
        if self._dtls is not None:
            await self._dtls.transport.addRemoteCandidate(
                RTCIceCandidate(
                    1,
                    candidate.foundation,
                    candidate.address,
                    candidate.port,
                    candidate.priority,
                    "udp",
                    candidate.kind,
                )
            )

    def protect(self, packet: bytes) -> bytes:
        """Encrypt one RTP packet (SRTP, RFC 3711, RFC 7714)."""
        assert self._dtls is not None
        protected: bytes = self._dtls._tx_srtp.protect(packet)
        return protected

    def key(self) -> Key | None:
        """Return the key for encryption in place; None before the connection is made."""
        return self._dtls.key() if self._dtls is not None else None

    def send_rtcp(self, packet: bytes) -> None:
        """Encrypt and send one RTCP compound; silently nothing without a path (reports are periodic)."""
        outlet = self.outlet()
        if outlet is not None and self._dtls is not None and self._dtls._tx_srtp is not None:
            try:
                outlet.socket.sendto(self._dtls._tx_srtp.protect_rtcp(packet), socket.MSG_DONTWAIT, outlet.address)
            except OSError:
                return

    def hurry(self) -> None:
        """Read what viewers send sooner for a while."""
        self._shared.mailbox.hurry()

    def outlet(self) -> Outlet | None:
        """Return the nominated path, re-read each time: it changes, and goes when consent is lost."""
        pair = self._ice._nominated.get(1) if self._ice is not None else None
        if pair is None:
            self._drop_dup()
            return None
        if pair is not self._pair:  # aioice makes a new pair for each new address
            self._drop_dup()
            self._pair = pair
            sink = self._socket_of(pair.protocol.transport)
            self._outlet = Outlet(sink, pair.remote_addr, relayed=isinstance(sink, RelaySocket))
        return self._outlet

    def _socket_of(self, transport: asyncio.DatagramTransport) -> DatagramSocket:
        plain = transport.get_extra_info("socket")
        if plain is None:
            return RelaySocket(transport)
        # Our own descriptor: asyncio must not buffer what its socket cannot take.
        self._dup = socket.socket(fileno=os.dup(plain.fileno()))
        return self._dup

    def _drop_dup(self) -> None:
        if self._dup is not None:
            self._dup.close()
        self._dup, self._outlet, self._pair = None, None, None

    def dropped(self) -> Counter[str]:
        """Return what the filters dropped, by kind."""
        return Counter(self._ice.dropped) if self._ice is not None else Counter()

    def path(self) -> str:
        """Return the kind of the nominated local candidate: `host`, `srflx`, `relay`, or empty."""
        pair = self._ice._nominated.get(1) if self._ice is not None else None
        return pair.local_candidate.type if pair is not None else ""

    def _found_channel(self, channel: RTCDataChannel) -> None:
        if channel.label == CHANNEL and self._channel is None:
            self._channel = channel
            channel.on("message", self._on_text)
            for text in self._unsaid:
                channel.send(text)
            self._unsaid.clear()

    def listen(self, on_text: Callable[[object], None]) -> None:
        """Call back with each message of the page."""
        self._on_text = on_text

    async def say(self, text: str, *, later: bool = False) -> bool:
        """Send a message to the page now, or if `later` as soon as it opens its channel; False when that is not now."""
        channel = self._channel
        if later and channel is None and self.sctp is not None:
            self._unsaid = [*self._unsaid[1 - MOST_UNSAID :], text]
        if channel is None or channel.readyState != "open":
            return False
        try:
            channel.send(text)
            await channel.transport._data_channel_flush()
        except (ConnectionError, InvalidStateError, ValueError):
            return False
        return True

    async def heard(self) -> None:
        """Wait until the page's SCTP has acknowledged everything said; the caller bounds it."""
        while self._owes():  # noqa: ASYNC110 - aiortc has no event for it
            await anyio.sleep(0.02)

    def _owes(self) -> bool:
        channel = self._channel
        if channel is None:
            return bool(self._unsaid) and self.connectionState == "connected"
        return channel.readyState == "open" and bool(channel.transport._sent_queue)

    async def shut(self) -> None:
        """Close everything, shielded and within `CLOSE_TIMEOUT_S`: aiortc has tasks outside our scopes."""
        with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
            async with contained("live.shut", self._not_closed) as outcome:
                await self.close()
            if outcome.failed and self._ice is not None:
                await self._ice.close()  # what aiortc did not come to: its sockets would stay
            if self._attempts:
                await asyncio.wait(self._attempts)
        self._drop_dup()
        if self._dtls is not None:
            self._dtls.forget()
