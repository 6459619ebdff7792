"""Lists of the school's children, read from a file: looked at first, then applied, and undone if need be.

Owns drafts. Invariants: a draft is in memory only (never on a disk), its owner's alone, of the last half hour, and
one of few; looking at it changes nothing; a list with one bad row, an open question or an unsaid word about those it
does not name is not applied; what is applied is what was shown, or nothing (`fingerprint`), once, in one transaction
with one audit row of counts; an act has its draft's id, so that an old address tells what became of it.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal, TypeAlias

import anyio

from gateway.access.audit import Actor
from gateway.access.classes import CONFIGURE
from gateway.access.enrolment import tonight
from gateway.access.localtime import moment
from gateway.access.people import MANAGE
from gateway.access.roster.acts import Act, RosterActs
from gateway.access.roster.apply import Applying
from gateway.access.roster.columns import Field, Heading, corrected, heading_of
from gateway.access.roster.entries import Entry, Problem, doubles, entries_of
from gateway.access.roster.journal import Journal
from gateway.access.roster.known import Known, read_known
from gateway.access.roster.plan import Plan, plan_of
from gateway.access.roster.reading import read_file
from gateway.access.roster.refusals import refused
from gateway.access.roster.tables import Sheet
from gateway.access.store import FactStore
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import PublicId, new_public_id

DRAFT_NS = 30 * 60 * 1_000_000_000
MOST_DRAFTS = 4
"""Of all persons together; the oldest makes room."""
MOST_SHAPES = 40
MOST_GONE = 64
"""Drafts that were not applied of which it is remembered what became; the oldest is forgotten."""
Ending: TypeAlias = Literal["dropped", "late", "crowded"]
"""Its owner dropped it, its half hour was over, or newer ones needed its room."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A file that was read, as somebody is looking at it."""

    id: PublicId
    owner: str
    name: str
    sheets: tuple[tuple[Sheet, Heading], ...]
    skipped: tuple[str, ...]
    """Tables without a heading that is known."""
    since_ns: int
    answers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Preview:
    """What a draft would do."""

    draft: Draft
    entries: int
    """Rows of the list, good and bad."""
    problems: tuple[Problem, ...]
    plan: Plan | None
    """None while a row is bad."""

    @property
    def ready(self) -> bool:
        """Say whether it can be applied."""
        return self.plan is not None and not self.plan.questions


@dataclass(frozen=True, slots=True)
class Gone:
    """A draft that ended without being applied."""

    owner: str
    ending: Ending
    at_ms: int


class Imports:
    """Drafts of all who may manage people."""

    def __init__(self, store: FactStore, acts: RosterActs) -> None:
        self._store, self._acts = store, acts
        self._drafts: dict[PublicId, Draft] = {}
        self._gone: dict[PublicId, Gone] = {}
        self._reading = anyio.CapacityLimiter(1)

    async def open(self, actor: Actor, data: bytes, name: str) -> Preview:
        """Read a file; Denied, BadInput for one that is refused whole."""
        await self._store.demand(actor, MANAGE)
        async with self._reading:  # one after another: each may take its whole share of memory
            sheets = await read_file(data)
        known = await self._shapes()
        found, skipped = [], []
        for sheet in sheets:
            heading = heading_of(sheet.rows)
            if heading is None:
                skipped.extend([sheet.name] if sheet.rows else [])
                continue
            found.append((sheet, replace(heading, fields=known.get(heading.signature, heading.fields))))
        if not found:
            raise refused("heading")
        draft = Draft(
            new_public_id(), _owner(actor), name[:120], tuple(found), tuple(skipped), self._store.clock.mono_ns()
        )
        preview = await self._preview(draft)  # a list that is refused is not kept and takes no other's place
        self._expire()
        while len(self._drafts) >= MOST_DRAFTS:
            self._end(min(self._drafts, key=lambda key: self._drafts[key].since_ns), "crowded")
        self._drafts[draft.id] = draft
        return preview

    async def look(self, actor: Actor, draft: PublicId) -> Preview:
        """Compare a draft with the school as it is now; NotFound."""
        return await self._preview(self._own(actor, draft))

    async def map(self, actor: Actor, draft_id: PublicId, sheet: int, by_hand: Mapping[int, Field | None]) -> Preview:
        """Correct what the columns of a table hold; kept for the next file with the same headings. NotFound."""
        self._own(actor, draft_id)
        await self._store.demand(actor, MANAGE)
        draft = self._own(actor, draft_id)  # as it is now: dropped or answered meanwhile, maybe
        if not 0 <= sheet < len(draft.sheets):
            raise NotFound("no such table")
        table, heading = draft.sheets[sheet]
        if any(not 0 <= column < len(heading.labels) for column in by_hand):
            raise BadInput("no such column", key="column")
        heading = corrected(heading, by_hand)
        sheets = tuple((table, heading) if at == sheet else item for at, item in enumerate(draft.sheets))
        self._put(replace(draft, sheets=sheets))
        await self._keep_shape(heading)
        return await self._preview(self._own(actor, draft_id))

    async def answer(self, actor: Actor, draft_id: PublicId, answers: Mapping[str, str]) -> Preview:
        """Say which child a row is; NotFound."""
        draft = self._own(actor, draft_id)
        return await self._preview(self._put(replace(draft, answers={**draft.answers, **answers})))

    def drop(self, actor: Actor, draft_id: PublicId) -> None:
        """Forget a draft; NotFound."""
        self._end(self._own(actor, draft_id).id, "dropped")

    async def became(self, actor: Actor, draft_id: PublicId) -> Act | Gone:
        """Return what became of a draft that is no more: the act it was, for all who may see acts, or how it ended.

        NotFound for one that never was, is still there, or was another's and not applied.
        """
        await self._store.demand(actor, MANAGE)
        act = await self._acts.one(draft_id)
        if act is not None and act.kind == "import":
            return act
        self._expire()
        gone = self._gone.get(draft_id)
        if gone is None or gone.owner != _owner(actor):
            raise NotFound("there is no such draft")
        return gone

    async def apply(
        self, actor: Actor, draft_id: PublicId, shown: str, *, absent_leave: bool | None
    ) -> tuple[PublicId, Mapping[str, int]]:
        """Write what was shown (its fingerprint); returns the act and its counts. NotFound, Denied, BadInput."""
        draft = self._own(actor, draft_id)
        preview = await self._preview(draft)
        if preview.plan is None:
            raise BadInput("rows of the list are bad", case="import_rows", key="file", count=len(preview.problems))
        if preview.plan.questions:
            raise BadInput("rows ask for an answer", case="import_asks", key="file", count=len(preview.plan.questions))
        if preview.plan.absent and absent_leave is None:
            raise BadInput("say what becomes of those it does not name", case="import_absent", key="absent")
        if preview.plan.new_classes:
            await self._store.demand(actor, CONFIGURE)
        leaving = bool(absent_leave)
        act, counts = draft.id, preview.plan.counts(absent_leave=leaving)
        entries, _ = read_entries(draft, self._store, self._store.clock.now_ms())
        store = self._store

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            if self._acts.has(conn, act):
                raise NotFound("the draft was applied meanwhile")
            known = read_known(store, conn, now_ms)
            plan = plan_of(entries, known, draft.answers)
            if plan.fingerprint() != shown:
                raise BadInput("the school has changed since this was shown", case="import_moved", key="shown")
            journal = Journal(conn)
            left_ms = tonight(store.current.zone, now_ms)
            Applying(store, conn, journal, known, now_ms, left_ms).write(plan, absent_leave=leaving)
            self._acts.keep(conn, journal, act, "import", actor, counts, now_ms)

        await store.change(actor, "roster.import", MANAGE, run, detail={"act": act, **counts})
        self._drafts.pop(draft.id, None)
        return act, counts

    # inside

    def _own(self, actor: Actor, draft_id: PublicId) -> Draft:
        self._expire()
        draft = self._drafts.get(draft_id)
        if draft is None or draft.owner != _owner(actor):
            raise NotFound("there is no such draft")
        return draft

    def _put(self, draft: Draft) -> Draft:
        self._drafts[draft.id] = draft
        return draft

    def _expire(self) -> None:
        now_ns = self._store.clock.mono_ns()
        for key in [key for key, draft in self._drafts.items() if now_ns - draft.since_ns >= DRAFT_NS]:
            self._end(key, "late")

    def _end(self, draft_id: PublicId, ending: Ending) -> None:
        draft = self._drafts.pop(draft_id)
        while len(self._gone) >= MOST_GONE:
            del self._gone[next(iter(self._gone))]
        self._gone[draft_id] = Gone(draft.owner, ending, self._store.clock.now_ms())

    async def _preview(self, draft: Draft) -> Preview:
        store, now_ms = self._store, self._store.clock.now_ms()

        def work() -> Preview:
            entries, problems = read_entries(draft, store, now_ms)
            if problems:
                rows = {(row.sheet, row.row) for row in entries} | {(row.sheet, row.row) for row in problems}
                return Preview(draft, len(rows), problems, None)
            known: Known = store.db.read_sync(lambda conn: read_known(store, conn, now_ms))
            return Preview(draft, len(entries), (), plan_of(entries, known, draft.answers))

        return await anyio.to_thread.run_sync(work)

    async def _shapes(self) -> Mapping[str, Mapping[int, Field]]:
        """Return what people corrected earlier, by the headings."""
        rows = await self._store.db.read(lambda conn: conn.execute("SELECT * FROM roster_columns").fetchall())
        return {
            row["signature"]: {int(column): Field(name) for column, name in json.loads(row["fields"]).items()}
            for row in rows
        }

    async def _keep_shape(self, heading: Heading) -> None:
        fields = json.dumps({str(column): name.value for column, name in heading.fields.items()})
        now_ms = self._store.clock.now_ms()

        def run(conn: sqlite3.Connection) -> None:
            conn.execute("INSERT OR REPLACE INTO roster_columns VALUES (?, ?, ?)", (heading.signature, fields, now_ms))
            conn.execute(
                "DELETE FROM roster_columns WHERE signature NOT IN"
                " (SELECT signature FROM roster_columns ORDER BY used_ms DESC, signature LIMIT ?)",
                (MOST_SHAPES,),
            )

        await self._store.db.write(run)


def read_entries(draft: Draft, store: FactStore, now_ms: int) -> tuple[tuple[Entry, ...], tuple[Problem, ...]]:
    """Return the rows of a draft's tables, and what is wrong with them."""
    entries: list[Entry] = []
    problems: list[Problem] = []
    today = moment(store.current.zone, now_ms).date
    for number, (sheet, heading) in enumerate(draft.sheets):
        some, bad = entries_of(number, sheet, heading, today)
        entries += some
        problems += bad
    problems += doubles(entries)
    if not entries and not problems:
        raise refused("no_rows")
    return tuple(entries), tuple(problems)


def _owner(actor: Actor) -> str:
    return actor.person or actor.device
