"""One WHEP session: a viewer's connection from the offer to its end.

Owns the order of its life: connecting, live, ended. Invariants: media flows only while the lease
lasts; `end` tells the page why, stops media before it returns (no RTP packet leaves afterwards) and only
then lets the connection be closed; everything of the session is used in the event loop only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeAlias

import anyio

from gateway.core.clock import Clock
from gateway.core.errors import GrantRefused, OfferRefused
from gateway.core.model import PublicId, StreamRole
from gateway.live import pagetalk, rtcp
from gateway.live.ends import End, message
from gateway.live.leases import Lease
from gateway.live.offers import MAX_CANDIDATES, Offer, RemoteCandidate, parse_candidates
from gateway.live.retransmission import Retransmitter, RtxNumbers
from gateway.live.sender import Numbers, Outlet, Viewer
from gateway.live.srtp import Key
from gateway.live.stream import LiveStream
from gateway.live.switch import Switch
from gateway.live.transport import Negotiated

CONNECT_TIMEOUT_S = 15.0
REPORT_INTERVAL_S = 3.0
HEARD_TIMEOUT_S = 1.0
RENEW_PICTURE_S = 2.0
"""A viewer that says its picture is lost (Chromium: each 0.2 s) gets the cached GOP at most so often."""
NOW_S = 1.0
"""Of a camera that stands still for longer nothing is sent again: it would look as if it were live."""
_REPORTS_REMEMBERED = 4


class State(StrEnum):
    """Where a session is in its life."""

    CONNECTING = "connecting"
    LIVE = "live"
    ENDED = "ended"


class Connection(Protocol):
    """What a session needs of `transport.Peer`."""

    async def accept(self, offer: Offer) -> tuple[str, Negotiated]:
        """Answer a checked offer."""

    async def add_candidate(self, candidate: RemoteCandidate) -> None:
        """Add a trickled candidate."""

    def protect(self, packet: bytes) -> bytes:
        """Encrypt one RTP packet."""

    def key(self) -> Key | None:
        """Return the key for encryption in place."""

    def outlet(self) -> Outlet | None:
        """Return the nominated path."""

    def send_rtcp(self, packet: bytes) -> None:
        """Encrypt and send one RTCP compound."""

    def listen(self, on_text: Callable[[object], None]) -> None:
        """Call back with each message of the page."""

    async def say(self, text: str) -> bool:
        """Send a message to the page."""

    async def heard(self) -> None:
        """Wait until the page has acknowledged it."""

    async def shut(self) -> None:
        """Close everything, bounded."""

    def path(self) -> str:
        """Return the kind of path used."""

    def dropped(self) -> Counter[str]:
        """Return what the filters dropped."""


MakeConnection: TypeAlias = Callable[[Callable[[str], None], Callable[[bytes], None]], Connection]
"""Called with `on_state(state)` and `on_rtcp(compound)`."""


class RandomBits(Protocol):
    """`secrets.randbits` or a test's own."""

    def __call__(self, count: int, /) -> int:
        """Return `count` random bits."""


class Calls(NamedTuple):
    """What a session calls from the event loop."""

    connected: Callable[[Session], None]
    """Once, when media may flow."""
    gone: Callable[[Session], None]
    """Once, when the viewer left or its consent was lost."""
    lost: Callable[[Session], None]
    """When its picture is to be renewed from the cached GOP."""


class Session:
    """One viewer."""

    def __init__(
        self,
        session_id: PublicId,
        lease: Lease,
        switch: Switch,
        *,
        clock: Clock,
        connect: MakeConnection,
        random_bits: RandomBits,
        calls: Calls,
    ) -> None:
        self.id, self.lease, self.switch = session_id, lease, switch
        self._clock, self._random = clock, random_bits
        self._on_connected, self._on_gone, self._on_lost = calls
        self.peer = connect(self._changed, self._feedback)
        self.peer.listen(self._hear)
        self._wanted: StreamRole | None = None
        self._told_resting = False
        self.state, self.reason = State.CONNECTING, ""
        self.viewer: Viewer | None = None
        self._repair = Retransmitter(None)
        self._started_ms, self._started_ns = clock.now_ms(), clock.mono_ns()
        self._candidates = 0
        self._reported_ns: int | None = None
        self._renewed_ns: int | None = None
        self._reports: dict[int, int] = {}
        self._lost = self._jitter_90k = self._estimate_bps = 0
        self._fraction_lost = 0.0
        self._rtt_s: float | None = None

    @property
    def stream(self) -> LiveStream:
        """The stream that is sent now."""
        return self.switch.now

    async def accept(self, offer: Offer) -> str:
        """Answer the offer; the viewer's numbers are drawn here."""
        answer, facts = await self.peer.accept(offer)
        if self.state is State.ENDED:
            raise GrantRefused("the grant was withdrawn while the session opened", reason=self.reason)
        self._candidates = len(offer.candidates)
        self._prepare(facts)
        return answer

    def _prepare(self, facts: Negotiated) -> None:
        numbers = Numbers(
            ssrc=facts.ssrc,
            payload_type=facts.payload_type,
            first_seq=self._random(15),  # lower half: an early wrap breaks SRTP of late joiners
            ts_offset=self._random(32),
            abs_send_time_id=facts.abs_send_time_id,
        )
        self.viewer = Viewer(numbers, self.peer.protect, self.peer.outlet)
        since_ms = self.lease.grant.since_ms
        if since_ms is not None:
            ago_ns = max(0, self._clock.now_ms() - since_ms) * 1_000_000
            self.viewer.not_before_ns = self._clock.mono_ns() - ago_ns
        if facts.rtx_payload_type is not None:
            self._repair = Retransmitter(RtxNumbers(facts.rtx_ssrc, facts.rtx_payload_type, self._random(15)))

    async def add_candidates(self, text: str) -> None:
        """Add trickled candidates; OfferRefused when malformed or too many for one session."""
        found = parse_candidates(text)
        self._candidates += len(found)
        if self._candidates > 2 * MAX_CANDIDATES:
            raise OfferRefused("too many candidates for one session")
        for candidate in found:
            await self.peer.add_candidate(candidate)

    def over(self) -> End | None:
        """Return why this session must end now; None while it may go on."""
        if self.stream.ended is not None:
            return self.stream.ended
        waited_ns = self._clock.mono_ns() - self._started_ns
        if self.state is State.CONNECTING and waited_ns >= CONNECT_TIMEOUT_S * 1e9:
            return End.NO_PATH
        return self.lease.over(mono_ns=self._clock.mono_ns(), now_ms=self._clock.now_ms())

    async def end(self, reason: str) -> None:
        """Tell the page why, then stop media: after this returns no RTP packet of the session leaves."""
        if self.state is State.ENDED:
            return
        self.state, self.reason = State.ENDED, reason
        try:
            await self.peer.say(message(reason))
        finally:
            self.cut()

    def cut(self) -> None:
        """Stop media without a word."""
        self.state = State.ENDED
        if self.viewer is not None:
            self.switch.leave(self.viewer)

    async def bury(self) -> None:
        """Let the last words arrive, then close the connection; bounded, shielded."""
        with anyio.move_on_after(HEARD_TIMEOUT_S, shield=True):
            await self.peer.heard()
        await self.peer.shut()

    def follow(self) -> None:
        """Let the picture's size and the link choose the stream, once the viewer has caught up with one."""
        viewer, switch = self.viewer, self.switch
        if self._wanted is not None:
            switch.want(self._wanted, self.lease.grant)
            self._wanted = None
        if self.state is not State.LIVE or viewer is None:
            return
        if switch.coming or switch.resting or viewer in self.stream.viewers:
            switch.follow(viewer, self.lease.grant, self._clock.mono_ns())

    @property
    def has_news(self) -> bool:
        """Whether the page is to hear that media rests, or comes again."""
        return self.state is State.LIVE and self.switch.resting is not self._told_resting

    async def tell(self) -> None:
        """Say so, once a change."""
        self._told_resting = self.switch.resting
        await self.peer.say(pagetalk.link_message(resting=self._told_resting))

    def _hear(self, text: object) -> None:
        wanted = pagetalk.wanted(text)
        if wanted is not None:
            self._wanted = wanted  # taken up by the next round: what asks faster is not followed faster
            self.switch.can_rest = True

    def report(self) -> None:
        """Send a sender report when one is due (RFC 3550 §6.4.1)."""
        viewer, mono_ns = self.viewer, self._clock.mono_ns()
        if self._reported_ns is not None and mono_ns - self._reported_ns < REPORT_INTERVAL_S * 1e9:
            return
        rtp_now = self.stream.rtp_now_90k()
        if viewer is None or rtp_now is None or not viewer.packets or self.state is not State.LIVE:
            return
        self._reported_ns = mono_ns
        ntp = rtcp.ntp_time(self._clock.now_ms())
        self._reports[ntp >> 16 & 0xFFFFFFFF] = mono_ns
        if len(self._reports) > _REPORTS_REMEMBERED:
            del self._reports[next(iter(self._reports))]
        numbers = viewer.numbers
        self.peer.send_rtcp(
            rtcp.sender_report(
                numbers.ssrc,
                ntp=ntp,
                rtp_90k=rtp_now + numbers.ts_offset,
                packets=viewer.packets,
                octets=viewer.octets,
            )
        )

    def facts(self) -> dict[str, Any]:
        """Return what control clients and metrics see."""
        viewer, repair = self.viewer, self._repair
        return {
            "session": self.id,
            "grant": self.lease.grant.id,
            "camera": self.stream.camera,
            "stream": self.stream.role.value,
            "state": self.state.value,
            "started_ms": self._started_ms,
            "frames": viewer.frames if viewer else 0,
            "packets": viewer.packets if viewer else 0,
            "bytes": viewer.wire_bytes if viewer else 0,
            "skipped_frames": viewer.skipped_frames if viewer else 0,
            "full_socket": viewer.full_socket if viewer else 0,
            "lost": self._lost,
            "loss_pct": round(100 * self._fraction_lost, 1),
            "rtt_ms": None if self._rtt_s is None else round(self._rtt_s * 1000, 1),
            "estimate_bps": self._estimate_bps,
            "nacks": repair.asked,
            "resent": repair.sent,
            "link_weak": self.switch.link.weak or self.switch.resting,
            "resting": self.switch.resting,
            "switched": self.switch.switched,
            "too_late": viewer.too_late if viewer else 0,
            "refused_segments": viewer.refused_segments if viewer else 0,
            "path": self.peer.path(),
            "dropped": dict(self.peer.dropped()),
        }

    def _changed(self, state: str) -> None:
        if state == "connected" and self.state is State.CONNECTING:
            self.state = State.LIVE
            if self.viewer is not None:
                self.viewer.key = self.peer.key()
            self._on_connected(self)
        elif state in ("failed", "closed") and self.state is not State.ENDED:
            self.cut()
            self._on_gone(self)

    def _feedback(self, data: bytes) -> None:
        viewer = self.viewer
        if viewer is None or viewer.stopped:
            return
        for item in rtcp.parse(data):
            if isinstance(item, rtcp.Estimate):
                self._estimate_bps = item.bps
                if not self.switch.resting:  # nothing is sent: that estimate is of nothing
                    self.switch.link.estimated(item.bps, self.stream.history.gop_bps(), self._clock.mono_ns())
            elif item.ssrc != viewer.numbers.ssrc:
                continue
            elif isinstance(item, rtcp.ReceiverReport):
                self._judge(item)
            elif isinstance(item, rtcp.Nack):
                if viewer.source is not None:
                    self._repair.repair(
                        viewer,
                        item.lost,
                        viewer.source,
                        now_ns=self._clock.mono_ns(),
                        rtt_s=self._rtt_s,
                        uplink=self.stream.uplink_of(viewer),
                    )
            else:
                self._picture_lost(viewer)

    def _picture_lost(self, viewer: Viewer) -> None:
        """Answer with the cached GOP, rarely and within the repair budget; else the next key frame repairs it."""
        stream, now_ns = self.stream, self._clock.mono_ns()
        stream.counters.picture_lost += 1
        soon = self._renewed_ns is not None and now_ns - self._renewed_ns < RENEW_PICTURE_S * 1e9
        if viewer in stream.viewers and stream.keys.complained(now_ns, sent_again=soon):
            stream.ask_key()
        newest = stream.history.last
        if soon or newest is None or now_ns - newest.received_mono_ns > NOW_S * 1e9:
            return
        if self.switch.coming is not None or viewer not in stream.viewers or stream.history.gop_start is None:
            return
        if self._repair.afford(viewer, stream.history.gop_bytes()):
            self._renewed_ns = now_ns
            stream.counters.renewed += 1
            stream.pause(viewer)
            viewer.waits_for_key = True
            self._on_lost(self)

    def _judge(self, report: rtcp.ReceiverReport) -> None:
        self._lost, self._jitter_90k = report.lost, report.jitter_90k
        self._fraction_lost = report.fraction_lost / 256
        if not self.switch.resting:
            self.switch.link.counted(report.lost, report.highest_seq, self._clock.mono_ns())
        sent_ns = self._reports.get(report.last_sr)
        if sent_ns is not None:
            rtt_s = (self._clock.mono_ns() - sent_ns) / 1e9 - report.delay / 65536
            self._rtt_s = max(0.0, rtt_s)
