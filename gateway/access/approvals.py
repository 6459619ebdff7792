"""The school's yes to a device: nobody sees a class because a slip and four digits were right.

Owns the approval columns of `device`. Invariants: who may approve people decides (principal, vice-principal), never the
person whose device it is; a refusal ends the device and its words are for its guardian only; approving the third
device ends the one that its guardian named, in the same transaction.
"""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from gateway.access.audit import Actor
from gateway.access.facts import Guardian
from gateway.access.invitations import DEVICES
from gateway.access.invitees import ties_of
from gateway.access.login import Logins
from gateway.access.policy import BOX
from gateway.access.store import FactStore, Need, clean_name
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import Action, ObjectKind, ObjectRef, PublicId

LOOK = Need(Action.PEOPLE, BOX)
"""The list; each yes is a decision about its person."""


@dataclass(frozen=True, slots=True)
class Present:
    """Another guardian of the same child who is in already."""

    person: PublicId
    kind: str
    devices: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A device that nobody approved yet."""

    device: PublicId
    person: PublicId
    label: str
    since_ms: int
    ties: tuple[Guardian, ...]
    others: tuple[Present, ...]
    own_devices: int
    """How many the same person has in use."""


class Approvals:
    """Lists what waits, approves and refuses."""

    def __init__(self, store: FactStore, logins: Logins) -> None:
        self._store, self._logins = store, logins

    async def count(self) -> int:
        """Return how many wait; the caller has decided."""
        sql = "SELECT count(*) FROM device WHERE approved_ms IS NULL AND ended_ms IS NULL"
        return int(await self._store.db.read(lambda conn: conn.execute(sql).fetchone()[0]))

    async def waiting(self, actor: Actor) -> tuple[Waiting, ...]:
        """Return what waits, oldest first; Denied."""
        await self._store.demand(actor, LOOK)
        rows = await self._store.db.read(
            lambda conn: conn.execute("SELECT * FROM device WHERE ended_ms IS NULL ORDER BY created_ms, id").fetchall()
        )
        bound: dict[str, int] = {}
        for row in rows:
            if row["approved_ms"] is not None:
                bound[row["person"]] = bound.get(row["person"], 0) + 1
        return tuple(self._waiting(row, bound) for row in rows if row["approved_ms"] is None)

    def _waiting(self, row: sqlite3.Row, bound: dict[str, int]) -> Waiting:
        facts, now_ms, person = self._store.current, self._store.clock.now_ms(), PublicId(row["person"])
        ties = ties_of(facts, person, now_ms)
        children = {tie.child for tie in ties}
        others = tuple(
            Present(tie.person, tie.kind, bound[tie.person])
            for tie in facts.guardians
            if tie.child in children and tie.person != person and tie.holds(now_ms) and tie.person in bound
        )
        return Waiting(PublicId(row["id"]), person, row["label"], row["created_ms"], ties, others, bound.get(person, 0))

    async def approve(self, actor: Actor, device: PublicId) -> None:
        """Let a device in, with a fresh login; NotFound unless it waits, Denied, BadInput if there are two others.

        One that is in stays in: a tap that was sent twice, or by two leaders at once, is no error.
        """

        def run(conn: sqlite3.Connection, now_ms: int) -> PublicId | None:
            if _is_in(conn, device):
                return None
            row = _row(conn, device)
            others = conn.execute(
                "SELECT id FROM device WHERE person = ? AND ended_ms IS NULL AND approved_ms IS NOT NULL",
                (row["person"],),
            ).fetchall()
            named = next((PublicId(item["id"]) for item in others if item["id"] == row["replaces"]), None)
            if len(others) >= DEVICES and named is None:
                raise BadInput("this guardian has two devices already", case="device_limit", key="device")
            if named is not None:
                conn.execute("UPDATE device SET ended_ms = ? WHERE id = ?", (now_ms, named))
            conn.execute(
                "UPDATE device SET approved_ms = ?, approved_by = ? WHERE id = ?",
                (now_ms, actor.person or "console", device),
            )
            return named

        person = await self._person(device)
        if await self._store.db.read(lambda conn: _is_in(conn, device)):
            await self._store.demand(actor, _need(person)._replace(fresh=True))
            return
        replaced = await self._store.change(
            actor, "device.approve", _need(person)._replace(fresh=True), run, detail={"bound": device}
        )
        if replaced is not None:
            await self._logins.end_device(actor, replaced)

    async def refuse(self, actor: Actor, device: PublicId, why: str = "") -> None:
        """Turn a waiting device away, with words for its guardian if there are any; NotFound, Denied, BadInput."""
        text = clean_name(why) if why.strip() else ""

        def run(conn: sqlite3.Connection, now_ms: int) -> None:
            _row(conn, device)
            sealed = self._store.seal("device.why", device, text) if text else None
            conn.execute(
                "UPDATE device SET refused_ms = ?, ended_ms = ?, why_sealed = ? WHERE id = ?",
                (now_ms, now_ms, sealed, device),
            )

        person = await self._person(device)
        await self._store.change(actor, "device.refuse", _need(person), run, detail={"bound": device})

    async def _person(self, device: PublicId) -> PublicId:
        """Return whose device it is; an unknown one stands for nobody, whom the decision does not know."""
        row = await self._store.db.read(
            lambda conn: conn.execute("SELECT person FROM device WHERE id = ?", (device,)).fetchone()
        )
        return PublicId(row["person"]) if row is not None else PublicId("")


def _is_in(conn: sqlite3.Connection, device: PublicId) -> bool:
    sql = "SELECT 1 FROM device WHERE id = ? AND approved_ms IS NOT NULL AND ended_ms IS NULL"
    return conn.execute(sql, (device,)).fetchone() is not None


def _row(conn: sqlite3.Connection, device: PublicId) -> sqlite3.Row:
    row: sqlite3.Row | None = conn.execute(
        "SELECT * FROM device WHERE id = ? AND approved_ms IS NULL AND ended_ms IS NULL", (device,)
    ).fetchone()
    if row is None:
        raise NotFound("no such device waits")
    return row


def _need(person: PublicId) -> Need:
    return Need(Action.APPROVE, ObjectRef(ObjectKind.PERSON, person))
