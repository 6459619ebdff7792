"""The audit for the pages: `web.ledger_services` over access.

Owns what a reader learns of others. Invariants: a principal reads every name; families and teachers read, of looks at
their class, staff, observers and technicians by name and role, the console as the console, and another guardian only as
"a guardian of the class" (also the other parent of one's own child: separated parents are not told of each other); own
rows name oneself as "you"; when a look at a class was and how long it lasted is told in minutes; no device of anybody
else, no id of a person; the rows of a look of a guardian without a name are not told one by one (joined by a
device, they tell whose they are). A page decides before it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TypeAlias

from gateway.access import audit_ledger
from gateway.access.acts import ERASED_NAME, Acts
from gateway.access.audit_erase import Asked, Erasures, Why, erased_subjects
from gateway.access.audit_ledger import END, LINES, MOST_LINES, Group, Page, Wanted, group_of, looks_at, of_person
from gateway.access.audit_lines import Line
from gateway.access.audit_looks import looks
from gateway.access.policy import BOX
from gateway.access.store import FactStore, Need
from gateway.core.errors import BadInput
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId, Role
from gateway.roofs.actors import actor_of
from gateway.roofs.audit_watch import AuditWatch
from gateway.roofs.names import Names
from web.caller import Caller
from web.ledger_services import ChainFacts, Erasable, LedgerLine, LedgerPage, LedgerWish, Named

IN_FILE = 20_000
"""Lines of an exported file at most: a month of a large school."""
COUNTED, COUNTS = frozenset({"roster.import", "roster.rollover"}), ("new", "moved", "back", "changed", "left")
"""Acts upon many children, and what they count."""
ALL = Need(Action.AUDIT, BOX)
MINUTE_S = 60
FAMILY = "family"
"""The role of a guardian who is not named."""
_Told: TypeAlias = Callable[[Line], LedgerLine]
"""How a row reads to somebody."""


class LedgerPort:
    """`web.ledger_services.LedgerDoor`, whole."""

    def __init__(
        self,
        store: FactStore,
        names: Names,
        watch: AuditWatch,
        erasures: Erasures,
        kept_elsewhere: Callable[[], bool],
    ) -> None:
        self._store, self._names, self._watch, self._erasures = store, names, watch, erasures
        self._kept = kept_elsewhere

    # the chain

    def chain(self) -> ChainFacts:
        """Return the last verdict."""
        last, kept = self._watch.last, self._kept()
        if last is None:
            return ChainFacts(kept_elsewhere=kept)
        found, verdict = last.verdict.findings, last.verdict
        return ChainFacts(
            verdict.problem is None,
            verdict.entries,
            verdict.checkpoints,
            verdict.erased,
            last.at_ms,
            tuple((item.problem.value, item.seq, item.to_seq) for item in found),
            kept,
        )

    async def check(self) -> None:
        """Walk now."""
        await self._watch.check()

    # what can be chosen

    def classes(self, caller: Caller) -> Sequence[Named]:
        """Return the classes whose looks the caller may read."""
        rows = [row for row in self._names.classes.values() if self._may_read(caller, row.id)]
        return [Named(row.id, row.name) for row in sorted(rows, key=lambda row: (row.name, row.id))]

    def _may_read(self, caller: Caller, class_id: PublicId) -> bool:
        store, need = self._store, Need(Action.AUDIT, ObjectRef(ObjectKind.CLASS, class_id))
        return store.answer(store.current, actor_of(caller), need, store.clock.now_ms()).allowed

    def people(self) -> Sequence[Named]:
        """Return everybody who has a name, guardians with their children's."""
        rows = [row for row in self._names.persons.values() if row.name != ERASED_NAME]
        named = (Named(row.id, self._names.told_apart(row.id, self._store.current), row.role) for row in rows)
        return sorted(named, key=lambda row: (row.role, row.name, row.id))

    def children(self) -> Sequence[Named]:
        """Return all children who have a name, with the class each is in."""
        rows = [row for row in self._names.children.values() if row.name != ERASED_NAME]
        classes = {row.id: row.name for row in self._names.classes.values()}
        places = {row.id: classes.get(row.class_id or PublicId(""), "") for row in rows}
        named = (Named(row.id, " · ".join(filter(None, (row.name, places[row.id])))) for row in rows)
        return sorted(named, key=lambda row: (row.name, row.id))

    # pages

    async def everything(self, caller: Caller, wish: LedgerWish) -> LedgerPage:
        """Read everything, with every name."""
        await self._store.demand(actor_of(caller), ALL)
        page, whole = await self._everything(wish, most=MOST_LINES)
        return LedgerPage(_looks(page, whole), page.older)

    async def class_looks(self, caller: Caller, class_id: PublicId, wish: LedgerWish) -> LedgerPage:
        """Read the looks at one class."""
        need = Need(Action.AUDIT, ObjectRef(ObjectKind.CLASS, class_id))
        await self._store.demand(actor_of(caller), need)
        page = await self._store.db.read(lambda conn: looks_at(conn, class_id, _wanted(wish), most=MOST_LINES))
        lines = _looks(page, lambda line: self._of_class(line, caller, class_id))
        return LedgerPage(tuple(in_minutes(line) for line in lines), page.older)

    async def own(self, caller: Caller, wish: LedgerWish) -> LedgerPage:
        """Read one's own rows."""
        own = Need(Action.PEOPLE, ObjectRef(ObjectKind.PERSON, caller.person))
        await self._store.demand(actor_of(caller), own)
        page = await self._store.db.read(lambda conn: of_person(conn, caller.person, _wanted(wish), most=MOST_LINES))
        labels = await self._labels(page)
        return LedgerPage(_looks(page, lambda line: self._own(line, caller, labels)), page.older)

    async def export(self, caller: Caller, wish: LedgerWish) -> LedgerPage:
        """Read for a file, row by row; the row is written first."""

        async def work() -> LedgerPage:
            page, whole = await self._everything(wish, lines=IN_FILE)
            return LedgerPage(tuple(whole(line) for line in page.lines), page.older)

        acts, actor = Acts(self._store), actor_of(caller)
        group, span = wish.group or "all", {"from_ms": wish.from_ms or 0, "to_ms": wish.to_ms or 0}
        return await acts.carry_out(actor, "audit.export", work, ALL, group=group, **span)

    async def _everything(self, wish: LedgerWish, *, lines: int = LINES, most: int = 0) -> tuple[Page, _Told]:
        wanted = _wanted(wish)
        page = await self._store.db.read(lambda conn: audit_ledger.page(conn, wanted, lines=lines, most=most))
        erased = await self._store.db.read(erased_subjects)
        labels = await self._labels(page)
        return page, lambda line: self._whole(line, labels, erased)

    async def _labels(self, page: Page) -> Mapping[str, str]:
        devices = {line.text("device") for line in page.lines}
        return await self._store.db.read(lambda conn: audit_ledger.labels(conn, devices))

    # what a line says to whom

    def _whole(self, line: Line, labels: Mapping[str, str], erased: frozenset[PublicId]) -> LedgerLine:
        person = PublicId(line.text("person"))
        if person in erased:
            who, role = "", "erased"
        else:
            who, role = self._named(line)
        told = self._told(line, who, role)
        about = [*self._class_names(line.classes), *self._people_names(line.people, erased)]
        return replace(told, about=tuple(about), device=labels.get(line.text("device"), ""), camera=line.camera)

    def _of_class(self, line: Line, caller: Caller, class_id: PublicId) -> LedgerLine:
        """Return a look at a class as its families and teachers may know of it."""
        who, role = self._named(line)
        if line.text("person") == caller.person:
            who, role = "", "self"
        elif role == Role.GUARDIAN:
            who, role = "", FAMILY
        told = self._told(line, who, role)
        return replace(told, about=tuple(self._class_names([class_id])), reason="", seq=0)

    def _own(self, line: Line, caller: Caller, labels: Mapping[str, str]) -> LedgerLine:
        mine = line.text("person") == caller.person
        who, role = ("", "self") if mine else self._named(line)
        if role == Role.GUARDIAN:  # another guardian never acts on this one; if one did, not by name
            who, role = "", FAMILY
        told = self._told(line, who, role)
        classes = [item for item in line.classes if self._may_read(caller, item)]
        kin = self._kin(caller.person)
        about = [*self._class_names(classes), *self._people_names([who for who in line.people if who in kin])]
        return replace(told, about=tuple(about), device=labels.get(line.text("device"), "") if mine else "", seq=0)

    def _kin(self, person: PublicId) -> set[PublicId]:
        now_ms = self._store.clock.now_ms()
        ties = self._store.current.index.guardians_of_person.get(person, ())
        return {tie.child for tie in ties if tie.holds(now_ms)}

    def _told(self, line: Line, who: str, role: str) -> LedgerLine:
        body = line.body
        start, end, times, erased = (body.get(key) for key in ("from_ms", "to_ms", "times", "erased"))
        recorded = isinstance(start, int) and isinstance(end, int) and start < end
        return LedgerLine(
            line.seq,
            line.at_ms,
            line.what,
            group_of(line).value,
            who,
            role,
            span=(int(str(start)), int(str(end))) if recorded else None,
            seconds=line.seconds if line.seconds is not None else _number(body.get("seconds")),
            reason=line.ended or (line.text("reason") if group_of(line) is Group.DENIED or "seconds" in body else ""),
            times=_number(times),
            erased_by=_number(erased),
            counts=_counts(line) if line.what in COUNTED else (),
            at_once=bool(body.get("at_once")) if line.what == "child.leave" else None,
        )

    def _named(self, line: Line) -> tuple[str, str]:
        """Return name and role of whoever acted."""
        if line.what == "erased":
            return "", ""
        person, device = line.text("person"), line.text("device")
        if not person:
            return "", device if device in {"console", "box"} else "unknown"
        row = self._names.persons.get(PublicId(person))
        return (row.name, row.role.value) if row is not None else ("", "unknown")

    def _class_names(self, classes: Iterable[PublicId]) -> list[str]:
        return [row.name for item in classes if (row := self._names.classes.get(item)) is not None]

    def _people_names(self, people: Iterable[PublicId], erased: frozenset[PublicId] = frozenset()) -> list[str]:
        found = []
        for item in people:
            row = self._names.persons.get(item) or self._names.children.get(item)
            if row is not None and item not in erased:
                found.append(row.name)
        return found

    # erasing

    async def erasable(self, caller: Caller, kind: str, subject: PublicId) -> Erasable:
        """Say what erasing would do."""
        plan = await self._erasures.plan(actor_of(caller), kind, subject)
        return Erasable(subject, kind, plan.name, plan.blanked, plan.stays, plan.erased_ms)

    async def erase(
        self, caller: Caller, kind: str, subject: PublicId, *, typed: str, why: str, asked: str
    ) -> tuple[int, int]:
        """Erase by decision of the caller."""
        try:
            reason, asker = Why(why), Asked(asked)
        except ValueError as error:
            raise BadInput("say why, and who asked", case="erase_why", key="why") from error
        actor = actor_of(caller)
        return await self._erasures.erase(actor, kind, subject, typed=typed, why=reason, asked=asker)


def _looks(page: Page, told: _Told) -> tuple[LedgerLine, ...]:
    """Return a page's lines as their reader may know them, with the rows of one look in one line."""
    found = []
    for look in looks(page.lines):
        line = told(look.head)
        if len(look.lines) > 1:
            parts = () if line.role == FAMILY else tuple(told(row) for row in reversed(look.lines))
            line = replace(line, at_ms=look.at_ms, seconds=look.seconds, parts=parts)
        found.append(line)
    return tuple(found)


def in_minutes(line: LedgerLine) -> LedgerLine:
    """Return a line, and the rows of its look, with times and lengths in whole minutes, in the order they had.

    The seconds do not leave this door: not as a length, and not as the distance of a beginning and an end.
    """
    minutes = None if line.seconds is None else 0 if line.seconds < MINUTE_S else (line.seconds + 30) // MINUTE_S
    at_ms = None if line.at_ms is None else line.at_ms - line.at_ms % (MINUTE_S * 1000)
    parts = tuple(in_minutes(part) for part in line.parts)
    return replace(line, at_ms=at_ms, to_the_minute=True, seconds=None, minutes=minutes, parts=parts)


def _wanted(wish: LedgerWish) -> Wanted:
    group = Group(wish.group) if wish.group in set(Group) else None
    before = END if wish.before is None else wish.before
    return Wanted(group, wish.person, wish.class_id, wish.camera, wish.from_ms, wish.to_ms, before)


def _counts(line: Line) -> tuple[tuple[str, int], ...]:
    found = ((name, _number(line.body.get(name))) for name in COUNTS)
    return tuple((name, count) for name, count in found if count)


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
