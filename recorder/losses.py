"""Spans of footage that were not stored, gathered until they are over.

Owns the joining of many small losses (a picture, a GOP) into one gap per stream and cause. Invariants:
`note` never waits and may be called from any thread; a span is handed out once, `quiet_s` after it last
grew, or at the end; memory is one span per stream and cause.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from gateway.core.clock import Clock
from gateway.core.model import StreamId
from recorder.gaps import GapCause

QUIET_S = 5.0
JOIN_MS = 5_000
"""Losses closer together than this are one gap."""
LONGEST_S = 60.0
"""A loss that goes on is told in parts, so that a kill forgets no more than the last part."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Footage of a stream that is not on disk; UTC ms, half open."""

    stream: StreamId
    start_ms: int
    end_ms: int
    cause: GapCause


@dataclass(slots=True)
class _Span:
    start_ms: int
    end_ms: int
    begun_ns: int
    grown_ns: int


class Losses:
    """Collects losses; thread-safe."""

    def __init__(self, clock: Clock, *, quiet_s: float = QUIET_S) -> None:
        self._clock, self._quiet_ns = clock, int(quiet_s * 1e9)
        self._lock = threading.Lock()
        self._spans: dict[tuple[StreamId, GapCause], _Span] = {}
        self._over: list[Loss] = []

    def note(self, stream: StreamId, start_ms: int, end_ms: int, cause: GapCause) -> None:
        """Add a loss; one that joins the stream's running span makes it longer."""
        now_ns, key = self._clock.mono_ns(), (stream, cause)
        with self._lock:
            span = self._spans.get(key)
            if span is not None and span.start_ms - JOIN_MS <= start_ms <= span.end_ms + JOIN_MS:
                span.start_ms, span.end_ms = min(span.start_ms, start_ms), max(span.end_ms, end_ms)
                span.grown_ns = now_ns
                return
            if span is not None:
                self._over.append(Loss(stream, span.start_ms, span.end_ms, cause))
            self._spans[key] = _Span(start_ms, end_ms, now_ns, now_ns)

    def losing(self) -> frozenset[StreamId]:
        """Return the streams that lose footage now."""
        with self._lock:
            return frozenset(stream for stream, _ in self._spans)

    def take(self, *, everything: bool = False) -> list[Loss]:
        """Return the spans that are over (all of them at the end) and forget them."""
        now_ns = self._clock.mono_ns()
        with self._lock:
            for key, span in list(self._spans.items()):
                long = now_ns - span.begun_ns >= LONGEST_S * 1e9
                if everything or long or now_ns - span.grown_ns >= self._quiet_ns:
                    self._over.append(Loss(key[0], span.start_ms, span.end_ms, key[1]))
                    del self._spans[key]
            over, self._over = self._over, []
        return over
