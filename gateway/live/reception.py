"""What one viewer's receiver reports, and what is done about it.

Owns the figures of the reports, the repairs and the sender reports of one line. Invariants: what is sent again stays
within the repair budget; a picture is renewed rarely, and never from a camera that stands still; used in the event
loop only.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from gateway.core.clock import Clock
from gateway.live import rtcp
from gateway.live.retransmission import Retransmitter
from gateway.live.sender import Viewer
from gateway.live.stream import LiveStream
from gateway.live.switch import Switch

REPORT_INTERVAL_S = 3.0
RENEW_PICTURE_S = 2.0
"""A viewer that says its picture is lost (Chromium: each 0.2 s) gets the cached GOP at most so often."""
NOW_S = 1.0
"""Of a camera that stands still for longer nothing is sent again: it would look as if it were live."""
_REPORTS_REMEMBERED = 4
_TRIPS_REMEMBERED = 4
"""Of the newest round trips the shortest counts: an answer is read up to `mailbox.PAUSE_S` after it came."""


class Reception:
    """The receiver's side of one viewer, as it tells us; `on_lost` is called when its GOP is to be sent again."""

    def __init__(
        self,
        viewer: Viewer,
        repair: Retransmitter,
        switch: Switch,
        *,
        clock: Clock,
        send_rtcp: Callable[[bytes], None],
        on_lost: Callable[[], None],
    ) -> None:
        self.viewer, self.repair, self.switch = viewer, repair, switch
        self._clock, self._send_rtcp, self._on_lost = clock, send_rtcp, on_lost
        self._reported_ns: int | None = None
        self._renewed_ns: int | None = None
        self._reports: dict[int, int] = {}
        self._trips_s: deque[float] = deque(maxlen=_TRIPS_REMEMBERED)
        self.lost = self.jitter_90k = self.estimate_bps = 0
        self.fraction_lost = 0.0
        self.rtt_s: float | None = None

    @property
    def stream(self) -> LiveStream:
        """The stream that is sent now."""
        return self.switch.now

    def report(self) -> None:
        """Send a sender report when one is due (RFC 3550 §6.4.1)."""
        viewer, mono_ns = self.viewer, self._clock.mono_ns()
        if self._reported_ns is not None and mono_ns - self._reported_ns < REPORT_INTERVAL_S * 1e9:
            return
        rtp_now = self.stream.rtp_now_90k()
        if rtp_now is None or not viewer.packets:
            return
        self._reported_ns = mono_ns
        ntp = rtcp.ntp_time(self._clock.now_ms())
        self._reports[ntp >> 16 & 0xFFFFFFFF] = mono_ns
        if len(self._reports) > _REPORTS_REMEMBERED:
            del self._reports[next(iter(self._reports))]
        numbers = viewer.numbers
        self._send_rtcp(
            rtcp.sender_report(
                numbers.ssrc,
                ntp=ntp,
                rtp_90k=rtp_now + numbers.ts_offset,
                packets=viewer.packets,
                octets=viewer.octets,
            )
        )

    def hear(self, item: rtcp.Feedback) -> None:
        """Take one piece of feedback about this viewer's line."""
        viewer = self.viewer
        if viewer.stopped:
            return
        if isinstance(item, rtcp.Estimate):
            self.estimate_bps = item.bps
            if not self.switch.resting:  # nothing is sent: that estimate is of nothing
                self.switch.link.estimated(item.bps, self.stream.history.gop_bps(), self._clock.mono_ns())
        elif isinstance(item, rtcp.ReceiverReport):
            self._judge(item)
        elif isinstance(item, rtcp.Nack):
            if viewer.source is not None:
                self.repair.repair(
                    viewer,
                    item.lost,
                    viewer.source,
                    now_ns=self._clock.mono_ns(),
                    rtt_s=self.rtt_s,
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
        if self.repair.afford(viewer, stream.history.gop_bytes()):
            self._renewed_ns = now_ns
            stream.counters.renewed += 1
            stream.pause(viewer)
            viewer.waits_for_key = True
            self._on_lost()

    def _judge(self, report: rtcp.ReceiverReport) -> None:
        self.lost, self.jitter_90k = report.lost, report.jitter_90k
        self.fraction_lost = report.fraction_lost / 256
        if not self.switch.resting:
            self.switch.link.counted(report.lost, report.highest_seq, self._clock.mono_ns())
        sent_ns = self._reports.get(report.last_sr)
        if sent_ns is not None:
            rtt_s = (self._clock.mono_ns() - sent_ns) / 1e9 - report.delay / 65536
            self._trips_s.append(max(0.0, rtt_s))
            self.rtt_s = min(self._trips_s)
