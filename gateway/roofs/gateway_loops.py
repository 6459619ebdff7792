"""What the gateway does by itself: copy the recorder's journal, look at the box's health, checkpoint the audit.

Owns these loops; each is run by `supervise`, so one failing never stops the others. Invariants: a journal
page and its cursor move in one transaction, and whoever must hear of it is told again until told; every
look at the health asks the daemons themselves; what a look changed is written before it counts; an audit
checkpoint is made each minute and travels upstream as an event; old events are deleted only while the
clock is trusted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access import audit
from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.errors import DaemonUnavailable
from gateway.core.events import Event, make_event
from gateway.core.wire import ControlClient
from gateway.health import store as health
from gateway.health.tracker import Edges, Tracker
from gateway.upstream import keeping, outbox

T = TypeVar("T")

JOURNAL_PAGE = 500
JOURNAL_WAIT_MS = 1_000
"""The recorder answers at once when something is new, else after this long."""
LOOK_S = 3.0
CHECKPOINT_S = 60.0
KEEP_EVERY_S = 3600.0
DAY_MS = 86_400_000
SUMMARY_EVERY_LOOKS = 20
"""One summary a minute: the hub calls a box lost after five minutes of silence."""


class JournalCopy:
    """Copies the recorder's facts into the gateway's events and outbox."""

    def __init__(
        self,
        recorder: ControlClient,
        db: Database,
        changed: Callable[[list[dict[str, Any]]], Awaitable[None]],
    ) -> None:
        self._recorder, self._db, self._changed = recorder, db, changed
        self._journal = ""
        self._proved = False
        self._owed: list[dict[str, Any]] = []

    async def run(self) -> None:
        """Copy for ever; raises DaemonUnavailable while the recorder is away."""
        while True:
            await self.step()

    async def step(self) -> int:
        """Copy one page; returns how many facts were new."""
        if self._owed:
            await self._changed(self._owed)
            self._owed = []
        position = await self._db.read(lambda conn: outbox.journal_position(conn, self._journal))
        # Once a run the page begins with the last fact copied: is it still the one we know?
        after = position.seq if self._proved else max(position.seq - 1, 0)
        params = {"after": after, "limit": JOURNAL_PAGE, "wait_ms": JOURNAL_WAIT_MS}
        page = (await self._recorder.call("journal", params, timeout_s=30)).result
        if page["stream"] != self._journal:
            # Another journal than we asked about: its own cursor decides where to go on.
            self._journal, self._proved = str(page["stream"]), False
            return 0
        rows = list(page["events"])
        if not self._proved:
            self._proved = True
            if _is_foreign(position, rows):
                # The recorder's database was restored from an old image and counts again: from its start.
                await self._db.write(lambda conn: outbox.forget_journal(conn, self._journal))
                return 0
        fresh = [row for row in rows if int(row["seq"]) > position.seq]
        if fresh:
            await self._db.write(lambda conn: outbox.copy_journal(conn, self._journal, fresh))
            self._owed = fresh
            await self._changed(fresh)
            self._owed = []
        return len(fresh)


def _is_foreign(position: outbox.Position, rows: list[dict[str, Any]]) -> bool:
    """Say whether a page read from one before `position` belongs to another history."""
    if position.seq == 0:
        return False
    if not rows or int(rows[0]["seq"]) < position.seq:
        return True
    return int(rows[0]["seq"]) == position.seq and rows[0]["id"] != position.id


class Looks:
    """Asks the daemons how they are and turns what changed into events."""

    def __init__(
        self,
        recorder: ControlClient,
        live: Callable[[], Awaitable[Mapping[str, Any]]],
        db: Database,
        tracker: Tracker,
        clock: Clock,
        *,
        hub_ok: Callable[[], bool | None],
        woke: Callable[[], None],
        own: Callable[[], Awaitable[Mapping[str, Any]]] | None = None,
    ) -> None:
        """`own`: what the gateway knows of itself (`audit_ok`, `cases_overdue` of `conditions.read_status`)."""
        self._recorder, self._live, self._db, self._tracker, self._clock = recorder, live, db, tracker, clock
        self._hub_ok, self._woke, self._own = hub_ok, woke, own
        self._count = 0

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.step()
            await self._clock.sleep(LOOK_S)

    async def step(self) -> None:
        """Take one look."""
        status: dict[str, Any] = {
            "recorder": await _or_none(self._status()),
            "live": await _or_none(self._live()),
            "hub_ok": self._hub_ok(),
            "clock_trusted": self._clock.trusted(),
        }
        if self._own is not None:
            status |= await self._own()
        edges = self._tracker.look(status)
        events = [*edges.events]
        if self._count % SUMMARY_EVERY_LOOKS == 0:
            events.append(self._summary(status))
        if events:
            await self._db.write(lambda conn: _write_look(conn, edges, events))
            self._tracker.done(edges)
            self._woke()
        self._count += 1

    async def _status(self) -> Mapping[str, Any]:
        return (await self._recorder.call("status")).result

    def _summary(self, status: Mapping[str, Any]) -> Event:
        recorder = status["recorder"]
        cameras = [] if recorder is None else recorder["cameras"]
        # Without its recorder the box records nothing, but it has as many cameras as before.
        known: dict[str, Any] = {} if recorder is None else {"cameras": len(cameras)}
        viewers = (status["live"] or {}).get("viewers", {})
        return make_event(
            "box.summary",
            now_ms=self._clock.now_ms(),
            mono_ns=self._clock.mono_ns(),
            trusted=self._clock.trusted(),
            **known,
            recording=sum(1 for camera in cameras if camera["recording"]),
            viewers=sum(viewers.values()),
        )


class Checkpoints:
    """Signs the head of the audit each minute."""

    def __init__(self, db: Database, key: Ed25519PrivateKey, clock: Clock, woke: Callable[[], None]) -> None:
        self._db, self._key, self._clock, self._woke = db, key, clock, woke

    async def run(self) -> None:
        """Checkpoint for ever."""
        while True:
            await self._clock.sleep(CHECKPOINT_S)
            await self.step()

    async def step(self) -> bool:
        """Make one checkpoint if there are new rows; says whether there were."""
        made = await self._db.write(self._make)
        if made:
            self._woke()
        return made

    def _make(self, conn: sqlite3.Connection) -> bool:
        point = audit.checkpoint(conn, self._key, self._clock.now_ms())
        if point is None:
            return False
        clock = self._clock
        event = make_event(
            "audit.checkpoint",
            now_ms=clock.now_ms(),
            mono_ns=clock.mono_ns(),
            trusted=clock.trusted(),
            seq=point.seq,
            head=point.head,
            signature=point.signed,
        )
        outbox.put(conn, event)
        return True


class Keeper:
    """Deletes old events and keeps the routine lane within its quota, each hour."""

    def __init__(self, db: Database, clock: Clock, *, keep_days: int, alone: bool, woke: Callable[[], None]) -> None:
        """`alone`: there is no hub, so nobody will ever acknowledge."""
        self._db, self._clock, self._woke = db, clock, woke
        self._keep_ms, self._alone = keep_days * DAY_MS, alone

    async def run(self) -> None:
        """Keep house for ever."""
        while True:
            await self.step()
            await self._clock.sleep(KEEP_EVERY_S)

    async def step(self) -> int:
        """Keep house once; returns how many documents were deleted for their age."""
        clock = self._clock
        dropped = await self._db.write(
            lambda conn: keeping.enforce_quota(
                conn, now_ms=clock.now_ms(), mono_ns=clock.mono_ns(), trusted=clock.trusted()
            )
        )
        if dropped is not None:
            self._woke()
        if not clock.trusted():
            return 0
        before_ms = clock.now_ms() - self._keep_ms
        return await self._db.write(lambda conn: keeping.prune(conn, before_ms, alone=self._alone))


def _write_look(conn: sqlite3.Connection, edges: Edges, events: list[Event]) -> None:
    health.save(conn, edges)
    for event in events:
        outbox.put(conn, event)


async def _or_none(answer: Awaitable[T]) -> T | None:
    try:
        return await answer
    except DaemonUnavailable:
        return None
