"""What a guest's page and its scripts are told: pure functions.

Owns the JSON shape of `/api/observation` and the choice of a guest's screen. Invariant: a screen tells nothing about a
family, and of the teacher only her word.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gateway.core.model import PublicId
from web.board import Status
from web.observe_services import NO, YES, MyVisit
from web.views import screen_of

SCREENS: Mapping[str, str] = {
    "observation.consent": "families",
    "plan.nap": "nap",
    "plan.care": "care",
    "sharing.stopped": "stopped",
    "box.not_accepted": "stopped",
    "camera.private": "stopped",
    "clock.untrusted": "wait",
}
"""Screens of a visit that runs; every other reason shows `nothing`."""


def guest_screen(visit: MyVisit, state: str, now_ms: int, *, frozen: bool = False) -> str:
    """Return which screen a guest gets: live, offline, or one without any picture.

    Before the hour only the hour counts, and a teacher's no; within it the policy's reason.
    """
    decision = visit.decision
    if decision.allowed:
        return screen_of(decision, state, frozen=frozen)
    if now_ms >= visit.until_ms:
        return "over"
    if now_ms < visit.since_ms:
        return "declined" if visit.said == NO else "before"
    if decision.reason == "observation.assent" or visit.said != YES:
        return "declined" if visit.said == NO else "waiting"
    return SCREENS.get(decision.reason, "nothing")


def guest_view(visit: MyVisit, camera: PublicId | None, status: Status, now_ms: int) -> dict[str, Any]:
    """Return what a guest's page shows now; it is drawn again when screen, camera or the teacher's word change."""
    cam: Mapping[str, Any] = status.cameras.get(camera or "", {})
    screen = guest_screen(visit, str(cam.get("state", "down")), now_ms, frozen=bool(cam.get("frozen")))
    until_ms = visit.decision.until_ms
    return {
        "kind": "observation",
        "id": visit.id,
        "name": visit.class_name,
        "camera": camera,
        "screen": screen,
        "said": visit.said,
        "reason": visit.decision.reason,
        "until_ms": visit.until_ms if until_ms is None else min(until_ms, visit.until_ms),
        "next_ms": visit.since_ms if screen == "before" else visit.decision.next_ms,
        "since_ms": cam.get("since_ms") or cam.get("still_ms") if screen == "offline" else None,
    }
