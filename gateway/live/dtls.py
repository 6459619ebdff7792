"""DTLS of one viewer: aiortc's, as server, with everything a bound viewer may send in it bounded.

Owns `HardDtls` and what it lets through to SCTP. Invariants: we are the DTLS server and our order of SRTP profiles
decides; RTP is dropped (nobody sends us media); RTCP comes decrypted and no faster than `RTCP_PER_S`; SCTP gets
what `sctp.is_harmless` passes, within `MOST_CHANNEL_BYTES`, `MOST_OPENINGS` and `MOST_TEXTS`; what it trips over all
the same ends the channel, never the connection's task; DTLS that the viewer broke ends the connection when we next
want to speak. aiortc's private names: see transport.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from aiortc.rtcdtlstransport import (
    SRTP_AEAD_AES_128_GCM,
    SRTP_AES128_CM_SHA1_80,
    RTCCertificate,
    RTCDtlsTransport,
    State,
)
from aiortc.rtcicetransport import RTCIceTransport
from OpenSSL import SSL
from pylibsrtp import Error as SrtpError
from pylibsrtp import Session

from gateway.core.supervise import contained
from gateway.live.bucket import Bucket
from gateway.live.ice import HardConnection
from gateway.live.sctp import is_harmless, messages
from gateway.live.srtp import TAG_BYTES, Key, sending

PROFILES = [SRTP_AEAD_AES_128_GCM, SRTP_AES128_CM_SHA1_80]
MOST_CHANNEL_BYTES = 256 << 10
"""SCTP bytes one viewer may send in a session. A page says a word when its picture's size changes, so these
are mostly handshake, acknowledgements and a heartbeat each half minute: 90 kB in 12 h. aiortc keeps unfinished
messages without end."""
MOST_OPENINGS, MOST_TEXTS = 16, 1000
"""Messages that open a channel (the page opens one; each is an object of ours), and words said on it."""
RTCP_BURST, RTCP_PER_S = 400, 400
"""Compounds of one viewer: a browser that loses packets sends about fifty a second."""


class _Allowance:
    """Hands a viewer's SCTP packets on while they are harmless and `MOST_CHANNEL_BYTES` are not used up."""

    def __init__(self, receiver: Any, dropped: Counter[str]) -> None:
        self._receiver, self._dropped, self._left_bytes = receiver, dropped, MOST_CHANNEL_BYTES
        self._left_openings, self._left_texts = MOST_OPENINGS, MOST_TEXTS
        self._broken = False

    async def _handle_data(self, data: bytes) -> None:
        self._left_bytes -= len(data)
        if self._left_bytes < 0 or self._broken or not is_harmless(data):
            self._dropped["channel"] += 1
            return
        openings, texts = messages(data)
        self._left_openings -= openings
        self._left_texts -= texts
        if (openings and self._left_openings < 0) or (texts and self._left_texts < 0):
            self._dropped["channel"] += 1
            return
        async with contained("live.channel", self._trip, passing=(ConnectionError,)):
            await self._receiver._handle_data(data)

    def _trip(self, _name: str, _error: BaseException) -> None:
        """Hear nothing more on this channel: counted, not logged, since a stranger can repeat it."""
        self._broken = True
        self._dropped["channel_broken"] += 1


class HardDtls(RTCDtlsTransport):
    """DTLS as server, with our profiles; hands RTCP to us and drops RTP."""

    def __init__(
        self,
        transport: RTCIceTransport,
        certificates: list[RTCCertificate],
        on_rtcp: Callable[[bytes], None],
        mono_ns: Callable[[], int],
    ) -> None:
        super().__init__(transport, certificates)
        self._srtp_profiles = PROFILES
        self._set_role("server")
        connection = transport._connection
        assert isinstance(connection, HardConnection)
        self._ice, self._dropped = connection, connection.dropped
        self._on_rtcp, self._mono_ns = on_rtcp, mono_ns
        self._rtcp = Bucket(RTCP_BURST, RTCP_PER_S)

    def key(self) -> Key | None:
        """Return what encrypts our packets; None before the handshake's end."""
        session: Session | None = self._tx_srtp
        if session is None or self._ssl is None:
            return None
        return Key(session, TAG_BYTES[self._ssl.get_selected_srtp_profile()])

    def media(self, data: bytes) -> None:
        """Take a packet that is SRTP or SRTCP by its first byte (RFC 7983 §7, RFC 5761 §4)."""
        if len(data) < 8 or not 191 < data[1] < 224:
            self._dropped["media"] += 1
            return
        if not self._rtcp.take(self._mono_ns()):
            self._dropped["rtcp_flood"] += 1
            return
        try:
            plain = self._rx_srtp.unprotect_rtcp(data)
        except (SrtpError, ValueError):
            self._dropped["bad_rtcp"] += 1
            return
        self._on_rtcp(plain)

    def forget(self) -> None:
        """Let go of keys and buffers after the end: aiortc's objects hold each other and wait for the collector."""
        nothing: Any = None
        self._ssl, self._rx_srtp, self._tx_srtp = None, nothing, nothing
        self._ice.on_media = None

    # What aiortc does inside, replaced by ours.

    def _register_data_receiver(self, receiver: Any) -> None:
        super()._register_data_receiver(_Allowance(receiver, self._dropped))

    def _unregister_data_receiver(self, receiver: Any) -> None:  # noqa: ARG002 - aiortc's signature; there is one
        self._data_receiver = None

    def _setup_srtp(self) -> None:
        super()._setup_srtp()
        ours = sending(self._ssl)
        if ours is None:
            return  # no profile of ours: aiortc has given the session up
        self._tx_srtp = ours
        self._ice.on_media = self.media
        self._ice.settle()

    async def _send_data(self, data: bytes) -> None:
        """Send inside DTLS; a viewer that has broken it (a second handshake, never ended) is as good as gone."""
        try:
            await super()._send_data(data)
        except SSL.Error:
            self._dropped["broken_dtls"] += 1
            self._set_state(State.CLOSED)

    async def _handle_rtcp_data(self, data: bytes) -> None:
        self._on_rtcp(data)

    async def _handle_rtp_data(self, data: bytes, arrival_time_ms: int) -> None:  # noqa: ARG002 - aiortc's signature
        return
