"""Every event the box can emit: wire name, lane, fields.

Owns the registry and the `Event` value. Invariants: types end in `.v1` and change only by adding
fields; an event is immutable and carries no name, picture or free text (the allow-list of fields that
may leave the school is `gateway.upstream.payload`, a test compares the two); `docs/ref/events.md` and
both catalogues list every type (tests).
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Lane(StrEnum):
    """Three numbered streams to the hub, so that routine never delays an alarm."""

    ALARM = "alarm"
    REPORT = "report"
    ROUTINE = "routine"


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event: its name on the wire, its lane, its fields with their meaning."""

    name: str
    lane: Lane
    fields: Mapping[str, str]


def _t(name: str, lane: Lane, /, **fields: str) -> EventType:
    return EventType(f"{name}.v1", lane, fields)


_SOURCES = (
    # recorder: facts from its journal
    _t("camera.found", Lane.ROUTINE, camera="public id, empty until adopted"),
    # what the hub folds into a camera's state shares one lane, because lanes overtake each other
    _t("camera.adopted", Lane.ALARM, camera="public id", driver="onvif, rtsp, simulated", streams="number of streams"),
    _t("camera.removed", Lane.ALARM, camera="public id"),
    _t(
        "camera.state",
        Lane.ALARM,
        camera="public id",
        state="up, down, login_refused, silent, swapped",
        why="error code",
    ),
    _t("camera.replaced", Lane.ROUTINE, camera="public id"),
    _t("camera.address", Lane.ROUTINE, camera="public id"),
    _t(
        "camera.reported",
        Lane.ROUTINE,
        camera="public id",
        kind="motion, tamper, input, hardware: what the camera itself says",
        state="on or off",
        seconds="length of what ended",
    ),
    _t(
        "camera.settings",
        Lane.ROUTINE,
        camera="public id",
        action="apply or undo",
        applied="settings the camera took",
        failed="settings it did not take, or that were left untouched after a failure",
    ),
    _t("recording.started", Lane.ALARM, camera="public id", stream="main or sub", run="run number"),
    _t("recording.stopped", Lane.ALARM, camera="public id", stream="main or sub", why="gap cause"),
    _t("recording.gap", Lane.ROUTINE, camera="public id", stream="main or sub", why="gap cause", seconds="length"),
    _t(
        "recording.completeness",
        Lane.REPORT,
        camera="public id",
        day="school day, YYYY-MM-DD in the site's zone",
        percent="of its hours that are recorded",
        expected="seconds that were to be recorded",
        missing="seconds that are not",
        why="gap cause of most of them, empty if none",
    ),
    _t(
        "volume.state",
        Lane.ALARM,
        volume="number",
        state="ok, missing, wrong, read_only, full, failing",
        free_pct="percent free",
    ),
    _t("footage.key", Lane.ALARM, what="unlocked, locked, passphrase, rotated, handover, holder"),
    _t(
        "footage.erased",
        Lane.ALARM,
        camera="public id, empty for everything on the box",
        keys="keys that were destroyed",
        files="files that were erased",
    ),
    _t(
        "volume.reindexed",
        Lane.ROUTINE,
        volume="number",
        segments="files in the index made anew",
        damaged="files without one readable record",
    ),
    _t("clock.step", Lane.ROUTINE, step_ms="how far wall time jumped"),
    # gateway: its own facts
    _t("box.started", Lane.ROUTINE, version="software version", boot="boot id"),
    _t("box.summary", Lane.REPORT, cameras="adopted", recording="recording now", viewers="watching now"),
    _t("access.login", Lane.ALARM, role="role", outcome="ok or reason code"),
    _t("access.granted", Lane.ROUTINE, role="role", action="action", camera="public id"),
    _t("access.denied", Lane.ROUTINE, role="role", action="action", reason="reason code"),
    _t("access.changed", Lane.ROUTINE, what="code of the change", version="facts version after it"),
    _t("access.revoked", Lane.ALARM, reason="reason code", sessions="number ended"),
    _t("export.requested", Lane.REPORT, camera="public id", order="public id of the order"),
    _t("export.approved", Lane.REPORT, camera="public id", order="public id of the order"),
    _t("export.done", Lane.REPORT, camera="public id", order="public id of the order"),
    _t("sharing.stopped", Lane.ALARM, state="on or off"),
    _t("audit.checkpoint", Lane.ALARM, seq="last audit row", head="hex SHA-256", signature="base64 Ed25519"),
    _t("upstream.dropped", Lane.ALARM, lane="lane", documents="number dropped unsent, over the quota"),
    _t("condition.raised", Lane.ALARM, condition="code", about="public id or box"),
    _t("condition.cleared", Lane.ALARM, condition="code", about="public id or box"),
)
EVENT_TYPES: Mapping[str, EventType] = {kind.name: kind for kind in _SOURCES}


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `id` is a UUIDv7 for people and links, order is by lane number."""

    id: str
    type: str
    at_ms: int
    """UTC ms by the box's clock; trust it only if `time_trusted`."""
    time_trusted: bool
    mono_ms: int
    """Monotonic ms of this boot, to repair times after the clock was set."""
    data: Mapping[str, str | int | float | bool]
    subject: str = ""
    """Public id of the camera, class or person concerned; empty for the box."""

    @property
    def lane(self) -> Lane:
        """The numbered stream this event travels in."""
        return EVENT_TYPES[self.type].lane


def uuid7(now_ms: int, random_bytes: bytes | None = None) -> str:
    """Return a UUIDv7 (RFC 9562 §5.7) for a wall time; `random_bytes` are 10 bytes."""
    raw = bytearray(now_ms.to_bytes(6, "big") + (random_bytes or os.urandom(10)))
    raw[6] = raw[6] & 0x0F | 0x70
    raw[8] = raw[8] & 0x3F | 0x80
    return str(uuid.UUID(bytes=bytes(raw)))


def make_event(
    name: str, *, now_ms: int, mono_ns: int, trusted: bool, subject: str = "", **data: str | float | bool
) -> Event:
    """Build an event of a registered type; KeyError or ValueError for an unknown type or field."""
    kind = EVENT_TYPES[f"{name}.v1"]
    unknown = set(data) - set(kind.fields)
    if unknown:
        raise ValueError(f"{kind.name} has no field {sorted(unknown)}")
    return Event(uuid7(now_ms), kind.name, now_ms, trusted, mono_ns // 1_000_000, data, subject)
