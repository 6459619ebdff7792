"""What the gateway does by itself: copy the recorder's journal, look at the box's health, checkpoint the audit.

Owns these loops; each is run by `supervise`, so one failing never stops the others. Invariants: a journal
page and its cursor move in one transaction; every look at the health asks the daemons themselves; an audit
checkpoint is made each minute and travels upstream as an event.
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
from gateway.health.tracker import Tracker
from gateway.upstream import outbox

T = TypeVar("T")

JOURNAL_PAGE = 500
JOURNAL_WAIT_MS = 1_000
"""The recorder answers at once when something is new, else after this long."""
LOOK_S = 3.0
CHECKPOINT_S = 60.0
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

    async def run(self) -> None:
        """Copy for ever; raises DaemonUnavailable while the recorder is away."""
        while True:
            await self.step()

    async def step(self) -> int:
        """Copy one page; returns how many facts were new."""
        after = await self._db.read(lambda conn: outbox.journal_position(conn, self._journal))
        params = {"after": after, "limit": JOURNAL_PAGE, "wait_ms": JOURNAL_WAIT_MS}
        page = (await self._recorder.call("journal", params, timeout_s=30)).result
        if page["stream"] != self._journal:
            # Another journal than we asked about: its own cursor decides where to go on.
            self._journal = str(page["stream"])
            return 0
        rows = list(page["events"])
        if rows:
            await self._db.write(lambda conn: outbox.copy_journal(conn, self._journal, rows))
            await self._changed(rows)
        return len(rows)


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
    ) -> None:
        self._recorder, self._live, self._db, self._tracker, self._clock = recorder, live, db, tracker, clock
        self._hub_ok, self._woke = hub_ok, woke
        self._count = 0

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self.step()
            await self._clock.sleep(LOOK_S)

    async def step(self) -> None:
        """Take one look."""
        status = {
            "recorder": await _or_none(self._status()),
            "live": await _or_none(self._live()),
            "hub_ok": self._hub_ok(),
            "clock_trusted": self._clock.trusted(),
        }
        events = self._tracker.look(status)
        if self._count % SUMMARY_EVERY_LOOKS == 0:
            events.append(self._summary(status))
        self._count += 1
        if events:
            await self._db.write(lambda conn: _put_all(conn, events))
            self._woke()

    async def _status(self) -> Mapping[str, Any]:
        return (await self._recorder.call("status")).result

    def _summary(self, status: Mapping[str, Any]) -> Event:
        cameras = (status["recorder"] or {}).get("cameras", [])
        viewers = (status["live"] or {}).get("viewers", {})
        return make_event(
            "box.summary",
            now_ms=self._clock.now_ms(),
            mono_ns=self._clock.mono_ns(),
            trusted=self._clock.trusted(),
            cameras=len(cameras),
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


def _put_all(conn: sqlite3.Connection, events: list[Event]) -> None:
    for event in events:
        outbox.put(conn, event)


async def _or_none(answer: Awaitable[T]) -> T | None:
    try:
        return await answer
    except DaemonUnavailable:
        return None
