"""What the gateway says of itself when it starts: that it is there.

Owns that event. Invariant: the event is written with a fresh boot id, so that a restart is seen upstream.
"""

from __future__ import annotations

import sqlite3
import uuid

from gateway.core.clock import Clock
from gateway.core.events import Event, make_event
from gateway.core.version import __version__
from gateway.upstream import outbox


def started(conn: sqlite3.Connection, clock: Clock) -> None:
    """Write down, in the caller's transaction, that the box started."""
    event: Event = make_event(
        "box.started",
        now_ms=clock.now_ms(),
        mono_ns=clock.mono_ns(),
        trusted=clock.trusted(),
        version=__version__,
        boot=str(uuid.uuid4()),
    )
    outbox.put(conn, event)
