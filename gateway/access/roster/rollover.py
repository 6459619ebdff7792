"""The step into a new school year: every class becomes another, or leaves the school, in one act.

Owns that act. Invariants: looked at before it is done, and done as it was shown or not at all; enrolments are dated,
so no past day changes; whoever leaves goes like any child that leaves; the teachers of all classes end with the old
year unless they are kept; what else ends with a year (`YearEnd`: families' answers) ends in the same transaction, by
the school's word; it can be undone like an import while nothing was built upon it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import re
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from gateway.access.audit import Actor
from gateway.access.classes import CONFIGURE
from gateway.access.enrolment import Rows, begins, leave, move
from gateway.access.facts import Facts
from gateway.access.roster.acts import RosterActs
from gateway.access.roster.cells import class_key, plain
from gateway.access.roster.journal import Journal
from gateway.access.roster.known import Known, read_known, require_apart
from gateway.access.roster.yearclosing import Closing, closing
from gateway.access.rows import facts_version
from gateway.access.store import FactStore, clean_name
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import PublicId, new_public_id

LEAVES, STAYS = "-", "="
"""Targets of a class beside another class's name: its children leave the school; nothing happens to them."""
_YEARS = ("nha tre", "mam", "choi", "la")
"""The steps of a preschool: 3-36 months, then 3, 4 and 5 years old."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A year that turns at an instant (UTC ms): the children that come to another class, stay in theirs, leave."""

    moved: frozenset[PublicId]
    stayed: frozenset[PublicId]
    left: frozenset[PublicId]
    at_ms: int
    ask_again: bool


class YearEnd(Protocol):
    """What ends with a school year beside the classes."""

    def agreed(self, conn: sqlite3.Connection, children: Iterable[PublicId], at_ms: int) -> int:
        """Return for how many children something stands that ends if families are asked again."""

    def end(self, conn: sqlite3.Connection, rows: Rows, turn: Turn) -> None:
        """End it, through the journal."""


@dataclass(frozen=True, slots=True)
class Step:
    """What becomes of one class."""

    class_id: PublicId
    name: str
    target: str
    """Name of the class its children come to, `-` or `=`."""
    children: tuple[PublicId, ...]


@dataclass(frozen=True, slots=True)
class RolloverPlan:
    """All steps, and the classes that are made."""

    steps: tuple[Step, ...]
    new_classes: tuple[str, ...]
    day: dt.date | None
    keep_teachers: bool
    consents: int = 0
    """Children of the next year whose families' yes stands: the school says whether it asks them again."""
    ask_again: bool | None = None

    def counts(self) -> dict[str, int]:
        """Return how many move, leave and stay."""
        moved = sum(len(step.children) for step in self.steps if step.target not in (LEAVES, STAYS))
        left = sum(len(step.children) for step in self.steps if step.target == LEAVES)
        stay = sum(len(step.children) for step in self.steps if step.target == STAYS)
        again = self.consents if self.ask_again else 0
        return {"moved": moved, "left": left, "same": stay, "classes": len(self.new_classes), "asked_again": again}

    def fingerprint(self, closes: Closing) -> str:
        """Name this plan with its answer and what it takes from guardians; logins come and go, they are not in it."""
        return hashlib.sha256(repr((self, closes.classes, closes.children)).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What would happen, and what it takes from guardians: by whether their families are asked again."""

    plan: RolloverPlan
    closings: Mapping[bool, Closing]

    def shown(self) -> str:
        """Name all that a page or console shows of it: each answer that may be given beside, by its own fingerprint."""
        answers = {again if self.plan.consents else None: closes for again, closes in self.closings.items()}
        return ".".join(replace(self.plan, ask_again=again).fingerprint(answers[again]) for again in answers)


def proposal(names: Mapping[PublicId, str]) -> dict[PublicId, str]:
    """Return what usually becomes of each class: Mầm 1 is Chồi 1 next year, Lá leaves; what is not known stays.

    Only a first filling of the form: a person looks at every line.
    """
    stems = {word: _stem(name) for name in names.values() if (word := _year(name)) is not None}
    found: dict[PublicId, str] = {}
    for class_id, name in names.items():
        year = _year(name)
        number = re.search(r"\d+[A-Za-z]?$", name.strip())
        if year is None:
            found[class_id] = STAYS
        elif year == len(_YEARS) - 1:
            found[class_id] = LEAVES
        else:
            said = f"{name.split()[0]} " if plain(name).startswith("lop ") else ""
            stem = stems.get(year + 1, said + ("Mầm", "Chồi", "Lá")[year])
            found[class_id] = f"{stem} {number[0]}" if number else stem
    return found


def _year(name: str) -> int | None:
    words = plain(name).removeprefix("lop ")
    return next((at for at, year in enumerate(_YEARS) if words == year or words.startswith(f"{year} ")), None)


def _stem(name: str) -> str:
    return re.sub(r"\s*\d+[A-Za-z]?$", "", name.strip())


class Rollover:
    """Looks at and does the step."""

    def __init__(self, store: FactStore, acts: RosterActs, year_end: YearEnd | None = None) -> None:
        self._store, self._acts, self._year_end = store, acts, year_end

    async def look(
        self,
        targets: Mapping[PublicId, str],
        *,
        day: dt.date | None = None,
        keep_teachers: bool = False,
        ask_again: bool | None = None,
    ) -> RolloverPlan:
        """Return what would happen; NotFound, BadInput. The caller has decided."""
        now_ms = self._store.clock.now_ms()
        begins(self._store.current.zone, day, now_ms)

        def run(conn: sqlite3.Connection) -> RolloverPlan:
            return self._planned(conn, targets, day, keep_teachers, ask_again, now_ms)[1]

        return await self._store.db.read(run)

    async def rehearse(
        self,
        targets: Mapping[PublicId, str],
        *,
        day: dt.date | None = None,
        keep_teachers: bool = False,
        ask_again: bool | None = None,
    ) -> Rehearsal:
        """Return what would happen and what it takes from guardians.

        It is done and taken back within one transaction, so it is told by the very rows it would write; nothing of it
        is kept or seen by anybody else. Planned before and compared after that: others wait to write meanwhile.
        NotFound, BadInput. The caller has decided.
        """
        store = self._store
        read_ms = store.clock.now_ms()
        begins(store.current.zone, day, read_ms)

        def planned(conn: sqlite3.Connection, now_ms: int) -> tuple[Known, RolloverPlan]:
            return self._planned(conn, targets, day, keep_teachers, ask_again, now_ms)

        version, early = await store.db.read(lambda conn: (facts_version(conn), planned(conn, read_ms)))

        def run(conn: sqlite3.Connection) -> tuple[RolloverPlan, Facts, Mapping[bool, Facts], int]:
            now_ms = store.clock.now_ms()
            at_ms = begins(store.current.zone, day, now_ms)
            known, plan = early if facts_version(conn) == version else planned(conn, now_ms)
            answers = (False, True) if plan.consents else (False,)
            after = {again: self._rehearsed(conn, known, plan, again, at_ms, now_ms) for again in answers}
            return plan, store.snapshot(conn), after, at_ms

        plan, before, after, at_ms = await store.db.write(run)

        def compare(conn: sqlite3.Connection) -> Mapping[bool, Closing]:
            closings = {again: closing(before, facts, at_ms) for again, facts in after.items()}
            return {
                again: replace(found, logins=sum(_logins(conn, person) for person in found.leavers))
                for again, found in closings.items()
            }

        return Rehearsal(plan, await store.db.read(compare))

    def _rehearsed(
        self, conn: sqlite3.Connection, known: Known, plan: RolloverPlan, again: bool, at_ms: int, now_ms: int
    ) -> Facts:
        """Return the facts after the step, which is taken back."""
        conn.execute("SAVEPOINT rehearsal")
        try:
            self._do(conn, Journal(conn), known, replace(plan, ask_again=again), at_ms, now_ms)
            return self._store.unfinished(conn)
        finally:
            if conn.in_transaction:  # a full disk makes SQLite roll all of it back by itself
                conn.execute("ROLLBACK TO rehearsal")
                conn.execute("RELEASE rehearsal")

    def _planned(
        self,
        conn: sqlite3.Connection,
        targets: Mapping[PublicId, str],
        day: dt.date | None,
        keep_teachers: bool,
        ask_again: bool | None,
        now_ms: int,
    ) -> tuple[Known, RolloverPlan]:
        known = read_known(self._store, conn, now_ms)
        plan = plan_of(known, targets, day, keep_teachers=keep_teachers)
        here = [child for step in plan.steps if step.target != LEAVES for child in step.children]
        at_ms = begins(self._store.current.zone, plan.day, now_ms)
        count = self._year_end.agreed(conn, here, at_ms) if self._year_end is not None else 0
        return known, replace(plan, consents=count, ask_again=ask_again if count else None)

    async def apply(
        self,
        actor: Actor,
        targets: Mapping[PublicId, str],
        shown: str,
        *,
        day: dt.date | None = None,
        keep_teachers: bool = False,
        ask_again: bool | None = None,
    ) -> tuple[PublicId, Mapping[str, int]]:
        """Do what was shown (`Rehearsal.shown`); returns the act and its counts. Denied, NotFound, BadInput."""
        store, act = self._store, new_public_id()
        looked = await self.look(targets, day=day, keep_teachers=keep_teachers, ask_again=ask_again)
        if looked.consents and ask_again is None:
            raise BadInput("say whether families are asked again", case="rollover_consents", key="consents")
        counts = looked.counts()

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            known, plan = self._planned(conn, targets, day, keep_teachers, ask_again, now_ms)
            at_ms, journal, before = begins(store.current.zone, day, now_ms), Journal(conn), store.snapshot(conn)
            self._do(conn, journal, known, plan, at_ms, now_ms)
            if plan.fingerprint(closing(before, store.unfinished(conn), at_ms)) not in shown.split("."):
                raise BadInput("the school has changed since this was shown", case="import_moved", key="shown")
            self._acts.keep(conn, journal, act, "rollover", actor, counts, now_ms)

        await store.change(actor, "roster.rollover", CONFIGURE, run, detail={"act": act, **counts})
        return act, counts

    def _do(
        self, conn: sqlite3.Connection, journal: Journal, known: Known, plan: RolloverPlan, at_ms: int, now_ms: int
    ) -> None:
        self._write(conn, journal, known, plan, at_ms, now_ms)
        if self._year_end is not None:
            self._year_end.end(conn, journal, turn_of(plan, at_ms))

    def _write(
        self, conn: sqlite3.Connection, journal: Journal, known: Known, plan: RolloverPlan, at_ms: int, now_ms: int
    ) -> None:
        classes = {class_key(name): class_id for class_id, name in known.classes.items()}
        for name in plan.new_classes:
            classes[class_key(name)] = new_public_id()
            journal.insert("class", {"id": classes[class_key(name)], "name": name, "created_ms": now_ms})
        for step in plan.steps:
            for child in step.children if step.target != STAYS else ():
                if step.target == LEAVES:
                    leave(conn, journal, child, at_ms)
                else:
                    move(conn, journal, child, classes[class_key(step.target)], at_ms)
        if not plan.keep_teachers:
            rows = conn.execute(
                "SELECT id, since_ms FROM teaching WHERE until_ms IS NULL OR until_ms > max(?, since_ms)", (at_ms,)
            ).fetchall()
            for row in rows:
                journal.update("teaching", row["id"], {"until_ms": max(at_ms, row["since_ms"])})


def _logins(conn: sqlite3.Connection, person: PublicId) -> int:
    sql = "SELECT count(*) FROM login_session WHERE person = ? AND ended_ms IS NULL"
    return int(conn.execute(sql, (person,)).fetchone()[0])


def turn_of(plan: RolloverPlan, at_ms: int) -> Turn:
    """Return who moves, stays and leaves by a plan."""
    kinds: dict[str, set[PublicId]] = {"": set(), STAYS: set(), LEAVES: set()}
    for step in plan.steps:
        kinds[step.target if step.target in (STAYS, LEAVES) else ""].update(step.children)
    moved, stayed, left = (frozenset(kinds[kind]) for kind in ("", STAYS, LEAVES))
    return Turn(moved, stayed, left, at_ms, plan.ask_again is True)


def plan_of(known: Known, targets: Mapping[PublicId, str], day: dt.date | None, *, keep_teachers: bool) -> RolloverPlan:
    """Return the steps; every class must be spoken of. Pure."""
    if set(targets) - set(known.classes):
        raise NotFound("there is no such class")
    if missing := [name for class_id, name in known.classes.items() if class_id not in targets]:
        raise BadInput(f"say what becomes of {missing[0]}", case="rollover_missing", key="class", name=missing[0])
    require_apart(known.classes.values())
    ours = {class_key(name): name for name in known.classes.values()}
    steps: list[Step] = []
    new: dict[str, str] = {}
    for class_id, name in sorted(known.classes.items(), key=lambda item: class_key(item[1])):
        target = targets[class_id].strip()
        if target not in (LEAVES, STAYS):
            target = ours.get(class_key(target)) or clean_name(target)
            if class_key(target) == class_key(name):
                target = STAYS
            elif class_key(target) not in ours:
                target = new.setdefault(class_key(target), target)
        children = tuple(sorted(child.id for child in known.children.values() if child.class_id == class_id))
        steps.append(Step(class_id, name, target, children))
    return RolloverPlan(tuple(steps), tuple(sorted(new.values())), day, keep_teachers)
