"""The state of the fleet, folded from events, and the board that shows it.

Owns the rules: what an event changes of a camera's state, and in what order a board lists sites.
Invariants: pure, no clock and no I/O; an event of an unknown type changes nothing; a later state wins
by order of arrival, never by a box's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

SILENT_BOX_MS = 5 * 60_000
"""A box speaks at least every minute; after five it is shown as lost."""


@dataclass(frozen=True, slots=True)
class CameraState:
    """What the board knows of one camera."""

    camera: str
    number: int
    state: str = "connecting"
    why: str = ""
    since_ms: int = 0
    recording: bool = False


@dataclass(frozen=True, slots=True)
class SiteBoard:
    """One line of the board."""

    gateway: str
    site: str
    lost: bool
    last_seen_ms: int | None
    version: str
    viewers: int
    cameras: tuple[CameraState, ...]

    @property
    def troubles(self) -> int:
        """Cameras that are not both connected and recording."""
        return sum(1 for camera in self.cameras if camera.state != "up" or not camera.recording)


def fold(camera: CameraState, kind: str, data: Mapping[str, object], at_ms: int) -> CameraState:
    """Return the camera's state after one event about it; `at_ms` is the box's time of the event."""
    match kind:
        case "vn.vuon.camera.state.v1":
            state, why = str(data.get("state", "")), str(data.get("why", ""))
            recording = camera.recording and state == "up"
            return replace(camera, state=state, why="" if state == "up" else why, since_ms=at_ms, recording=recording)
        case "vn.vuon.recording.started.v1" if data.get("stream") == "main":
            return replace(camera, recording=True, why="")
        case "vn.vuon.recording.stopped.v1" if data.get("stream") == "main":
            return replace(camera, recording=False, why=str(data.get("why", "")))
        case _:
            return camera


def worst_first(sites: list[SiteBoard]) -> list[SiteBoard]:
    """Order a board: lost boxes, then most troubles, then by name."""
    return sorted(sites, key=lambda site: (not site.lost, -site.troubles, site.site))
