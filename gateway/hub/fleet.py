"""The state of the fleet, folded from events, and the board that shows it.

Owns the rules: what an event changes of a camera's state, which pip a camera gets, and in what order a
board lists sites. Invariants: pure, no clock and no I/O; an event of an unknown type changes nothing; a
later state wins by order of arrival in its lane, never by a box's clock (so `camera.state`,
`recording.started` and `recording.stopped` share a lane: a test holds that).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

SILENT_BOX_MS = 5 * 60_000
"""A box speaks at least every minute; after five it is shown as lost."""

STATES = frozenset({"up", "down", "login_refused", "silent", "connecting"})
RECORDER_DOWN = "recorder.down"
WARNINGS = frozenset({"camera.losing_packets", "camera.frozen", "camera.clock_off"})
"""Conditions of a camera that its state does not show already."""

UNTOLD = frozenset({"hub.unreachable"})
"""Conditions that are over when we hear of them."""


class Kind(StrEnum):
    """A camera's pip, worst first."""

    LOST = "lost"
    WEAK = "weak"
    GOOD = "good"


@dataclass(frozen=True, slots=True)
class CameraState:
    """What the board knows of one camera."""

    camera: str
    number: int
    state: str = "connecting"
    why: str = ""
    since_ms: int = 0
    recording: bool = False
    warning: str = ""
    """Code of a condition that makes it weak although it is connected and recorded."""

    @property
    def kind(self) -> Kind:
        """Good is connected, recorded and without a warning; weak is all that is not yet lost."""
        if self.state == "up":
            return Kind.GOOD if self.recording and not self.warning else Kind.WEAK
        return Kind.WEAK if self.state == "connecting" else Kind.LOST

    def warned(self, warning: SiteCondition) -> CameraState:
        """Return the camera with a warning; one that was good is not, since then."""
        since_ms = warning.since_ms if self.kind is Kind.GOOD else self.since_ms
        return replace(self, warning=warning.code, since_ms=since_ms)


@dataclass(frozen=True, slots=True)
class SiteCondition:
    """One condition of a box as a whole, or of one camera."""

    code: str
    since_ms: int


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
    conditions: tuple[SiteCondition, ...] = ()

    def kind_of(self, camera: CameraState) -> Kind:
        """Return a camera's pip on this box: nothing is recorded without a recorder, or known without a box."""
        down = self.lost or any(condition.code == RECORDER_DOWN for condition in self.conditions)
        return Kind.LOST if down else camera.kind

    def count(self, kind: Kind) -> int:
        """Return how many cameras have this pip."""
        return sum(1 for camera in self.cameras if self.kind_of(camera) is kind)

    @property
    def troubles(self) -> int:
        """Cameras that are not good, and conditions of the box."""
        return len(self.cameras) - self.count(Kind.GOOD) + len(self.conditions)


def fold(camera: CameraState, kind: str, data: Mapping[str, object], at_ms: int) -> CameraState:
    """Return the camera's state after one event about it; `at_ms` is when it happened."""
    after = _after(camera, kind, data)
    if (after.kind is Kind.GOOD) is not (camera.kind is Kind.GOOD):
        return replace(after, since_ms=at_ms)
    return after


def _after(camera: CameraState, kind: str, data: Mapping[str, object]) -> CameraState:
    state, why = str(data.get("state", "")), str(data.get("why", ""))[:64]
    main = data.get("stream") == "main"
    match kind:
        case "vn.vuon.camera.state.v1" if state == "up":
            # Connected again says nothing about footage; the cause of a gap that goes on stays unknown.
            return replace(camera, state=state, why="" if camera.state != "up" else camera.why)
        case "vn.vuon.camera.state.v1" if state == "swapped":  # to the fleet it is lost; the cause says how
            return replace(camera, state="down", why=why)
        case "vn.vuon.camera.state.v1" if state in STATES:
            return replace(camera, state=state, why=why)
        case "vn.vuon.recording.started.v1" if main:
            return replace(camera, recording=True, why="" if camera.state == "up" else camera.why)
        case "vn.vuon.recording.stopped.v1" if main:
            return replace(camera, recording=False, why=why if camera.state == "up" else camera.why)
        case _:
            return camera


def worst_first(sites: Sequence[SiteBoard]) -> list[SiteBoard]:
    """Order a board: lost boxes, then most cameras lost, then most that is weak, then by name."""
    return sorted(sites, key=lambda site: (not site.lost, -site.count(Kind.LOST), -site.troubles, site.site))
