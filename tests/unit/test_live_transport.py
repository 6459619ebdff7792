"""The transport: what aiortc is made to do, and that its private parts are still what we think."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aioice.candidate import Candidate
from aioice.ice import CandidatePair
from aiortc import RTCPeerConnection, RTCSessionDescription
from aiortc.rtcdtlstransport import State
from aiortc.sdp import SessionDescription
from OpenSSL import SSL

from gateway.core.errors import OfferRefused
from gateway.live.dtls import MOST_CHANNEL_BYTES, PROFILES
from gateway.live.ice import AddressRules
from gateway.live.offers import Offer, parse_candidates, parse_offer
from gateway.live.transport import (
    CHANNEL,
    MOST_UNSAID,
    RENEW_AFTER_S,
    Identity,
    Peer,
    TransportRules,
    quiet_libraries,
)
from tests.fakes.clock import FakeClock

CHROMIUM = parse_offer((Path(__file__).parent.parent / "fakes" / "chromium_offer.sdp").read_text())
IDENTITY = Identity(FakeClock())
HEARTBEATS = bytes(12) + (b"\x04\x00\x00\xc8\x00\x01\x00\xc4" + bytes(192)) * 5
"""A packet of SCTP heartbeats (RFC 9260 §3.3.5)."""
SHARED = TransportRules(("127.0.0.1",), AddressRules(allow_loopback=True), IDENTITY.certificate)


def test_all_sessions_share_a_certificate_until_it_is_renewed() -> None:
    """One certificate for twenty days, then another: none is ever shown near the end of its life."""
    clock = FakeClock()
    identity = Identity(clock)
    first = identity.certificate()
    clock.tick(RENEW_AFTER_S)
    assert identity.certificate() is first
    clock.tick(1)
    assert identity.certificate() is not first


def test_the_path_is_read_anew_for_each_frame() -> None:
    """A viewer's new address is used at once, the old descriptor is closed; without a pair nothing can be sent."""

    async def scenario(peer: Peer, _seen: Seen) -> None:
        await peer.accept(CHROMIUM)
        ice = peer._ice
        assert ice is not None
        (socket,) = ice._protocols
        for port in (5000, 5001):
            remote = Candidate("1", 1, "udp", 5, "192.0.2.7", port, "host")
            ice._nominated[1] = CandidatePair(socket, remote)
            outlet = peer.outlet()
            assert outlet is not None
            assert (outlet.address, outlet.relayed) == (("192.0.2.7", port), False)
            assert peer.outlet() is outlet
        last = peer._dup
        assert last is not None
        ice._nominated.clear()
        assert peer.outlet() is None
        assert last.fileno() == -1

    play(scenario)


@dataclass
class Seen:
    states: list[str] = field(default_factory=list)
    rtcp: list[bytes] = field(default_factory=list)


def play(scenario: Callable[[Peer, Seen], Awaitable[None]]) -> None:
    """Run a scenario with a peer and shut it; every task must be over then."""

    async def body() -> None:
        seen = Seen()
        peer = Peer(SHARED, seen.states.append, seen.rtcp.append)
        try:
            await scenario(peer, seen)
        finally:
            await peer.shut()
        await asyncio.sleep(0)
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        assert not rest, rest

    asyncio.run(body())


def test_the_answer_to_chromium_is_ours() -> None:
    """H.264 with RTX, sendonly, DTLS passive, one address, one certificate, the extension we fill."""

    async def scenario(peer: Peer, _seen: Seen) -> None:
        text, facts = await peer.accept(CHROMIUM)
        answer = SessionDescription.parse(text)
        video, channel = answer.media
        assert [codec.name for codec in video.rtp.codecs[:2]] == ["H264", "rtx"]
        assert video.rtp.codecs[0].parameters["profile-level-id"] == "42e01f"
        assert video.direction == "sendonly"
        assert "a=setup:passive" in text
        assert [item.ip for item in video.ice_candidates] == ["127.0.0.1"]
        assert video.dtls is not None
        assert video.dtls.fingerprints == SHARED.certificate().getFingerprints()
        assert channel.kind == "application"
        assert (facts.payload_type, facts.rtx_payload_type, facts.abs_send_time_id) == (108, 109, 2)
        assert facts.ssrc == video.ssrc[0].ssrc
        assert facts.rtx_ssrc == video.ssrc[1].ssrc

    play(scenario)


def test_names_in_candidates_are_not_resolved() -> None:
    """Chromium's `.local` candidates are counted and left: its own checks will find us."""

    async def scenario(peer: Peer, _seen: Seen) -> None:
        await peer.accept(CHROMIUM)
        assert peer.dropped()["candidate"] == 2
        assert peer._ice is not None
        assert peer._ice.remote_candidates == []
        (candidate,) = parse_candidates("candidate:1 1 udp 1 127.0.0.1 9 typ host")
        await peer.add_candidate(candidate)
        assert len(peer._ice.remote_candidates) == 1

    play(scenario)


def test_an_offer_aiortc_cannot_answer_is_refused() -> None:
    """Any failure inside aiortc becomes OfferRefused; the peer can still be shut."""

    async def scenario(peer: Peer, _seen: Seen) -> None:
        with pytest.raises(OfferRefused):
            await peer.accept(Offer(CHROMIUM.sdp.replace("42", "64"), True, ()))

    play(scenario)


def test_a_peer_is_shut_in_every_state() -> None:
    """Never used, refused, answered: shutting ends and leaves no task."""

    async def nothing(_peer: Peer, _seen: Seen) -> None:
        return

    async def twice(peer: Peer, _seen: Seen) -> None:
        await peer.accept(CHROMIUM)
        await peer.shut()

    async def answered(peer: Peer, _seen: Seen) -> None:
        await peer.accept(CHROMIUM)
        await asyncio.sleep(0.05)

    for scenario in (nothing, twice, answered):
        play(scenario)


def test_nothing_goes_out_without_a_path() -> None:
    """Before ICE has a pair there is no outlet, no report and no message, and no error either."""

    async def scenario(peer: Peer, _seen: Seen) -> None:
        await peer.accept(CHROMIUM)
        assert peer.outlet() is None
        assert peer.path() == ""
        peer.send_rtcp(b"\x80\xc8\x00\x00")
        assert not await peer.say("x")
        await peer.heard()

    play(scenario)


@dataclass
class OpenedChannel:
    """A page's channel, as aiortc hands it over."""

    label: str = CHANNEL
    readyState: str = "open"  # noqa: N815 - aiortc's own name
    said: list[str] = field(default_factory=list)

    def on(self, event: str, _call: object) -> None:
        assert event == "message"

    def send(self, text: str) -> None:
        self.said.append(text)


def test_what_is_said_before_the_page_listens_is_said_when_it_does() -> None:
    """Pictures may flow before the channel stands: the newest words wait for it, and no more than a few."""

    async def scenario(peer: Peer, _seen: Seen) -> None:
        await peer.accept(CHROMIUM)
        for number in range(MOST_UNSAID + 3):
            assert not await peer.say(str(number), later=True)
        assert not await peer.say("what is said again anyway")
        other, channel = OpenedChannel("theirs"), OpenedChannel()
        peer._found_channel(other)  # type: ignore[arg-type]  # what is used of it
        peer._found_channel(channel)  # type: ignore[arg-type]  # the same
        assert other.said == []
        assert channel.said == [str(number) for number in range(3, MOST_UNSAID + 3)]
        assert peer._unsaid == []

    play(scenario)


def test_a_viewer_cannot_fill_our_memory_through_its_channel() -> None:
    """SCTP keeps unfinished messages for ever; beyond a page's need its packets are counted and dropped."""

    class Sctp:
        taken_bytes = 0

        async def _handle_data(self, data: bytes) -> None:
            self.taken_bytes += len(data)

    async def scenario(peer: Peer, _seen: Seen) -> None:
        await peer.accept(CHROMIUM)
        assert peer._dtls is not None
        dtls, sctp = peer._dtls, Sctp()
        dtls._register_data_receiver(sctp)
        for _ in range(1000):
            receiver = dtls._data_receiver
            assert receiver is not None
            await receiver._handle_data(HEARTBEATS)
        assert 0.9 * MOST_CHANNEL_BYTES < sctp.taken_bytes <= MOST_CHANNEL_BYTES
        assert peer.dropped()["channel"] == 1000 - sctp.taken_bytes // len(HEARTBEATS)
        dtls._unregister_data_receiver(sctp)
        assert dtls._data_receiver is None

    play(scenario)


def test_aiortcs_private_names_are_still_there() -> None:
    """The parts of aiortc and aioice we replace or read exist under these names in the installed version."""

    async def scenario(peer: Peer, _seen: Seen) -> None:
        await peer.accept(CHROMIUM)
        for name in ("createDtlsTransport", "createTransceiver", "certificates", "updateConnectionState"):
            assert hasattr(peer, f"_RTCPeerConnection__{name}")
        (line,) = peer.getTransceivers()
        assert type(line.sender).__name__ == "_SilentSender"
        for which in ("rtp", "rtcp"):
            for state in ("started", "exited", "task"):
                assert hasattr(line.sender, f"_RTCRtpSender__{which}_{state}")
        assert peer._dtls is not None
        assert peer._dtls._srtp_profiles is PROFILES
        assert peer._ice is not None
        assert hasattr(peer._ice, "_nominated")
        assert peer._dtls.transport.iceGatherer._connection is peer._ice

    play(scenario)


def test_a_data_channel_only_offer_is_refused_by_the_parser() -> None:
    """Without video there is nothing to show."""

    async def body() -> None:
        other = RTCPeerConnection()
        other.createDataChannel("vuon")
        await other.setLocalDescription(await other.createOffer())
        assert isinstance(other.localDescription, RTCSessionDescription)
        with pytest.raises(OfferRefused):
            parse_offer(other.localDescription.sdp)
        await other.close()

    asyncio.run(body())


def test_the_libraries_say_nothing() -> None:
    """What strangers send to aiortc and aioice writes no line: we count it instead."""
    quiet_libraries()
    for name in ("aiortc", "aioice", "aioice.ice"):
        assert not logging.getLogger(name).isEnabledFor(logging.ERROR)


def test_a_handshake_that_aiortc_trips_over_ends_the_session(monkeypatch: pytest.MonkeyPatch) -> None:
    """An unreadable certificate raises deep in aiortc: the session fails and is counted, no task dies with a traceback."""

    async def trip(_peer: RTCPeerConnection) -> None:
        raise ValueError("no certificate")

    async def scenario(peer: Peer, seen: Seen) -> None:
        await peer.accept(CHROMIUM)
        async with asyncio.timeout(20):
            while "failed" not in seen.states:  # noqa: ASYNC110 - aiortc starts the task when it likes
                await asyncio.sleep(0.005)
        assert peer.dropped()["handshake"] == 1

    monkeypatch.setattr(RTCPeerConnection, "_RTCPeerConnection__connect", trip)
    play(scenario)


def test_dtls_that_a_viewer_broke_ends_its_session() -> None:
    """A second handshake that never ends makes OpenSSL refuse our last words: counted and closed, nothing is raised."""

    class Broken:
        def send(self, _data: bytes) -> int:
            raise SSL.Error([])

    async def scenario(peer: Peer, _seen: Seen) -> None:
        await peer.accept(CHROMIUM)
        dtls = peer._dtls
        assert dtls is not None
        broken: Any = Broken()
        dtls._ssl, dtls._state = broken, State.CONNECTED
        await dtls._send_data(b"x")
        assert dtls.state == "closed"
        assert peer.dropped()["broken_dtls"] == 1

    play(scenario)


def test_sockets_are_closed_also_when_aiortc_trips_over_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error amid aiortc's close would leave the ports open for ever: they are closed, and it is counted."""

    async def trip(_peer: RTCPeerConnection) -> None:
        raise ValueError("no")

    async def scenario(peer: Peer, _seen: Seen) -> None:
        await peer.accept(CHROMIUM)
        ice = peer._ice
        assert ice is not None
        with monkeypatch.context() as patched:
            patched.setattr(RTCPeerConnection, "close", trip)
            await peer.shut()
        assert ice._protocols == []
        assert peer.dropped()["close"] == 1

    play(scenario)
