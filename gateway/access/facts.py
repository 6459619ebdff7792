"""What is so at the school, as far as it decides who may see what: one frozen snapshot.

Owns `Facts`, the only thing the policy reads, and its index; the rows are in `factrows`. Invariants: everything is
frozen; no name and no picture is in here (names stay sealed in the store); `Facts` builds its index itself, so
`dataclasses.replace` gives a consistent snapshot.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar
from zoneinfo import ZoneInfo

from gateway.access.factrows import (
    EVERY_DAY,
    MINUTES_PER_DAY,
    NEVER_VISIBLE,
    SCHOOL_WEEK,
    Block,
    BlockKind,
    CalendarDay,
    ClassCamera,
    ClassRules,
    Consent,
    Enrolment,
    ExportOrder,
    Guardian,
    Observation,
    Pause,
    Person,
    Privacy,
    Purpose,
    Resolution,
    Span,
    StaffNotice,
    Teaching,
    Thing,
    Window,
)
from gateway.access.reasons import Reason
from gateway.access.tie import Tie
from gateway.core.model import ObjectKind, PublicId

__all__ = [
    "EVERY_DAY",
    "MINUTES_PER_DAY",
    "NEVER_VISIBLE",
    "SCHOOL_WEEK",
    "Block",
    "BlockKind",
    "CalendarDay",
    "ClassCamera",
    "ClassRules",
    "Consent",
    "Enrolment",
    "ExportOrder",
    "Facts",
    "Guardian",
    "Index",
    "Observation",
    "Pause",
    "Person",
    "Privacy",
    "Purpose",
    "Resolution",
    "Span",
    "StaffNotice",
    "Teaching",
    "Thing",
    "Window",
    "ends",
]
V = TypeVar("V")


def _by(rows: Iterable[V], key: Callable[[V], PublicId]) -> Mapping[PublicId, tuple[V, ...]]:
    found: dict[PublicId, list[V]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    return {name: tuple(items) for name, items in found.items()}


@dataclass(frozen=True, slots=True)
class Index:
    """The same facts, found by what the policy asks for."""

    persons: Mapping[PublicId, Person]
    guardians_of_person: Mapping[PublicId, tuple[Guardian, ...]]
    enrolments_of_child: Mapping[PublicId, tuple[Enrolment, ...]]
    enrolments_of_class: Mapping[PublicId, tuple[Enrolment, ...]]
    teachings_of_person: Mapping[PublicId, tuple[Teaching, ...]]
    classes_of_camera: Mapping[PublicId, tuple[ClassCamera, ...]]
    consents_of_child: Mapping[PublicId, tuple[Consent, ...]]
    """For viewing only."""
    observe_consents_of_child: Mapping[PublicId, tuple[Consent, ...]]
    """For named observers; `record` decides nothing here."""
    observations_of_person: Mapping[PublicId, tuple[Observation, ...]]
    rules_of_class: Mapping[PublicId, ClassRules]
    things: Mapping[tuple[ObjectKind, PublicId], Thing]
    resolutions_of_child: Mapping[PublicId, tuple[Resolution, ...]]
    pauses_of_class: Mapping[PublicId, tuple[Pause, ...]]
    privacies_of_camera: Mapping[PublicId, tuple[Privacy, ...]]
    windows_of_class: Mapping[PublicId, tuple[Window, ...]]
    blocks_of_class: Mapping[PublicId, tuple[Block, ...]]
    days: Mapping[dt.date, CalendarDay]
    exports: Mapping[PublicId, ExportOrder]
    teachings_of_class: Mapping[PublicId, tuple[Teaching, ...]]
    notices_of_person: Mapping[PublicId, tuple[StaffNotice, ...]]
    minutes_of_class: Mapping[PublicId, tuple[frozenset[int], ...]]
    """By weekday: the minutes of the local day at which a window or block begins or ends."""
    steps_of_class: Mapping[PublicId, tuple[int, ...]]
    """UTC ms at which a span behind "the class is open" begins or ends, in order."""
    memo: dict[tuple[PublicId, int, int], Reason | None] = field(default_factory=dict)
    """What `classday` worked out of these facts already: a class is asked about by all its families."""
    ties: dict[tuple[PublicId, ObjectKind, PublicId], Tie] = field(default_factory=dict)
    """By person and object: what the rules of guardians worked out already."""


def ends(spans: Sequence[Span]) -> set[int]:
    """Return the UTC ms at which any of the spans begins or ends."""
    found = {span.since_ms for span in spans}
    return found | {span.until_ms for span in spans if span.until_ms is not None}


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All facts at one version; a database integer that grows with every change."""

    version: int
    zone: ZoneInfo
    clock_trusted: bool
    accepted: bool = False
    """The principal signed the acceptance sheet of this box."""
    sharing_stopped: bool = False
    """The switch "stop all sharing with guardians"."""
    persons: tuple[Person, ...] = ()
    cameras: frozenset[PublicId] = frozenset()
    """Adopted cameras, whether or not a class has them."""
    classes: frozenset[PublicId] = frozenset()
    children: frozenset[PublicId] = frozenset()
    guardians: tuple[Guardian, ...] = ()
    enrolments: tuple[Enrolment, ...] = ()
    teachings: tuple[Teaching, ...] = ()
    class_cameras: tuple[ClassCamera, ...] = ()
    consents: tuple[Consent, ...] = ()
    resolutions: tuple[Resolution, ...] = ()
    pauses: tuple[Pause, ...] = ()
    privacies: tuple[Privacy, ...] = ()
    days: tuple[CalendarDay, ...] = ()
    windows: tuple[Window, ...] = ()
    blocks: tuple[Block, ...] = ()
    exports: tuple[ExportOrder, ...] = ()
    staff_notices: tuple[StaffNotice, ...] = ()
    observations: tuple[Observation, ...] = ()
    rules: tuple[ClassRules, ...] = ()
    """One for a class at most."""
    things: tuple[Thing, ...] = ()
    index: Index = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "index", _index(self))


def _index(facts: Facts) -> Index:
    consents = _by((row for row in facts.consents if row.purpose is Purpose.VIEW), lambda row: row.child)
    observe = _by((row for row in facts.consents if row.purpose is Purpose.OBSERVE), lambda row: row.child)
    observed = {row.class_id for row in facts.observations}
    resolutions = _by(facts.resolutions, lambda row: row.child)
    enrolments = _by(facts.enrolments, lambda row: row.class_id)
    pauses = _by(facts.pauses, lambda row: row.class_id)
    teachings = _by(facts.teachings, lambda row: row.class_id)
    notices = _by(facts.staff_notices, lambda row: row.person)
    windows = _by(facts.windows, lambda row: row.class_id)
    blocks = _by(facts.blocks, lambda row: row.class_id)
    steps: dict[PublicId, tuple[int, ...]] = {}
    for class_id in facts.classes:
        children = enrolments.get(class_id, ())
        spans: list[Span] = [*children, *pauses.get(class_id, ())]
        for row in children:
            spans += [*consents.get(row.child, ()), *resolutions.get(row.child, ())]
            if class_id in observed:
                spans += observe.get(row.child, ())
        for teaching in teachings.get(class_id, ()):
            spans += [teaching, *notices.get(teaching.person, ())]
        steps[class_id] = tuple(sorted(ends(spans)))
    return Index(
        persons={person.id: person for person in facts.persons},
        guardians_of_person=_by(facts.guardians, lambda row: row.person),
        enrolments_of_child=_by(facts.enrolments, lambda row: row.child),
        enrolments_of_class=enrolments,
        teachings_of_person=_by(facts.teachings, lambda row: row.person),
        classes_of_camera=_by(facts.class_cameras, lambda row: row.camera),
        consents_of_child=consents,
        observe_consents_of_child=observe,
        observations_of_person=_by(facts.observations, lambda row: row.person),
        rules_of_class={row.class_id: row for row in facts.rules},
        things={(row.kind, row.id): row for row in facts.things},
        resolutions_of_child=resolutions,
        pauses_of_class=pauses,
        privacies_of_camera=_by(facts.privacies, lambda row: row.camera),
        windows_of_class=windows,
        blocks_of_class=blocks,
        minutes_of_class={
            name: _minutes([*windows.get(name, ()), *blocks.get(name, ())]) for name in {*windows, *blocks}
        },
        days={day.date: day for day in facts.days},
        exports={order.id: order for order in facts.exports},
        teachings_of_class=teachings,
        notices_of_person=notices,
        steps_of_class=steps,
    )


def _minutes(rows: Sequence[Window | Block]) -> tuple[frozenset[int], ...]:
    return tuple(
        frozenset(minute for row in rows if weekday in row.days for minute in (row.start_min, row.end_min))
        for weekday in range(7)
    )
