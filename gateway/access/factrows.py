"""The rows facts are made of: who is tied to whom, and what a class's day is.

Owns these types. Invariants: everything is frozen and hashable; spans are half open `[since_ms, until_ms)` in UTC
milliseconds; minutes and weekdays are of the site's zone; no name and no picture is in here.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from enum import StrEnum

from gateway.core.model import GuardianKind, ObjectKind, PublicId, Role

MINUTES_PER_DAY = 1440
EVERY_DAY = frozenset(range(7))
"""Weekdays as `dt.date.weekday()` counts them: Monday = 0."""
SCHOOL_WEEK = frozenset(range(5))


class Purpose(StrEnum):
    """What a guardian consents to, each on its own."""

    VIEW = "view"
    RECORD = "record"
    OBSERVE = "observe"


class BlockKind(StrEnum):
    """What the class does in a block of its day plan."""

    ARRIVAL = "arrival"
    LESSON = "lesson"
    MEAL = "meal"
    NAP = "nap"
    TOILET = "toilet"
    CHANGING = "changing"
    OUTDOORS = "outdoors"
    LEAVING = "leaving"
    OTHER = "other"


NEVER_VISIBLE = frozenset({BlockKind.NAP, BlockKind.TOILET, BlockKind.CHANGING})
"""Guardians never see these, whatever a plan says (PRODUCT 3)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """When something is so: from `since_ms` until before `until_ms` (None = no end known)."""

    since_ms: int = 0
    until_ms: int | None = None

    def holds(self, at_ms: int) -> bool:
        """Say whether it is so at this instant."""
        return self.since_ms <= at_ms and (self.until_ms is None or at_ms < self.until_ms)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a role; a disabled person may do nothing."""

    id: PublicId
    role: Role
    disabled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardian(Span):
    """A person stands for a child."""

    person: PublicId
    child: PublicId
    kind: GuardianKind = GuardianKind.PARENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Enrolment(Span):
    """A child belongs to a class."""

    child: PublicId
    class_id: PublicId


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaching(Span):
    """A person teaches a class."""

    person: PublicId
    class_id: PublicId


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassCamera(Span):
    """A camera shows a class."""

    camera: PublicId
    class_id: PublicId


@dataclass(frozen=True, slots=True, kw_only=True)
class Consent(Span):
    """An answer that stands for a child and one purpose; it ends with the next answer of whoever gave it."""

    child: PublicId
    purpose: Purpose
    text_version: str = "1"
    given: bool = True
    """False: a no, or a withdrawal. While one stands, the yes of another guardian does not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution(Span):
    """The principal settled how a class goes on although a child has no consent (PRODUCT 4)."""

    child: PublicId
    class_id: PublicId


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause(Span):
    """Guardians do not see the class for a while ("Tạm ẩn hình")."""

    class_id: PublicId
    by: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StaffNotice(Span):
    """Somebody of the staff has read the notice about cameras and signed."""

    person: PublicId
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy(Span):
    """Nobody sees the camera live; it is recorded all the same."""

    camera: PublicId


@dataclass(frozen=True, slots=True)
class CalendarDay:
    """A date that is not like its weekday: closed, or open and run like another weekday."""

    date: dt.date
    open: bool
    as_weekday: int | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """When guardians may look at a class: minutes of the local day, half open."""

    class_id: PublicId
    days: frozenset[int]
    start_min: int
    end_min: int


@dataclass(frozen=True, slots=True)
class Block:
    """One block of a class's day plan: minutes of the local day, half open."""

    class_id: PublicId
    days: frozenset[int]
    start_min: int
    end_min: int
    kind: BlockKind
    guardian_visible: bool


@dataclass(frozen=True, slots=True)
class ExportOrder:
    """A wish to copy recorded time out of the box: needs a second person."""

    id: PublicId
    camera: PublicId
    from_ms: int
    to_ms: int
    requester: PublicId
    approver: PublicId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation(Span):
    """A guest watches one class for a while ("dự giờ"), if its teacher agrees."""

    person: PublicId
    class_id: PublicId
    assented: bool = False
    id: str = ""
    """Which login was made for it; decides nothing about pictures."""


@dataclass(frozen=True, slots=True)
class ClassRules:
    """What narrows the viewing of a class beyond hours and plan; absent = nothing does."""

    class_id: PublicId
    on_site_only: bool = False
    """Guardians see it from the school's own network only."""
    daily_minutes: int | None = None
    """How long one guardian may watch on a local day, in all."""
    adaptation_days: int | None = None
    """Only families of newcomers see it: for so many local days from the day their child joined the class."""


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that another room keeps and that rights are asked about: hold, incident, review, event."""

    kind: ObjectKind
    id: PublicId
    by: str = ""
    """Whose it is: the guardian who asked for a review."""
