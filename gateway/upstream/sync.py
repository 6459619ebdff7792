"""Draining the outbox into the hub, lane by lane.

Owns the conversation: enrol once, say hello, then send batches until nothing is left, and wait. Both
restore traps are handled at hello (`outbox.settle`), and hello is said again whenever an answer does not
fit. Invariants: the cursor moves only by what the hub acknowledged of what was sent; alarm drains before
report, report before routine; a hub that contradicts itself ends the run (and so meets the back-off)
instead of being asked in a tight loop.
"""

from __future__ import annotations

import asyncio
import hashlib
import sqlite3
from collections.abc import Callable, Sequence
from typing import Protocol

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.errors import HubRefused, UpstreamError
from gateway.core.events import uuid7
from gateway.core.model import PublicId
from gateway.core.supervise import Backoff
from gateway.upstream import outbox
from gateway.upstream.protocol import Ack, Announced, Cursor

BACKOFF = Backoff(first_s=1.0, most_s=60.0, spread=1.0)
"""For `supervise`: anywhere in 0-60 s, so that a fleet does not return to its hub in one second."""
MAX_HELLOS = 4
"""Each lane is renewed at most once; a hub that still disagrees is broken."""


class Link(Protocol):
    """What `sync` needs of the hub's client; all raise UpstreamError."""

    async def enrol(self, claim: str) -> PublicId:
        """Trade a claim for a gateway id."""

    async def hello(self, gateway: str, lanes: Sequence[Announced]) -> dict[str, Cursor]:
        """Exchange cursors."""

    async def send(self, gateway: str, stream: str, first: int, bodies: Sequence[str]) -> Ack:
        """Send a batch."""


class Uplink:
    """Runs the conversation; `run` ends only by an error, `supervise` starts it again."""

    def __init__(
        self,
        db: Database,
        link: Link,
        clock: Clock,
        *,
        claim: str,
        batch: int,
        flush_s: float,
        agreed: Callable[[], None] = lambda: None,
    ) -> None:
        """`agreed` is called each time the hub and we know each other's cursors; on the event loop."""
        self._db, self._link, self._clock = db, link, clock
        self._claim, self._batch, self._flush_s = claim, batch, flush_s
        self._agreed = agreed
        self._wake = asyncio.Event()
        self._disputed = False
        self.acked_total = 0

    def wake(self) -> None:
        """Say that something was put into the outbox; on the event loop only."""
        self._wake.set()

    async def run(self) -> None:
        """Talk to the hub until an error; raises UpstreamError."""
        self._disputed = False
        gateway = await self._enrolled()
        await self._db.write(lambda connection: outbox.ensure_lanes(connection, self._clock.now_ms()))
        await self._agree(gateway)
        while True:
            self._wake.clear()
            while await self._send_batch(gateway):
                pass
            await self._wait()

    async def _wait(self) -> None:
        waits = [asyncio.ensure_future(self._clock.sleep(self._flush_s)), asyncio.ensure_future(self._wake.wait())]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _enrolled(self) -> str:
        """Return our gateway id; a claim never used before is spent first (another hub, or one that lost us)."""

        def load(connection: sqlite3.Connection) -> tuple[str | None, str | None]:
            return outbox.read_meta(connection, "gateway"), outbox.read_meta(connection, "claim")

        gateway, spent = await self._db.read(load)
        mark = hashlib.sha256(self._claim.encode()).hexdigest()
        if self._claim and mark != spent:
            try:
                gateway = await self._link.enrol(self._claim)
            except HubRefused:
                if gateway is None:
                    raise
                return gateway  # a stale claim in config.toml must not cut off a box that is known
            fresh = gateway

            def save(connection: sqlite3.Connection) -> None:
                outbox.write_meta(connection, "gateway", fresh)
                outbox.write_meta(connection, "claim", mark)

            await self._db.write(save)
        if gateway is None:
            raise HubRefused("this box is not enrolled and config.toml has no upstream.claim", reason="claim")
        return gateway

    async def _agree(self, gateway: str) -> None:
        """Exchange cursors until every lane is settled."""
        for _ in range(MAX_HELLOS):
            states = await self._db.read(outbox.lanes)
            asked = [Announced(state.lane.value, state.stream, state.base, state.last) for state in states]
            cursors = await self._link.hello(gateway, asked)
            missing = [state.lane.value for state in states if state.stream not in cursors]
            if missing:
                raise UpstreamError("the hub's hello leaves out a lane", lane=missing[0])
            if not await self._db.write(lambda db, s=states, c=cursors: self._settle(db, s, c)):  # type: ignore[misc]  # loop values bound as defaults
                self._agreed()
                return
        raise UpstreamError(f"no agreement with the hub after {MAX_HELLOS} hellos")

    def _settle(
        self, connection: sqlite3.Connection, states: Sequence[outbox.LaneState], cursors: dict[str, Cursor]
    ) -> bool:
        """Take over the cursors; returns True if a stream was renewed, which the hub has to be told."""
        renewed = False
        for state in states:
            cursor = cursors[state.stream]
            fresh = uuid7(self._clock.now_ms())
            renewed |= outbox.settle(connection, state.lane, state.stream, cursor.acked, cursor.id, fresh)
        return renewed

    async def _send_batch(self, gateway: str) -> bool:
        """Send one batch of the first lane that has any; returns False when all are empty."""
        found = await self._db.read(lambda connection: outbox.next_batch(connection, self._batch))
        if found is None:
            return False
        state, documents = found
        ack = await self._link.send(gateway, state.stream, documents[0].seq, [item.body for item in documents])
        if ack.gap or not state.acked < ack.acked <= documents[-1].seq:
            if self._disputed:
                raise UpstreamError("the hub contradicts its own hello", lane=state.lane.value)
            self._disputed = True
            await self._agree(gateway)
            return True
        self._disputed = False
        self.acked_total += ack.acked - state.acked
        await self._db.write(lambda connection: outbox.acknowledge(connection, state.lane, state.stream, ack.acked))
        return True
