"""What needs somebody: one line for each cause at each site, worst first.

Owns the grouping and the order of the authority's list. Invariants: pure; a lost box is one line however
many cameras it has; cameras of one site in the same state for the same reason are one line, since the
first of them; every camera that is not good is in exactly one line.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from gateway.hub.fleet import RECORDER_DOWN, CameraState, Kind, SiteBoard


class Trouble(NamedTuple):
    """One line: where, what, why, since when."""

    site: str
    gateway: str
    kind: str
    """box, lost or weak: how loud, and which sign it gets."""
    what: str
    """box_lost, a condition's code, or the cameras' state."""
    why: str
    """Error code, gap cause or condition behind it; empty = not known."""
    cameras: tuple[int, ...]
    """Numbers of the cameras concerned; empty = the box itself."""
    since_ms: int | None


_LOUDNESS = {"box": 0, "lost": 1, "weak": 2}
_YELLOW = frozenset({"live.down", "clock.untrusted", "camera.losing_packets", "camera.clock_off"})


def troubles(sites: Sequence[SiteBoard]) -> list[Trouble]:
    """Return every trouble: lost boxes, then what is lost, then what is weak; the larger and older first."""
    found = [trouble for site in sites for trouble in _of_site(site)]
    return sorted(found, key=lambda item: (_LOUDNESS[item.kind], -len(item.cameras), item.since_ms or 0, item.site))


def _of_site(site: SiteBoard) -> list[Trouble]:
    if site.lost:
        return [Trouble(site.site, site.gateway, "box", "box_lost", "", (), site.last_seen_ms)]
    found = [
        Trouble(
            site.site,
            site.gateway,
            "weak" if condition.code in _YELLOW else "lost",
            condition.code,
            condition.code,
            (),
            condition.since_ms,
        )
        for condition in site.conditions
    ]
    if any(condition.code == RECORDER_DOWN for condition in site.conditions):
        return found
    groups: dict[tuple[Kind, str, str], list[CameraState]] = {}
    for camera in site.cameras:
        if camera.kind is not Kind.GOOD:
            groups.setdefault((camera.kind, _what(camera), _why(camera)), []).append(camera)
    found.extend(
        Trouble(
            site.site,
            site.gateway,
            kind.value,
            what,
            why,
            tuple(camera.number for camera in cameras),
            min(camera.since_ms for camera in cameras),
        )
        for (kind, what, why), cameras in groups.items()
    )
    return found


def _what(camera: CameraState) -> str:
    if camera.state != "up":
        return camera.state
    return "not_recording" if not camera.recording else "weak"


def _why(camera: CameraState) -> str:
    if camera.state == "up" and camera.recording:
        return camera.warning
    return camera.why or ("camera_login" if camera.state == "login_refused" else "")
