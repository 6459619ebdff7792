"""What the pages need of the audit, as a narrow protocol.

Owns the values that cross and `LedgerDoor`. Invariants: whose page it is comes from the session; what a line says of
other people is settled behind this door, person by person; acts, roles and reasons cross as codes, which the pages put
into words. All times are UTC milliseconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.core.model import PublicId
from web.caller import Caller

GROUPS = ("look", "copy", "denied", "people", "config")


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """Whether the audit is whole, as the box last found it."""

    ok: bool | None = None
    """None: not looked at yet."""
    rows: int = 0
    checkpoints: int = 0
    erased: int = 0
    checked_ms: int | None = None
    findings: tuple[tuple[str, int, int], ...] = ()
    """Problem code, first and last row."""
    kept_elsewhere: bool = False
    """Checkpoints go to the authority; otherwise somebody has to keep a file of them."""


@dataclass(frozen=True, slots=True)
class LedgerWish:
    """What a page asks for; empty or None is no limit."""

    group: str = ""
    person: PublicId | None = None
    class_id: PublicId | None = None
    camera: PublicId | None = None
    from_ms: int | None = None
    to_ms: int | None = None
    before: int | None = None


@dataclass(frozen=True, slots=True)
class LedgerLine:
    """One line, as the asker may read it."""

    seq: int
    at_ms: int | None
    act: str
    """granted.live, class.pause, erased, ..."""
    group: str
    who: str
    """Name; empty where the role says all the asker may know."""
    role: str
    """A role, or: self, family, console, box, erased, unknown; empty for a blanked row."""
    about: tuple[str, ...] = ()
    """Classes, persons and children it concerns, by name."""
    camera: PublicId | None = None
    span: tuple[int, int] | None = None
    seconds: int | None = None
    minutes: int | None = None
    """How long, as precisely as people of a class may know of each other; 0: less than one. `seconds` is None then."""
    to_the_minute: bool = False
    """`at_ms` is cut to the minute: two rows of a look would tell its seconds otherwise."""
    reason: str = ""
    """Reason code of a refusal or an end."""
    device: str = ""
    times: int | None = None
    erased_by: int | None = None
    """Row that blanked this one."""
    counts: tuple[tuple[str, int], ...] = ()
    """How many children an import or a roll-over added, moved, ...: `list.count.<name>`."""
    at_once: bool | None = None
    """Whether a child left at once, or with its last day."""
    parts: tuple[LedgerLine, ...] = ()
    """The rows that are one look, in their order; none where one row is all."""


@dataclass(frozen=True, slots=True)
class LedgerPage:
    """Lines, newest first; `older` is the `before` of the next page."""

    lines: tuple[LedgerLine, ...]
    older: int | None = None


class Named(NamedTuple):
    """Something to choose."""

    id: PublicId
    name: str
    role: str = ""


@dataclass(frozen=True, slots=True)
class Erasable:
    """Somebody whose data may be erased, and what that does."""

    id: PublicId
    kind: str
    """person or child."""
    name: str
    blanked: int
    stays: int
    erased_ms: int | None = None


class LedgerDoor(Protocol):
    """The audit."""

    def chain(self) -> ChainFacts:
        """Return how the chain was found last."""

    async def check(self) -> None:
        """Walk the chain now."""

    def classes(self, caller: Caller) -> Sequence[Named]:
        """Return the classes whose looks the caller may read, by name."""

    def people(self) -> Sequence[Named]:
        """Return everybody by name, for a principal's filter."""

    def children(self) -> Sequence[Named]:
        """Return all children by name, for a principal."""

    async def everything(self, caller: Caller, wish: LedgerWish) -> LedgerPage:
        """Return a page of the whole audit; Denied."""

    async def class_looks(self, caller: Caller, class_id: PublicId, wish: LedgerWish) -> LedgerPage:
        """Return who looked at a class; Denied, NotFound."""

    async def own(self, caller: Caller, wish: LedgerWish) -> LedgerPage:
        """Return what the caller did, and what was done about the caller."""

    async def export(self, caller: Caller, wish: LedgerWish) -> LedgerPage:
        """Return the lines for a file, with an audit row; bounded, `older` says if there are more. Denied."""

    async def erasable(self, caller: Caller, kind: str, subject: PublicId) -> Erasable:
        """Say what erasing somebody's data would do; Denied, NotFound."""

    async def erase(
        self, caller: Caller, kind: str, subject: PublicId, *, typed: str, why: str, asked: str
    ) -> tuple[int, int]:
        """Erase; returns the deciding row and how many bodies were blanked. Denied, NotFound, BadInput with `case`."""
