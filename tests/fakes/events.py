"""Events of each lane with a number in them, so that order can be read back."""

from __future__ import annotations

from gateway.core.events import Event, Lane, make_event
from tests.fakes.clock import NOON_MS

CAMERA = "cameracameraaaaa"


def numbered(lane: Lane, number: int, *, now_ms: int = NOON_MS, trusted: bool = True) -> Event:
    """Return an event of the lane that carries its number."""
    common = {"now_ms": now_ms, "mono_ns": number * 1_000_000}
    match lane:
        case Lane.ALARM:
            return make_event("access.revoked", trusted=trusted, reason="test", sessions=number, **common)
        case Lane.REPORT:
            return make_event("box.summary", trusted=trusted, cameras=1, recording=1, viewers=number, **common)
        case _:
            return make_event("clock.step", trusted=trusted, step_ms=number, **common)


FIELD = {Lane.ALARM: "sessions", Lane.REPORT: "viewers", Lane.ROUTINE: "step_ms"}
"""Which field carries the number."""
