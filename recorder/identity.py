"""What makes a camera the same camera: a device by its marks, and which of its channels.

Owns `Identity` and the rules that compare two. Pure. Invariants: no mark decides alone where others are known
(a MAC was seen on two cameras, a serial on clones, an endpoint reference changes with a factory reset); an
unknown mark says nothing; the channel tells the cameras of one recorder apart and never two devices.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

MOST_CHANNELS = 256
"""Recorders have up to 64 channels, the largest decoders 256."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The marks of a device, empty where unknown, and the channel of it."""

    endpoint: str = ""
    """WS-Discovery endpoint reference."""
    mac: str = ""
    serial: str = ""
    channel: int = 0
    """From 1, as recorders number them; 0 = the device is one camera, or nobody said (then it is the first)."""

    @property
    def marks(self) -> tuple[str, str, str]:
        """What names the device, whatever the channel."""
        return self.endpoint, self.mac, self.serial


class Verdict(StrEnum):
    """Whether what answers is what we know."""

    SAME = "same"
    OTHER = "other"
    UNSURE = "unsure"
    """No mark is known on both sides, or they contradict each other evenly."""


class _About(Protocol):
    @property
    def identity(self) -> Identity: ...


class Identified(Protocol):
    """Anything with an identity inside: an adopted camera."""

    @property
    def about(self) -> _About:
        """What adoption learned of it."""


T = TypeVar("T", bound=Identified)


def _agreements(ours: Identity, theirs: Identity) -> list[bool]:
    return [one == other for one, other in zip(ours.marks, theirs.marks, strict=True) if one and other]


def same_device(ours: Identity, theirs: Identity) -> bool:
    """Say whether both name one device: at least one mark is known to both, and none of those differs."""
    known = _agreements(ours, theirs)
    return bool(known) and all(known)


def same_channel(ours: Identity, theirs: Identity) -> bool:
    """Say whether both name the same channel; a device without channels is its own first."""
    return (ours.channel or 1) == (theirs.channel or 1)


def same_camera(cameras: Iterable[T], identity: Identity) -> T | None:
    """Return the camera this identity is: the same device, the same channel; None if it is none of them.

    A mark that both sides know and that differs speaks against it: a swapped camera is another one.
    """
    return next(
        (camera for camera in of_device(cameras, identity) if same_channel(camera.about.identity, identity)), None
    )


def of_device(cameras: Iterable[T], identity: Identity) -> tuple[T, ...]:
    """Return all cameras of the device with these marks, whatever their channel."""
    return tuple(camera for camera in cameras if same_device(camera.about.identity, identity))


def judge(ours: Identity, theirs: Identity) -> Verdict:
    """Say whether the device that answers at a camera's address is that camera's: the majority of the marks.

    More lenient than `same_device`: it stops a recording, so that one mark changed by a new firmware must not.
    """
    known = _agreements(ours, theirs)
    votes = 2 * sum(known) - len(known)
    if votes == 0:
        return Verdict.UNSURE
    return Verdict.SAME if votes > 0 else Verdict.OTHER
