"""From what the configuration says to the rule of each stream.

Pure. Invariants: for each value the most specific rule that states it decides: a rule for one camera, then one
for several (a group), then one for a class, then the defaults; among rules as specific as each other the one
that keeps longest. A rule that names a camera or class nobody knows is reported, and until it is put right
no stream is kept for less than it says: a renamed camera must not cost its footage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.core.model import PublicId, StreamId, StreamRole
from gateway.core.typed import tidy
from recorder.registry import Camera
from recorder.retention import Rule


@dataclass(frozen=True, slots=True)
class Keep:
    """What one rule states; None: it says nothing about that."""

    days: int | None = None
    sub_days: int | None = None
    """0 = as `days`."""
    event_days: int | None = None
    max_bytes: int | None = None
    """0 = no limit."""


@dataclass(frozen=True, slots=True)
class NamedRule:
    """A rule for cameras (by name or public id) or for classes."""

    keep: Keep
    cameras: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuleBook:
    """All of the configuration's rules; `default` states everything."""

    default: Keep
    rules: tuple[NamedRule, ...] = ()

    def usual(self) -> Rule:
        """Return the rule of a camera that no other names."""
        return _rule([[self.default]], [], sub=False)


class Group(NamedTuple):
    """A class as the gateway told it."""

    id: PublicId
    name: str
    cameras: frozenset[PublicId]


class Unknown(NamedTuple):
    """A name in a rule that means nothing here."""

    kind: str
    """camera or class."""
    name: str


class Resolved(NamedTuple):
    """The rule of each stream, and what could not be understood."""

    rules: Mapping[StreamId, Rule]
    unknown: tuple[Unknown, ...]


def usual(days: int, *, max_bytes: int = 0, event_days: int = 0) -> RuleBook:
    """Return a book of defaults only."""
    return RuleBook(Keep(days, 0, event_days, max_bytes))


def resolve(
    book: RuleBook, cameras: Sequence[Camera], groups: Sequence[Group], *, removed: Sequence[Camera] = ()
) -> Resolved:
    """Return the rules of all streams of `cameras`; a rule may also name a camera that was `removed`."""
    known = {tidy(camera.name): {camera.public_id} for camera in removed}
    for camera in cameras:
        known.setdefault(tidy(camera.name), set()).add(camera.public_id)
    known |= {tidy(camera.public_id): {camera.public_id} for camera in (*cameras, *removed)}
    classes: dict[str, set[PublicId]] = {}
    for group in groups:
        for name in (tidy(group.name), tidy(group.id)):
            classes.setdefault(name, set()).update(group.cameras)
    unknown = tuple(
        dict.fromkeys(
            [Unknown("camera", name) for rule in book.rules for name in rule.cameras if tidy(name) not in known]
            + [Unknown("class", name) for rule in book.rules for name in rule.classes if tidy(name) not in classes]
        )
    )
    doubtful = [
        rule.keep
        for rule in book.rules
        if any(item.name in (rule.cameras if item.kind == "camera" else rule.classes) for item in unknown)
    ]

    def named(camera: Camera, names: Iterable[str], meaning: Mapping[str, set[PublicId]]) -> bool:
        return any(camera.public_id in meaning.get(tidy(name), ()) for name in names)

    rules: dict[StreamId, Rule] = {}
    for camera in cameras:
        mine = [rule for rule in book.rules if named(camera, rule.cameras, known)]
        levels = [
            [rule.keep for rule in mine if len(rule.cameras) == 1],
            [rule.keep for rule in mine if len(rule.cameras) > 1],
            [rule.keep for rule in book.rules if named(camera, rule.classes, classes)],
            [book.default],
        ]
        for stream in camera.streams:
            rules[stream.id] = _rule(levels, doubtful, sub=stream.role is StreamRole.SUB)
    return Resolved(rules, unknown)


def _rule(levels: Sequence[Sequence[Keep]], doubtful: Sequence[Keep], *, sub: bool) -> Rule:
    main_days = max(_first(levels, lambda keep: keep.days))
    days = main_days
    if sub:
        days = max(stated or main_days for stated in _first(levels, lambda keep: keep.sub_days))
    event_days = max(_first(levels, lambda keep: keep.event_days))
    limits = _first(levels, lambda keep: keep.max_bytes)
    for keep in doubtful:
        own_days = (keep.sub_days if sub else None) or keep.days or 0
        days, event_days = max(days, own_days), max(event_days, keep.event_days or 0)
        limits = [*limits, *([keep.max_bytes] if keep.max_bytes is not None else [])]
    return Rule(days, 0 if 0 in limits else max(limits), event_days)


def _first(levels: Sequence[Sequence[Keep]], value: Callable[[Keep], int | None]) -> list[int]:
    """Return what the most specific level that says anything says."""
    for level in levels:
        stated = [found for keep in level if (found := value(keep)) is not None]
        if stated:
            return stated
    return [0]
