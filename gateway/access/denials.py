"""Refusals counted, so that whoever hammers a door cannot flood the audit.

Owns the counting. Invariants: the first refusal of a person, action and object within a minute is
written, the others are counted and written as one row afterwards; everything the person may not know
of is one object, so guessing ids does not open a new count each time; at most `MAX_OPEN` counts are
held, the oldest is handed out for writing when a new one needs its place.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

from gateway.access.reasons import Reason
from gateway.core.model import Action, ObjectRef, PublicId

WINDOW_S = 60
MAX_OPEN = 1_000
UNSEEN = "unseen"
"""Stands for every object the asker may not know of."""
_FACELESS = frozenset({Reason.NOT_FOUND, Reason.PERSON_UNKNOWN})


class Key(NamedTuple):
    """What is counted as the same refusal."""

    person: str
    action: str
    kind: str
    object: str


@dataclass(slots=True)
class Repeats:
    """Refusals of one key after the written one."""

    key: Key
    reason: str
    since_ns: int
    times: int = 0


class Denials:
    """Counts of the running minute; used by the event loop only."""

    def __init__(self) -> None:
        self._open: OrderedDict[Key, Repeats] = OrderedDict()
        self._due: list[Repeats] = []

    @staticmethod
    def key(person: PublicId | None, action: Action, obj: ObjectRef, reason: str) -> Key:
        """Return what this refusal is counted under."""
        unseen = reason in _FACELESS
        return Key(person or "", action, "" if unseen else obj.kind, UNSEEN if unseen else obj.id)

    def covered(self, key: Key, mono_ns: int) -> bool:
        """Count the refusal and say yes if a row of this minute already tells it."""
        self.expire(mono_ns)
        found = self._open.get(key)
        if found is None:
            return False
        found.times += 1
        return True

    def written(self, key: Key, reason: str, mono_ns: int) -> None:
        """Start the minute of a refusal that was written."""
        while len(self._open) >= MAX_OPEN:
            self._close(self._open.popitem(last=False)[1])
        self._open[key] = Repeats(key, reason, mono_ns)

    def expire(self, mono_ns: int) -> None:
        """End the minutes that are over."""
        while self._open and mono_ns - next(iter(self._open.values())).since_ns >= WINDOW_S * 1_000_000_000:
            self._close(self._open.popitem(last=False)[1])

    def due(self) -> list[Repeats]:
        """Take the counts that must be written now."""
        due, self._due = self._due, []
        return due

    def _close(self, repeats: Repeats) -> None:
        if repeats.times:
            self._due.append(repeats)
            del self._due[:-MAX_OPEN]
