"""What the pages need of the rest of the box, as narrow protocols.

Owns the `Services` bundle that `create_app` takes and the values that cross it. Invariants: web asks
and translates, it decides nothing: whether a person may, and until when, is always an answer from
`Rights` or `LiveDoor`; no type here carries a camera's address or password, or another person's name
where the asker may not read it. All times are UTC milliseconds.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from gateway.core.clock import Clock
from gateway.core.iceservers import IceServer
from gateway.core.model import Action, Decision, Grant, ObjectRef, PublicId, Role, Secret, StreamRole, WallPlace

if TYPE_CHECKING:  # they name `Caller`, which is here
    from web.copy_services import CopyDoor, HoldDoor
    from web.room_services import Rooms


@dataclass(frozen=True, slots=True)
class Peer:
    """Where a request comes from, for rate limits and the audit."""

    address: str
    agent: str


@dataclass(frozen=True, slots=True)
class Caller:
    """The person behind a session."""

    person: PublicId
    role: Role
    name: str
    device: str
    """Public id of the bound device or login session, as grants and the audit name it."""
    mark: str = ""
    """What is drawn over a guardian's picture: who, and the end of the phone number."""


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A fresh session; `token` goes into the cookie and is stored nowhere else."""

    token: Secret
    caller: Caller
    expires_ms: int | None = None
    """When the session ends at the latest; None = with the browser."""


class Logins(Protocol):
    """Codes, slips and sessions."""

    async def sign_in(self, code: Secret, peer: Peer) -> SignedIn:
        """Spend a one-use code; CodeRefused if it is unknown, used, expired or tried too often."""

    async def redeem_slip(self, secret: Secret, digits: str, peer: Peer) -> SignedIn:
        """Spend an invitation slip; CodeRefused, with reason `slip.digits` while digits are missing."""

    async def session(self, token: Secret, *, active: bool) -> Caller | None:
        """Return who holds the token; `active` = a person acted, so that idling starts over."""

    async def player(self, token: Secret) -> Caller | None:
        """Return whose player holds the token: a staff member's, for live video alone."""

    async def sign_out(self, token: Secret) -> None:
        """End the session and every stream it opened."""


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

    def cameras(self, caller: Caller) -> Sequence[KnownCamera]:
        """Return the cameras the person may know of, in the order they are shown."""

    def classes(self, caller: Caller) -> Sequence[ClassDay]:
        """Return a guardian's classes, their children's first."""

    async def grant(self, caller: Caller, action: Action, camera: PublicId) -> Grant:
        """Decide with an audit row; Denied with `reason` and `next_ms`, NotFound for what is not known."""


@dataclass(frozen=True, slots=True)
class OpenedLive:
    """A live session that waits for its connection."""

    session: str
    answer: str
    """SDP; empty for a tile that joins a wall."""
    wall: str = ""
    servers: tuple[IceServer, ...] = ()
    """STUN and TURN servers this viewer may use, with passwords for this session; named with an answer only."""


@dataclass(frozen=True, slots=True)
class OpenView:
    """Somebody watching live now."""

    camera: PublicId
    person: PublicId
    name: str
    role: Role
    since_ms: int
    way: str = ""
    """outside or relay; empty on the school's network, or where that is not known."""
    quality: str = ""
    """turn, stills, weak, smaller; empty for plain video."""


class LiveDoor(Protocol):
    """Live sessions by grant; the only way from a request to video."""

    async def open(self, caller: Caller, camera: PublicId, offer: str, stream: StreamRole) -> OpenedLive:
        """Decide, write the audit row, open; Denied, NotFound, OfferRefused, LiveFull, DaemonUnavailable."""

    async def open_tile(
        self, caller: Caller, camera: PublicId, offer: str, stream: StreamRole, place: WallPlace
    ) -> OpenedLive:
        """As `open`, on a connection that the tiles of one page share; also WallGone."""

    async def candidate(self, caller: Caller, camera: PublicId, session: str, fragment: str) -> None:
        """Pass trickled candidates; NotFound if the session is not the caller's, or of another camera."""

    async def close(self, caller: Caller, camera: PublicId, session: str) -> None:
        """End a session; NotFound if it is not the caller's, or of another camera."""

    def watching(self) -> Sequence[OpenView]:
        """Return who watches what now."""


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


@dataclass(frozen=True, slots=True)
class Still:
    """A JPEG with the instant it shows."""

    captured_ms: int
    width: int
    height: int
    jpeg: bytes


class RecorderPort(Protocol):
    """The recorder's control socket, as far as pages need it."""

    async def status(self) -> Mapping[str, Any]:
        """Return the recorder's `status`; DaemonUnavailable if it does not answer."""

    async def still(self, grant: Grant, width: int) -> Still:
        """Return the newest still; CameraUnreachable and its kin if there is none."""


class KeyDoor(Protocol):
    """The footage key: how it is, and opening and closing it."""

    async def status(self) -> Mapping[str, Any]:
        """Return mode, place, unlocked, passphrase_set, holders; DaemonUnavailable if the recorder does not answer."""

    async def act(self, caller: Caller, act: str, secrets: Mapping[str, Secret]) -> Mapping[str, Any]:
        """Unlock, lock, or change the passphrase, with an audit row; Denied, PassphraseRefused, BadInput."""


@dataclass(frozen=True, slots=True)
class OpenedPlayback:
    """Recorded time that a session may look at, UTC ms, half open."""

    playback: str
    from_ms: int
    to_ms: int
    streams: tuple[StreamRole, ...]
    until_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SegmentSize:
    """Plaintext bytes of a segment; one that is not closed grows."""

    bytes: int
    closed: bool


@dataclass(frozen=True, slots=True)
class HourIndex:
    """The segments of an hour, as the recorder's `playback.index` tells them."""

    segments: Sequence[Mapping[str, Any]]
    over: bool
    """Nothing will be added any more."""


class PlaybackDoor(Protocol):
    """Recorded footage; what shows a picture goes through an opened playback, decided again at each use.

    Raises NotFound for a playback that is not the caller's own or footage that is gone, Denied, KeyLocked,
    SegmentCorrupt, DaemonUnavailable.
    """

    async def days(
        self, camera: PublicId, from_ms: int | None, to_ms: int | None, stream: StreamRole | None
    ) -> Mapping[str, Any]:
        """Return which days have footage."""

    async def timeline(
        self, camera: PublicId, from_ms: int, to_ms: int, stream: StreamRole | None
    ) -> Mapping[str, Any]:
        """Return spans, gaps with causes and motion."""

    async def open(self, caller: Caller, camera: PublicId, from_ms: int, to_ms: int) -> OpenedPlayback:
        """Decide, write the audit row with the span, open."""

    async def close(self, caller: Caller, camera: PublicId, playback: str) -> None:
        """End a playback."""

    async def index(
        self,
        caller: Caller,
        camera: PublicId,
        playback: str,
        stream: StreamRole,
        span: tuple[int | None, int | None] = (None, None),
    ) -> Mapping[str, Any]:
        """Return segments with their GOPs, and configurations."""

    async def hour(
        self, caller: Caller, camera: PublicId, playback: str, stream: StreamRole, start_ms: int
    ) -> HourIndex:
        """Return the part of an hour that the playback covers."""

    async def init(
        self, caller: Caller, camera: PublicId, playback: str, stream: StreamRole, config: str
    ) -> tuple[str, bytes]:
        """Return media type and bytes of an init segment."""

    async def segment(
        self, caller: Caller, camera: PublicId, playback: str, stream: StreamRole, segment: str
    ) -> SegmentSize:
        """Return how long a segment is."""

    def media(
        self, caller: Caller, camera: PublicId, playback: str, stream: StreamRole, segment: str, offset: int, size: int
    ) -> AsyncGenerator[bytes, None]:
        """Yield bytes of a segment; raises before the first chunk, or midway."""

    async def thumb(self, caller: Caller, camera: PublicId, playback: str, at_ms: int, width: int) -> Still:
        """Return the key frame at or before an instant."""


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
    clock: Clock
    site: SiteFacts
    hosts: frozenset[str] = field(default_factory=frozenset)
    """Names this box answers to, without port; its own address is always accepted."""
    secure: bool = True
    metrics_local: bool = False
    """False only for plain HTTP on loopback."""
