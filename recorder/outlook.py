"""What retention would do, and what the disks can keep: the facts behind `vuon luu-tru --chay-thu`.

Owns the sums. Invariants: nothing is deleted or written; victims are summed by stream and reason, never listed
without end; what is not known (a rate, a free disk) is left out, not guessed. Blocks on SQLite: worker threads.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from gateway.core.model import PublicId, StreamId, StreamRole
from recorder.cleaner import Cleaned
from recorder.forecast import rates, real_days
from recorder.index import StreamDay, VolumeIndex
from recorder.registry import Camera
from recorder.retention import DAY_MS, Hold, Pin, Reason, Rule, Victim
from recorder.slot import Opened, Slot
from recorder.spans import LONGEST_MS, Spans


class Whose(NamedTuple):
    """Which camera and encoding a stream id is."""

    camera: PublicId
    role: StreamRole
    name: str
    removed: bool


def whose(cameras: Iterable[Camera]) -> dict[StreamId, Whose]:
    """Return the owners of streams."""
    return {
        stream.id: Whose(camera.public_id, stream.role, camera.name, camera.removed_ms is not None)
        for camera in cameras
        for stream in camera.streams
    }


def would_go(victims: Iterable[Victim], owners: Mapping[StreamId, Whose]) -> list[dict[str, Any]]:
    """Sum victims by camera, stream and reason, in the order of sacrifice."""
    sums: dict[tuple[StreamId, Reason], dict[str, Any]] = {}
    for victim in victims:
        row, key = victim.row, (victim.row.stream, victim.reason)
        known = sums.setdefault(key, {"count": 0, "bytes": 0, "from_ms": row.begin_ms, "to_ms": row.end_ms})
        known["count"] += 1
        known["bytes"] += victim.freed_bytes
        known["from_ms"] = min(known["from_ms"], row.begin_ms)
        known["to_ms"] = max(known["to_ms"], row.end_ms)
    order = list(Reason)
    return [
        _owner(stream, owners) | {"reason": reason.value, **found}
        for (stream, reason), found in sorted(sums.items(), key=lambda item: (order.index(item[0][1]), item[0][0]))
    ]


def _owner(stream: StreamId, owners: Mapping[StreamId, Whose]) -> dict[str, Any]:
    known = owners.get(stream)
    if known is None:
        return {"camera": "", "name": "", "stream": str(stream), "removed": True}
    return {"camera": known.camera, "name": known.name, "stream": known.role.value, "removed": known.removed}


def protected_bytes(index: VolumeIndex, stream: StreamId, spans: Spans) -> int:
    """Return the bytes of a stream's segments that any span touches; sums over a covering index."""
    total, after_ms = 0, -(1 << 62)
    for span in spans.all:
        bounds = (stream, max(span.start_ms - LONGEST_MS, after_ms), span.end_ms, span.start_ms)
        query = (
            "SELECT coalesce(sum(size_bytes), 0), coalesce(max(begin_ms), ?) FROM segment"
            " WHERE stream = ? AND begin_ms > ? AND begin_ms < ? AND end_ms > ?"
        )
        found = index.database.read_sync(
            lambda db, query=query, bounds=bounds, at=after_ms: db.execute(query, (at, *bounds)).fetchone()  # type: ignore[misc]  # bound early
        )
        total += int(found[0])
        after_ms = max(after_ms, int(found[1]))
    return total


def kept(
    disks: Sequence[Opened], holds: Sequence[Hold], pins: Sequence[Pin], owners: Mapping[StreamId, Whose]
) -> list[dict[str, Any]]:
    """Return per stream what is held, and what is pinned besides."""
    rows: list[dict[str, Any]] = []
    every: list[Hold | Pin] = [*holds, *pins]
    for stream in sorted({item.stream for item in every}):
        held = Spans((item.start_ms, item.end_ms) for item in holds if item.stream == stream)
        both = Spans((item.start_ms, item.end_ms) for item in every if item.stream == stream)
        held_bytes = sum(protected_bytes(disk.index, stream, held) for disk in disks)
        both_bytes = sum(protected_bytes(disk.index, stream, both) for disk in disks)
        rows.append(_owner(stream, owners) | {"held_bytes": held_bytes, "pinned_bytes": both_bytes - held_bytes})
    return [row for row in rows if row["held_bytes"] or row["pinned_bytes"]]


def days_left(
    slots: Sequence[Slot],
    done: Sequence[Cleaned],
    rules: Mapping[StreamId, Rule],
    held_bytes: int,
    owners: Mapping[StreamId, Whose],
    now_ms: int,
) -> dict[str, Any]:
    """Return how many days the disks and each camera's streams really have."""
    disks = [slot.opened for slot in slots if slot.opened is not None]
    days = _joined(day for disk in disks for day in disk.index.days())
    free = sum(disk.volume.free_bytes()[0] for disk in disks)
    used = sum(sum(disk.index.totals().values()) for disk in disks)
    reserve = sum(item.plan.reserve_bytes for item in done)
    room = free + used - reserve - held_bytes
    found = rates(days, now_ms // DAY_MS)
    horizon, real = real_days({stream: rate for stream, rate in found.items() if stream in rules}, rules, room)
    rows = [
        _owner(stream, owners)
        | {
            "rule_days": rule.days,
            "real_days": round(real[stream], 1) if stream in real else None,
            "bytes_a_day": round(found[stream].bytes_a_day) if stream in found else None,
            "from_days": found[stream].days if stream in found else None,
        }
        for stream, rule in rules.items()
    ]
    return {
        "disk_days": None if horizon is None else round(horizon, 1),
        "disk_bytes": free + used,
        "reserve_bytes": reserve,
        "room_bytes": max(room, 0),
        "enough": horizon is None and len(real) == len(rules),
        "streams": rows,
    }


def _joined(days: Iterable[StreamDay]) -> list[StreamDay]:
    """Add the days of a stream that lie on several disks."""
    sums: dict[tuple[StreamId, int], list[int]] = {}
    for item in days:
        known = sums.setdefault((item.stream, item.day), [0, 0, 0])
        for place, value in enumerate((item.segments, item.size_bytes, item.recorded_ms)):
            known[place] += value
    return [StreamDay(stream, day, *values) for (stream, day), values in sorted(sums.items())]
