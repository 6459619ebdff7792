"""One viewer's connection and the media lines on it: what carries the sessions.

Owns who uses which line and the numbers that outlive a user. A WHEP session has a connection with one line of its
own; the tiles of a wall share one. Invariants: a line has one user at a time; the next one goes on with the
sequence numbers of the last, media and retransmissions alike, for the key is the connection's (RFC 7714 §10: a
number used twice gives it away); feedback reaches only the user of the line it names; a connection that nobody uses
any more, nor is held for the next, takes nobody on and is closed by exactly one; used in the event loop only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeAlias

import anyio

from gateway.core.clock import Clock
from gateway.core.errors import OfferRefused
from gateway.core.iceservers import IceServer
from gateway.core.media import TICKS_PER_S
from gateway.core.model import PublicId, StreamRole
from gateway.live import pagetalk, rtcp
from gateway.live.offers import MAX_CANDIDATES, Offer, RemoteCandidate, parse_candidates
from gateway.live.retransmission import Retransmitter, RtxNumbers
from gateway.live.sender import Numbers, Outlet, Viewer
from gateway.live.srtp import Key
from gateway.live.transport import Negotiated

HEARD_TIMEOUT_S = 1.0


class Connection(Protocol):
    """What a session needs of `transport.Peer`."""

    async def accept(self, offer: Offer, servers: Sequence[IceServer] = ()) -> tuple[str, Negotiated]:
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

    def hurry(self) -> None:
        """Read what the viewer sends sooner for a while: it lacks packets."""

    def listen(self, on_text: Callable[[object], None]) -> None:
        """Call back with each message of the page."""

    async def say(self, text: str, *, later: bool = False) -> bool:
        """Send a message to the page; `later`: also when it opens its channel only then."""

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


class Load(NamedTuple):
    """What a line puts on the connection."""

    rate_bps: float
    """0 = nothing is sent now, or the rate is not known yet."""
    on_trial: bool = False
    """It is more than the path was seen to carry."""


class Rider(Protocol):
    """The user of a line: a session."""

    @property
    def id(self) -> PublicId:
        """Its name in the page's mouth."""

    def changed(self, state: str) -> None:
        """Take the connection's new state: connected, failed, closed."""

    def hear(self, item: rtcp.Feedback) -> None:
        """Take what the receiver says about this line; an estimate is this line's share."""

    def asked(self, role: StreamRole) -> None:
        """Take the stream that the page asks for."""

    def load(self) -> Load:
        """Return what is sent on the line."""


@dataclass(slots=True, eq=False)
class Line:
    """One media line: the numbers of its stream, whoever uses it."""

    facts: Negotiated
    next_seq: int
    next_rtx_seq: int
    ts_offset: int
    is_fresh: bool = True
    """Nobody has used it yet."""
    rider: Rider | None = None
    last_viewer: Viewer | None = None
    """Who was sent something on it before; its RTP time goes on."""

    def rtp_now_90k(self, mono_ns: int) -> int | None:
        """Return the line's RTP time of this moment; None before anything was sent on it."""
        last = self.last_viewer
        if last is None or last.last_sent is None:
            return None
        passed_ns = mono_ns - last.last_sent.received_mono_ns
        return last.last_rtp_90k + max(1, passed_ns * TICKS_PER_S // 1_000_000_000)


class Carrier:
    """A connection; `owner` is the person and device that may use its lines."""

    def __init__(
        self,
        carrier_id: PublicId,
        owner: tuple[PublicId, str],
        connect: MakeConnection,
        *,
        clock: Clock,
        random_bits: RandomBits,
        ts_offset: int,
    ) -> None:
        """`ts_offset` is where the RTP time of a stream's viewers begins, the same for all (see `sender.Numbers`)."""
        self.id, self.owner = carrier_id, owner
        self._clock, self._random, self._ts_offset = clock, random_bits, ts_offset
        self.peer = connect(self._changed, self._feedback)
        self.peer.listen(self._said)
        self.lines: tuple[Line, ...] = ()
        self.connected = self.over = False
        self._buried = self._lost = False
        self._held = 0
        self._candidates = 0

    async def accept(self, offer: Offer, servers: Sequence[IceServer] = ()) -> str:
        """Answer the offer; the numbers of its lines are drawn here."""
        answer, first = await self.peer.accept(offer, servers)
        self._candidates = len(offer.candidates)
        self.lines = tuple(
            Line(
                facts,
                next_seq=self._random(15),  # lower half: an early wrap breaks SRTP of late joiners
                next_rtx_seq=self._random(15),
                ts_offset=self._ts_offset,
            )
            for facts in (first, *first.more)
        )
        return answer

    async def add_candidates(self, text: str) -> None:
        """Add trickled candidates; OfferRefused when malformed or too many for one connection."""
        found = parse_candidates(text)
        self._candidates += len(found)
        if self._candidates > 2 * MAX_CANDIDATES:
            raise OfferRefused("too many candidates for one session")
        for candidate in found:
            await self.peer.add_candidate(candidate)

    def board(self, rider: Rider, slot: int) -> tuple[Viewer, Retransmitter]:
        """Give a free line to a user, with what sends on it."""
        line = self.lines[slot]
        assert line.rider is None, "a line has one user"
        assert not self.over, "a connection that is over takes nobody on"
        line.rider = rider
        facts = line.facts
        numbers = Numbers(
            ssrc=facts.ssrc,
            payload_type=facts.payload_type,
            first_seq=line.next_seq,
            ts_offset=line.ts_offset,
            abs_send_time_id=facts.abs_send_time_id,
            may_follow=line.is_fresh,
        )
        line.is_fresh = False
        viewer = Viewer(numbers, self.peer.protect, self.peer.outlet)
        if line.rtp_now_90k(self._clock.mono_ns()) is not None:
            viewer.rtp_now_90k = lambda: line.rtp_now_90k(self._clock.mono_ns())
        if facts.rtx_payload_type is None:
            return viewer, Retransmitter(None)
        return viewer, Retransmitter(RtxNumbers(facts.rtx_ssrc, facts.rtx_payload_type, line.next_rtx_seq))

    def leave(self, rider: Rider, viewer: Viewer, repair: Retransmitter) -> None:
        """Take a line back from its user, which has stopped; a connection without users is over."""
        assert viewer.stopped, "nothing may be sent under numbers that are given on"
        for line in self.lines:
            if line.rider is rider:
                line.rider = None
                line.next_seq, line.next_rtx_seq = viewer.next_seq, repair.next_seq
                if viewer.last_sent is not None:
                    line.last_viewer = viewer
        self._look()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep the connection for who is about to board, although its last user leaves; afterwards it may be over."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            self._look()

    def _look(self) -> None:
        unused = not self._held and all(line.rider is None for line in self.lines)
        self.over = self.over or self._lost or unused

    def rider(self, slot: int) -> Rider | None:
        """Return who uses a line now."""
        return self.lines[slot].rider

    async def bury(self) -> bool:
        """Once nobody uses it: let the last words arrive, then close; bounded, shielded. True for the one that did."""
        if not self.over or self._buried:
            return False
        self._buried = True
        with anyio.move_on_after(HEARD_TIMEOUT_S, shield=True):
            await self.peer.heard()
        await self.peer.shut()
        return True

    async def drop(self) -> None:
        """Close without words what was never used."""
        self.over = self._buried = True
        await self.peer.shut()

    def _changed(self, state: str) -> None:
        self.connected = state == "connected"
        self._lost = self._lost or state in ("failed", "closed")
        for line in self.lines:
            if line.rider is not None:
                line.rider.changed(state)

    def _said(self, text: object) -> None:
        """Hand a page's wish to the user of the line it names; on a connection of one line there is one."""
        wish = pagetalk.wanted(text)
        if wish is None:
            return
        for line in self.lines:
            if line.rider is not None and (len(self.lines) == 1 or wish.session == line.rider.id):
                line.rider.asked(wish.role)

    def _feedback(self, data: bytes) -> None:
        found = rtcp.parse(data)
        if any(isinstance(item, rtcp.Nack) for item in found):
            self.peer.hurry()
        riding = {line.facts.ssrc: line.rider for line in self.lines if line.rider is not None}
        for item in found:
            if isinstance(item, rtcp.Estimate):
                riders = list(riding.values())
                for rider, bps in zip(riders, shares(item.bps, [each.load() for each in riders]), strict=True):
                    if bps is not None:
                        rider.hear(rtcp.Estimate(bps))
            elif item.ssrc in riding:
                riding[item.ssrc].hear(item)


def shares(bps: int, loads: Sequence[Load]) -> list[int | None]:
    """Return each line's share of the estimate for the whole connection, by what it sends; None for one that does not.

    A line on trial gets what the others leave: where the path does not carry it too, it fails, and not they.
    """
    tried_bps = sum(load.rate_bps for load in loads if load.on_trial)
    carried_bps = sum(load.rate_bps for load in loads if not load.on_trial)
    for_carried = min(bps, carried_bps) if tried_bps else bps
    of_carried = for_carried / carried_bps if carried_bps else 0.0
    of_tried = (bps - min(for_carried, carried_bps)) / tried_bps if tried_bps else 0.0
    return [
        int(load.rate_bps * (of_tried if load.on_trial else of_carried)) if load.rate_bps else None for load in loads
    ]
