"""Every condition the box can be in: code, severity, what it depends on, when it becomes visible.

Owns the registry and the pure rule that reads a status into conditions. A condition is something that is
so now; it is raised and cleared. Invariants: pure (no clock, no I/O); every code has a title and a next
step in both catalogues and a line in `docs/ref/conditions.md` (tests); a condition hides while one it
depends on is raised for the same subject, so that one root cause is one alarm.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple


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
    ConditionType("live.down", Severity.RED, 10, ("recorder.down",)),
    ConditionType("volume.missing", Severity.RED, 5, ("recorder.down",)),
    ConditionType("volume.read_only", Severity.RED, 5, ("recorder.down",)),
    ConditionType("volume.full", Severity.RED, 5, ("recorder.down",)),
    ConditionType("camera.login_refused", Severity.RED, 0),
    ConditionType("camera.down", Severity.RED, 15, ("camera.login_refused",)),
    ConditionType("camera.not_recording", Severity.RED, 45, ("camera.login_refused", "camera.down")),
    ConditionType("camera.losing_packets", Severity.YELLOW, 60, ("camera.down",)),
    ConditionType("hub.unreachable", Severity.YELLOW, 120),
    ConditionType("clock.untrusted", Severity.RED, 30),
)
CONDITIONS: Mapping[str, ConditionType] = {kind.code: kind for kind in _TYPES}

_VOLUME_CODES = {
    "missing": "volume.missing",
    "wrong": "volume.missing",
    "read_only": "volume.read_only",
    "full": "volume.full",
}
LOSS_SHARE = 0.01
"""1 % of RTP packets lost is visible as smear in every few GOPs."""


def read_status(status: Mapping[str, Any]) -> set[Raised]:
    """Return the conditions that hold in one status.

    It is `{recorder, live, hub_ok: bool | None, clock_trusted: bool}`; `recorder` and `live` are what their
    `status` methods answered, None if they are down.
    """
    found: set[Raised] = set()
    if not status.get("clock_trusted", True):
        found.add(Raised("clock.untrusted", BOX))
    if status.get("hub_ok") is False:
        found.add(Raised("hub.unreachable", BOX))
    if status.get("live") is None:
        found.add(Raised("live.down", BOX))
    recorder = status.get("recorder")
    if recorder is None:
        found.add(Raised("recorder.down", BOX))
        return found
    found.update(Raised(_VOLUME_CODES[v["state"]], BOX) for v in recorder["volumes"] if v["state"] in _VOLUME_CODES)
    for camera in recorder["cameras"]:
        found.update(Raised(code, camera["id"]) for code in _of_camera(camera))
    return found


def _of_camera(camera: Mapping[str, Any]) -> Iterable[str]:
    if camera["state"] == "login_refused":
        yield "camera.login_refused"
    if not camera["connected"]:
        yield "camera.down"
    if not camera["recording"]:
        yield "camera.not_recording"
    if any(stream.get("loss_share", 0) > LOSS_SHARE for stream in camera.get("streams", ())):
        yield "camera.losing_packets"


def visible(held_s: Mapping[Raised, float]) -> set[Raised]:
    """Return what people are told, from what holds and for how long (seconds)."""
    ripe = {item for item, seconds in held_s.items() if seconds >= CONDITIONS[item.code].visible_after_s}
    return {item for item in ripe if not _hidden(item, held_s)}


def _hidden(item: Raised, held_s: Mapping[Raised, float]) -> bool:
    parents: Sequence[str] = CONDITIONS[item.code].depends_on
    return any(Raised(parent, subject) in held_s for parent in parents for subject in (item.subject, BOX))
