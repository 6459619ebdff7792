"""Draining the outbox into the hub, lane by lane.

Owns the conversation: enrol once, say hello, then send batches until nothing is left, and wait. Both
restore traps are handled at hello and at a gap: a hub behind us makes us rewind; a hub ahead of us, or
with another event at the cursor, means this box was restored from an old image, and only a new stream id
keeps new events from vanishing silently. Invariants: the cursor moves only by what the hub acknowledged;
alarm drains before report, report before routine.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from typing import Any, Protocol

from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.errors import HubRefused, UpstreamError
from gateway.core.events import Lane, uuid7
from gateway.upstream import outbox

DAY_MS = 86_400_000


class Link(Protocol):
    """What `sync` needs of the hub's client."""

    async def enrol(self, claim: str) -> str:
        """Trade a claim for a gateway id."""

    async def hello(self, gateway: str, lanes: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Exchange cursors."""

    async def send(self, gateway: str, stream: str, lane: str, bodies: list[str]) -> dict[str, Any]:
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
        keep_days: int,
        agreed: Callable[[], None] = lambda: None,
    ) -> None:
        """`agreed` is called each time the hub and we know each other's cursors."""
        self._db, self._link, self._clock = db, link, clock
        self._claim, self._batch, self._flush_s, self._keep_ms = claim, batch, flush_s, keep_days * DAY_MS
        self._agreed = agreed
        self._wake = asyncio.Event()
        self._pruned_ns = 0
        self.acked_total = 0

    def wake(self) -> None:
        """Say that something was put into the outbox; on the event loop only."""
        self._wake.set()

    async def run(self) -> None:
        """Talk to the hub until an error; raises UpstreamError."""
        gateway = await self._enrolled()
        await self._db.write(lambda connection: outbox.ensure_lanes(connection, self._clock.now_ms()))
        await self._agree(gateway)
        self._agreed()
        while True:
            self._wake.clear()
            while await self._drain_once(gateway):
                pass
            await self._prune()
            await self._wait()

    async def _wait(self) -> None:
        sleep = asyncio.ensure_future(self._clock.sleep(self._flush_s))
        wake = asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((sleep, wake), return_when=asyncio.FIRST_COMPLETED)
        finally:
            sleep.cancel()
            wake.cancel()

    async def _enrolled(self) -> str:
        gateway = await self._db.read(lambda connection: outbox.read_meta(connection, "gateway"))
        if gateway is None:
            if not self._claim:
                raise HubRefused("this box is not enrolled and config.toml has no upstream.claim", reason="claim")
            gateway = await self._link.enrol(self._claim)
            known = gateway
            await self._db.write(lambda connection: outbox.write_meta(connection, "gateway", known))
        return gateway

    async def _agree(self, gateway: str) -> None:
        states = await self._db.read(outbox.lanes)
        asked = [{"lane": s.lane.value, "stream": s.stream, "base": s.base, "last": s.last} for s in states]
        cursors = {row["stream"]: row for row in await self._link.hello(gateway, asked)}
        renewed = [await self._settle(state, cursors.get(state.stream)) for state in states]
        if any(renewed):
            await self._agree(gateway)

    async def _settle(self, state: outbox.LaneState, cursor: dict[str, Any] | None) -> bool:
        """Take over the hub's cursor; returns True if the stream had to be renewed."""
        if cursor is None:
            raise UpstreamError("the hub's hello leaves out a lane", lane=state.lane.value)
        acked, known = int(cursor["acked"]), str(cursor.get("id") or "")

        def apply(connection: sqlite3.Connection) -> bool:
            ours = outbox.id_at(connection, state.lane, acked)
            oldest = outbox.oldest_kept(connection, state.lane)
            if acked > state.last or (known and ours is not None and ours != known):
                # Restored from an old image: keep everything the hub may not have, under a new name.
                base = max(state.base, min(state.acked, state.last))
            elif acked < state.last and (oldest is None or acked + 1 < oldest):
                base = (oldest or state.last + 1) - 1
            else:
                outbox.acknowledge(connection, state.lane, state.stream, acked)
                return False
            outbox.renew_stream(connection, state.lane, base, lambda: uuid7(self._clock.now_ms()))
            return True

        return await self._db.write(apply)

    async def _drain_once(self, gateway: str) -> bool:
        """Send one batch of the first lane that has any; returns False when all are empty."""
        for state in await self._db.read(outbox.lanes):
            documents = await self._pending(state.lane)
            if not documents:
                continue
            answer = await self._link.send(gateway, state.stream, state.lane.value, [doc.body for doc in documents])
            if answer.get("gap"):
                await self._agree(gateway)
                return True
            acked = int(answer["acked"])
            self.acked_total += max(0, acked - state.acked)
            await self._acknowledge(state, acked)
            return True
        return False

    async def _pending(self, lane: Lane) -> list[outbox.Document]:
        return await self._db.read(lambda connection: outbox.pending(connection, lane, self._batch))

    async def _acknowledge(self, state: outbox.LaneState, acked: int) -> None:
        await self._db.write(lambda connection: outbox.acknowledge(connection, state.lane, state.stream, acked))

    async def _prune(self) -> None:
        if not self._clock.trusted() or self._clock.mono_ns() - self._pruned_ns < 3600 * 10**9:
            return
        self._pruned_ns = self._clock.mono_ns()
        before_ms = self._clock.now_ms() - self._keep_ms
        await self._db.write(lambda connection: outbox.prune(connection, before_ms))
