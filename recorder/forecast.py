"""The days a box really has: what its disks hold at the rate of the last days.

Pure. Invariants: a rate comes from whole days if there are any, else from the time recorded, and then it says
so; with less than `LEAST_MS` recorded there is none; what streams limit by their own rule leaves room to the
others; held footage is room that nobody else has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from gateway.core.model import StreamId
from recorder.index import StreamDay
from recorder.retention import DAY_MS, Rule

LAST_DAYS = 7
LEAST_MS = 3_600_000
"""An hour of footage: of less nobody can say what a day will be."""


class Rate(NamedTuple):
    """What a stream writes a day."""

    bytes_a_day: float
    days: int
    """Whole days it was taken from; 0: from less than a day, as if the camera recorded round the clock."""


class Room(NamedTuple):
    """What the disks have for footage that may be deleted."""

    bytes: int
    sure: bool
    """False if a stream that records has no rate yet: the days are then too many."""


def rates(days: Sequence[StreamDay], today: int) -> dict[StreamId, Rate]:
    """Return the rate of each stream from its last days; `today` is days since 1970, and not over.

    A stream's first day may be half a day, so it counts only where there is no other.
    """
    by_stream: dict[StreamId, list[StreamDay]] = {}
    for item in days:
        if today - LAST_DAYS <= item.day <= today:
            by_stream.setdefault(item.stream, []).append(item)
    first = {stream: min(item.day for item in days if item.stream == stream) for stream in by_stream}
    found: dict[StreamId, Rate] = {}
    for stream, items in by_stream.items():
        whole = [item for item in items if first[stream] < item.day < today]
        if whole:
            # Days without footage between the first and today count: a camera that is off at weekends writes less.
            count = today - max(first[stream] + 1, today - LAST_DAYS)
            found[stream] = Rate(sum(item.size_bytes for item in whole) / count, count)
            continue
        recorded_ms = sum(item.recorded_ms for item in items)
        if recorded_ms >= LEAST_MS:
            found[stream] = Rate(sum(item.size_bytes for item in items) * DAY_MS / recorded_ms, 0)
    return found


def real_days(
    found: Mapping[StreamId, Rate], rules: Mapping[StreamId, Rule], room_bytes: int
) -> tuple[float | None, dict[StreamId, float]]:
    """Return how many days back the disks reach, and how many each stream really has.

    The disks give up the oldest of all streams first, so one horizon holds for all: the one at which everything
    fits. None: everything fits for as long as the rules keep it.
    """
    limits = {stream: _limit(rate, rules.get(stream)) for stream, rate in found.items()}
    left, horizon = float(max(room_bytes, 0)), None
    open_rate = sum(rate.bytes_a_day for rate in found.values())
    at_days = 0.0
    for stream in sorted(limits, key=limits.__getitem__):
        step = limits[stream] - at_days
        if open_rate > 0 and open_rate * step > left:
            horizon = at_days + left / open_rate
            break
        left -= open_rate * step
        at_days, open_rate = limits[stream], open_rate - found[stream].bytes_a_day
    return horizon, {stream: limit if horizon is None else min(limit, horizon) for stream, limit in limits.items()}


def _limit(rate: Rate, rule: Rule | None) -> float:
    if rule is None:
        return 0.0
    by_bytes = rule.max_bytes / rate.bytes_a_day if rule.max_bytes and rate.bytes_a_day else float(rule.days)
    return min(float(rule.days), by_bytes)
