"""One question to the policy, and what every role's rules need to know of its object.

Owns `Ask`, `Answer` and the facts of an object that do not depend on who asks. Pure. Invariant: what is not known
to the facts does not exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from gateway.access.facts import Facts, Person, Span
from gateway.access.reasons import Reason
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId

PICTURE = frozenset({Action.LIVE, Action.SNAPSHOT, Action.AIM})
"""Actions that show what the camera sees now: privacy hides it from everyone."""


@dataclass(frozen=True, slots=True)
class Asking:
    """The circumstances of a question: what is known of the asker's session, which no fact says."""

    on_site: bool = False
    """The session's last request came from the school's own network."""
    over: str | None = None
    """Why the device or login is over; None while it lives."""
    viewed: tuple[Span, ...] = ()
    """When this guardian was shown video, of the last days; None as the end = now running."""

    def stopped(self, at_ms: int) -> Asking:
        """Return the circumstances of whom nothing is shown from `at_ms` on: what ran has ended."""
        if all(span.until_ms is not None for span in self.viewed):
            return self
        return replace(
            self, viewed=tuple(s if s.until_ms is not None else replace(s, until_ms=at_ms) for s in self.viewed)
        )


ANYHOW = Asking()
"""Nothing is known: not at the school, nothing watched yet."""


class Ask(NamedTuple):
    """Who wants to do what to which object, by which facts and under which circumstances."""

    facts: Facts
    person: Person
    action: Action
    obj: ObjectRef
    asking: Asking = ANYHOW


class Answer(NamedTuple):
    """The answer at one instant, without until and next."""

    allowed: bool
    reason: Reason


Rule: TypeAlias = Callable[[Ask, int], Answer]
"""What one role may; asked only about objects that exist, and for what the role's table names."""


def no(reason: Reason) -> Answer:
    """Refuse."""
    return Answer(False, reason)


def known(facts: Facts, obj: ObjectRef) -> bool:
    """Say whether the object exists at all."""
    match obj.kind:
        case ObjectKind.BOX:
            return True
        case ObjectKind.CAMERA:
            return obj.id in facts.cameras
        case ObjectKind.CLASS:
            return obj.id in facts.classes
        case ObjectKind.CHILD:
            return obj.id in facts.children
        case ObjectKind.PERSON:
            return obj.id in facts.index.persons
        case ObjectKind.EXPORT:
            return obj.id in facts.index.exports
        case _:
            return (obj.kind, obj.id) in facts.index.things


def private(facts: Facts, obj: ObjectRef, at_ms: int) -> bool:
    """Say whether the camera is hidden from everyone at this instant."""
    rows = facts.index.privacies_of_camera.get(obj.id)
    return rows is not None and any(row.holds(at_ms) for row in rows)


def classes_shown(ask: Ask, at_ms: int) -> set[PublicId]:
    """Return the classes an object shows: itself, or those of the camera."""
    if ask.obj.kind is ObjectKind.CLASS:
        return {ask.obj.id}
    return {row.class_id for row in ask.facts.index.classes_of_camera.get(ask.obj.id, ()) if row.holds(at_ms)}


def classes_ever(ask: Ask) -> set[PublicId]:
    """Return the classes an object shows at any time."""
    if ask.obj.kind is ObjectKind.CLASS:
        return {ask.obj.id}
    return {row.class_id for row in ask.facts.index.classes_of_camera.get(ask.obj.id, ())}
