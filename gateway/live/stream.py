"""One stream with viewers: its history, who is on the live list, and how a viewer joins.

Owns `LiveStream`. Invariants: a viewer gets frames in order without holes, beginning with a key frame;
it joins the live list between two frames, never inside one; a join that finds a cached GOP sends it with
the original times, paced, so that the browser catches up by itself; joins share one burst rate; who waits for a key
frame is waited for by all: the camera is asked once (`keyframes.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from gateway.core.clock import Clock
from gateway.core.media import TICKS_PER_S, AccessUnit, Codec
from gateway.core.model import PublicId, StreamRole
from gateway.live.ends import End
from gateway.live.frames import Frame, History
from gateway.live.keyframes import KeyAsk
from gateway.live.sender import SendFrame, Viewer, send_frame
from gateway.live.uplink import BURST_PACE, LEAST_PACE_BPS, PacedLine, Uplink

BURST_FACTOR = 8.0
"""Times the stream's own rate; measured good between 4 and 10."""
LEAST_BURST_BPS = 4_000_000.0
SHARED_BURST_BPS = 200_000_000.0
"""What all joins of the daemon together may draw."""


@dataclass(slots=True)
class BurstBudget:
    """How many joins burst now; they share `SHARED_BURST_BPS`."""

    joining: int = 0

    def rate_bps(self, stream_bps: float) -> float:
        """Return the pace of one join beside the others."""
        return min(max(BURST_FACTOR * stream_bps, LEAST_BURST_BPS), SHARED_BURST_BPS / max(1, self.joining))


@dataclass(slots=True)
class StreamCounters:
    """What happened on a stream while it had viewers."""

    units: int = 0
    octets: int = 0
    """Payload of the units packetised."""
    repeated: int = 0
    skips: int = 0
    """Times the recorder left units out for us because we read too slowly."""
    lost_packets: int = 0
    """Missing between camera and recorder."""
    picture_lost: int = 0
    renewed: int = 0
    """Times the cached GOP was sent again because of that."""
    late_ms: float = 0.0
    """How late the latest picture left, since `Places` looked; what waits for the uplink is not late."""


def _nobody_to_ask() -> None:
    """Stand in while there is no recorder."""


@dataclass(slots=True)
class LiveStream:
    """A camera's stream as the viewers share it; used in the event loop only."""

    camera: PublicId
    role: StreamRole
    clock: Clock
    send: SendFrame = send_frame
    history: History = field(default_factory=History)
    counters: StreamCounters = field(default_factory=StreamCounters)
    viewers: list[Viewer] = field(default_factory=list)
    """The live list: everybody on it gets the next frame."""
    ended: End | None = None
    """Why this stream cannot be shown; None while it can."""
    is_transcoded: bool = False
    """Its pictures are late by nature: that says nothing of the box."""
    uplink: Uplink | None = None
    """The site's budget; None = everybody is on the LAN."""
    line: PacedLine | None = None
    keys: KeyAsk = field(default_factory=KeyAsk)
    ask_key: Callable[[], None] = _nobody_to_ask
    """Asks the recorder for a key frame; set by who feeds the stream."""
    _expected: list[tuple[Viewer, LiveStream]] = field(default_factory=list)
    """Viewers another stream of the camera hands over, each with that stream."""
    _too_old: bool = False
    """The present GOP is older than the right of somebody on the list, who waits for the next one."""

    def __post_init__(self) -> None:
        if self.uplink is not None:
            self.line = PacedLine(self.uplink, self.send, self.clock, self.history)

    def take(self, unit: AccessUnit, *, skipped: bool) -> None:
        """Take the next unit of the feed and send it to the live list."""
        if unit.config.codec is not Codec.H264:
            self.ended = End.CODEC
            return
        self.counters.units += 1
        self.counters.skips += skipped
        self.counters.lost_packets += unit.lost_before
        frame = self.history.add(unit)
        if frame is None:
            self.counters.repeated += 1
            return
        self.counters.octets += frame.size_bytes
        if skipped:
            for viewer in self.viewers:
                viewer.waits_for_key = True
        self.keys.saw(unit.received_mono_ns, is_key=frame.is_key, lost=skipped or bool(unit.lost_before))
        if frame.is_key:
            self._welcome(frame)
            self._too_old = any(frame.received_mono_ns < viewer.not_before_ns for viewer in self.viewers)
        if self._expected or self._too_old:
            self.want_key()
        if self.line is None or self.uplink is None:
            self.send(frame, self.viewers, now_ms=self.clock.now_ms())
            self._note_lateness(frame, self.viewers)
            return
        inside, outside = list[Viewer](), list[Viewer]()
        for viewer in self.viewers:
            (outside if self.uplink.is_outside(viewer) else inside).append(viewer)
        self.send(frame, inside, now_ms=self.clock.now_ms())
        self._note_lateness(frame, inside)
        if outside:
            self.line.put(frame, outside, self.history.gop_bps())

    def want_key(self) -> None:
        """Ask the camera for a key frame, since a viewer waits for one, unless one is coming or was asked for."""
        if self.keys.wanted(self.clock.mono_ns()):
            self.ask_key()

    def _note_lateness(self, frame: Frame, viewers: list[Viewer]) -> None:
        if viewers and not self.is_transcoded:
            late_ms = (self.clock.mono_ns() - frame.received_mono_ns) / 1e6
            self.counters.late_ms = max(self.counters.late_ms, late_ms)

    def uplink_of(self, viewer: Viewer) -> Uplink | None:
        """Return the budget that what is sent to a viewer comes out of; None on the LAN."""
        return self.uplink if self.uplink is not None and self.uplink.is_outside(viewer) else None

    def _welcome(self, frame: Frame) -> None:
        """Take over the viewers that another stream of the camera hands us, at this key frame."""
        for viewer, old in list(self._expected):
            last = viewer.last_sent
            if frame.received_mono_ns < viewer.not_before_ns:
                continue
            if last is None or frame.received_mono_ns >= last.received_mono_ns:
                self._expected.remove((viewer, old))
                old.pause(viewer)
                viewer.continue_on(frame)
                viewer.source = self.history
                self.viewers.append(viewer)

    def expect(self, viewer: Viewer, old: LiveStream) -> None:
        """Take a viewer over from another stream at our next key frame newer than what it was sent."""
        self._expected.append((viewer, old))

    def pause(self, viewer: Viewer) -> None:
        """Send a viewer nothing of this stream until `resume`."""
        if viewer in self.viewers:
            self.viewers.remove(viewer)
            viewer.source = None

    def resume(self, viewer: Viewer) -> None:
        """Send a paused viewer this stream again, from the next key frame on."""
        if viewer not in self.viewers and not viewer.stopped:
            self._expected.append((viewer, self))

    def leave_list(self, viewer: Viewer) -> None:
        """Neither send to a viewer nor expect it, without stopping it."""
        self.pause(viewer)
        self._expected = [item for item in self._expected if item[0] is not viewer]

    async def join(self, viewer: Viewer, budget: BurstBudget) -> None:
        """Send the cached GOP to a new viewer, paced, then put it on the live list."""
        viewer.source = self.history
        frame: Frame | None = self.history.gop_start
        if frame is not None and frame.received_mono_ns < viewer.not_before_ns:
            # The right began amid this GOP: what came before is not to be seen, so wait for the next key frame.
            frame = None
        now_ns = self.clock.mono_ns()
        if self.keys.wanted(now_ns) if frame is None else self.keys.joined(now_ns):
            self.ask_key()
        budget.joining += 1
        try:
            while frame is not None and not viewer.stopped and viewer.source is self.history:
                if viewer.waits_for_key and not frame.is_key:
                    # The socket was full in the burst: only the next key frame helps.
                    break
                rate_bps = budget.rate_bps(self.history.gop_bps())
                if self.line is not None and self.uplink is not None and self.uplink.is_outside(viewer):
                    rate_bps = min(rate_bps, max(LEAST_PACE_BPS, BURST_PACE * self.history.gop_bps()))
                    await self.line.spread(frame, (viewer,), rate_bps)
                else:
                    self.send(frame, (viewer,), now_ms=self.clock.now_ms())
                    # Nothing to wait for after the newest frame: joining must follow its sending at once.
                    newest = self.history.last
                    if newest is not None and frame.number < newest.number:
                        await self.clock.sleep(frame.size_bytes * 8 / rate_bps)
                frame = self._after(frame, viewer)
        finally:
            budget.joining -= 1
        if not viewer.stopped and viewer.source is self.history:  # `pause` took it off meanwhile, else
            self.viewers.append(viewer)

    def _after(self, frame: Frame, viewer: Viewer) -> Frame | None:
        """Return the frame to send next; None when the viewer has caught up with the newest."""
        following = self.history.frame(frame.number + 1)
        newest = self.history.last
        if following is None and newest is not None and newest.number > frame.number:
            # It has left the history while we paced: go on at the current key frame.
            viewer.waits_for_key = True
            return self.history.gop_start
        return following

    def leave(self, viewer: Viewer) -> None:
        """Take a viewer off; no frame is sent to it afterwards."""
        viewer.stop()
        self.leave_list(viewer)

    def rtp_now_90k(self) -> int | None:
        """Return the stream's RTP time of this moment, for sender reports; None before the first frame."""
        last = self.history.last
        if last is None:
            return None
        return last.ts_90k + (self.clock.mono_ns() - last.received_mono_ns) * TICKS_PER_S // 1_000_000_000
