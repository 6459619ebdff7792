"""What a list would change: the differences between its rows and the school.

Owns the rules of an import. Pure. Invariants: a child is known by its code in the sector database, else by name,
birth date and class together; where that leaves a doubt (a namesake, or a child that moved) there is a question and
no answer is assumed; whoever is not in the list is told apart and leaves only if a person says so; classes that the
list does not name are not touched.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from gateway.access.roster.cells import class_key, name_key
from gateway.access.roster.entries import Entry, Kin
from gateway.access.roster.known import Known, KnownChild, KnownKin, require_apart
from gateway.core.model import GuardianKind, PublicId

ONE_EACH = frozenset({GuardianKind.MOTHER, GuardianKind.FATHER})
"""Whom a child has one of: another one in the list takes the place of ours."""
NEW_CHILD = "new"
"""The answer "this is another child"."""


class Kind(StrEnum):
    """What happens to one child."""

    NEW = "new"
    MOVED = "moved"
    BACK = "back"
    LEFT = "left"
    CHANGED = "changed"
    SAME = "same"


@dataclass(frozen=True, slots=True)
class KinChange:
    """What happens to one guardian of a child."""

    kind: str
    name: str
    what: str
    """new, joined (a person of ours stands for one more child), renamed, phone, ended."""
    phone: str | None = None
    tie: int | None = None
    person: PublicId | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What happens to one child, and to its guardians."""

    kind: Kind
    name: str
    key: str
    row: int
    child: PublicId | None = None
    class_from: str = ""
    class_to: str = ""
    details: tuple[str, ...] = ()
    """What of the child itself is different: name, birth, code."""
    kin: tuple[KinChange, ...] = ()
    entry: Entry | None = None
    waits: bool = field(default=False, repr=False)
    """It comes into a class, which then waits for its family. No part of the fingerprint: families answer meanwhile."""


@dataclass(frozen=True, slots=True)
class Question:
    """A row that may be one of several children, or none of ours."""

    key: str
    row: int
    name: str
    class_name: str
    why: str
    """moved (same name and birth in another class), birth (one side has no birth date), several."""
    choices: tuple[tuple[PublicId, str], ...]
    """Children it may be, with the class they are in."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything an import would do."""

    changes: tuple[Change, ...]
    questions: tuple[Question, ...]
    absent: tuple[Change, ...]
    """Children of the list's classes that it does not name."""
    new_classes: tuple[str, ...]
    untouched: tuple[str, ...]
    """Classes of ours that the list does not name."""

    def counts(self, *, absent_leave: bool) -> dict[str, int]:
        """Return how many children of each kind; for the audit, so without a name."""
        kinds = Counter(change.kind for change in self.changes)
        kin = Counter(item.what for change in self.changes for item in change.kin)
        counts = {kind.value: kinds[kind] for kind in Kind}
        counts["left"] += len(self.absent) if absent_leave else 0
        return counts | {
            "classes": len(self.new_classes),
            "guardians_new": kin["new"] + kin["joined"],
            "guardians_ended": kin["ended"],
        }

    def by_class(self) -> dict[str, Counter[str]]:
        """Return for each class what comes, goes and stays."""
        found: dict[str, Counter[str]] = {}
        for change in (*self.changes, *self.absent):
            kind = "absent" if not change.key else change.kind.value
            if not (change.class_to or change.class_from):
                continue
            found.setdefault(change.class_to or change.class_from, Counter())[kind] += 1
            if change.kind is Kind.MOVED:
                found.setdefault(change.class_from, Counter())["gone"] += 1
        return dict(sorted(found.items(), key=lambda item: class_key(item[0])))

    def closes(self) -> dict[str, int]:
        """Return the classes that children without a standing yes come to, and how many: new, back or moved.

        A class shows guardians nothing until every child of it has a yes or the principal settled how it goes on (for
        that one class), so this is what an import takes away.
        """
        waiting = Counter(change.class_to for change in self.changes if change.waits)
        return dict(sorted(waiting.items(), key=lambda item: class_key(item[0])))

    def fingerprint(self) -> str:
        """Name this plan: the same differences give the same one."""
        return hashlib.sha256(repr((self.changes, self.questions, self.absent)).encode()).hexdigest()


def plan_of(entries: Sequence[Entry], known: Known, answers: Mapping[str, str]) -> Plan:
    """Compare a list with the school; `answers` say for a row which child it is, or `new`."""
    require_apart(known.classes.values())
    planner = _Planner(known, answers)
    taken = planner.certain(entries)
    for entry in entries:
        if entry.key not in taken:
            planner.doubtful(entry)
    return planner.plan(entries)


class _Planner:
    def __init__(self, known: Known, answers: Mapping[str, str]) -> None:
        self._known, self._answers = known, answers
        self._by_code = {child.code: child for child in known.children.values() if child.code is not None}
        self._by_key: dict[tuple[str, str, str], list[KnownChild]] = {}
        for child in known.children.values():
            self._by_key.setdefault(self._key_of(child), []).append(child)
        self._child: dict[str, KnownChild | None] = {}
        """Row to child; None = a new one."""
        self._questions: list[Question] = []

    def _key_of(self, child: KnownChild) -> tuple[str, str, str]:
        return name_key(child.name), str(child.birth), class_key(self._known.place(child))

    def certain(self, entries: Sequence[Entry]) -> set[str]:
        """Take the rows that are one child for certain, so that they cannot be an answer for another."""
        for entry in entries:
            child = self._by_code.get(entry.code) if entry.code is not None else None
            if child is None:
                same = self._by_key.get((name_key(entry.name), str(entry.birth), class_key(entry.class_name)), [])
                same = [item for item in same if not (item.code and entry.code)]  # two codes are two children
                child = same[0] if len(same) == 1 else None
            if child is not None and child not in self._child.values():
                self._child[entry.key] = child
        return set(self._child)

    def doubtful(self, entry: Entry) -> None:
        """Settle a row that is no child of ours for certain: new, answered, or a question."""
        taken = {child.id for child in self._child.values() if child is not None}
        choices = [
            child
            for child in self._known.children.values()
            if name_key(child.name) == name_key(entry.name)
            and child.id not in taken
            and (None in (child.birth, entry.birth) or child.birth == entry.birth)
            and not (child.code and entry.code)
        ]
        answer = self._answers.get(entry.key)
        if not choices or answer == NEW_CHILD:
            self._child[entry.key] = None
            return
        chosen = next((child for child in choices if child.id == answer), None)
        if chosen is not None:
            self._child[entry.key] = chosen
            return
        why = "several" if len(choices) > 1 else "moved" if choices[0].birth == entry.birth else "birth"
        self._questions.append(
            Question(
                entry.key,
                entry.row,
                entry.name,
                entry.class_name,
                why,
                tuple((child.id, self._known.place(child)) for child in choices),
            )
        )

    def plan(self, entries: Sequence[Entry]) -> Plan:
        """Put it together."""
        known, named = (
            self._known,
            {class_key(entry.class_name): entry.class_name for entry in entries if not entry.left},
        )
        covered = {class_key(entry.class_name) for entry in entries}
        changes = tuple(
            change_of(entry, self._child[entry.key], known) for entry in entries if entry.key in self._child
        )
        asked = {choice for question in self._questions for choice, _ in question.choices}
        here = {child.id for child in self._child.values() if child is not None} | asked
        absent = tuple(
            Change(Kind.LEFT, child.name, "", 0, child.id, place)
            for child in known.children.values()
            if child.id not in here and (place := known.place(child)) and class_key(place) in covered
        )
        ours = {class_key(name) for name in known.classes.values()}
        return Plan(
            changes,
            tuple(self._questions),
            absent,
            tuple(name for key, name in sorted(named.items()) if key not in ours),
            tuple(sorted(name for name in known.classes.values() if class_key(name) not in covered)),
        )


def change_of(entry: Entry, child: KnownChild | None, known: Known) -> Change:
    """Return what happens to one child."""
    if child is None:
        if entry.left:  # and was never here: nothing is entered
            return Change(Kind.SAME, entry.name, entry.key, entry.row, None, "", "", (), (), entry)
        kin = kin_changes(entry.kin, (), known)
        target = known.class_called(entry.class_name)
        return Change(Kind.NEW, entry.name, entry.key, entry.row, None, "", target, (), kin, entry, waits=True)
    place = known.place(child)
    if entry.left:
        kind = Kind.LEFT if place else Kind.SAME
        return Change(kind, child.name, entry.key, entry.row, child.id, place, "", (), (), entry)
    details = tuple(
        what
        for what, ours, theirs in (
            ("name", child.name, entry.name),
            ("birth", child.birth, entry.birth),
            ("code", child.code, entry.code),
        )
        if theirs is not None and ours != theirs
    )
    kin = kin_changes(entry.kin, child.kin, known)
    if not place:
        kind = Kind.BACK
    elif class_key(place) != class_key(entry.class_name):
        kind = Kind.MOVED
    else:
        kind = Kind.CHANGED if details or kin else Kind.SAME
    if kind in (Kind.CHANGED, Kind.SAME):
        return Change(kind, entry.name, entry.key, entry.row, child.id, place, place, details, kin, entry)
    target, waits = known.class_called(entry.class_name), _waits(child, kin, known.id_called(entry.class_name))
    return Change(kind, entry.name, entry.key, entry.row, child.id, place, target, details, kin, entry, waits)


def _waits(child: KnownChild, kin: Sequence[KinChange], class_id: PublicId | None) -> bool:
    """Say whether a class waits for this child's family once its guardians are those of the list."""
    ended = {item.person for item in kin if item.what == "ended"}
    joined = {item.person for item in kin if item.what == "joined" and item.person is not None}
    return child.waits(({tie.person for tie in child.kin} - ended) | joined, class_id)


def kin_changes(wanted: Sequence[Kin], ours: Sequence[KnownKin], known: Known) -> tuple[KinChange, ...]:
    """Return what happens to the guardians of a child; those the list does not speak of stay."""
    changes: list[KinChange] = []
    for item in wanted:
        same = next((tie for tie in ours if name_key(tie.name) == name_key(item.name)), None)
        by_phone = next(
            (tie for tie in ours if tie.kind == item.kind and item.phone is not None and tie.phone == item.phone), None
        )
        if same is not None:
            if item.phone is not None and item.phone != same.phone:
                changes.append(KinChange(same.kind, same.name, "phone", item.phone, same.tie, same.person))
        elif by_phone is not None:
            changes.append(KinChange(item.kind, item.name, "renamed", item.phone, by_phone.tie, by_phone.person))
        else:
            before = [tie for tie in ours if tie.kind == item.kind and item.kind in ONE_EACH]
            changes += [KinChange(tie.kind, tie.name, "ended", None, tie.tie, tie.person) for tie in before]
            person = known.people.get((name_key(item.name), item.phone or ""))
            what = "new" if person is None else "joined"
            changes.append(KinChange(item.kind, item.name, what, item.phone, None, person))
    return tuple(changes)
