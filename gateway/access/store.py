"""The facts where they are kept: gateway.db's people tables, their snapshot, and the one way to change them.

Owns the current `Facts` and every change. Invariants: a change is decided, written,
audited, announced (event) and numbered (version + 1) in one transaction; the next snapshot is read in
that same transaction; listeners run after the commit, in the event loop. A caller that goes away does
not undo or hide a change. Personal columns are sealed, bound to table, column and row.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple, TypeAlias, TypeVar
from zoneinfo import ZoneInfo

from gateway.access import audit
from gateway.access.audit import NEEDS_NO_RIGHT, Actor, Emit
from gateway.access.circumstances import Circumstances
from gateway.access.denials import Denials, Repeats
from gateway.access.facts import Facts
from gateway.access.freshness import needs_fresh
from gateway.access.pauserules import wall_device
from gateway.access.policy import decide
from gateway.access.reasons import Reason
from gateway.access.rows import facts_version, load_facts
from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.events import Event, make_event
from gateway.core.finish import to_the_end
from gateway.core.model import Action, Decision, ObjectKind, ObjectRef, Role
from gateway.core.secrets import SealKey

T = TypeVar("T")

MAX_NAME = 80


class Need(NamedTuple):
    """The right a change needs; the console, and what the box does by itself, need none."""

    action: Action
    obj: ObjectRef
    fresh: bool = False
    """Also a fresh login, beside those acts that always need one (`freshness`)."""
    by_wall: bool = False
    """Also the sheet on the wall of the class that `obj` is."""


Fresh: TypeAlias = Callable[[Actor], str | None]
"""Says why an actor must prove again who they are, None if the login is fresh enough."""


def always_fresh(_actor: Actor) -> str | None:
    """Stand in for logins where there are none."""
    return None


def no_outbox(_conn: sqlite3.Connection, _event: Event) -> None:
    """Stand in for the outbox of a box without one."""


class FactStore:
    """Current facts and their changes; methods belong to the event loop, `current` and `snapshot` to any thread."""

    def __init__(self, db: Database, clock: Clock, *, zone: ZoneInfo, seal: SealKey, emit: Emit = no_outbox) -> None:
        self.db = db
        self.clock = clock
        self.emit = emit
        self.denials = Denials()
        self.stale: Fresh = always_fresh
        """Says why an actor must sign in anew before a sensitive act; None if the login is fresh enough."""
        self.circumstances = Circumstances()
        self.listeners: list[Callable[[Facts], None]] = []
        """Called in the event loop after the facts changed; must not block or raise."""
        self._seal = seal
        self._zone = zone
        self._facts: Facts | None = None
        self.changed_ns = clock.mono_ns()
        """Monotonic: when the facts last changed; before `load` nothing is known, so that counts as a change."""
        self._lock = threading.Lock()

    async def load(self) -> Facts:
        """Read the snapshot from the database; call once before anything else."""
        self._take(await self.db.read(self._read))
        guardians = [row.id for row in self.current.persons if row.role is Role.GUARDIAN]
        await self.db.read(lambda conn: self.circumstances.read(conn, guardians, self.clock.now_ms()))
        return self.current

    @property
    def current(self) -> Facts:
        """The newest committed facts, with what the clock says of itself at this moment."""
        if self._facts is None:
            raise RuntimeError("FactStore.load() was not called")
        trusted = self.clock.trusted()
        with self._lock:  # the writer thread asks too
            if self._facts.clock_trusted != trusted:
                self._facts = replace(self._facts, clock_trusted=trusted)
            return self._facts

    async def refresh(self) -> bool:
        """Read the version and, if it is not ours, the facts; says whether they changed.

        Raises what the database raises: whoever decides from facts must know that they cannot be read.
        """
        if await self.db.read(facts_version) == self.current.version:
            return False
        self._announce(await self.db.read(self._read))
        return True

    async def change(
        self,
        actor: Actor,
        what: str,
        need: Need,
        fn: Callable[[sqlite3.Connection, int], T],
        *,
        detail: Mapping[str, str | int | bool] | Callable[[T], Mapping[str, Any]] | None = None,
        event: tuple[str, dict[str, str | int | bool]] | None = None,
        after: Callable[[sqlite3.Connection, int, T], None] | None = None,
    ) -> T:
        """Change facts: `fn(connection, now_ms)` writes the rows, everything else happens around it.

        `what` is the code of the change for the audit; `detail` may be a function of what `fn` returned; `after` is
        called with the number of the audit row and that result, in the same transaction. Raises Denied (NotFound) if
        the actor has no right to it, and what `fn` raises; nothing but the refusal is written then.
        """
        early = self.answer(self.current, actor, need, self.clock.now_ms())
        if self.refused_before(actor, need, early):
            raise refusal(early)
        if early.allowed:
            self.demand_fresh(actor, need)

        def run(conn: sqlite3.Connection) -> tuple[Decision, T | None, Facts | None]:
            facts = self.snapshot(conn)
            now_ms = self.clock.now_ms()
            decision = self.answer(facts, actor, need, now_ms)
            if not decision.allowed:
                self.write_denied(conn, actor, need, decision, now_ms)
                return decision, None, None
            result = fn(conn, now_ms)
            conn.execute("UPDATE access_state SET facts_version = facts_version + 1")
            more = detail(result) if callable(detail) else detail or {}
            seq = audit.append(conn, self.body(actor, what, now_ms, need, **more))
            if after is not None:
                after(conn, seq, result)
            self.emit(conn, self.event("access.changed", what=what, version=facts_version(conn)))
            if event is not None:
                self.emit(conn, self.event(event[0], subject=need.obj.id, **event[1]))
            return decision, result, self._read(conn)

        decision, result = await to_the_end(self._written(run))
        if not decision.allowed:
            self.refused(actor, need, decision)
            raise refusal(decision)
        return result  # type: ignore[return-value]  # None only together with a refusal, raised above

    async def _written(
        self, run: Callable[[sqlite3.Connection], tuple[Decision, T | None, Facts | None]]
    ) -> tuple[Decision, T | None]:
        """Write a change and tell everybody of it: the two belong together."""
        decision, result, facts = await self.db.write(run)
        if facts is not None:
            self._announce(facts)
        return decision, result

    async def demand(self, actor: Actor, need: Need, *, reading: bool = False) -> None:
        """Raise the refusal unless the actor has the right now; it is written, its repeats are counted.

        With `reading` nothing is changed, only looked at by who may change it: that needs no fresh login.
        """
        decision = self.answer(self.current, actor, need, self.clock.now_ms())
        if decision.allowed:
            if not reading:
                self.demand_fresh(actor, need)
            return
        if not self.refused_before(actor, need, decision):
            await self.db.write(
                lambda conn: self.write_denied(conn, actor, need, decision, self.clock.now_ms()),
            )
            self.refused(actor, need, decision)
        raise refusal(decision)

    def demand_fresh(self, actor: Actor, need: Need) -> None:
        """Raise Denied (`login.stale`) if the act is sensitive and the actor's login is not fresh any more.

        Not written into the audit: nothing is decided yet, the person is only asked who they are.
        """
        if actor.person is None or not needs_fresh(need.action, need.obj.kind, wished=need.fresh):
            return
        if (reason := self.stale(actor)) is not None:
            raise Denied("this needs a fresh login", reason=str(reason))

    def snapshot(self, conn: sqlite3.Connection) -> Facts:
        """Return the facts of the running transaction: the current ones unless a change overtook us."""
        facts = self.current
        return facts if facts_version(conn) == facts.version else self._read(conn)

    def unfinished(self, conn: sqlite3.Connection) -> Facts:
        """Return the facts as the running transaction has left them so far, before they have a version."""
        return self._read(conn)

    async def write_repeats(self) -> int:
        """Write the counted refusals whose minute is over; returns how many rows that took."""
        self.denials.expire(self.clock.mono_ns())
        due = self.denials.due()
        if due:
            await self.db.write(lambda conn: [audit.append(conn, self._repeats(item)) for item in due])
        return len(due)

    # refusals

    def answer(self, facts: Facts, actor: Actor, need: Need, now_ms: int) -> Decision:
        """Decide for an actor; the console and the box itself may do everything and are written down as such.

        Whoever else has no person may only what names them: a wall that forgot to say so is refused.
        """
        if actor.person is None:
            wall = need.by_wall and need.obj.kind is ObjectKind.CLASS and actor == Actor(None, wall_device(need.obj.id))
            allowed = wall or actor in NEEDS_NO_RIGHT
            return Decision(allowed, Reason.CONSOLE if allowed else Reason.PERSON_UNKNOWN)
        asking = self.circumstances.of(actor.person, actor.device)
        return decide(facts, actor.person, need.action, need.obj, now_ms, asking)

    def refused_before(self, actor: Actor, need: Need, decision: Decision) -> bool:
        """Count a refusal that the audit already tells, so that the database need not be asked."""
        if decision.allowed:
            return False
        key = Denials.key(actor.person, need.action, need.obj, decision.reason)
        return self.denials.covered(key, self.clock.mono_ns())

    def refused(self, actor: Actor, need: Need, decision: Decision) -> None:
        """Note that a refusal was written: the next ones of this minute are counted."""
        key = Denials.key(actor.person, need.action, need.obj, decision.reason)
        self.denials.written(key, decision.reason, self.clock.mono_ns())

    # rows and events

    def event(self, name: str, *, subject: str = "", **data: str | float | bool) -> Event:
        """Make an event of this moment."""
        clock = self.clock
        return make_event(
            name, now_ms=clock.now_ms(), mono_ns=clock.mono_ns(), trusted=clock.trusted(), subject=subject, **data
        )

    @staticmethod
    def body(actor: Actor, what: str, now_ms: int, need: Need, **detail: Any) -> dict[str, Any]:
        """Return the body of an audit row."""
        who = {"at_ms": now_ms, "what": what, "person": actor.person, "device": actor.device}
        return who | {"action": need.action, "kind": need.obj.kind, "object": need.obj.id} | detail

    def write_denied(self, conn: sqlite3.Connection, actor: Actor, need: Need, decision: Decision, now_ms: int) -> int:
        """Write a refusal and its event inside the caller's transaction; returns the row's number."""
        person = self.current.index.persons.get(actor.person) if actor.person is not None else None
        role = person.role if person else actor.device if actor in NEEDS_NO_RIGHT else "unknown"
        self.emit(conn, self.event("access.denied", role=role, action=need.action, reason=decision.reason))
        return audit.append(conn, self.body(actor, "denied", now_ms, need, reason=decision.reason))

    def _repeats(self, item: Repeats) -> dict[str, Any]:
        return {
            "at_ms": self.clock.now_ms(),
            "what": "denied.repeats",
            "person": item.key.person or None,
            "action": item.key.action,
            "kind": item.key.kind,
            "object": item.key.object,
            "reason": item.reason,
            "times": item.times,
        }

    def seal(self, context: str, row: str, text: str) -> bytes:
        """Seal a personal value for `context` ('table.column') of one row."""
        return self._seal.seal(text.encode(), f"{context}:{row}")

    def unseal(self, context: str, row: str, sealed: bytes) -> str:
        """Open a personal value; KeyLocked if it is not of this row or this box."""
        return self._seal.unseal(sealed, f"{context}:{row}").decode()

    # inside

    def _read(self, conn: sqlite3.Connection) -> Facts:
        clock = self.clock
        return load_facts(conn, zone=self._zone, clock_trusted=clock.trusted(), now_ms=clock.now_ms())

    def _take(self, facts: Facts) -> None:
        with self._lock:
            if self._facts is None or facts.version >= self._facts.version:
                self._facts = facts

    def _announce(self, facts: Facts) -> None:
        self._take(facts)
        self.changed_ns = self.clock.mono_ns()
        for listener in self.listeners:
            listener(self.current)


def refusal(decision: Decision) -> Denied | NotFound:
    """Return the error of a refusal; what one may not know of is not there."""
    if decision.reason == Reason.NOT_FOUND:
        return NotFound("there is no such thing for this person")
    return Denied(f"not allowed: {decision.reason}", reason=str(decision.reason))


def clean_name(text: str) -> str:
    """Return a name to be kept: one line, 1 to 80 characters; BadInput otherwise."""
    name = " ".join(text.split())
    if not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise BadInput(f"a name has 1 to {MAX_NAME} printable characters", case="name", most=MAX_NAME)
    return name


def refuse_erased(conn: sqlite3.Connection, subject: str) -> None:
    """Raise BadInput for somebody whose data was erased: nothing begins anew under an id without a name."""
    if conn.execute("SELECT 1 FROM erasure WHERE subject = ?", (subject,)).fetchone() is not None:
        raise BadInput("this person's data was erased", case="person_erased", key="person")


def require(conn: sqlite3.Connection, table: str, row_id: str) -> None:
    """Raise NotFound unless `table` (one of ours) has the row: after the decision, in its transaction."""
    sql = f"SELECT 1 FROM {table} WHERE id = ?"  # noqa: S608 - our own table names
    if conn.execute(sql, (row_id,)).fetchone() is None:
        raise NotFound(f"there is no such {table.removeprefix('access_')}")
