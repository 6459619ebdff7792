"""The words of the box: roles, actions, object references, decisions, grants, logins.

Owns the vocabulary that every part shares; decides nothing and imports nothing of ours.
Invariants: every type is frozen; ids that leave the box are `PublicId` (random, 80 bits), database
integers stay inside their owner; a `Grant` is made by `gateway.access.grants` only (a test scans
for other constructors) and is re-made from its signed form by `gateway.core.ticket` only.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, NewType

CameraId = NewType("CameraId", int)
"""Row id of a camera in `cameras.db`; never leaves the recorder."""
StreamId = NewType("StreamId", int)
"""Row id of a stream in `cameras.db`; also the name of its folder on a volume."""
RunId = NewType("RunId", int)
"""Persisted counter: one per RTSP session without a gap; never used twice on a box."""
PublicId = NewType("PublicId", str)
"""16 characters of lower-case base32: 80 random bits; the only ids shown outside."""

PUBLIC_ID_LENGTH = 16


def new_public_id(random_bytes: Callable[[int], bytes] = os.urandom) -> PublicId:
    """Return a fresh 80-bit id; `random_bytes(n)` must return n unpredictable bytes."""
    return PublicId(base64.b32encode(random_bytes(10)).decode("ascii").lower())


def is_public_id(text: str) -> bool:
    """Say whether `text` has the form of a `PublicId` (not whether it names anything)."""
    return len(text) == PUBLIC_ID_LENGTH and all(c in "abcdefghijklmnopqrstuvwxyz234567" for c in text)


class Role(StrEnum):
    """What a person is to the school; one person has one role."""

    PRINCIPAL = "principal"
    VICE_PRINCIPAL = "vice_principal"
    TEACHER = "teacher"
    GUARDIAN = "guardian"
    OBSERVER = "observer"
    AUTHORITY_IT = "authority_it"
    INSTALLER = "installer"


LEADER_ROLES = frozenset({Role.PRINCIPAL, Role.VICE_PRINCIPAL})
"""Who runs the school: they see all of it, and two of them approve what leaves it."""
STAFF_ROLES = LEADER_ROLES | {Role.TEACHER}


class GuardianKind(StrEnum):
    """What a guardian is to the child; decides nothing, is shown and counted."""

    MOTHER = "mother"
    FATHER = "father"
    GRANDMOTHER = "grandmother"
    GRANDFATHER = "grandfather"
    RELATIVE = "relative"
    LEGAL_GUARDIAN = "legal_guardian"
    """Named by law or by the authority: người giám hộ (Civil Code 2015, Art. 46)."""
    PARENT = "parent"
    """A parent; the school did not say which."""
    OTHER = "other"


class Action(StrEnum):
    """What somebody wants to do to an object (ACCESS: Actions)."""

    LIVE = "live"
    LIVE_AUDIO = "live_audio"
    PLAYBACK = "playback"
    EXPORT = "export"
    SNAPSHOT = "snapshot"
    HOLD = "hold"
    HEALTH = "health"
    PEOPLE = "people"
    CONFIGURE = "configure"
    OBSERVE = "observe"
    AUDIT = "audit"
    PAUSE = "pause"
    STOP_ALL = "stop_all"
    APPROVE = "approve"
    REVIEW = "review"
    AIM = "aim"
    INVITE = "invite"
    """Make slips for guardians of a class, and end what they bound."""


class ObjectKind(StrEnum):
    """What kind of thing an `ObjectRef` names."""

    CAMERA = "camera"
    CLASS = "class"
    CHILD = "child"
    PERSON = "person"
    INCIDENT = "incident"
    HOLD = "hold"
    EXPORT = "export"
    REVIEW = "review"
    EVENT = "event"
    BOX = "box"


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """Names one object of the box for the policy."""

    kind: ObjectKind
    id: PublicId


class StreamRole(StrEnum):
    """Which of a camera's encodings: main has the most pixels, sub the smallest >= 320 wide."""

    MAIN = "main"
    SUB = "sub"


@dataclass(frozen=True, slots=True)
class Decision:
    """The policy's answer at one instant; `reason` is a code with a text in every catalogue."""

    allowed: bool
    reason: str
    until_ms: int | None = None
    """UTC ms: first instant at which time alone could change the answer; None = never."""
    next_ms: int | None = None
    """UTC ms: when it next becomes allowed, if known; None = not by time alone."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A right to media, held as a lease: media code takes this, never a camera id of a request."""

    id: PublicId
    person: PublicId
    role: Role
    device: str
    """Public id of the bound device or of the login session, for the audit and for cutting."""
    action: Action
    camera: PublicId
    streams: frozenset[StreamRole]
    """Which encodings may be sent: guardians get `{SUB}` only."""
    issued_ms: int
    until_ms: int | None
    """UTC ms after which nothing may be sent, whatever the lease says; None = no such instant."""
    lease_ms: int
    """How long media may flow after each renewal: 5 s guardians, 60 s staff."""
    facts_version: int
    audit_seq: int
    from_ms: int | None = None
    """Recorded time covered (playback, export): UTC ms, half open; None for live and stills."""
    to_ms: int | None = None
    since_ms: int | None = None
    """UTC ms: nothing taken before it may be shown live (a nap that just ended); None = no such instant."""


class WallPlace(NamedTuple):
    """A line of the connection that the tiles of one page share."""

    wall: PublicId | None
    """None = the offer that comes with it opens the connection."""
    slot: int


class Secret:
    """A value that does not print: `repr`, `str` and formatting show `***`."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the clear text; call it only where the value is used."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return "***"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(("Secret", self._value))


@dataclass(frozen=True, slots=True)
class Login:
    """A camera's user and password."""

    username: str
    password: Secret = field(repr=False)
