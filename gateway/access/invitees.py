"""Guardians as the school invites them: for whom somebody may make slips, and how far each family is.

Owns no table. Invariants: the principal invites everybody, a teacher the guardians of her own classes' children; an
asker without the right is told the same of a guardian that exists and of one that does not.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gateway.access.audit import Actor
from gateway.access.facts import Facts, Guardian
from gateway.access.store import FactStore, Need
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId

TRIES = 5
"""Wrong digits after which a slip is void."""
NONE, INVITED, WAITING, BOUND = "none", "invited", "waiting", "bound"


@dataclass(frozen=True, slots=True)
class Invitee:
    """A guardian of a child of one class, and how far the invitation is."""

    person: PublicId
    child: PublicId
    class_id: PublicId
    kind: str
    state: str
    """none, invited (a slip is out), waiting (for approval), bound."""
    slip_ends_ms: int | None = None


def ties_of(facts: Facts, person: PublicId, at_ms: int) -> tuple[Guardian, ...]:
    """Return for whom a guardian stands now."""
    return tuple(row for row in facts.index.guardians_of_person.get(person, ()) if row.holds(at_ms))


def classes_of(facts: Facts, person: PublicId, at_ms: int) -> list[PublicId]:
    """Return the classes of a guardian's children now, in a fixed order."""
    found = {
        row.class_id
        for tie in ties_of(facts, person, at_ms)
        for row in facts.index.enrolments_of_child.get(tie.child, ())
        if row.holds(at_ms)
    }
    return sorted(found)


def invite_need(store: FactStore, actor: Actor, person: PublicId) -> Need:
    """Return the right by which the actor makes a guardian's slips: over a class of a child, else over people."""
    facts, now_ms = store.current, store.clock.now_ms()
    for class_id in classes_of(facts, person, now_ms):
        need = Need(Action.INVITE, ObjectRef(ObjectKind.CLASS, class_id))
        if store.answer(facts, actor, need, now_ms).allowed:
            return need
    return Need(Action.APPROVE, ObjectRef(ObjectKind.PERSON, person))


def may_invite(store: FactStore, actor: Actor, class_id: PublicId) -> bool:
    """Say whether the actor may make slips for a class, without a trace."""
    need = Need(Action.INVITE, ObjectRef(ObjectKind.CLASS, class_id))
    return store.answer(store.current, actor, need, store.clock.now_ms()).allowed


class Invitees:
    """Lists guardians by class."""

    def __init__(self, store: FactStore) -> None:
        self._store = store

    async def of_class(self, actor: Actor, class_id: PublicId) -> tuple[Invitee, ...]:
        """Return the guardians of the children of a class, child by child; Denied, NotFound."""
        store = self._store
        await store.demand(actor, Need(Action.INVITE, ObjectRef(ObjectKind.CLASS, class_id)))
        at_ms = store.clock.now_ms()
        states, ends = await store.db.read(lambda conn: _states(conn, at_ms))
        facts, now_ms = store.current, store.clock.now_ms()
        children = {row.child for row in facts.index.enrolments_of_class.get(class_id, ()) if row.holds(now_ms)}
        return tuple(
            Invitee(tie.person, tie.child, class_id, tie.kind, states.get(tie.person, NONE), ends.get(tie.person))
            for tie in facts.guardians
            if tie.child in children and tie.holds(now_ms)
        )


def _states(conn: sqlite3.Connection, now_ms: int) -> tuple[dict[str, str], dict[str, int]]:
    """Return how far each person is, and when an open slip ends."""
    slips = conn.execute(
        "SELECT person, expires_ms FROM slip "
        "WHERE used_ms IS NULL AND ended_ms IS NULL AND tries < ? AND expires_ms > ?",
        (TRIES, now_ms),
    ).fetchall()
    devices = conn.execute("SELECT person, approved_ms FROM device WHERE ended_ms IS NULL").fetchall()
    states = {str(row["person"]): INVITED for row in slips}
    states |= {str(row["person"]): WAITING for row in devices if row["approved_ms"] is None}
    states |= {str(row["person"]): BOUND for row in devices if row["approved_ms"] is not None}
    return states, {str(row["person"]): int(row["expires_ms"]) for row in slips}
