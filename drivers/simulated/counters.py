"""What a simulated camera was asked: the evidence tests and training screens look at.

Owns the bounded list of calls and the totals. Invariants: totals only grow; the list keeps the newest
`MOST_CALLS`, so a camera can run for months.
"""

from __future__ import annotations

from collections import Counter, deque
from dataclasses import dataclass, field

MOST_CALLS = 10_000


@dataclass(frozen=True, slots=True)
class Call:
    """One request as it arrived."""

    at_mono_ns: int
    protocol: str
    """rtsp, onvif, lost (ONVIF at a path where nothing is), still or discovery."""
    operation: str
    """RTSP method, SOAP operation, GET, or Probe."""
    target: str = ""
    """RTSP URL path or ONVIF service."""


@dataclass(slots=True)
class Counters:
    """Calls and totals of one camera."""

    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=MOST_CALLS))
    totals: Counter[str] = field(default_factory=Counter)
    """By "protocol.operation"; beside them connections, tls_connections, tcp_setups, udp_setups,
    sound_setups, refused_setups, rtp_packets, sound_packets, dropped_packets,
    dropped_units, key_frames_asked."""

    def note(self, call: Call) -> None:
        """Record one request."""
        self.calls.append(call)
        self.totals[f"{call.protocol}.{call.operation}"] += 1

    def count(self, operation: str, protocol: str | None = None) -> int:
        """Return how often `operation` was called, over all protocols or one."""
        names = [f"{protocol}.{operation}"] if protocol else [f"{p}.{operation}" for p in ("rtsp", "onvif", "still")]
        return sum(self.totals[name] for name in names)
