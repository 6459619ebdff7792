"""What is wrong now: raises and clears conditions from repeated looks at the status.

Owns the current conditions and since when each holds. Invariants: durations are monotonic; every edge
becomes exactly one event: the caller writes the events and the conditions of one look in one transaction
and then says `done`; edges that were not written come again at the next look; after a restart the tracker
goes on from what was written, so nothing is raised twice and nothing stays raised for ever.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.core.clock import Clock
from gateway.core.events import Event, make_event
from gateway.health.conditions import (
    BOX,
    CONDITIONS,
    Packets,
    Raised,
    losing_cameras,
    packets_of,
    read_status,
    visible,
)


@dataclass(frozen=True, slots=True)
class Condition:
    """One raised condition, as pages and `vuon status` show it."""

    code: str
    subject: str
    severity: str
    since_ms: int


@dataclass(frozen=True, slots=True)
class Edges:
    """What changed in one look; `since_ms` of what was raised is wall time, for people."""

    raised: Mapping[Raised, int]
    cleared: tuple[Raised, ...]
    events: tuple[Event, ...]


class Tracker:
    """Fed with a status every few seconds; answers with what changed."""

    def __init__(self, clock: Clock, raised: Mapping[Raised, int] | None = None) -> None:
        """Go on from what was `raised` when the process ended, even if this version no longer knows the code."""
        self._clock = clock
        self._raised: dict[Raised, int] = dict(raised or {})
        now_ns = clock.mono_ns()
        self._since: dict[Raised, tuple[int, int]] = {item: (now_ns, at_ms) for item, at_ms in self._raised.items()}
        self._packets: dict[tuple[str, str], Packets] = {}
        self._looked_ns = now_ns

    def look(self, status: Mapping[str, Any]) -> Edges:
        """Take in one status and return the conditions raised and cleared by it; call `done` when written."""
        now_ns, now_ms = self._clock.mono_ns(), self._clock.now_ms()
        holding = read_status({**status, "losing": self._losing(status, now_ns)}, self._since.keys())
        holding = {item for item in holding if item.code in CONDITIONS}
        self._since = {item: self._since.get(item, (now_ns, now_ms)) for item in holding}
        told = visible({item: (now_ns - since_ns) / 1e9 for item, (since_ns, _) in self._since.items()})
        raised = sorted(told - self._raised.keys())
        # A condition that is only hidden by a greater one stays raised: hiding is not healing.
        cleared = sorted(item for item in self._raised if item not in holding)
        events = [self._event("condition.cleared", item) for item in cleared]
        events += [self._event("condition.raised", item) for item in raised]
        return Edges({item: self._since[item][1] for item in raised}, tuple(cleared), tuple(events))

    def done(self, edges: Edges) -> None:
        """Take over edges that were written."""
        for item in edges.cleared:
            self._raised.pop(item, None)
        self._raised |= edges.raised

    def current(self) -> list[Condition]:
        """Return what is raised now and not hidden by a greater one, red first, then by age."""
        shown = visible({item: math.inf for item in self._since if item.code in CONDITIONS})
        rows = [
            Condition(item.code, item.subject, CONDITIONS[item.code].severity.value, since)
            for item, since in self._raised.items()
            if item in shown
        ]
        return sorted(rows, key=lambda row: (row.severity, row.since_ms, row.code, row.subject))

    def _losing(self, status: Mapping[str, Any], now_ns: int) -> frozenset[str]:
        recorder = status.get("recorder")
        if recorder is None:
            self._packets = {}
            return frozenset()
        packets = packets_of(recorder)
        losing = losing_cameras(self._packets, packets, (now_ns - self._looked_ns) / 1e9)
        self._packets, self._looked_ns = packets, now_ns
        return losing

    def _event(self, name: str, item: Raised) -> Event:
        return make_event(
            name,
            now_ms=self._clock.now_ms(),
            mono_ns=self._clock.mono_ns(),
            trusted=self._clock.trusted(),
            subject="" if item.subject == BOX else item.subject,
            condition=item.code,
            about=item.subject,
        )
