"""Imports and the school year for pages and console: drafts, acts, and both as JSON.

Owns the shapes of a preview, an act and a roll-over. Invariants: whose draft it is comes from the actor; every
reading is decided; a list that is refused says so by code, for words in both languages.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from gateway.access.audit import Actor
from gateway.access.consent_years import ConsentYears
from gateway.access.people import MANAGE
from gateway.access.roster.acts import Act, InTheWayError, RosterActs
from gateway.access.roster.columns import Field
from gateway.access.roster.entries import letter
from gateway.access.roster.imports import Gone, Imports, Preview
from gateway.access.roster.journal import Blocker
from gateway.access.roster.known import read_known
from gateway.access.roster.plan import Change, Kind
from gateway.access.roster.rollover import Rollover, RolloverPlan, proposal
from gateway.access.roster.yearclosing import Closing
from gateway.access.store import FactStore
from gateway.core.errors import BadInput
from gateway.core.model import PublicId

MOST_PROBLEMS = 200
AGAIN: Mapping[str, bool | None] = {"": None, "keep": False, "again": True}
ABSENT: Mapping[str, bool | None] = {"": None, "leave": True, "keep": False}


class RosterLists:
    """Imports, acts and roll-overs for an actor."""

    def __init__(self, store: FactStore) -> None:
        self._store = store
        self.acts = RosterActs(store)
        self.imports = Imports(store, self.acts)
        self.rollover = Rollover(store, self.acts, ConsentYears())

    async def open(self, actor: Actor, data: bytes, name: str) -> dict[str, Any]:
        """Read a file and return what it would do."""
        return preview_view(await self.imports.open(actor, data, name))

    async def look(self, actor: Actor, draft: str) -> dict[str, Any]:
        """Return what a draft would do."""
        return preview_view(await self.imports.look(actor, PublicId(draft)))

    async def columns(self, actor: Actor, draft: str, sheet: int, fields: Mapping[int, str]) -> dict[str, Any]:
        """Say what columns hold ("" = not read)."""
        by_hand = {column: _field(name) if name else None for column, name in fields.items()}
        return preview_view(await self.imports.map(actor, PublicId(draft), sheet, by_hand))

    async def answer(self, actor: Actor, draft: str, answers: Mapping[str, str]) -> dict[str, Any]:
        """Say which child a row is."""
        return preview_view(await self.imports.answer(actor, PublicId(draft), answers))

    async def apply(self, actor: Actor, draft: str, shown: str, absent: str) -> dict[str, Any]:
        """Write what was shown."""
        if absent not in ABSENT:
            raise BadInput("absent is leave or keep", key="absent")
        act, counts = await self.imports.apply(actor, PublicId(draft), shown, absent_leave=ABSENT[absent])
        return {"act": act, "counts": dict(counts)}

    async def drop(self, actor: Actor, draft: str) -> None:
        """Forget a draft."""
        self.imports.drop(actor, PublicId(draft))

    async def became(self, actor: Actor, draft: str) -> dict[str, Any]:
        """Return what became of a draft that is no more."""
        found = await self.imports.became(actor, PublicId(draft))
        if isinstance(found, Gone):
            return {"ending": found.ending, "at_ms": found.at_ms, "act": None, "by": ""}
        return {"ending": "applied", "at_ms": found.at_ms, "act": act_view(found), "by": found.by}

    async def all_acts(self, actor: Actor) -> list[dict[str, Any]]:
        """Return the newest acts."""
        await self._store.demand(actor, MANAGE)
        return [act_view(act) for act in await self.acts.all()]

    async def undo(self, actor: Actor, act: str) -> dict[str, Any]:
        """Undo an act; what stands in the way comes back as rows, with names."""
        try:
            return {"counts": dict(await self.acts.undo(actor, PublicId(act))), "blockers": []}
        except InTheWayError as error:
            names = await self._names()
            blockers = [
                {"what": _what(item), "name": names.get(item.about[1], "") if item.about else ""}
                for item in error.blockers
            ]
            return {"counts": {}, "blockers": blockers[:MOST_PROBLEMS]}

    async def _names(self) -> Mapping[str, str]:
        now_ms = self._store.clock.now_ms()
        known = await self._store.db.read(lambda conn: read_known(self._store, conn, now_ms))
        names: dict[str, str] = dict(known.classes.items())
        for child in known.children.values():
            names[child.id] = child.name
            names |= {kin.person: kin.name for kin in child.kin}
        return names

    async def year(
        self,
        actor: Actor,
        targets: Mapping[str, str] | None,
        day: dt.date | None,
        *,
        keep_teachers: bool,
        consents: str = "",
    ) -> dict[str, Any]:
        """Return what the step into a new school year would do; without targets the usual ones.

        With targets also when that is, what it takes from guardians (`closings`) and the name of all this (`shown`).
        """
        await self._store.demand(actor, MANAGE)
        now_ms, again = self._store.clock.now_ms(), _again(consents)
        known = await self._store.db.read(lambda conn: read_known(self._store, conn, now_ms))
        if targets is None:
            usual = proposal(known.classes)
            return year_view(await self.rollover.look(usual, day=day, keep_teachers=keep_teachers, ask_again=again))
        wanted = {PublicId(key): value for key, value in targets.items()}
        found = await self.rollover.rehearse(wanted, day=day, keep_teachers=keep_teachers, ask_again=again)
        closings, names = found.closings.items(), known.classes
        return year_view(found.plan) | {
            "shown": found.shown(),
            "now": day is None or day == known.today,
            "closings": {"again" if asked else "keep": closing_view(item, names) for asked, item in closings},
        }

    async def turn_year(
        self,
        actor: Actor,
        targets: Mapping[str, str],
        shown: str,
        day: dt.date | None,
        *,
        keep_teachers: bool,
        consents: str = "",
    ) -> dict[str, Any]:
        """Do it."""
        wanted, again = {PublicId(key): value for key, value in targets.items()}, _again(consents)
        act, counts = await self.rollover.apply(
            actor, wanted, shown, day=day, keep_teachers=keep_teachers, ask_again=again
        )
        return {"act": act, "counts": dict(counts)}


def preview_view(preview: Preview) -> dict[str, Any]:
    """Return a preview as JSON."""
    draft, plan = preview.draft, preview.plan
    view: dict[str, Any] = {
        "draft": draft.id,
        "name": draft.name,
        "rows": preview.entries,
        "skipped": list(draft.skipped),
        "sheets": [
            {
                "name": sheet.name,
                "columns": [
                    {"column": at, "letter": letter(at), "label": label, "field": heading.fields.get(at, "")}
                    for at, label in enumerate(heading.labels)
                    if label
                ],
            }
            for sheet, heading in draft.sheets
        ],
        "problems": [
            {
                "sheet": item.sheet,
                "row": item.row,
                "column": item.column,
                "heading": item.heading,
                "value": item.value,
                "what": item.what,
                "other": item.other,
            }
            for item in preview.problems[:MOST_PROBLEMS]
        ],
        "problem_count": len(preview.problems),
        "ready": preview.ready,
        "plan": None,
    }
    if plan is not None:
        view["plan"] = {
            "shown": plan.fingerprint(),
            "counts": plan.counts(absent_leave=False),
            "changes": [_change(item) for item in plan.changes if item.kind is not Kind.SAME],
            "absent": [{"name": item.name, "place": item.class_from} for item in plan.absent],
            "new_classes": list(plan.new_classes),
            "untouched": list(plan.untouched),
            "closes": [{"name": name, "n": count} for name, count in plan.closes().items()],
            "classes": [{"name": name, **counts} for name, counts in plan.by_class().items()],
            "questions": [
                {
                    "key": item.key,
                    "row": item.row,
                    "name": item.name,
                    "place": item.class_name,
                    "why": item.why,
                    "choices": [{"id": child, "place": place} for child, place in item.choices],
                }
                for item in plan.questions
            ],
        }
    return view


def _change(change: Change) -> dict[str, Any]:
    return {
        "kind": change.kind.value,
        "name": change.name,
        "row": change.row,
        "from": change.class_from,
        "to": change.class_to,
        "details": list(change.details),
        "guardians": [{"kind": item.kind, "name": item.name, "what": item.what} for item in change.kin],
    }


def act_view(act: Act) -> dict[str, Any]:
    """Return an act as JSON."""
    return {
        "id": act.id,
        "kind": act.kind,
        "at_ms": act.at_ms,
        "counts": dict(act.counts),
        "until_ms": act.until_ms,
        "undone_ms": act.undone_ms,
    }


def year_view(plan: RolloverPlan) -> dict[str, Any]:
    """Return a roll-over as JSON."""
    return {
        "counts": plan.counts(),
        "new_classes": list(plan.new_classes),
        "consents": plan.consents,
        "asked": "" if plan.ask_again is None else "again" if plan.ask_again else "keep",
        "steps": [
            {"class": step.class_id, "name": step.name, "target": step.target, "children": len(step.children)}
            for step in plan.steps
        ],
    }


def closing_view(closing: Closing, names: Mapping[PublicId, str]) -> dict[str, Any]:
    """Return what a roll-over takes from guardians as JSON; `at_ms` is when, UTC."""
    return {
        "at_ms": closing.at_ms,
        "classes": [{"name": names.get(row, ""), "why": why.value} for row, why in closing.classes],
        "children": closing.children,
        "people": len(closing.leavers),
        "logins": closing.logins,
    }


def _what(blocker: Blocker) -> str:
    """Return what was built upon an act, as a word of the catalogue: `list.table.<what>`."""
    into_class = blocker.table == "enrolment" and blocker.about is not None and blocker.about[0] == "class"
    return "class_enrolment" if into_class else blocker.table


def _again(word: str) -> bool | None:
    if word not in AGAIN:
        raise BadInput("consents is keep or again", case="rollover_consents", key="consents")
    return AGAIN[word]


def _field(name: str) -> Field:
    try:
        return Field(name)
    except ValueError as error:
        raise BadInput(f"{name!r} is no field", case="import_field", key="column", value=name) from error
