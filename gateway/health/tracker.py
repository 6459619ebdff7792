"""What is wrong now: raises and clears conditions from repeated looks at the status.

Owns the current conditions and since when each holds. Invariants: durations are monotonic; every edge
becomes exactly one event in one transaction with the others of the same look; after a restart what still
holds is raised again only if it was not raised before (the caller passes what was).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.core.clock import Clock
from gateway.core.events import Event, make_event
from gateway.health.conditions import BOX, CONDITIONS, Raised, read_status, visible


@dataclass(frozen=True, slots=True)
class Condition:
    """One raised condition, as pages and `vuon status` show it."""

    code: str
    subject: str
    severity: str
    since_ms: int


class Tracker:
    """Fed with a status every few seconds; answers with the events of what changed."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since_ns: dict[Raised, tuple[int, int]] = {}
        self._raised: dict[Raised, int] = {}

    def look(self, status: Mapping[str, Any]) -> list[Event]:
        """Take in one status and return the events of conditions raised and cleared by it."""
        now_ns, now_ms = self._clock.mono_ns(), self._clock.now_ms()
        holding = read_status(status)
        self._since_ns = {item: self._since_ns.get(item, (now_ns, now_ms)) for item in holding}
        held_s = {item: (now_ns - since_ns) / 1e9 for item, (since_ns, _) in self._since_ns.items()}
        told = visible(held_s)
        raised = sorted(told - self._raised.keys())
        # A condition that is only hidden by a greater one stays raised: hiding is not healing.
        cleared = sorted(item for item in self._raised if item not in holding)
        for item in cleared:
            del self._raised[item]
        self._raised |= {item: self._since_ns[item][1] for item in raised}
        return [self._event("condition.cleared", item) for item in cleared] + [
            self._event("condition.raised", item) for item in raised
        ]

    def current(self) -> list[Condition]:
        """Return what is raised now, red first, then by age."""
        rows = [
            Condition(item.code, item.subject, CONDITIONS[item.code].severity.value, since)
            for item, since in self._raised.items()
        ]
        return sorted(rows, key=lambda row: (row.severity, row.since_ms, row.code))

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
