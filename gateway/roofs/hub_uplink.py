"""The gateway's line to the hub, and what wakes it.

Owns the loop that sends, and `Signals`, by which others say that there is something to send. Invariant: whether the
hub agrees is known here alone: yes after an answer, no when the loop has ended.
"""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.clock import Clock
from gateway.core.config import Upstream
from gateway.core.db import Database
from gateway.upstream.link import HubLink
from gateway.upstream.sync import Uplink


class Signals:
    """Wakes the uplink when something was put into the outbox; set once it exists."""

    def __init__(self) -> None:
        self.uplink: Uplink | None = None
        self.hub_ok: bool | None = None

    def wake(self) -> None:
        """Send soon."""
        if self.uplink is not None:
            self.uplink.wake()


async def uplink_of(
    stack: contextlib.AsyncExitStack,
    settings: Upstream,
    key: Ed25519PrivateKey,
    clock: Clock,
    db: Database,
    signals: Signals,
) -> Callable[[], Awaitable[None]]:
    """Return the loop that sends to the hub; its connection ends with the stack."""
    link = await stack.enter_async_context(HubLink(settings.url, key, clock, ca_file=settings.ca_file or None))
    uplink = Uplink(
        db,
        link,
        clock,
        claim=settings.claim,
        batch=settings.batch,
        flush_s=settings.flush_s,
        agreed=lambda: setattr(signals, "hub_ok", True),
    )
    signals.uplink = uplink

    async def run() -> None:
        try:
            await uplink.run()
        finally:
            signals.hub_ok = False

    return run
