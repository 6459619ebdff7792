"""What a viewer is given of video: as asked, smaller, a turn, or stills; from measured load and uplink.

Owns the rule, pure. Invariants: the principal always gets video; staff come before guardians; a budget that is not
configured (None) bounds nobody; when the box computes at its limit those who watch go on, and no
guardian and no large picture is added until it has fallen well below; `max_viewers` is not judged here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from gateway.core.model import Role

CPU_FULL, CPU_CALM = 0.85, 0.70
"""Of one core: the data plane is one thread."""
LATE_FULL, LATE_CALM = 0.5, 0.2
"""Share of the last seconds in which a frame left later than `LATE_MS`."""
LATE_MS = 200.0
UPLINK_SHARE = 0.95
"""Of the configured rate: the rest is for signalling, repairs and what a key frame brings in one go."""


class Place(StrEnum):
    """What is given."""

    VIDEO = "video"
    """As asked."""
    SMALLER = "smaller"
    """The sub stream though main was asked for."""
    TURN = "turn"
    """Video in turns with others; stills until then."""
    STILLS = "stills"
    """No video until things change; stills meanwhile."""


class Why(StrEnum):
    """Why less is given than was asked for."""

    NONE = ""
    CPU = "cpu"
    UPLINK = "uplink"


@dataclass(frozen=True, slots=True)
class Load:
    """What was measured over the last seconds."""

    cpu: float = 0.0
    """Share of one core that the daemon used."""
    late: float = 0.0
    """Share of the time in which frames left later than `LATE_MS` after they came from the camera."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What a viewer asks for."""

    role: Role
    outside: bool
    asked_bps: float
    """What the stream asked for draws; 0 = not known yet."""
    sub_bps: float | None = None
    """What the smaller one draws; None = there is no smaller one to be had."""


class Verdict(NamedTuple):
    """What is given, and why not more."""

    place: Place
    why: Why = Why.NONE


def is_full(load: Load, *, was_full: bool) -> bool:
    """Say whether the box computes at its limit; once it does, until it has fallen well below."""
    cpu, late = (CPU_CALM, LATE_CALM) if was_full else (CPU_FULL, LATE_FULL)
    return load.cpu >= cpu or load.late >= late


def admit(wish: Wish, *, full: bool, free_bps: float | None) -> Verdict:
    """Judge a viewer that comes; `free_bps` is the uplink's budget less what the principal and staff outside draw.

    Guardians' seats are no obstacle to staff: `Turns` gives them up as its budget shrinks.
    """
    tight = wish.outside and free_bps is not None
    if wish.role is Role.PRINCIPAL:
        if tight and wish.asked_bps > (free_bps or 0.0) and wish.sub_bps is not None:
            return Verdict(Place.SMALLER, Why.UPLINK)
        return Verdict(Place.VIDEO)
    if wish.role is Role.GUARDIAN:
        if tight:  # a change of turns costs nothing more; how many sit, `Places` bounds
            return Verdict(Place.TURN, Why.CPU if full else Why.UPLINK)
        return Verdict(Place.STILLS, Why.CPU) if full else Verdict(Place.VIDEO)
    if tight and wish.asked_bps > (free_bps or 0.0):
        fits = wish.sub_bps is not None and wish.sub_bps <= (free_bps or 0.0)
        return Verdict(Place.SMALLER if fits else Place.STILLS, Why.UPLINK)
    if full:
        return Verdict(Place.SMALLER if wish.sub_bps is not None else Place.STILLS, Why.CPU)
    return Verdict(Place.VIDEO)
