"""How much waits for somebody's decision: the numbers beside the places of a leader's pages.

Owns no table and writes nothing. Invariants: what somebody may not decide is not counted for them; one read of the
database answers all of it; a number says nothing about who or what waits.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gateway.access.acts import KEEPS_THE_BOX
from gateway.access.audit import Actor
from gateway.access.pauserules import REQUEST_MS
from gateway.access.policy import BOX
from gateway.access.store import FactStore, Need
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId

_DEVICES = "SELECT count(*) FROM device WHERE approved_ms IS NULL AND ended_ms IS NULL"
_WISHES = "SELECT count(*) FROM pause_request WHERE answered_ms IS NULL AND at_ms > ?"
_SHEETS = "SELECT count(*) FROM consent_sheet WHERE signed_ms IS NULL AND dropped_ms IS NULL"
_BASIS = "SELECT count(*) = 0 FROM consent_basis"
_CASES = "SELECT child FROM consent_case WHERE closed_ms IS NULL"
_ORDERS = "SELECT id FROM export_order WHERE approver IS NULL AND ended_ms IS NULL AND requester <> ?"


@dataclass(frozen=True, slots=True)
class Waits:
    """What waits for one person's yes or no."""

    devices: int = 0
    """Phones of guardians that nobody let in yet."""
    wishes: int = 0
    """For one more pause; each lapses by itself."""
    consent: int = 0
    """Cases to settle with a family, sheets to countersign, and what recording is based on, until that is stated."""
    orders: int = 0
    """Copies of footage that somebody else asked for."""


async def waits_of(store: FactStore, actor: Actor) -> Waits:
    """Return what waits for an actor's decision; nothing for whoever decides nothing."""
    now_ms, facts = store.clock.now_ms(), store.current

    def may(action: Action, obj: ObjectRef = BOX) -> bool:
        return store.answer(facts, actor, Need(action, obj), now_ms).allowed

    admits, hides, binds = may(Action.PEOPLE), may(Action.STOP_ALL), may(KEEPS_THE_BOX.action)
    if not (admits or hides or binds):
        return Waits()

    def read(conn: sqlite3.Connection) -> tuple[int, int, int, list[str], list[str]]:
        def count(sql: str, *values: object) -> int:
            return int(conn.execute(sql, values).fetchone()[0])

        cases = [row[0] for row in conn.execute(_CASES)]
        orders = [row[0] for row in conn.execute(_ORDERS, (actor.person,))]
        return count(_DEVICES), count(_WISHES, now_ms - REQUEST_MS), count(_SHEETS) + count(_BASIS), cases, orders

    devices, wishes, papers, cases, orders = await store.db.read(read)
    enrolled = facts.index.enrolments_of_child
    due = sum(any(row.holds(now_ms) for row in enrolled.get(PublicId(child), ())) for child in cases)
    return Waits(
        devices if admits else 0,
        wishes if hides else 0,
        due + papers if binds else 0,
        sum(may(Action.APPROVE, ObjectRef(ObjectKind.EXPORT, PublicId(order))) for order in orders),
    )
