"""A box that is nothing but an outbox: a process that puts numbered events and sends them, until told to stop.

`python -m tests.fakes.outbox_sender DB KEY URL CLAIM STOP`: puts events into all three lanes of DB as fast
as a busy school would in a bad hour, each with the number it gets as its payload, and sends them to the
hub at URL. When the file STOP exists it puts no more, and ends with 0 once the hub has everything.
"""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys
from pathlib import Path

from gateway.core.clock import SystemClock
from gateway.core.db import Database
from gateway.core.events import Lane
from gateway.core.secrets import load_signing_key
from gateway.core.supervise import Backoff, supervise
from gateway.upstream import outbox
from gateway.upstream.link import HubLink
from gateway.upstream.sync import Uplink
from tests.fakes.events import numbered

PAUSE_S = 0.004


def put_some(connection: sqlite3.Connection, now_ms: int) -> None:
    """Put one to three events into each lane, in one transaction; each carries its own number."""
    for lane in Lane:
        for _ in range(random.randint(1, 3)):
            last = next(state.last for state in outbox.lanes(connection) if state.lane is lane)
            outbox.put(connection, numbered(lane, last + 1, now_ms=now_ms))


async def main(db_path: str, key_path: str, url: str, claim: str, stop: str) -> None:
    """Run until told to stop and drained."""
    clock = SystemClock()
    key = load_signing_key(Path(key_path))
    async with Database(Path(db_path), [outbox.MIGRATIONS]) as db, HubLink(url, key, clock) as link:
        await db.write(lambda connection: outbox.ensure_lanes(connection, clock.now_ms()))
        uplink = Uplink(db, link, clock, claim=claim, batch=40, flush_s=0.05)
        backoff = Backoff(first_s=0.05, most_s=0.4, spread=1.0)
        quiet = lambda name, error: None
        sending = asyncio.create_task(supervise("uplink", uplink.run, clock=clock, on_fault=quiet, backoff=backoff))
        while not Path(stop).exists():
            await db.write(lambda connection: put_some(connection, clock.now_ms()))
            uplink.wake()
            await asyncio.sleep(PAUSE_S)
        while any(state.acked < state.last for state in await db.read(outbox.lanes)):  # noqa: ASYNC110 - as its user waits
            await asyncio.sleep(0.02)
        sending.cancel()
        await asyncio.wait([sending])


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
