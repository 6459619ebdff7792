"""Rights to media: the only place where a `Grant` is made.

Owns issuing, re-deciding and renewing grants, and the table `open_grant`. Invariants: a person's grant
exists only after an allowing decision, and its audit row is in the same transaction as that decision
(only an export at the console needs none, and its row says so); refusals are written too (repeats of a minute are
counted); guardians get the sub stream and a short lease; `Grant(...)` is called in this module only (a
test reads the whole repository for other callers).
"""

from __future__ import annotations

import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

from gateway.access import audit
from gateway.access.audit import CONSOLE, Actor
from gateway.access.circumstances import write_viewed
from gateway.access.facts import Facts
from gateway.access.policy import decide, decide_at_console
from gateway.access.reasons import Reason
from gateway.access.rows import KEEP_MS, classes_shown
from gateway.access.store import FactStore, Need
from gateway.core.errors import BadInput, NotFound
from gateway.core.model import (
    STAFF_ROLES,
    Action,
    Decision,
    Grant,
    ObjectKind,
    ObjectRef,
    PublicId,
    Role,
    StreamRole,
    new_public_id,
)

Alive: TypeAlias = Callable[[str, PublicId], str | None]
"""Says why a device or login session of a person is over, or None while it lives; any thread."""

MEDIA_ACTIONS = frozenset({Action.LIVE, Action.SNAPSHOT, Action.AIM, Action.PLAYBACK, Action.EXPORT})
RECORDED = frozenset({Action.PLAYBACK, Action.EXPORT})
LOOK_S = 60
"""Stills of one device and camera are one look, written once a minute; each is decided all the same."""
MAX_LOOKS = 500
FRESH_MS = 60_000
"""Longer than any GOP that live keeps to join with."""
MAX_PLAYBACK_MS = 26 * 3_600_000
"""A grant for playback covers a local day at most, so that the audit says which one; 26 h are its longest, with an
hour on each side."""
ONE_SMALL = frozenset({Role.GUARDIAN, Role.OBSERVER})
"""Who is shown one class at a time, as the small picture: families (PRODUCT 3), and guests like them."""
BOX_DEVICE = "box"
"""The box acting by itself on an approved order; ids of logins and devices are longer."""
CONSOLE_MS = 60_000
"""How long a right given at the console may be begun with."""


@dataclass(frozen=True, slots=True)
class _Request:
    """What is asked for: who, with what, which picture."""

    actor: Actor
    person: PublicId
    action: Action
    obj: ObjectRef
    camera: PublicId
    from_ms: int | None
    to_ms: int | None

    @property
    def need(self) -> Need:
        return Need(self.action, self.obj)

    @property
    def span(self) -> tuple[int, int] | None:
        return None if self.from_ms is None or self.to_ms is None else (self.from_ms, self.to_ms)


@dataclass(slots=True)
class _Look:
    grant: Grant
    since_ns: int


def always_alive(_device: str, _person: PublicId) -> str | None:
    """Stand in for logins where there are none."""
    return None


class Grants:
    """Issues and re-decides; methods belong to the event loop."""

    def __init__(
        self,
        store: FactStore,
        *,
        guardian_lease_s: float = 5,
        staff_lease_s: float = 60,
        alive: Alive = always_alive,
    ) -> None:
        self._store = store
        self._leases_ms = (int(guardian_lease_s * 1000), int(staff_lease_s * 1000))
        self._alive = alive
        self._looks: OrderedDict[tuple[str, PublicId], _Look] = OrderedDict()

    async def issue(
        self,
        person: PublicId,
        device: str,
        action: Action,
        camera: PublicId,
        *,
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> tuple[Decision, Grant | None]:
        """Decide about one camera's picture now; the grant is None exactly if the decision refuses.

        `from_ms`, `to_ms` (UTC ms, half open) name recorded time for playback. Raises BadInput for an
        action without a picture or a wrong span, and what the database raises.
        """
        if action not in MEDIA_ACTIONS:
            raise BadInput(f"{action} shows no picture", action=str(action))
        if (action in RECORDED) != (from_ms is not None and to_ms is not None and from_ms < to_ms):
            raise BadInput("recorded time needs from_ms < to_ms, live time has none", action=str(action))
        if action is Action.PLAYBACK and (to_ms or 0) - (from_ms or 0) > MAX_PLAYBACK_MS:
            raise BadInput("at most 26 hours are played back under one grant", key="to_ms")
        obj = ObjectRef(ObjectKind.CAMERA, camera)
        return await self._issue(_Request(Actor(person, device), person, action, obj, camera, from_ms, to_ms))

    async def issue_export(self, person: PublicId, device: str, order_id: PublicId) -> tuple[Decision, Grant | None]:
        """Decide about an export that was ordered; camera and span are those the second person approved.

        With `BOX_DEVICE` the box makes the copy for whoever approved it: no login is needed, nobody gets the bytes.
        """
        order = self._store.current.index.exports.get(order_id)
        obj = ObjectRef(ObjectKind.EXPORT, order_id)
        camera = order.camera if order else PublicId("")
        span = (order.from_ms, order.to_ms) if order else (None, None)
        return await self._issue(_Request(Actor(person, device), person, Action.EXPORT, obj, camera, *span))

    async def issue_console(self, camera: PublicId, *, from_ms: int, to_ms: int) -> Grant:
        """Make a right to recorded time for whoever holds the box's control socket, alone.

        Who holds that socket holds the box, but cannot do it quietly: the row says console, families see it
        among the looks at their class, and the event goes to the authority.
        Raises NotFound for a camera that is not adopted, BadInput for a span that runs backwards.
        """
        if from_ms >= to_ms:
            raise BadInput("recorded time needs from_ms < to_ms", key="to_ms")
        store, need = self._store, Need(Action.EXPORT, ObjectRef(ObjectKind.CAMERA, camera))
        if camera not in store.current.cameras:
            raise NotFound("there is no such camera")
        return await store.db.write(lambda conn: self._at_console(conn, need, {"from_ms": from_ms, "to_ms": to_ms}))

    async def issue_console_look(self, camera: PublicId, *, knowingly: bool) -> tuple[Decision, Grant | None]:
        """Decide whether the console may see a camera's newest still; the grant is None exactly if it may not.

        Each look is an audit row that families see among the looks at their class, and an event; so is a refusal.
        """
        store, need = self._store, Need(Action.AIM, ObjectRef(ObjectKind.CAMERA, camera))
        early = decide_at_console(store.current, camera, store.clock.now_ms(), knowingly=knowingly)
        if store.refused_before(CONSOLE, need, early):
            return early, None

        def run(conn: sqlite3.Connection) -> tuple[Decision, Grant | None]:
            now_ms = store.clock.now_ms()
            decision = decide_at_console(store.snapshot(conn), camera, now_ms, knowingly=knowingly)
            if not decision.allowed:
                store.write_denied(conn, CONSOLE, need, decision, now_ms)
                return decision, None
            return decision, self._at_console(conn, need, {})

        decision, grant = await store.db.write(run)
        if grant is None:
            store.refused(CONSOLE, need, decision)
        return decision, grant

    def _at_console(self, conn: sqlite3.Connection, need: Need, span: dict[str, int]) -> Grant:
        """Write the audit row of a right of the console and make the grant it stands for."""
        store, grant_id, camera, now_ms = self._store, new_public_id(), need.obj.id, self._store.clock.now_ms()
        detail = {
            "grant": grant_id,
            "role": CONSOLE.device,
            "camera": camera,
            "classes": classes_shown(conn, camera, (span["from_ms"], span["to_ms"]) if span else None, now_ms),
            "reason": Reason.CONSOLE,
        }
        seq = audit.append(conn, store.body(CONSOLE, "granted", now_ms, need, **detail, **span))
        role, action = CONSOLE.device, need.action
        store.emit(conn, store.event("access.granted", subject=camera, role=role, action=action, camera=camera))
        return Grant(
            id=grant_id,
            person=PublicId("console"),
            role=Role.INSTALLER,
            device=CONSOLE.device,
            action=action,
            camera=camera,
            streams=frozenset(StreamRole),
            issued_ms=now_ms,
            until_ms=now_ms + CONSOLE_MS,
            lease_ms=CONSOLE_MS,
            facts_version=store.current.version,
            audit_seq=seq,
            from_ms=span.get("from_ms"),
            to_ms=span.get("to_ms"),
        )

    def redecide(self, grant: Grant, order: PublicId | None = None) -> Decision:
        """Decide again about a grant that is open, from the current facts; pure but for the clock.

        `order` is what an export's grant was made for: an order that ended is not there any more.
        """
        obj = ObjectRef(ObjectKind.CAMERA, grant.camera) if order is None else ObjectRef(ObjectKind.EXPORT, order)
        store, need = self._store, Need(grant.action, obj)
        return self._decide(store.current, grant.person, grant.device, need, store.clock.now_ms())

    def might_see(self, grant: Grant, at_ms: int) -> bool:
        """Say whether what was recorded at `at_ms` may be shown under a grant for now.

        The newest picture may be of the nap before a guardian's hours; staff may see their rooms at any time.
        """
        if grant.role in STAFF_ROLES:
            return True
        if at_ms < self._store.clock.now_ms() - KEEP_MS:  # pauses of then are not known any more
            return False
        obj, asking = ObjectRef(ObjectKind.CAMERA, grant.camera), self._store.circumstances.at(grant.device)
        return decide(self._store.current, grant.person, grant.action, obj, at_ms, asking).allowed

    def renewed(self, grant: Grant, decision: Decision) -> Grant:
        """Return the same right under the newest decision; ValueError if that refuses."""
        if not decision.allowed:
            raise ValueError("a refusal renews nothing")
        version = self._store.current.version
        if (grant.until_ms, grant.facts_version) == (decision.until_ms, version):
            return grant
        return replace(grant, until_ms=decision.until_ms, facts_version=version)

    async def left_open(self) -> tuple[Grant, ...]:
        """Return the grants that were open when the gateway stopped, as rights to be re-decided.

        They carry `until_ms` = 0: nobody can use one before `renewed` gave it a new decision.
        """
        rows = await self._store.db.read(lambda conn: conn.execute("SELECT * FROM open_grant").fetchall())
        persons = self._store.current.index.persons
        return tuple(self._from_row(row, persons[PublicId(row["person"])].role) for row in rows)

    async def closed(self, grants: Iterable[Grant], reason: str) -> None:
        """Write down that streams ended, in one transaction, with one event for those that were cut."""
        ended, store = list(grants), self._store

        def run(conn: sqlite3.Connection) -> None:
            now_ms = store.clock.now_ms()
            for grant in ended:
                conn.execute("DELETE FROM open_grant WHERE id = ?", (grant.id,))
                need = Need(grant.action, ObjectRef(ObjectKind.CAMERA, grant.camera))
                write_viewed(conn, grant, now_ms)
                seconds = max(0, now_ms - grant.issued_ms) // 1000
                actor = Actor(grant.person, grant.device)
                audit.append(
                    conn, store.body(actor, "ended", now_ms, need, reason=reason, grant=grant.id, seconds=seconds)
                )
            if reason not in {Reason.VIEWER_LEFT, Reason.VIEWER_GONE, Reason.STREAM_REPLACED}:
                store.emit(conn, store.event("access.revoked", reason=reason, sessions=len(ended)))

        if ended:
            for grant in ended:
                store.circumstances.ended(grant, store.clock.now_ms())
            await store.db.write(run)

    def _decide(self, facts: Facts, person: PublicId, device: str, need: Need, now_ms: int) -> Decision:
        over = self._alive(device, person) if device != BOX_DEVICE else None
        begins_ms = now_ms if need.action is Action.LIVE else None
        asking = self._store.circumstances.of(person, device, over, begins_ms=begins_ms)
        return decide(facts, person, need.action, need.obj, now_ms, asking)

    async def _issue(self, request: _Request) -> tuple[Decision, Grant | None]:
        store, device = self._store, request.actor.device
        early = self._decide(store.current, request.person, device, request.need, store.clock.now_ms())
        if store.refused_before(request.actor, request.need, early):
            return early, None
        if (known := self._same_look(request, early)) is not None:
            return early, known

        def run(conn: sqlite3.Connection) -> tuple[Decision, Grant | None]:
            facts, now_ms = store.snapshot(conn), store.clock.now_ms()
            decision = self._decide(facts, request.person, request.actor.device, request.need, now_ms)
            if not decision.allowed:
                store.write_denied(conn, request.actor, request.need, decision, now_ms)
                return decision, None
            return decision, self._make(conn, facts, request, decision, now_ms)

        decision, grant = await store.db.write(run)
        if grant is None:
            store.refused(request.actor, request.need, decision)
            return decision, None
        store.circumstances.began(grant)
        if request.action is Action.SNAPSHOT:
            self._looks[request.actor.device, request.camera] = _Look(grant, store.clock.mono_ns())
            while len(self._looks) > MAX_LOOKS:
                self._looks.popitem(last=False)
        return decision, grant

    def _same_look(self, request: _Request, decision: Decision) -> Grant | None:
        """Return the still's right of this minute, under the decision just made."""
        key = (request.actor.device, request.camera)
        look = self._looks.get(key) if request.action is Action.SNAPSHOT else None
        if look is None:
            return None
        old = self._store.clock.mono_ns() - look.since_ns >= LOOK_S * 1_000_000_000
        if old or not decision.allowed or look.grant.person != request.person:
            del self._looks[key]
            return None
        return self.renewed(look.grant, decision)

    def _make(
        self, conn: sqlite3.Connection, facts: Facts, request: _Request, decision: Decision, now_ms: int
    ) -> Grant:
        """Write the audit row and make the grant it stands for."""
        role, grant_id = facts.index.persons[request.person].role, new_public_id()
        detail = {
            "grant": grant_id,
            "role": role,
            "camera": request.camera,
            "classes": classes_shown(conn, request.camera, request.span, now_ms),
            "reason": decision.reason,
            "until_ms": decision.until_ms,
        }
        if request.from_ms is not None:
            detail |= {"from_ms": request.from_ms, "to_ms": request.to_ms}
        store = self._store
        seq = audit.append(conn, store.body(request.actor, "granted", now_ms, request.need, **detail))
        store.emit(
            conn,
            store.event(
                "access.granted", subject=request.camera, role=role, action=request.action, camera=request.camera
            ),
        )
        if request.action is Action.LIVE:
            conn.execute(
                "INSERT INTO open_grant (id, person, device, action, camera, issued_ms, audit_seq) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                (grant_id, request.person, request.actor.device, request.action, request.camera, now_ms, seq),
            )
        return Grant(
            id=grant_id,
            person=request.person,
            role=role,
            device=request.actor.device,
            action=request.action,
            camera=request.camera,
            streams=streams_of(role),
            issued_ms=now_ms,
            until_ms=decision.until_ms,
            lease_ms=self._lease_ms(role),
            facts_version=facts.version,
            audit_seq=seq,
            from_ms=request.from_ms,
            to_ms=request.to_ms,
            since_ms=self._since_ms(facts, request, role, now_ms),
        )

    def _since_ms(self, facts: Facts, request: _Request, role: Role, now_ms: int) -> int | None:
        """Return the instant before which a guardian may not have seen the camera, if that is recent.

        A viewer joins with pictures of the last seconds, among which no nap's must be. Switches leave no trace
        in the facts, so any change of the last minute counts too.
        """
        if role in STAFF_ROLES:
            return None
        store, asking = self._store, self._store.circumstances.at(request.actor.device)
        changed_ago_ms = (store.clock.mono_ns() - store.changed_ns) // 1_000_000
        before = decide(facts, request.person, request.action, request.obj, now_ms - FRESH_MS, asking)
        return None if before.allowed and changed_ago_ms >= FRESH_MS else now_ms

    def _from_row(self, row: sqlite3.Row, role: Role) -> Grant:
        return Grant(
            id=PublicId(row["id"]),
            person=PublicId(row["person"]),
            role=role,
            device=row["device"],
            action=Action(row["action"]),
            camera=PublicId(row["camera"]),
            streams=streams_of(role),
            issued_ms=row["issued_ms"],
            until_ms=0,
            lease_ms=self._lease_ms(role),
            facts_version=0,
            audit_seq=row["audit_seq"],
        )

    def _lease_ms(self, role: Role) -> int:
        return self._leases_ms[role in STAFF_ROLES]


def streams_of(role: Role) -> frozenset[StreamRole]:
    """Return the encodings a role may see: guardians and guests the sub stream only."""
    return frozenset({StreamRole.SUB}) if role in ONE_SMALL else frozenset(StreamRole)
