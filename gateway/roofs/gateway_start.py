"""What the gateway says of itself when it starts: its address, and that it is there.

Owns both. Invariant: the event is written with a fresh boot id, so that a restart is seen upstream.
"""

from __future__ import annotations

import sqlite3
import uuid

from gateway.core.clock import Clock
from gateway.core.config import Config
from gateway.core.events import Event, make_event
from gateway.core.version import __version__
from gateway.upstream import outbox


def web_url(config: Config, names: list[str]) -> str:
    """Return the address printed on slips."""
    if config.web.insecure_loopback:
        return f"http://{config.web.listen}:{config.web.port}"
    port = "" if config.web.port == 443 else f":{config.web.port}"
    return f"https://{names[0]}{port}"


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
