"""Every condition the box can be in: code, severity, what it depends on, when it becomes visible.

Owns the registry and the pure rules that read a status into conditions. A condition is something that is
so now; it is raised and cleared. Invariants: pure (no clock, no I/O); every code has a title and a next
step in both catalogues and a line in `docs/ref/conditions.md` (tests); a condition hides while one it
depends on holds for the same subject or for the box, so that one root cause is one alarm; what cannot be
seen now (the recorder is down) is as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

from gateway.health.livefaults import conditions_of


class Severity(StrEnum):
    """How loud: red needs a person now, yellow soon."""

    RED = "red"
    YELLOW = "yellow"


@dataclass(frozen=True, slots=True)
class ConditionType:
    """One kind of condition."""

    code: str
    severity: Severity
    visible_after_s: float
    """It must hold this long before anyone is told: a reconnect of two seconds is no news."""
    depends_on: tuple[str, ...] = ()


class Raised(NamedTuple):
    """One condition of one subject (a camera's public id, or `box`)."""

    code: str
    subject: str


BOX = "box"

_TYPES = (
    ConditionType("recorder.down", Severity.RED, 10),
    ConditionType("live.down", Severity.YELLOW, 10),
    ConditionType("live.uplink_small", Severity.YELLOW, 60, ("live.down",)),
    ConditionType("live.cpu_full", Severity.YELLOW, 60, ("live.down",)),
    ConditionType("live.relay_only", Severity.YELLOW, 60, ("live.down",)),
    ConditionType("volume.missing", Severity.RED, 5, ("recorder.down",)),
    ConditionType("volume.read_only", Severity.RED, 5, ("recorder.down",)),
    ConditionType("volume.full_by_hold", Severity.RED, 5, ("recorder.down",)),
    ConditionType("volume.full", Severity.RED, 5, ("recorder.down", "volume.full_by_hold")),
    ConditionType("volume.event_footage_going", Severity.RED, 0, ("recorder.down",)),
    ConditionType("retention.rule_unknown", Severity.YELLOW, 60, ("recorder.down",)),
    ConditionType("volume.failing", Severity.RED, 5, ("recorder.down",)),
    ConditionType("camera.login_refused", Severity.RED, 0, ("recorder.down",)),
    ConditionType("camera.swapped", Severity.RED, 0, ("recorder.down",)),
    ConditionType("camera.down", Severity.RED, 15, ("recorder.down", "camera.login_refused", "camera.swapped")),
    ConditionType(
        "camera.not_recording",
        Severity.RED,
        45,
        (
            "recorder.down",
            "camera.login_refused",
            "camera.swapped",
            "camera.down",
            "volume.missing",
            "volume.read_only",
            "volume.full",
            "volume.full_by_hold",
            "volume.failing",
        ),
    ),
    ConditionType("camera.frozen", Severity.RED, 30, ("recorder.down", "camera.down")),
    ConditionType("camera.losing_packets", Severity.YELLOW, 60, ("recorder.down", "camera.down")),
    ConditionType("camera.clock_off", Severity.YELLOW, 60, ("recorder.down", "camera.down", "clock.untrusted")),
    ConditionType("hub.unreachable", Severity.YELLOW, 120),
    ConditionType("clock.untrusted", Severity.RED, 30),
    ConditionType("audit.broken", Severity.RED, 0),
    ConditionType("consent.overdue", Severity.YELLOW, 10),
)
CONDITIONS: Mapping[str, ConditionType] = {kind.code: kind for kind in _TYPES}

_VOLUME_CODES = {
    "missing": "volume.missing",
    "wrong": "volume.missing",
    "read_only": "volume.read_only",
    "full": "volume.full",
    "failing": "volume.failing",
}
_VOLUME_FLAGS = {
    "full_by_hold": "volume.full_by_hold",
    "event_footage_going": "volume.event_footage_going",
}
_SEEN_BY_RECORDER = ("volume.", "camera.", "retention.")
CLOCK_OFF_MS = 5_000
"""A camera's clock further off than this shows a wrong time in its picture: no evidence."""
LOSS_SHARE = 0.01
"""1 % of RTP packets lost is visible as smear in every few GOPs."""
PACKET_BITS = 1_400 * 8
"""A full RTP packet on Ethernet: turns a bit rate into packets a second."""


def read_status(status: Mapping[str, Any], before: AbstractSet[Raised] = frozenset()) -> set[Raised]:
    """Return the conditions that hold in one status; `before` held at the last look.

    The status is `{recorder, live, hub_ok: bool | None, clock_trusted: bool, audit_ok: bool | None (not walked yet),
    cases_overdue: int | None (the date is not known), losing: set of camera ids}`;
    `recorder` and `live` are what their `status` methods answered, None if they are down.
    """
    found: set[Raised] = set()
    if not status.get("clock_trusted", True):
        found.add(Raised("clock.untrusted", BOX))
    if status.get("hub_ok") is False:
        found.add(Raised("hub.unreachable", BOX))
    broken = Raised("audit.broken", BOX)
    if status.get("audit_ok") is False or (status.get("audit_ok") is None and broken in before):
        found.add(broken)
    overdue, late = Raised("consent.overdue", BOX), status.get("cases_overdue", 0)
    if late or (late is None and overdue in before):
        found.add(overdue)
    if status.get("live") is None:
        found.add(Raised("live.down", BOX))
    else:
        held = {item.code for item in before}
        found.update(Raised(code, BOX) for code in conditions_of(status["live"], held))
    recorder = status.get("recorder")
    if recorder is None:
        found.add(Raised("recorder.down", BOX))
        # Nobody sees cameras and disks now: not healed, not broken.
        return found | {item for item in before if item.code.startswith(_SEEN_BY_RECORDER)}
    found.update(Raised(_VOLUME_CODES[v["state"]], BOX) for v in recorder["volumes"] if v["state"] in _VOLUME_CODES)
    flags = {flag for volume in recorder["volumes"] for flag in _VOLUME_FLAGS if volume.get(flag)}
    found.update(Raised(_VOLUME_FLAGS[flag], BOX) for flag in flags)
    if recorder.get("retention", {}).get("unknown"):
        found.add(Raised("retention.rule_unknown", BOX))
    losing = status.get("losing", frozenset())
    for camera in recorder["cameras"]:
        found.update(Raised(code, camera["id"]) for code in _of_camera(camera))
        if camera["id"] in losing:
            found.add(Raised("camera.losing_packets", camera["id"]))
    return found


def _of_camera(camera: Mapping[str, Any]) -> Iterable[str]:
    if camera["state"] == "login_refused":
        yield "camera.login_refused"
    if camera["state"] == "swapped":
        yield "camera.swapped"
    if not camera["connected"]:
        yield "camera.down"
    if not camera["recording"]:
        yield "camera.not_recording"
    if camera.get("frozen"):
        yield "camera.frozen"
    if abs(camera.get("skew_ms") or 0) > CLOCK_OFF_MS:
        yield "camera.clock_off"


class Packets(NamedTuple):
    """What a stream's status says of its packets: lost since it began, and its rate now."""

    lost: int
    bitrate_bps: float


def packets_of(recorder: Mapping[str, Any]) -> dict[tuple[str, str], Packets]:
    """Return the packet figures of all streams by camera and stream."""
    return {
        (camera["id"], str(stream["stream"])): Packets(stream.get("lost_packets") or 0, stream.get("bitrate_bps") or 0)
        for camera in recorder["cameras"]
        for stream in camera.get("streams", ())
    }


def losing_cameras(
    before: Mapping[tuple[str, str], Packets], after: Mapping[tuple[str, str], Packets], seconds: float
) -> frozenset[str]:
    """Return the cameras that lost more than `LOSS_SHARE` of a stream's packets between two looks."""
    losing = set()
    for key, now in after.items():
        then = before.get(key)
        lost = now.lost - then.lost if then is not None else 0  # negative after a reconnect: counted anew
        arrived = now.bitrate_bps * seconds / PACKET_BITS
        if lost > 0 and lost > LOSS_SHARE * (lost + arrived):
            losing.add(key[0])
    return frozenset(losing)


def visible(held_s: Mapping[Raised, float]) -> set[Raised]:
    """Return what people are told, from what holds and for how long (seconds)."""
    ripe = {item for item, seconds in held_s.items() if seconds >= CONDITIONS[item.code].visible_after_s}
    return {item for item in ripe if not _hidden(item, held_s)}


def _hidden(item: Raised, held_s: Mapping[Raised, float]) -> bool:
    parents = CONDITIONS[item.code].depends_on
    return any(Raised(parent, subject) in held_s for parent in parents for subject in (item.subject, BOX))
