"""What one viewer's link carries, by what its receiver reports: main, sub, or too little for either.

Owns the rule, pure; time comes with the reports. Invariants: going down needs evidence that lasts (loss in two
spans of a second, an estimate below the stream's rate for seconds that does not rise), never one report; reports that
come faster (Chromium sends one with each NACK) are taken together; going up is a trial (an
estimate cannot rise above what is sent), each one that fails makes the next wait longer, up to `LONGEST_TRIAL_WAIT_S`;
a link that has recovered is tried within that time, a fifth more or less (`jitter`): what fell together must not rise
together.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

SPAN_S = 0.9
"""Reports are counted together for so long."""
HEAVY_LOSS = 0.1
"""Of the packets of one span: retransmission repairs less (RFC 8085 calls 10 % persistent congestion)."""
HEAVY_REPORTS = 2
CALM_LOSS = 0.02
LOW_SHARE = 0.8
"""An estimate below this share of the stream's rate is too low for it."""
LOW_FOR_S = 3.0
"""An estimate that rises begins this anew: after a collapse it needs a minute to come back (8 % a second), however good
the link is by then; on a link that is too slow it falls or stands, because we do not send less."""
SETTLE_S = 8.0
"""Estimates begin low: they count once the stream has run so long."""
FIRST_TRIAL_WAIT_S = 10.0
LONGEST_TRIAL_WAIT_S = 40.0
JITTER_SHARE = 0.2
"""How much earlier or later than its wait a trial may begin."""
PROVEN_S = 20.0
"""A trial that lasts so long has not failed."""


class Wish(StrEnum):
    """What the link asks for."""

    STAY = "stay"
    LESS = "less"
    MORE = "more"


class Link:
    """The judgement of one link; `began` whenever another stream is sent, or none."""

    def __init__(self, now_ns: int, jitter: Callable[[], float] = lambda: 0.5) -> None:
        """`jitter` returns numbers in [0, 1)."""
        self._jitter = jitter
        self._began_ns = now_ns
        self._calm_since_ns = now_ns
        self._heavy = 0
        self._low_since_ns: int | None = None
        self._estimate_bps = 0
        self._span: tuple[int, int, int] | None = None
        """Where the present span began: monotonic ns, packets lost, highest number."""
        self.on_trial = False
        """What is sent is more than what was carried before."""
        self._wait_s = FIRST_TRIAL_WAIT_S
        self._spread = self._new_spread()
        self.weak = False
        """It carries less than what is sent now."""

    def counted(self, lost: int, highest_seq: int, now_ns: int) -> float | None:
        """Take one report's counts since the beginning (RFC 3550 §6.4.1); returns the loss of a span that it ends."""
        if self._span is None:
            self._span = (now_ns, lost, highest_seq)
            return None
        began_ns, lost_then, highest_then = self._span
        packets = (highest_seq - highest_then) & 0xFFFFFFFF
        if now_ns - began_ns < SPAN_S * 1e9 or not 0 < packets < 1 << 31:
            return None
        self._span = (now_ns, lost, highest_seq)
        share = min(1.0, max(0.0, (lost - lost_then) / packets))
        self.reported(share, now_ns)
        return share

    def reported(self, fraction_lost: float, now_ns: int) -> None:
        """Take the loss of one span."""
        self._heavy = self._heavy + 1 if fraction_lost >= HEAVY_LOSS else 0
        if fraction_lost > CALM_LOSS:
            self._calm_since_ns = now_ns

    def estimated(self, bps: int, stream_bps: float, now_ns: int) -> None:
        """Take the receiver's estimate of the path beside the rate of what is sent to it; 0 = not known."""
        rises, self._estimate_bps = bps > self._estimate_bps, bps
        if not stream_bps or bps >= LOW_SHARE * stream_bps:
            self._low_since_ns = None
        elif self._low_since_ns is None or rises:
            self._low_since_ns = now_ns

    def choked(self) -> None:
        """Take that our own socket or the uplink was full: as good as a report of heavy loss."""
        self._heavy += 1

    def wish(self, now_ns: int, *, can_more: bool) -> Wish:
        """Return what to do now; `can_more` says that a bigger stream is there."""
        since_s = (now_ns - self._began_ns) / 1e9
        low_s = 0.0 if self._low_since_ns is None else (now_ns - self._low_since_ns) / 1e9
        self.weak = self._heavy >= HEAVY_REPORTS or (since_s >= SETTLE_S and low_s >= LOW_FOR_S)
        if self.weak:
            return Wish.LESS
        if self.on_trial and since_s >= PROVEN_S:
            self.on_trial, self._wait_s = False, FIRST_TRIAL_WAIT_S
        calm_s = (now_ns - max(self._calm_since_ns, self._began_ns)) / 1e9
        if can_more and calm_s >= self._wait_s * self._spread and low_s < LOW_FOR_S:
            return Wish.MORE
        return Wish.STAY

    def began(self, now_ns: int, *, more: bool) -> None:
        """Note that another stream is sent now: a bigger one on trial, or a smaller one after that failed."""
        if not more and self.on_trial:
            self._wait_s = min(2 * self._wait_s, LONGEST_TRIAL_WAIT_S)
        self.on_trial = more
        self._spread = self._new_spread()
        self.forget(now_ns)

    def forget(self, now_ns: int) -> None:
        """Begin to judge anew: what was reported was about something else."""
        self._began_ns = self._calm_since_ns = now_ns
        self._heavy, self._low_since_ns, self._span = 0, None, None

    def _new_spread(self) -> float:
        return 1 + JITTER_SHARE * (2 * self._jitter() - 1)
