"""What a stream does over time, measured as it runs: key-frame distance, order, rate, loss, how sessions end.

Owns `StreamMeter`, a reader of one feed. Invariants: `offer` runs in the network thread and does a few additions
a picture; memory is bounded (the last GOPs, the last minutes, the last ends); what too little was seen of is
None, never zero. Media time is used for what the camera does, arrival time for what the network does.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from gateway.core.media import TICKS_PER_S, AccessUnit, CodecConfig

GOPS = 8
BUCKET_NS = 10_000_000_000
BUCKETS = 30
"""Five minutes in parts of ten seconds."""
LEAST_NS = 5_000_000_000
"""A rate of less than five seconds is chance."""
PACKET_BYTES = 1_400
"""A full RTP packet on Ethernet: turns bytes into packets."""
MOST_ENDS = 64


class _Gop(NamedTuple):
    ticks_90k: int
    reordered: int


class _Bucket(NamedTuple):
    start_ns: int
    end_ns: int
    units: int
    size_bytes: int
    lost: int


@dataclass(frozen=True, slots=True)
class MeterFacts:
    """What was measured of one stream; None = too little was seen."""

    config: CodecConfig | None
    key_gap_s: float | None
    """Longest of the last distances between key frames, the running one included."""
    b_frames: bool | None
    """Pictures came in another order than they are shown."""
    fps: float | None
    loss: float | None
    """Share (0-1) of packets lost."""
    ends: tuple[tuple[int, str], ...]
    """The last ends of sessions: monotonic ns, error code."""


class StreamMeter:
    """Measures one feed; any thread may ask for its facts."""

    def __init__(self, mono_ns: Callable[[], int]) -> None:
        self._mono_ns = mono_ns
        self._lock = threading.Lock()
        self._config: CodecConfig | None = None
        self._gops: deque[_Gop] = deque(maxlen=GOPS)
        self._buckets: deque[_Bucket] = deque(maxlen=BUCKETS)
        self._ends: deque[tuple[int, str]] = deque(maxlen=MOST_ENDS)
        self._key_90k: int | None = None
        self._latest_90k = self._reordered = 0
        self._begun_ns: int | None = None
        self._last_ns = self._units = self._bytes = self._lost = 0

    def offer(self, unit: AccessUnit) -> None:
        """Count one picture."""
        with self._lock:
            self._config = unit.config
            self._count(unit)
            pts = unit.pts_90k
            if unit.is_key:
                if self._key_90k is not None and pts > self._key_90k:
                    self._gops.append(_Gop(pts - self._key_90k, self._reordered))
                self._key_90k, self._latest_90k, self._reordered = pts, pts, 0
            elif pts < self._latest_90k:
                self._reordered += 1
            else:
                self._latest_90k = pts

    def _count(self, unit: AccessUnit) -> None:
        now_ns = unit.received_mono_ns
        if self._begun_ns is not None and now_ns - self._last_ns >= BUCKET_NS:  # gone, not slow
            self._close_bucket(self._last_ns)
            self._begun_ns = None
        if self._begun_ns is None:
            self._begun_ns = now_ns
        elif now_ns - self._begun_ns >= BUCKET_NS:
            self._close_bucket(now_ns)
        self._last_ns = now_ns
        self._units += 1
        self._bytes += unit.size_bytes
        self._lost += unit.lost_before

    def _close_bucket(self, now_ns: int) -> None:
        assert self._begun_ns is not None
        self._buckets.append(_Bucket(self._begun_ns, now_ns, self._units, self._bytes, self._lost))
        self._begun_ns, self._units, self._bytes, self._lost = now_ns, 0, 0, 0

    def ended(self, code: str) -> None:
        """Note the end of a session; the next one counts its media time anew, and may be encoded otherwise."""
        with self._lock:
            self._ends.append((self._mono_ns(), code))
            self._config = None
            self._forget_gops()
            if self._begun_ns is not None and self._units:
                self._close_bucket(self._last_ns)
            self._begun_ns = None

    def forget_gops(self) -> None:
        """Measure key frames anew, from the next one on."""
        with self._lock:
            self._forget_gops()

    def _forget_gops(self) -> None:
        self._key_90k = None
        self._latest_90k = self._reordered = 0
        self._gops.clear()

    def facts(self) -> MeterFacts:
        """Return what was measured over the last minutes."""
        with self._lock:
            gops = list(self._gops)
            buckets = list(self._buckets)
            if self._begun_ns is not None:
                buckets.append(_Bucket(self._begun_ns, self._last_ns, self._units, self._bytes, self._lost))
            running = self._latest_90k - self._key_90k if self._key_90k is not None else 0
            config, ends = self._config, tuple(self._ends)
        recent = [item for item in buckets if self._mono_ns() - item.end_ns <= BUCKETS * BUCKET_NS]
        span_ns = sum(item.end_ns - item.start_ns for item in recent)
        units, lost = sum(item.units for item in recent), sum(item.lost for item in recent)
        packets = sum(item.size_bytes for item in recent) / PACKET_BYTES + units
        enough = span_ns >= LEAST_NS
        return MeterFacts(
            config=config,
            key_gap_s=max([running, *(gop.ticks_90k for gop in gops)]) / TICKS_PER_S if gops else None,
            b_frames=any(gop.reordered for gop in gops) if gops else None,
            fps=round(units * 1e9 / span_ns, 2) if enough else None,
            loss=round(lost / (lost + packets), 4) if enough else None,
            ends=ends,
        )
