"""What pages and scripts are told of cameras, classes and troubles: pure functions, no I/O.

Owns the JSON shapes of `/api/cameras` and `/api/class` and the choice of a guardian's screen. Invariants:
recording and viewing are two facts, shown apart; states are keys, texts come from the catalogue; a
guardian's shape holds no technical reason, no count of viewers and no hint of another family.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from gateway.access.reasons import told_decision
from gateway.core.model import Decision, PublicId, Role, StreamRole
from web.board import Status
from web.services import ClassDay, KnownCamera, OpenView, Sharing

STATES = frozenset({"up", "connecting", "down", "silent", "login_refused", "swapped"})
TROUBLE_ORDER = ("swapped", "norec", "down", "login_refused", "frozen", "silent", "unknown")
"""Worst first: a stranger in a camera's place; then not recording is the alarm, whatever the picture does."""
MAX_TROUBLES = 3
RESTING = "ok"
CAMERA_FIGURES = ("fps", "bitrate_bps", "last_segment_ms", "gaps_today", "gap_seconds_today")
STREAM_FACTS = ("stream", "recording", "codec", "width", "height", "fps", "bitrate_bps", "lost_packets")


def camera_view(known: KnownCamera, status: Status, watching: Sequence[OpenView]) -> dict[str, Any]:
    """Return one camera as staff see it."""
    cam = status.cameras.get(known.id, {})
    state = str(cam.get("state", "unknown"))
    recording = bool(cam.get("recording", False))
    here = [view for view in watching if view.camera == known.id]
    view = {
        "id": known.id,
        "name": cam.get("name") or known.place or known.id,
        "place": known.place,
        "group": known.group,
        "state": state if state in STATES else "unknown",
        "recording": recording,
        "frozen": bool(cam.get("frozen", False)),
        "sharing": known.sharing,
        "viewers": len(here),
        "guardians": sum(view.role is Role.GUARDIAN for view in here),
    }
    trouble = trouble_of(view, reachable=status.reachable)
    since_ms = None if trouble == RESTING else cam.get("since_ms") or cam.get("last_segment_ms") or cam.get("still_ms")
    return view | {"trouble": trouble, "since_ms": since_ms}


def camera_facts(known: KnownCamera, status: Status, watching: Sequence[OpenView], *, names: bool) -> dict[str, Any]:
    """Return one camera with its figures, encodings and viewers; guardians' names only with `names`."""
    cam = status.cameras.get(known.id, {})
    people = [
        {
            "name": item.name,
            "role": item.role,
            "since_ms": item.since_ms,
            "how": [key for key in (item.way, item.quality) if key],
        }
        for item in watching
        if item.camera == known.id and (names or item.role is not Role.GUARDIAN)
    ]
    figures = {key: cam.get(key) for key in CAMERA_FIGURES}
    return camera_view(known, status, watching) | figures | {"streams": stream_facts(cam), "people": people}


def trouble_of(view: Mapping[str, Any], *, reachable: bool) -> str:
    """Return what is wrong with a camera, or "ok"; while the recorder is silent, nothing is known."""
    if not reachable:
        return "unknown"
    if view["state"] == "up":
        standing = "frozen" if view.get("frozen") else RESTING
        return standing if view["recording"] else "norec"
    return RESTING if view["state"] == "connecting" else str(view["state"])


def stream_facts(cam: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the encodings of a camera for its page; no address, no run number."""
    streams = sorted(cam.get("streams", ()), key=lambda stream: stream.get("stream") != StreamRole.MAIN)
    return [{key: stream.get(key) for key in STREAM_FACTS} for stream in streams]


def grid_view(
    known: Sequence[KnownCamera],
    status: Status,
    watching: Sequence[OpenView],
    sharing: Sharing,
    now_ms: int,
) -> dict[str, Any]:
    """Return everything the grid shows, in the order of `known`."""
    cameras = [camera_view(item, status, watching) for item in known]
    mine = {item.id for item in known}
    guardians = {view.person for view in watching if view.role is Role.GUARDIAN and view.camera in mine}
    return {
        "now_ms": now_ms,
        "recorder": status.reachable,
        "disk_pct": disk_percent(status.volumes),
        "disks_away": disks_away(status.volumes),
        "working": sum(view["trouble"] == RESTING for view in cameras),
        "watching": len(guardians),
        "sharing": {"stopped": sharing.stopped, "since_ms": sharing.since_ms},
        "troubles": troubles(cameras),
        "cameras": cameras,
    }


def troubles(cameras: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the worst few for the strip above the grid; the tiles themselves never move."""
    bad = [view for view in cameras if view["trouble"] in TROUBLE_ORDER]
    bad.sort(key=lambda view: TROUBLE_ORDER.index(view["trouble"]))
    return [
        {"id": view["id"], "name": view["name"], "trouble": view["trouble"], "since_ms": view["since_ms"]}
        for view in bad[:MAX_TROUBLES]
    ]


def disk_percent(volumes: Iterable[Mapping[str, Any]]) -> int | None:
    """Return how full the footage disks are together, or None if the recorder names none."""
    total = free = 0
    for volume in volumes:
        if is_away(volume):
            continue  # its figures are those of whatever lies at its place now
        total += int(volume.get("total_bytes") or 0)
        free += int(volume.get("free_bytes") or 0)
    return round(100 * (total - free) / total) if total else None


def disks_away(volumes: Iterable[Mapping[str, Any]]) -> int:
    """Return how many footage disks cannot be read: what lies on them looks as if it had never been recorded."""
    return sum(map(is_away, volumes))


def is_away(volume: Mapping[str, Any]) -> bool:
    """Say whether a disk is not in use: missing, another one, or one that cannot be opened."""
    return volume.get("id") == ""


def groups(known: Iterable[KnownCamera]) -> list[tuple[str, int]]:
    """Return the filter's groups with their sizes, in order of first appearance."""
    return list(Counter(item.group for item in known if item.group).items())


SCREENS: Mapping[str, str] = {
    "plan.nap": "nap",
    "plan.care": "care",
    "calendar.closed": "holiday",
    "class.paused": "paused",
    "class.not_open": "paused",
    "class.staff_notice": "paused",
    "sharing.stopped": "paused",
    "camera.private": "paused",
    "box.not_accepted": "paused",
    "consent.missing": "consent",
    "device.other": "device",
    "clock.untrusted": "wait",
}
"""One row per reason that is not "closed at this hour". What hides a class from all its guardians shows the
same screen whoever caused it, so that no family learns of another's answer."""


def screen_of(decision: Decision, state: str, *, frozen: bool = False) -> str:
    """Return which screen a guardian gets: live, offline, or one without any picture.

    A picture that stands still is not live, though packets go on.
    """
    if decision.allowed:
        return "live" if state in {"up", "connecting"} and not frozen else "offline"
    return SCREENS.get(decision.reason, "closed")


def class_view(day: ClassDay, camera: PublicId | None, status: Status) -> dict[str, Any]:
    """Return what a guardian's page shows of a class now; the page is drawn again when `screen` changes."""
    cam: Mapping[str, Any] = status.cameras.get(camera or "", {})
    decision = told_decision(day.decision)
    screen = screen_of(decision, str(cam.get("state", "down")), frozen=bool(cam.get("frozen")))
    return {
        "id": day.id,
        "name": day.name,
        "camera": camera,
        "screen": screen,
        "reason": decision.reason,
        "until_ms": decision.until_ms,
        "next_ms": decision.next_ms,
        "since_ms": cam.get("since_ms") or cam.get("still_ms") if screen == "offline" else None,
    }
