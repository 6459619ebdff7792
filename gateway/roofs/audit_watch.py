"""The box looks at its own audit: at start, each day, and when somebody asks.

Owns the last verdict, for the pages, the conditions and the control socket. Invariants: a walk is taken in slices with
a pause after each, so that it never holds a core or the database; only one walk at a time, who asks meanwhile gets its
result; what is not known yet is None, not fine; the newest checkpoint of a walk is held against the next one, so that
a cut end is noticed while the box runs even if the box's own checkpoints were cut with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from gateway.access.audit_chain import Checkpoint
from gateway.access.audit_verify import SLICE, Verdict, Walk
from gateway.core.clock import Clock
from gateway.core.db import Database
from gateway.core.log import get_logger

log = get_logger("gateway.audit")
EVERY_S = 86_400.0
PAUSE_S = 0.2
"""After each slice of about 30 ms: an eighth of one core at most, five million rows in a few minutes."""
_NEWEST = "SELECT seq, hash, signature FROM audit_checkpoint ORDER BY seq DESC LIMIT 1"


@dataclass(frozen=True, slots=True)
class Checked:
    """A verdict and when it was made (UTC ms)."""

    verdict: Verdict
    at_ms: int


class AuditWatch:
    """Walks and remembers; methods belong to the event loop."""

    def __init__(self, db: Database, key: Ed25519PublicKey, clock: Clock) -> None:
        self._db, self._key, self._clock = db, key, clock
        self._turn = asyncio.Lock()
        self._newest: tuple[Checkpoint, ...] = ()
        self.last: Checked | None = None
        """None until the first walk is done."""

    @property
    def ok(self) -> bool | None:
        """Whether the chain is whole; None: not known yet."""
        return None if self.last is None else self.last.verdict.problem is None

    async def run(self) -> None:
        """Walk at start and each day."""
        while True:
            await self.check(pause_s=PAUSE_S)
            await self._clock.sleep(EVERY_S)

    async def check(self, *, pause_s: float = 0.0) -> Checked:
        """Walk the whole chain now, or wait for the walk that is under way."""
        before = self.last
        async with self._turn:
            if self.last is not None and self.last is not before:
                return self.last
            return await self._check(pause_s)

    async def verify(self, kept: Iterable[Checkpoint]) -> Verdict:
        """Walk against checkpoints that somebody brought; says nothing to the pages, for they may be another box's."""
        return await self._walk(Walk(self._key, kept), 0.0)

    async def _check(self, pause_s: float) -> Checked:
        verdict = await self._walk(Walk(self._key, self._newest), pause_s)
        self.last = Checked(verdict, self._clock.now_ms())
        if verdict.problem is None:
            row = await self._db.read(lambda conn: conn.execute(_NEWEST).fetchone())
            self._newest = (Checkpoint(*row),) if row is not None else ()
        else:
            log.warning("audit.broken", problem=str(verdict.problem), seq=verdict.at_seq, rows=verdict.entries)
        return self.last

    async def _walk(self, walk: Walk, pause_s: float) -> Verdict:
        while not await self._db.read(lambda conn: walk.step(conn, SLICE)):
            await self._clock.sleep(pause_s)
        return walk.verdict()
