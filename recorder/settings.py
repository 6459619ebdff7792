"""What the recorder says and hears about settings on cameras.

Owns the words between the control socket and whoever speaks to cameras. Pure. Invariants: a setting is a
key and texts; no value here carries a password but `Keeper`'s arguments.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from gateway.core.model import Login
from recorder.registry import Camera, StreamSpec


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One setting as it is and as it should be."""

    setting: str
    before: str
    after: str
    blocked: str = ""
    """Why it cannot be changed from here, a code; "" = it can."""


@dataclass(frozen=True, slots=True)
class SettingOutcome:
    """What became of a change."""

    change: SettingChange
    applied: bool
    now: str
    """As read back."""
    why: str = ""
    """A code, when it was not applied."""


@dataclass(frozen=True, slots=True)
class SettingsWish:
    """What a person asks for beyond what every camera should be."""

    keys: frozenset[str] = frozenset()
    """Only these settings; empty = all but the factory password, which is changed only by name."""
    masks: tuple[tuple[tuple[float, float], ...], ...] | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """The end of an order: each outcome, and what the camera's streams now are (empty: not asked)."""

    outcomes: tuple[SettingOutcome, ...]
    streams: tuple[StreamSpec, ...] = ()


class Keeper(Protocol):
    """Takes the logins that are made on the way."""

    async def keep(self, login: Login) -> None:
        """Use this login from now on; it is proven."""

    async def let_go(self) -> None:
        """Wait, not for ever, until nobody logs in by the login of before."""

    async def show(self, login: Login) -> None:
        """Hand this login to the person who asked; it is not stored."""

    async def former(self) -> Login | None:
        """Return the login before our own user, for an undo."""

    async def forget_former(self) -> None:
        """Drop that login: the camera refused it."""


class CameraSetter(Protocol):
    """Speaks to a camera about its settings. All methods raise `CameraError`; `gate` is the camera's login budget."""

    async def plan(self, camera: Camera, gate: Any, wish: SettingsWish) -> Sequence[SettingChange]:
        """Say what would have to change; changes nothing. BadInput names a key that is no setting."""

    async def apply(self, camera: Camera, gate: Any, changes: Sequence[SettingChange], keeper: Keeper) -> Settled:
        """Make the changes one by one, each read back; the first surprise ends it."""
