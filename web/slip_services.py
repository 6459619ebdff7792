"""What the pages need for slips and bound devices, as narrow protocols.

Owns the values that cross and `SlipDoor`, `InviteDoor`. Invariants: whose act it is comes from the session or from a
proof of a key; nothing here carries a phone number, only its end where the asker may know it; a slip's secret comes out
once, to whoever made it. All times are UTC milliseconds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from gateway.core.model import PublicId, Secret
from web.caller import Caller, Peer, SignedIn


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a slip says to whoever holds it, before any digit."""

    class_name: str
    kind: str
    asks_digits: bool
    expires_ms: int


@dataclass(frozen=True, slots=True)
class KeyProof:
    """A browser's public key ("" where it is known), and a challenge signed with it; base64url."""

    key: str
    challenge: str
    signature: str


@dataclass(frozen=True, slots=True)
class Bound:
    """A browser that was bound: the id of its key, and its session unless the school has to approve first."""

    key: PublicId
    signed_in: SignedIn | None


@dataclass(frozen=True, slots=True)
class Standing:
    """waiting, approved or refused (with the school's words)."""

    state: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class DeviceRow:
    """A bound device for its owner or the school."""

    id: PublicId
    label: str
    since_ms: int
    approved: bool
    seen_ms: int | None = None
    here: bool = False
    """It is the one that asks."""


@dataclass(frozen=True, slots=True)
class Tie:
    """For whom a guardian stands."""

    child: str
    class_name: str
    kind: str


class SlipDoor(Protocol):
    """Slips and keys, for anybody; own devices, for their guardian."""

    def challenge(self) -> str:
        """Return something to sign, good for two minutes and once."""

    async def look(self, secret: Secret, peer: Peer) -> Invitation:
        """Say what a slip is for, spending nothing; CodeRefused."""

    async def bind(self, secret: Secret, digits: str, proof: KeyProof, replaces: str, peer: Peer) -> Bound:
        """Spend a slip for a browser that proves its key; CodeRefused with `left` or `devices` where that helps."""

    async def enter(self, key: str, proof: KeyProof, peer: Peer) -> SignedIn:
        """Begin or renew the session of a bound browser; CodeRefused."""

    async def standing(self, key: str) -> Standing:
        """Say how far a bound browser is; NotFound."""

    def changes(self) -> AbstractContextManager[AsyncIterator[object]]:
        """Subscribe to hints that a standing may have changed."""

    def hand_over(self, caller: Caller) -> Secret | None:
        """Return a token for the app on the home screen; None for a session without a device."""

    async def take_over(self, token: Secret, proof: KeyProof, peer: Peer) -> Bound:
        """Bind the app; CodeRefused."""

    async def devices(self, caller: Caller) -> Sequence[DeviceRow]:
        """Return the caller's own devices."""

    async def end_device(self, caller: Caller, device: PublicId) -> None:
        """End one: own, or as the school; NotFound for any other."""

    def ties(self, caller: Caller) -> Sequence[Tie]:
        """Return for whom the caller stands."""


@dataclass(frozen=True, slots=True)
class InviteRow:
    """A guardian of a class, for whoever may invite."""

    person: PublicId
    name: str
    child: str
    kind: str
    phone: str
    """Masked; empty: the school holds none."""
    state: str
    """none, invited, waiting, bound."""
    slip_ends_ms: int | None
    devices: tuple[DeviceRow, ...]


@dataclass(frozen=True, slots=True)
class EndedDevice:
    """A guardian's device that was ended."""

    name: str
    """Whose it was."""
    label: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class PrintedSlip:
    """A fresh slip for the printer; a lost one tells no family name and no number."""

    child: str
    """Given name only."""
    class_name: str
    kind: str
    url: Secret
    code: Secret
    expires_ms: int


@dataclass(frozen=True, slots=True)
class PresentGuardian:
    """Another guardian of the child who is in already."""

    name: str
    kind: str
    devices: int


@dataclass(frozen=True, slots=True)
class WaitingRow:
    """A device that waits for the school's yes."""

    device: PublicId
    name: str
    ties: tuple[Tie, ...]
    phone: str
    label: str
    since_ms: int
    own_devices: int
    others: tuple[PresentGuardian, ...]


class InviteDoor(Protocol):
    """Slips, devices and approval, for the school."""

    def classes(self, caller: Caller) -> Sequence[tuple[PublicId, str]]:
        """Return the classes whose guardians the caller may invite, by name."""

    def may_approve(self, caller: Caller) -> bool:
        """Say whether the caller approves devices."""

    async def rows(self, caller: Caller, class_id: PublicId) -> Sequence[InviteRow]:
        """Return the guardians of a class; NotFound, Denied."""

    async def devices(self, caller: Caller, person: PublicId) -> Sequence[DeviceRow]:
        """Return a guardian's devices to whoever may end them; none to anybody else."""

    async def ended(self, caller: Caller, device: PublicId) -> EndedDevice | None:
        """Return a device that has just ended to whoever may end such a one; else, and for any other, None."""

    async def slips(self, caller: Caller, persons: Sequence[PublicId], *, checked: bool) -> Sequence[PrintedSlip]:
        """Make slips, each replacing an older one; NotFound, Denied. Nothing is made unless all may be."""

    async def waiting(self, caller: Caller) -> Sequence[WaitingRow]:
        """Return what waits, oldest first; Denied."""

    async def waiting_count(self) -> int:
        """Return how many wait."""

    async def approve(self, caller: Caller, device: PublicId) -> None:
        """Let a device in; NotFound, Denied, BadInput."""

    async def refuse(self, caller: Caller, device: PublicId, why: str) -> None:
        """Turn it away; NotFound, Denied, BadInput."""
