"""One session: a viewer's right to one camera on one line of a connection, from the offer to its end.

Owns the order of its life: connecting, live, ended. Invariants: media flows only while the lease
lasts; `end` tells the page why, stops media before it returns (no RTP packet leaves afterwards) and only
then lets the connection be closed, if nobody else uses it; everything of the session is used in the event loop only.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any, NamedTuple

import anyio

from gateway.core.clock import Clock
from gateway.core.errors import GrantRefused
from gateway.core.iceservers import IceServer
from gateway.core.model import STAFF_ROLES, Grant, PublicId, StreamRole
from gateway.live import answers, pagetalk, rtcp
from gateway.live.carrier import Carrier, Connection, Load
from gateway.live.ends import End, message, told
from gateway.live.leases import Lease
from gateway.live.offers import Offer
from gateway.live.reception import Reception
from gateway.live.seat import Seat
from gateway.live.sender import Viewer
from gateway.live.stream import LiveStream
from gateway.live.switch import Switch

CONNECT_TIMEOUT_S = 15.0
SAY_S = 0.2
"""So long at most the picture waits for the word of its end to be on its way."""


class State(StrEnum):
    """Where a session is in its life."""

    CONNECTING = "connecting"
    LIVE = "live"
    ENDED = "ended"


class Calls(NamedTuple):
    """What a session calls from the event loop."""

    connected: Callable[[Session], None]
    """Once, when media may flow."""
    gone: Callable[[Session], None]
    """Once, when the viewer left or its consent was lost."""
    lost: Callable[[Session], None]
    """When its picture is to begin, or to be renewed, from the cached GOP."""


class Session:
    """One viewer of one camera."""

    def __init__(
        self, session_id: PublicId, lease: Lease, switch: Switch, carrier: Carrier, *, clock: Clock, calls: Calls
    ) -> None:
        self.id, self.lease, self.switch, self.carrier = session_id, lease, switch, carrier
        self._clock = clock
        self._on_connected, self._on_gone, self._on_lost = calls
        self.state, self.reason = State.CONNECTING, ""
        self.viewer: Viewer | None = None
        self.seat = Seat(self, clock, lambda: self._on_lost(self))
        self.reception: Reception | None = None
        self.left = anyio.Event()
        """Set once its line is free for another."""
        self._wanted: StreamRole | None = None
        self._told_resting = False
        self._way = ""
        self._started_ms, self._started_ns = clock.now_ms(), clock.mono_ns()

    @property
    def stream(self) -> LiveStream:
        """The stream that is sent now."""
        return self.switch.now

    @property
    def is_live(self) -> bool:
        """Whether media may flow: connected, not ended."""
        return self.state is State.LIVE

    async def say(self, words: Mapping[str, Any]) -> bool:
        """Say something to the page; False while it has no open channel. Where tiles share it, it names its own."""
        named = {"session": self._name} if self._name else {}
        return self.state is State.LIVE and await self.peer.say(json.dumps({**words, **named}))

    @property
    def peer(self) -> Connection:
        """The connection, which others may share."""
        return self.carrier.peer

    async def accept(self, offer: Offer, slot: int = 0, servers: Sequence[IceServer] = ()) -> str:
        """Answer the offer that opens the connection, and take one of its lines."""
        answer = await self.carrier.accept(offer, servers)
        self.board(slot)
        outside = bool(servers) and self.lease.grant.role not in STAFF_ROLES
        return answers.told(answers.complete(answer, offer.sound), outside=outside)

    def board(self, slot: int) -> None:
        """Take a free line; GrantRefused when the right has ended meanwhile."""
        if self.state is State.ENDED:
            raise GrantRefused("the grant was withdrawn while the session opened", reason=self.reason)
        viewer, repair = self.carrier.board(self, slot)
        self.viewer = viewer
        since_ms = self.lease.grant.since_ms
        if since_ms is not None:
            ago_ns = max(0, self._clock.now_ms() - since_ms) * 1_000_000
            viewer.not_before_ns = self._clock.mono_ns() - ago_ns
        self._bound()
        self.reception = Reception(
            viewer,
            repair,
            self.switch,
            clock=self._clock,
            send_rtcp=self.peer.send_rtcp,
            on_lost=lambda: self._on_lost(self),
        )
        if self.carrier.connected:
            self.changed("connected")

    def renew(self, grant: Grant) -> None:
        """Take a newly issued ticket of the same grant; GrantRefused if it is for something else."""
        mono_ns, viewer = self._clock.mono_ns(), self.viewer
        self.lease.renew(grant, self.stream.role, mono_ns=mono_ns)
        if viewer is not None and mono_ns >= viewer.not_after_ns:  # pictures were refused: only a key frame helps
            self.stream.want_key()
        self._bound()
        self.follow()  # what it names no longer must not be on its way

    def _bound(self) -> None:
        """Have no picture sent that is received after the right, also where the sweep that ends it comes late."""
        if self.viewer is not None:
            mono_ns, now_ms = self._clock.mono_ns(), self._clock.now_ms()
            self.viewer.not_after_ns = self.lease.ends_ns(mono_ns=mono_ns, now_ms=now_ms)

    def over(self, *, mono_ns: int, now_ms: int) -> End | None:
        """Return why this session must end at this moment; None while it may go on."""
        if self.stream.ended is not None and (self.state is not State.CONNECTING or not told(self.stream.ended)):
            return self.stream.ended
        if self.state is State.CONNECTING and mono_ns - self._started_ns >= CONNECT_TIMEOUT_S * 1e9:
            return End.NO_PATH
        return self.lease.over(mono_ns=mono_ns, now_ms=now_ms)

    async def end(self, reason: str) -> None:
        """Tell the page why, then stop media: after this returns no RTP packet of the session leaves."""
        if self.state is State.ENDED:
            return
        self.state, self.reason = State.ENDED, reason
        try:
            with anyio.move_on_after(SAY_S):
                await self.peer.say(message(reason, self._name), later=True)
        finally:
            self.cut()

    @property
    def _name(self) -> str:
        """What tells this session from others of the same connection; empty where there is one only."""
        return self.id if len(self.carrier.lines) > 1 else ""

    def cut(self) -> None:
        """Stop media without a word, and give the line back."""
        self.state = State.ENDED
        if self.viewer is not None and self.reception is not None:
            self.switch.leave(self.viewer)
            self.carrier.leave(self, self.viewer, self.reception.repair)
        self.left.set()

    @property
    def in_hurry(self) -> bool:
        """Whether it is to be followed at each look: another stream is asked for, on its way, or may come soon."""
        switch = self.switch
        return self._wanted is not None or switch.coming is not None or switch.most is not switch.now.role

    def follow(self) -> None:
        """Let the picture's size and the link choose the stream, once the viewer has caught up with one."""
        viewer, switch = self.viewer, self.switch
        if self._wanted is not None:
            switch.want(self._wanted, self.lease.grant)
            self._wanted = None
        if self.state is not State.LIVE or viewer is None or not self.seat.flows:
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
        await self.peer.say(pagetalk.link_message(self._name, resting=self._told_resting), later=True)

    def asked(self, role: StreamRole) -> None:
        """Take the stream that the page asks for, up by the next round: what asks faster is not followed faster."""
        self._wanted = role
        self.switch.can_rest = True

    def report(self) -> None:
        """Send a sender report when one is due."""
        if self.reception is not None and self.state is State.LIVE:
            self.reception.report()

    def facts(self) -> dict[str, Any]:
        """Return what control clients and metrics see."""
        viewer, heard = self.viewer, self.reception
        rtt_s = heard.rtt_s if heard else None
        return {
            "session": self.id,
            "grant": self.lease.grant.id,
            "camera": self.stream.camera,
            "stream": self.stream.role.value,
            "state": self.state.value,
            "started_ms": self._started_ms,
            "age_s": round((self._clock.mono_ns() - self._started_ns) / 1e9, 1),
            "role": self.lease.grant.role.value,
            "frames": viewer.frames if viewer else 0,
            "packets": viewer.packets if viewer else 0,
            "bytes": viewer.wire_bytes if viewer else 0,
            "skipped_frames": viewer.skipped_frames if viewer else 0,
            "full_socket": viewer.full_socket if viewer else 0,
            "lost": heard.lost if heard else 0,
            "loss_pct": round(100 * heard.fraction_lost, 1) if heard else 0.0,
            "rtt_ms": None if rtt_s is None else round(rtt_s * 1000, 1),
            "estimate_bps": heard.estimate_bps if heard else 0,
            "nacks": heard.repair.asked if heard else 0,
            "resent": heard.repair.sent if heard else 0,
            "link_weak": self.switch.link.weak or self.switch.resting,
            "resting": self.switch.resting,
            "switched": self.switch.switched,
            "too_late": viewer.too_late if viewer else 0,
            "refused_segments": viewer.refused_segments if viewer else 0,
            "connection": self.carrier.id,
            "path": self.way(),
            "dropped": dict(self.peer.dropped()),
        }

    def way(self) -> str:
        """Return the kind of path: the last one known, for ICE has none any more once consent is lost."""
        self._way = self.peer.path() or self._way
        return self._way

    def changed(self, state: str) -> None:
        """Take the connection's new state."""
        if state == "connected" and self.state is State.CONNECTING:
            self.state = State.LIVE
            if self.viewer is not None:
                self.viewer.key = self.peer.key()
            self.way()
            self._on_connected(self)
        elif state in ("failed", "closed") and self.state is not State.ENDED:
            self.cut()
            self._on_gone(self)

    def hear(self, item: rtcp.Feedback) -> None:
        """Take what the receiver says about this line."""
        if self.reception is not None:
            self.reception.hear(item)

    def load(self) -> Load:
        """Return what is sent now: nothing while it has no place, rests, or waits for a key frame."""
        viewer = self.viewer
        if self.state is not State.LIVE or viewer is None or viewer.source is None or viewer.waits_for_key:
            return Load(0.0)
        return Load(viewer.source.gop_bps(), self.switch.link.on_trial)
