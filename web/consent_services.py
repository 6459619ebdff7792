"""What the pages need for consent, as one narrow protocol.

Owns the values that cross and `ConsentDoor`. Invariants: whose act it is comes from the session; every act is decided
and written down behind the door; a guardian's values hold nothing of another guardian's answer; texts come in
both languages, since the page's language is the page's own. All times are UTC milliseconds.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from gateway.core.model import PublicId
from web.caller import Caller

PURPOSES = ("view", "record", "observe")
ASKED = {"regulation": ("view", "observe"), "consent": PURPOSES}
"""What families are asked, in the order of the sheet, by what recording is based on; the rest is told them."""
REMEDIES = ("angle", "mask", "room")
"""The three ways to keep a child out of the picture."""
TALKED = "talked"
"""How recording may be settled too."""


@dataclass(frozen=True, slots=True)
class ConsentText:
    """A text as shown."""

    purpose: str
    version: str
    sha256: str
    vi: tuple[str, tuple[str, ...]]
    """Title and points."""
    en: tuple[str, tuple[str, ...]]

    def title(self, language: str) -> str:
        """Return the title in a language."""
        return (self.vi if language == "vi" else self.en)[0]

    def points(self, language: str) -> tuple[str, ...]:
        """Return the points in a language."""
        return (self.vi if language == "vi" else self.en)[1]


@dataclass(frozen=True, slots=True)
class Question:
    """How one question stands for the guardian who asks and one of their children."""

    child: PublicId
    child_name: str
    class_id: PublicId | None
    text: ConsentText
    given: bool | None = None
    answered_ms: int | None = None
    via: str = ""
    withdrawn: bool = False
    due: bool = True
    notice: bool = False
    """The school records by its regulation (`reference`) and says so here; it is no question."""
    reference: str = ""

    @property
    def purpose(self) -> str:
        """view, record or observe."""
        return self.text.purpose


@dataclass(frozen=True, slots=True)
class Entry:
    """One answer in a statement."""

    purpose: str
    given: bool
    withdrawal: bool
    who: str
    """Name of the guardian; empty: the family, on paper."""
    via: str
    version: str
    sha256: str
    asked_ms: int | None
    since_ms: int
    until_ms: int | None
    day: str = ""
    scan: str = ""
    entered_by: str = ""
    signed_by: str = ""
    signed_ms: int | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """What was asked and answered for one child, to be printed."""

    child_name: str
    class_name: str
    entries: Sequence[Entry]
    texts: Sequence[ConsentText]
    """The texts that were shown, as they were."""


@dataclass(frozen=True, slots=True)
class ClassTally:
    """How a class stands."""

    id: PublicId
    name: str
    children: int
    agreed: int
    refused: int
    silent: int
    waiting: int
    """Children because of whom the class is closed to guardians."""
    sheets: int
    """Paper sheets that wait for the principal."""


@dataclass(frozen=True, slots=True)
class ChildAnswers:
    """How a child's questions stand."""

    child: PublicId
    name: str
    answers: Mapping[str, bool | None]
    guardians: Sequence[tuple[PublicId, str, str]]
    """Id, name, kind."""
    withdrawn: bool = False
    resolved: bool = False
    standing: bool = False
    waits: bool = False


@dataclass(frozen=True, slots=True)
class CaseView:
    """Something to settle with a family."""

    child: PublicId
    child_name: str
    class_id: PublicId
    class_name: str
    purpose: str
    kind: str
    waits: bool
    opened_ms: int
    due_ms: int
    closed_ms: int = 0
    remedy: str = ""
    agreed: str = ""
    """How it was settled, in the principal's words; empty while it is open."""


@dataclass(frozen=True, slots=True)
class SheetLine:
    """An answer on a paper sheet."""

    child_name: str
    purpose: str
    given: bool
    now: bool | None
    then: bool | None
    """What stands once the sheet counts; of one that does not wait, what stands now."""
    fate: str = "counts"
    """counts, or why it does not: newer, signer, other (from before causes were kept)."""
    signer: str = ""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A paper sheet that was put in."""

    id: PublicId
    day: str
    scan: str
    entered_by: str
    entered_ms: int
    state: str
    """waits, counts or dropped."""
    lines: Sequence[SheetLine]
    signed_by: str = ""
    signed_ms: int | None = None


@dataclass(frozen=True, slots=True)
class PaperLine:
    """An answer that a teacher puts in."""

    child: PublicId
    purpose: str
    given: bool
    signer: PublicId | None = None


@dataclass(frozen=True, slots=True)
class RecordingBasis:
    """On what the school bases recording."""

    basis: str = "regulation"
    reference: str = ""
    stated: bool = False


class ConsentDoor(Protocol):
    """Consent. What needs a right raises Denied, or NotFound for what one may not know of."""

    async def questions(self, caller: Caller) -> Sequence[Question]:
        """Return every question of a guardian's children."""

    async def put(self, caller: Caller, question: Question) -> None:
        """Keep that the question was put before the guardian."""

    async def answer(self, caller: Caller, child: PublicId, purpose: str, *, given: bool, sha256: str) -> None:
        """Answer one question; BadInput (case text_changed) if the text is no longer in force."""

    async def withdraw(self, caller: Caller, child: PublicId, purpose: str) -> None:
        """Withdraw, at once."""

    async def statements(self, caller: Caller) -> Sequence[Statement]:
        """Return a guardian's own statements, a child each."""

    async def statement(self, caller: Caller, child: PublicId) -> Statement:
        """Return a child's whole statement, for the school's file."""

    async def classes(self, caller: Caller) -> Sequence[ClassTally]:
        """Return the classes: the principal's all, a teacher's own."""

    async def children(self, caller: Caller, class_id: PublicId) -> Sequence[ChildAnswers]:
        """Return the children of a class by name."""

    async def sheets(self, caller: Caller, class_id: PublicId) -> Sequence[Sheet]:
        """Return a class's paper sheets, newest first."""

    async def enter(
        self, caller: Caller, class_id: PublicId, day: dt.date, scan: str, lines: Sequence[PaperLine]
    ) -> None:
        """Put in a paper sheet; BadInput, and nothing is kept then (case sheet_signer: `children` lack who signed)."""

    async def drop(self, caller: Caller, class_id: PublicId, sheet: PublicId) -> None:
        """Take back a sheet that does not count yet; BadInput (case sheet_signed, sheet_dropped) for a second time."""

    async def countersign(self, caller: Caller, class_id: PublicId, sheet: PublicId) -> None:
        """Let a sheet count; BadInput as above."""

    async def cases(self, caller: Caller) -> Sequence[CaseView]:
        """Return the open cases, first due first."""

    async def overdue(self) -> int:
        """Return how many open cases are past their day; the caller may know."""

    async def settled(self, caller: Caller) -> Sequence[CaseView]:
        """Return the cases that were settled in the last year, with what was agreed: the principal's to read."""

    async def settle(
        self, caller: Caller, child: PublicId, class_id: PublicId, purpose: str, remedy: str, agreed: str
    ) -> None:
        """Write down how a family's wish is met; BadInput (case settled: it is done already, nothing is written)."""

    async def hold_class(self, caller: Caller, child: PublicId, class_id: PublicId) -> None:
        """Close the class to guardians until the case is settled; BadInput (case settled)."""

    async def basis(self) -> RecordingBasis:
        """Return on what recording is based."""

    async def set_basis(self, caller: Caller, basis: str, reference: str) -> None:
        """State it; BadInput."""

    async def texts(self) -> Sequence[ConsentText]:
        """Return the texts in force, as they are shown."""

    async def drafts(self) -> Mapping[str, tuple[str, str]]:
        """Return the texts in force as they are written, by purpose: Vietnamese, English."""

    async def publish(self, caller: Caller, purpose: str, vi: str, en: str, *, widens: bool) -> None:
        """Publish the school's own text; BadInput."""
