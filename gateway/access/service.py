"""Access as one owner: everything that decides, built in the right order, running while entered.

Owns the construction and the minute's chores (audit checkpoint, signs of life of logins). Invariants:
facts and logins are loaded before the first question; leaving ends all tasks but no stream: leases do
that, so a gateway that is restarted quickly takes its streams over.
"""

from __future__ import annotations

import sqlite3
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Self
from zoneinfo import ZoneInfo

import anyio
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access import audit
from gateway.access.audit import Actor, Checkpoint, Emit, Verdict
from gateway.access.children import Children
from gateway.access.classes import Classes
from gateway.access.codes import Codes
from gateway.access.exports import Exports
from gateway.access.grants import Grants
from gateway.access.invitations import Invitations
from gateway.access.login import Logins
from gateway.access.people import People
from gateway.access.sessions import MediaPort, OpenGrants
from gateway.access.sharing import Sharing
from gateway.access.store import FactStore, no_outbox, refusal
from gateway.core import ticket
from gateway.core.clock import Clock
from gateway.core.config import Access as AccessRules
from gateway.core.db import Database
from gateway.core.errors import BadInput
from gateway.core.model import Action, PublicId
from gateway.core.secrets import SealKey
from gateway.core.supervise import FaultSink, contained, supervise

CHECKPOINT_S = 60


@dataclass(frozen=True, slots=True)
class Keys:
    """What access needs of `<state>/keys`: columns are sealed, grants and checkpoints signed."""

    seal: SealKey
    signing: Ed25519PrivateKey


class Access:
    """The bundle that the roof builds and the web is given; `db` must be open already."""

    def __init__(
        self,
        db: Database,
        clock: Clock,
        *,
        zone: ZoneInfo,
        keys: Keys,
        media: MediaPort,
        on_fault: FaultSink,
        rules: AccessRules | None = None,
        emit: Emit = no_outbox,
    ) -> None:
        rules = rules or AccessRules()
        self._clock = clock
        self._key = keys.signing
        self._on_fault = on_fault
        self._stack = AsyncExitStack()
        self.store = FactStore(db, clock, zone=zone, seal=keys.seal, emit=emit)
        self.logins = Logins(self.store)
        self.grants = Grants(self.store, alive=self.logins.alive)
        self.open = OpenGrants(self.store, self.grants, media, keys.signing, on_fault=on_fault)
        self.codes = Codes(self.store, self.logins, minutes=rules.code_minutes)
        self.invitations = Invitations(self.store, self.logins, days=rules.slip_days)
        self.people = People(self.store)
        self.classes = Classes(self.store)
        self.children = Children(self.store)
        self.sharing = Sharing(self.store)
        self.exports = Exports(self.store)

    async def __aenter__(self) -> Self:
        await self.store.load()
        await self.logins.load()
        self.logins.listeners.append(self.open.recheck)
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.open)
            tasks = await stack.enter_async_context(anyio.create_task_group())
            stack.callback(tasks.cancel_scope.cancel)
            tasks.start_soon(self._supervised_chores)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()  # the body's own error passes as it is

    async def _supervised_chores(self) -> None:
        await supervise("access.chores", self._chores, clock=self._clock, on_fault=self._on_fault)

    async def _chores(self) -> None:
        while True:
            async with contained("access.checkpoint", self._on_fault):
                await self.checkpoint()
            async with contained("access.logins", self._on_fault):
                await self.logins.keep()
            await self._clock.sleep(CHECKPOINT_S)

    async def checkpoint(self) -> Checkpoint | None:
        """Sign the audit's head and send it upstream; None if nothing was written since the last time."""

        def run(conn: sqlite3.Connection) -> Checkpoint | None:
            made = audit.checkpoint(conn, self._key, self._clock.now_ms())
            if made is not None:
                self.store.emit(
                    conn, self.store.event("audit.checkpoint", seq=made.seq, head=made.head, signature=made.signed)
                )
            return made

        return await self.store.db.write(run)

    async def ticket(
        self,
        actor: Actor,
        action: Action,
        camera: PublicId,
        *,
        from_ms: int | None = None,
        to_ms: int | None = None,
    ) -> dict[str, str]:
        """Return a signed grant for a still or recorded time; Denied, NotFound, BadInput.

        Streams are opened by `open.open`, which also holds and ends them.
        """
        if actor.person is None or action is Action.LIVE:
            raise BadInput("tickets are for people, and not for streams", action=str(action))
        decision, grant = await self.grants.issue(
            actor.person, actor.device, action, camera, from_ms=from_ms, to_ms=to_ms
        )
        if grant is None:
            raise refusal(decision)
        return ticket.sign(grant, self._key)

    async def export_ticket(self, actor: Actor, order: PublicId) -> dict[str, str]:
        """Return the signed grant of an approved export; Denied, NotFound, BadInput."""
        if actor.person is None:
            raise BadInput("tickets are for people")
        decision, grant = await self.grants.issue_export(actor.person, actor.device, order)
        if grant is None:
            raise refusal(decision)
        return ticket.sign(grant, self._key)

    async def verify(self) -> Verdict:
        """Check the whole audit chain against its own checkpoints."""
        return await self.store.db.read(lambda conn: audit.verify(conn, self._key.public_key()))
