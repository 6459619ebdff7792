"""Consent as the pages ask for it, answered by access: the adapter of `web.consent_services`.

Owns the translation; decides nothing. Invariants: every act goes to access with the session's person; names are
added here and only for whoever the list is for; a guardian's own list holds no other guardian.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Mapping, Sequence

from gateway.access.acts import KEEPS_THE_BOX as BINDS
from gateway.access.consent_cases import Cases
from gateway.access.consent_paper import Line, PaperSheets, SheetRow
from gateway.access.consent_rules import REPEAT_MS, Remedy
from gateway.access.consent_texts import SchoolFacts, Text, Texts
from gateway.access.consents import AnswerRow, Basis, ChildState, Consents, own_children
from gateway.access.facts import Purpose
from gateway.access.store import FactStore
from gateway.core.config import Config
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import PublicId, Role
from gateway.roofs.actors import actor_of
from gateway.roofs.names import Names, list_order
from web.caller import Caller
from web.consent_services import (
    PURPOSES,
    CaseView,
    ChildAnswers,
    ClassTally,
    ConsentText,
    Entry,
    PaperLine,
    Question,
    RecordingBasis,
    Sheet,
    SheetLine,
    Statement,
)


def consent_port(store: FactStore, names: Names, config: Config) -> ConsentPort:
    """Build consent for a box: its rules, its texts, its names."""
    texts = Texts(store, SchoolFacts(config.site.name, config.retention.days))
    consents = Consents(store, texts, on_withdrawal=config.access.on_withdrawal)
    return ConsentPort(store, consents, Cases(store), PaperSheets(store, consents), names)


class ConsentPort:
    """`web.consent_services.ConsentDoor` over access."""

    def __init__(self, store: FactStore, consents: Consents, cases: Cases, papers: PaperSheets, names: Names) -> None:
        self._store, self._consents, self._cases, self._papers, self._names = store, consents, cases, papers, names

    # a guardian's own

    async def questions(self, caller: Caller) -> Sequence[Question]:
        """Return every question of a guardian's children."""
        reference = (await self._consents.basis()).reference
        return [
            Question(
                item.child, self._child(item.child), self._class_of(item.child), text_view(item.text),
                item.given, item.answered_ms, item.via, item.withdrawn, item.due, item.notice, reference,
            )
            for item in await self._consents.mine(caller.person)
        ]  # fmt: skip

    async def put(self, caller: Caller, question: Question) -> None:
        """Keep that the question was put before the guardian."""
        for item in await self._consents.mine(caller.person):
            if (item.child, item.text.sha256) == (question.child, question.text.sha256):
                await self._consents.asked(caller.person, item.child, item.text)

    async def answer(self, caller: Caller, child: PublicId, purpose: str, *, given: bool, sha256: str) -> None:
        """Answer one question."""
        await self._consents.answer(actor_of(caller), child, Purpose(purpose), given=given, sha256=sha256)

    async def withdraw(self, caller: Caller, child: PublicId, purpose: str) -> None:
        """Withdraw, at once."""
        await self._consents.withdraw(actor_of(caller), child, Purpose(purpose))

    async def statements(self, caller: Caller) -> Sequence[Statement]:
        """Return a guardian's own statements."""
        children = own_children(self._store.current, caller.person, self._store.clock.now_ms())
        return [await self._statement(child, own=caller.person) for child in children]

    async def statement(self, caller: Caller, child: PublicId) -> Statement:
        """Return a child's whole statement."""
        await self._store.demand(actor_of(caller), BINDS)
        if child not in self._store.current.children:
            raise NotFound("there is no such child")
        return await self.record(child)

    async def record(self, child: PublicId) -> Statement:
        """Return a child's whole statement; the caller has decided."""
        return await self._statement(child, own=None)

    async def _statement(self, child: PublicId, *, own: PublicId | None) -> Statement:
        rows = await self._consents.history(child, own=own)
        found = [await self._consents.shown(item) for item in dict.fromkeys(row.sha256 for row in rows) if item]
        class_id = self._class_of(child)
        entries = [self._entry(row, names=own is None or row.person == own) for row in rows]
        texts = [text_view(text) for text in found if text is not None]
        return Statement(self._child(child), self._class(class_id) if class_id else "", entries, texts)

    def _entry(self, row: AnswerRow, *, names: bool) -> Entry:
        return Entry(
            row.purpose, row.given, row.withdrawal,
            self._names.person(row.person) if row.person and names else "",
            row.via, row.version, row.sha256 or "", row.asked_ms, row.since_ms, row.until_ms,
            row.day or "", row.scan or "",
            self._staff(row.entered_by) if row.person is None or row.via != "phone" else "",
            self._staff(row.signed_by), row.signed_ms,
        )  # fmt: skip

    def _staff(self, who: str | None) -> str:
        return self._names.person(PublicId(who)) if who else ""

    # the school's lists

    async def classes(self, caller: Caller) -> Sequence[ClassTally]:
        """Return the classes: the principal's all, a teacher's own."""
        return await self.tallies(self._own_classes(caller))

    async def tallies(self, wanted: Collection[PublicId] | None = None) -> Sequence[ClassTally]:
        """Return how some classes stand, or all; the caller has decided."""
        waiting = await self._papers.rows(waiting=True)
        found = []
        for row in sorted(self._names.classes.values(), key=lambda item: item.name):
            if wanted is None or row.id in wanted:
                states = await self._consents.states(row.id)
                said = [state.answers[Purpose.VIEW] for state in states]
                found.append(
                    ClassTally(
                        row.id, row.name, len(states), said.count(True), said.count(False), said.count(None),
                        sum(state.waits for state in states), sum(sheet.class_id == row.id for sheet in waiting),
                    )
                )  # fmt: skip
        return found

    def _own_classes(self, caller: Caller) -> set[PublicId]:
        facts, now_ms = self._store.current, self._store.clock.now_ms()
        if caller.role in {Role.PRINCIPAL, Role.VICE_PRINCIPAL}:
            return set(facts.classes)
        return {row.class_id for row in facts.index.teachings_of_person.get(caller.person, ()) if row.holds(now_ms)}

    async def children(self, caller: Caller, class_id: PublicId) -> Sequence[ChildAnswers]:
        """Return the children of a class by name."""
        if class_id not in self._own_classes(caller):
            raise NotFound("there is no such class")
        return await self.answers(class_id)

    async def answers(self, class_id: PublicId) -> Sequence[ChildAnswers]:
        """Return the children of a class by name; the caller has decided."""
        found = [self._answers(state) for state in await self._consents.states(class_id)]
        return sorted(found, key=lambda item: (list_order(item.name), item.child))

    def _answers(self, state: ChildState) -> ChildAnswers:
        facts, now_ms = self._store.current, self._store.clock.now_ms()
        ties = [row for row in facts.guardians if row.child == state.child and row.holds(now_ms)]
        guardians = [(row.person, self._names.person(row.person), row.kind) for row in ties]
        answers = {str(purpose): given for purpose, given in state.answers.items()}
        return ChildAnswers(
            state.child, self._child(state.child), answers, guardians,
            state.withdrawn, state.resolved, state.standing, state.waits,
        )  # fmt: skip

    # paper

    async def sheets(self, caller: Caller, class_id: PublicId) -> Sequence[Sheet]:
        """Return a class's paper sheets."""
        if class_id not in self._own_classes(caller):
            raise NotFound("there is no such class")
        return [self._sheet(row) for row in await self._papers.rows(class_id)]

    def _sheet(self, row: SheetRow) -> Sheet:
        state = "waits" if row.waits else "dropped" if row.dropped_ms is not None else "counts"
        lines = [
            SheetLine(
                self._child(line.child), line.purpose, line.given, line.now, line.then, line.fate,
                self._names.person(line.signer) if line.signer else "",
            )
            for line in row.lines
        ]  # fmt: skip
        lines.sort(key=lambda line: (list_order(line.child_name), PURPOSES.index(line.purpose)))
        return Sheet(
            row.id, row.day.isoformat(), row.scan, self._staff(row.entered_by), row.entered_ms, state, lines,
            self._staff(row.signed_by), row.signed_ms,
        )  # fmt: skip

    async def enter(
        self, caller: Caller, class_id: PublicId, day: dt.date, scan: str, lines: Sequence[PaperLine]
    ) -> None:
        """Put in a paper sheet."""
        wanted = [Line(line.child, Purpose(line.purpose), line.given, line.signer) for line in lines]
        await self._papers.enter(actor_of(caller), class_id, day, scan, wanted)

    async def drop(self, caller: Caller, class_id: PublicId, sheet: PublicId) -> None:
        """Take back a sheet that does not count yet."""
        await self._papers.drop(actor_of(caller), class_id, sheet)

    async def countersign(self, caller: Caller, class_id: PublicId, sheet: PublicId) -> None:
        """Let a sheet count; NotFound if it is of another class."""
        await self._papers.countersign(actor_of(caller), class_id, sheet)

    # cases

    async def cases(self, caller: Caller) -> Sequence[CaseView]:
        """Return the open cases of children who are in a class."""
        await self._store.demand(actor_of(caller), BINDS, reading=True)
        found = []
        for row in await self._cases.rows():
            class_id = self._class_of(row.child)
            if class_id is not None:
                states = {state.child: state for state in await self._consents.states(class_id)}
                waits = row.purpose is Purpose.VIEW and states[row.child].waits
                found.append(
                    CaseView(
                        row.child, self._child(row.child), class_id, self._class(class_id), row.purpose, row.kind,
                        waits, row.opened_ms, row.due_ms,
                    )
                )  # fmt: skip
        return found

    async def overdue(self) -> int:
        """Return how many open cases are past their day; for the box's health, so without a name."""
        return await self._cases.overdue()

    async def settled(self, caller: Caller) -> Sequence[CaseView]:
        """Return what was settled in the last year, newest first."""
        await self._store.demand(actor_of(caller), BINDS, reading=True)
        now_ms = self._store.clock.now_ms()
        found = [
            CaseView(
                row.child, self._child(row.child), row.class_id or PublicId(""),
                self._class(row.class_id) if row.class_id else "", row.purpose, row.kind, False,
                row.opened_ms, row.due_ms, row.closed_ms, row.remedy or "", row.agreed,
            )
            for row in await self._cases.rows(closed_since_ms=now_ms - REPEAT_MS)
            if row.closed_ms is not None
        ]  # fmt: skip
        return sorted(found, key=lambda item: -item.closed_ms)

    async def settle(
        self, caller: Caller, child: PublicId, class_id: PublicId, purpose: str, remedy: str, agreed: str
    ) -> None:
        """Write down how a family's wish is met."""
        if remedy not in set(Remedy):
            raise BadInput("choose how it is met", case="remedy", key="remedy")
        await self._cases.settle(actor_of(caller), child, class_id, Remedy(remedy), agreed, Purpose(purpose))

    async def hold_class(self, caller: Caller, child: PublicId, class_id: PublicId) -> None:
        """Close the class until the case is settled."""
        await self._cases.hold_class(actor_of(caller), child, class_id)

    # the school's texts

    async def basis(self) -> RecordingBasis:
        """Return on what recording is based."""
        basis = await self._consents.basis()
        return RecordingBasis(basis.basis, basis.reference, basis.set_ms is not None)

    async def set_basis(self, caller: Caller, basis: str, reference: str) -> None:
        """State it."""
        if basis not in set(Basis):
            raise BadInput("recording is based on a regulation or on consent", case="reference", key="basis", most=120)
        await self._consents.set_basis(actor_of(caller), Basis(basis), reference)

    async def texts(self) -> Sequence[ConsentText]:
        """Return the texts in force, as they are shown."""
        return [text_view(text) for text in (await self._consents.texts.all()).values()]

    async def drafts(self) -> Mapping[str, tuple[str, str]]:
        """Return the texts in force as they are written."""
        return {str(key): (text.vi, text.en) for key, text in (await self._consents.texts.templates()).items()}

    async def publish(self, caller: Caller, purpose: str, vi: str, en: str, *, widens: bool) -> None:
        """Publish the school's own text."""
        await self._consents.texts.publish(actor_of(caller), Purpose(purpose), vi, en, widens=widens)

    # names

    def _child(self, child: PublicId) -> str:
        row = self._names.children.get(child)
        return row.name if row else ""

    def _class(self, class_id: PublicId) -> str:
        row = self._names.classes.get(class_id)
        return row.name if row else ""

    def _class_of(self, child: PublicId) -> PublicId | None:
        facts, now_ms = self._store.current, self._store.clock.now_ms()
        rows = facts.index.enrolments_of_child.get(child, ())
        return next((row.class_id for row in rows if row.holds(now_ms)), None)


def text_view(text: Text) -> ConsentText:
    """Return a text for the pages."""
    return ConsentText(text.purpose, text.version, text.sha256, text.lines("vi"), text.lines("en"))
