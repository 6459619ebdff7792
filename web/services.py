"""What the pages need of the rest of the box, as narrow protocols.

Owns the `Services` bundle that `create_app` takes and the values that cross it. Invariants: web asks
and translates, it decides nothing: whether a person may, and until when, is always an answer from
`Rights` or `LiveDoor`; no type here carries a camera's address or password, or another person's name
where the asker may not read it. All times are UTC milliseconds.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Protocol

from gateway.core.clock import Clock
from gateway.core.model import Action, Decision, Grant, ObjectRef, PublicId, Secret
from web.caller import Caller
from web.consent_services import ConsentDoor
from web.copy_services import CopyDoor, HoldDoor
from web.footage_services import (
    HourIndex,
    KeyDoor,
    OpenedPlayback,
    PlaybackDoor,
    RecorderPort,
    SegmentSize,
    Still,
)
from web.ledger_services import LedgerDoor
from web.live_services import LiveDoor, OpenedLive, OpenView
from web.observe_services import ObserveDoor
from web.people_services import ListDoor, PeopleDoor
from web.room_services import Rooms
from web.signin_services import AccountDoor
from web.slip_services import InviteDoor, SlipDoor
from web.why_services import WhyDoor

__all__ = [
    "HourIndex",
    "KeyDoor",
    "LiveDoor",
    "OpenView",
    "OpenedLive",
    "OpenedPlayback",
    "PlaybackDoor",
    "RecorderPort",
    "SegmentSize",
    "Still",
]
"""Doors of rooms in modules of their own; beside those that are here, they are found here."""


class Logins(Protocol):
    """Sessions."""

    async def session(self, token: Secret, *, active: bool) -> Caller | None:
        """Return who holds the token; `active` = a person acted, so that idling starts over."""

    async def player(self, token: Secret) -> Caller | None:
        """Return whose player holds the token: a staff member's, for live video alone."""

    async def sign_out(self, token: Secret) -> None:
        """End the session and every stream it opened; a guardian's device is unbound."""


@dataclass(frozen=True, slots=True)
class KnownCamera:
    """A camera that the asker may know of (which says nothing about seeing it now)."""

    id: PublicId
    place: str = ""
    """Class or area it shows; empty if none is set."""
    class_id: PublicId | None = None
    """None: a common area, which guardians never know of."""
    group: str = ""
    """Age group for the grid's filter."""
    sharing: str = "staff"
    """open, closed (by time), paused (by the school) or staff (no class)."""


@dataclass(frozen=True, slots=True)
class DayBlock:
    """One part of a class's day plan."""

    start_ms: int
    end_ms: int
    kind: str = "other"
    """arrival, lesson, meal, nap, ...: the catalogue's `block.<kind>`."""
    open: bool = False
    """Whether guardians may see."""


@dataclass(frozen=True, slots=True)
class ClassDay:
    """What a guardian may know of one class today."""

    id: PublicId
    name: str
    child: str
    cameras: tuple[PublicId, ...]
    decision: Decision
    """May the asker see it live now, until when, and what next."""
    windows: tuple[tuple[int, int], ...] = ()
    blocks: tuple[DayBlock, ...] = ()
    note: str = ""
    """The holiday's name, if today is one."""


class Rights(Protocol):
    """The policy's answers."""

    def knows(self, caller: Caller, obj: ObjectRef) -> bool:
        """Say whether the person may know that this exists; False looks like "does not exist"."""

    def decide(self, caller: Caller, action: Action, obj: ObjectRef) -> Decision:
        """Return the decision at this instant, without leaving an audit row."""

    async def refused(self, caller: Caller, action: Action, obj: ObjectRef) -> None:
        """Leave an audit row of a refusal (or of looking for what is not there); repeats of a minute are counted."""

    def came_from(self, caller: Caller, address: str) -> None:
        """Note the address of a request: some classes are seen at the school only."""

    def cameras(self, caller: Caller) -> Sequence[KnownCamera]:
        """Return the cameras the person may know of, in the order they are shown."""

    def classes(self, caller: Caller) -> Sequence[ClassDay]:
        """Return a guardian's classes, their children's first."""

    async def grant(self, caller: Caller, action: Action, camera: PublicId) -> Grant:
        """Decide with an audit row; Denied with `reason` and `next_ms`, NotFound for what is not known."""


@dataclass(frozen=True, slots=True)
class Sharing:
    """The switch that stops all guardians at once."""

    stopped: bool = False
    since_ms: int | None = None


class SharingSwitch(Protocol):
    """Stop and resume sharing with guardians, school-wide."""

    def state(self) -> Sharing:
        """Return the switch's position."""

    async def stop(self, caller: Caller) -> None:
        """End every guardian's stream and refuse new ones."""

    async def resume(self, caller: Caller) -> None:
        """Let the policy decide again."""


@dataclass(frozen=True, slots=True)
class Change:
    """A hint that something the person sees is different now."""

    kind: str
    """facts (rights or plan), ended (one of the person's live sessions), signed_out."""
    session: str = ""
    reason: str = ""


class Changes(Protocol):
    """What happens to a person while a page is open."""

    def of(self, caller: Caller) -> AbstractContextManager[AsyncIterator[Change]]:
        """Subscribe; bounded, the oldest hint is dropped first."""


class WaitDoor(Protocol):
    """How much waits for somebody's decision."""

    async def counts(self, caller: Caller) -> Mapping[str, int]:
        """Return how much waits at each place of the rail, by its name; where nothing waits, it is not named."""


class MetricsDoor(Protocol):
    """The box's figures for a monitoring program."""

    async def text(self) -> str:
        """Return them in Prometheus text format, without a name of anybody; a daemon that is down is told as such."""


@dataclass(frozen=True, slots=True)
class SiteFacts:
    """The school as pages name it."""

    name: str
    box: PublicId
    zone: str = "Asia/Ho_Chi_Minh"
    language: str = "vi"
    phone: str = ""
    """School office, for guardians; empty = not shown."""


@dataclass(frozen=True, slots=True)
class Services:
    """Everything `create_app` needs."""

    logins: Logins
    accounts: AccountDoor
    rights: Rights
    live: LiveDoor
    sharing: SharingSwitch
    changes: Changes
    recorder: RecorderPort
    holds: HoldDoor
    copies: CopyDoor
    keys: KeyDoor
    playback: PlaybackDoor
    metrics: MetricsDoor
    rooms: Rooms
    people: PeopleDoor
    lists: ListDoor
    ledger: LedgerDoor
    consents: ConsentDoor
    slips: SlipDoor
    invites: InviteDoor
    why: WhyDoor
    observe: ObserveDoor
    waits: WaitDoor
    clock: Clock
    site: SiteFacts
    hosts: frozenset[str] = field(default_factory=frozenset)
    """Names this box answers to, without port; its own address is always accepted."""
    secure: bool = True
    """False only for plain HTTP on loopback."""
    metrics_local: bool = False
    """`/metrics` is for whatever program asks from this machine itself."""
