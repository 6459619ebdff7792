"""Consent as the pages see it, in memory: `web.consent_services` over lists that tests set."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from gateway.core.clock import Clock
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import PublicId, Role
from web.caller import Caller
from web.consent_services import (
    CaseView,
    ChildAnswers,
    ClassTally,
    ConsentText,
    PaperLine,
    Question,
    RecordingBasis,
    Sheet,
    SheetLine,
    Statement,
)

TEXTS = tuple(
    ConsentText(
        purpose, "1", digit * 64, (f"Hỏi về {purpose}", ("Một ý", "Hai ý")), (f"About {purpose}", ("One", "Two"))
    )
    for purpose, digit in (("view", "a"), ("record", "b"), ("observe", "c"))
)


@dataclass
class FakeConsents:
    """Implements `ConsentDoor`."""

    clock: Clock
    say: Callable[[str], None]
    mine: dict[PublicId, list[Question]] = field(default_factory=dict)
    """Questions by guardian."""
    tallies: list[ClassTally] = field(default_factory=list)
    kids: dict[PublicId, list[ChildAnswers]] = field(default_factory=dict)
    papers: dict[PublicId, list[Sheet]] = field(default_factory=dict)
    open_cases: list[CaseView] = field(default_factory=list)
    closed_cases: list[CaseView] = field(default_factory=list)
    stated: RecordingBasis = field(default_factory=RecordingBasis)
    error: BadInput | None = None
    """What the next act is refused with."""

    def _act(self, what: str) -> None:
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        self.say(what)

    async def questions(self, caller: Caller) -> Sequence[Question]:
        return self.mine.get(caller.person, [])

    async def put(self, caller: Caller, question: Question) -> None:
        self.say(f"put {question.purpose}")

    async def answer(self, caller: Caller, child: PublicId, purpose: str, *, given: bool, sha256: str) -> None:
        self._change(caller, child, purpose, given=given, withdrawn=False)
        self._act(f"answer {purpose} {given} {sha256[:4]}")

    async def withdraw(self, caller: Caller, child: PublicId, purpose: str) -> None:
        self._change(caller, child, purpose, given=False, withdrawn=True)
        self._act(f"withdraw {purpose}")

    def _change(self, caller: Caller, child: PublicId, purpose: str, *, given: bool, withdrawn: bool) -> None:
        rows = self.mine.get(caller.person, [])
        found = [row for row in rows if (row.child, row.purpose) == (child, purpose)]
        if not found:
            raise NotFound("no such child of this guardian")
        if self.error is None:
            new = replace(
                found[0], given=given, withdrawn=withdrawn, due=False, answered_ms=self.clock.now_ms(), via="phone"
            )
            rows[rows.index(found[0])] = new

    async def statements(self, caller: Caller) -> Sequence[Statement]:
        return [Statement("Bé An Nhiên", "Lớp Mầm 1", (), TEXTS)]

    async def statement(self, caller: Caller, child: PublicId) -> Statement:
        if all(row.child != child for rows in self.kids.values() for row in rows):
            raise NotFound("no such child")
        return Statement("Bé An Nhiên", "Lớp Mầm 1", (), TEXTS)

    async def classes(self, caller: Caller) -> Sequence[ClassTally]:
        return self.tallies if caller.role is Role.PRINCIPAL else self.tallies[:1]

    async def children(self, caller: Caller, class_id: PublicId) -> Sequence[ChildAnswers]:
        return self.kids.get(class_id, [])

    async def sheets(self, caller: Caller, class_id: PublicId) -> Sequence[Sheet]:
        return self.papers.get(class_id, [])

    async def enter(
        self, caller: Caller, class_id: PublicId, day: dt.date, scan: str, lines: Sequence[PaperLine]
    ) -> None:
        self._act(f"enter {day} {scan} {len(lines)}")
        names = {row.child: row.name for row in self.kids.get(class_id, [])}
        rows = [SheetLine(names[line.child], line.purpose, line.given, None, line.given) for line in lines]
        sheet = Sheet(PublicId("s" * 16), str(day), scan, caller.name, self.clock.now_ms(), "waits", rows)
        self.papers.setdefault(class_id, []).insert(0, sheet)

    async def drop(self, caller: Caller, class_id: PublicId, sheet: PublicId) -> None:
        self._act(f"drop {sheet}")
        self.papers[class_id] = [replace(row, state="dropped") for row in self.papers[class_id]]

    async def countersign(self, caller: Caller, class_id: PublicId, sheet: PublicId) -> None:
        self._act(f"countersign {sheet}")
        self.papers[class_id] = [
            replace(row, state="counts", signed_by=caller.name, signed_ms=self.clock.now_ms())
            for row in self.papers[class_id]
        ]

    async def cases(self, caller: Caller) -> Sequence[CaseView]:
        return self.open_cases

    async def overdue(self) -> int:
        return sum(case.due_ms < self.clock.now_ms() for case in self.open_cases)

    async def settled(self, caller: Caller) -> Sequence[CaseView]:
        return self.closed_cases

    async def settle(
        self, caller: Caller, child: PublicId, class_id: PublicId, purpose: str, remedy: str, agreed: str
    ) -> None:
        self._act(f"settle {purpose} {remedy} {agreed}")
        self.open_cases = [row for row in self.open_cases if row.child != child]

    async def hold_class(self, caller: Caller, child: PublicId, class_id: PublicId) -> None:
        self._act(f"hold {child}")

    async def basis(self) -> RecordingBasis:
        return self.stated

    async def set_basis(self, caller: Caller, basis: str, reference: str) -> None:
        self._act(f"basis {basis} {reference}")
        self.stated = RecordingBasis(basis, reference, True)

    async def texts(self) -> Sequence[ConsentText]:
        return TEXTS

    async def drafts(self) -> Mapping[str, tuple[str, str]]:
        return {
            text.purpose: ("\n".join((text.vi[0], *text.vi[1])), "\n".join((text.en[0], *text.en[1]))) for text in TEXTS
        }

    async def publish(self, caller: Caller, purpose: str, vi: str, en: str, *, widens: bool) -> None:
        self._act(f"publish {purpose} {widens}")
