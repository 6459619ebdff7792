"""Events of each lane with a number in them, so that order can be read back."""

from __future__ import annotations

from gateway.core.events import Event, Lane, make_event
from tests.fakes.clock import NOON_MS

CAMERA = "cameracameraaaaa"


def numbered(lane: Lane, number: int, *, now_ms: int = NOON_MS, trusted: bool = True) -> Event:
    """Return an event of the lane that carries its number."""
    fields: dict[Lane, tuple[str, dict[str, str | float | bool]]] = {
        Lane.ALARM: ("access.revoked", {"reason": "test", "sessions": number}),
        Lane.REPORT: ("box.summary", {"cameras": 1, "recording": 1, "viewers": number}),
        Lane.ROUTINE: ("clock.step", {"step_ms": number}),
    }
    name, data = fields[lane]
    return make_event(name, now_ms=now_ms, mono_ns=number * 1_000_000, trusted=trusted, subject="", **data)


FIELD = {Lane.ALARM: "sessions", Lane.REPORT: "viewers", Lane.ROUTINE: "step_ms"}
"""Which field carries the number."""
