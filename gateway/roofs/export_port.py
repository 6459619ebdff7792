"""Holds and copies: what access decided, carried out by the recorder, shown to the pages.

Owns `Copying` (the loop that tells the recorder until it answers, and signs what it measured) and the doors of
`web.copy_services`. Invariants: every act is in access first; the recorder is told again until it confirms, under
ids that make telling twice harmless; a hold stands before its copy begins; the box's key signs the manifest of an
approved order and nothing else; a copy's bytes are fetched with a grant made for that request, which
is decided again at each chunk.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any, cast

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.access.exports import Exports, OrderRow
from gateway.access.grants import BOX_DEVICE, Grants
from gateway.access.holds import DAYS, HoldRow, Holds
from gateway.access.store import FactStore, refusal
from gateway.core.clock import Clock
from gateway.core.errors import BadInput, DaemonUnavailable, NotFound
from gateway.core.log import get_logger
from gateway.core.model import PublicId, is_public_id
from gateway.core.ticket import sign
from gateway.core.wire import ControlClient
from gateway.roofs.actors import actor_of
from gateway.roofs.names import Names
from recorder.manifest import sign_manifest
from web.caller import Caller
from web.copy_services import CopyFile, CopyOrder, HeldSpan

log = get_logger("gateway.copies")
SOON_S, LATER_S = 1.0, 20.0
CONSOLE_ID = PublicId("consoleconsoleco")
"""Who placed a hold at the box's own console, in the form the recorder wants."""
OVER = {"failed": "failed", "cancelled": "cancelled", "expired": "expired"}


class Copying:
    """Keeps the recorder at what was decided; run `run`, call `nudge` after a decision."""

    def __init__(
        self,
        store: FactStore,
        holds: Holds,
        exports: Exports,
        grants: Grants,
        recorder: ControlClient,
        key: Ed25519PrivateKey,
        site: Mapping[str, str],
    ) -> None:
        self._store, self.holds, self.exports, self._grants = store, holds, exports, grants
        self._recorder, self._key, self._site = recorder, key, dict(site)
        self._turn = asyncio.Lock()
        self._wake = asyncio.Event()

    @property
    def clock(self) -> Clock:
        """The box's clock."""
        return self._store.clock

    def nudge(self) -> None:
        """Do the next round soon."""
        self._wake.set()

    async def run(self) -> None:
        """Tell and sign for ever; raises DaemonUnavailable while the recorder is away."""
        while True:
            self._wake.clear()
            busy = await self.round()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SOON_S if busy else LATER_S):
                    await self._wake.wait()

    async def round(self) -> bool:
        """Carry out what is due; says whether something is under way."""
        async with self._turn:
            jobs = await self.jobs()
            opened = await self.exports.open_rows()
            known = {order.id for order in opened}
            for job in jobs.values():  # first: it may be what a hold that is to be lifted waits for
                if job["state"] not in OVER and PublicId(str(job["order"])) not in known:
                    await self._recorder.call("export.cancel", {"order": job["order"]})
            await self._find_lost_holds()
            await self._tell_holds()
            for order in opened:
                await self._advance(order, jobs.get(order.id))
        return any(order.done_ms is None for order in opened)

    async def jobs(self) -> dict[PublicId, dict[str, Any]]:
        """Return the recorder's orders by id."""
        listed = (await self._recorder.call("export.list")).result["orders"]
        return {PublicId(str(item["order"])): item for item in listed}

    async def tell_now(self) -> None:
        """Tell the recorder of new holds at once; if it is away the loop does it when it comes back."""
        with contextlib.suppress(DaemonUnavailable):
            async with self._turn:
                await self._tell_holds()
        self.nudge()

    async def _tell_holds(self) -> None:
        for hold in await self.holds.due():
            if hold.lifted_ms is not None:
                await self._lift(hold.id)
                continue
            try:
                await self._hold(hold)
            except BadInput as error:  # a camera that is gone, or more holds than the recorder takes: never to be
                log.error("hold.refused", error)
                await self.holds.gone(hold.id)
            else:
                await self.holds.told(hold.id, hold.until_ms)

    async def _lift(self, hold: PublicId) -> None:
        try:
            await self._recorder.call("hold.lift", {"hold": hold})
        except NotFound:
            pass
        except BadInput as error:  # a copy that was cancelled here is not yet cancelled there: with the next round
            log.info("hold.lift_waits", hold=hold, code=error.code)
            return
        await self.holds.gone(hold)

    async def _find_lost_holds(self) -> None:
        """Notice what the recorder confirmed and has no more: told again it places them, or says why it never will.

        Its database came back from an older copy, or the camera's footage was erased and the hold with it.
        """
        confirmed = [row for row in await self.holds.rows() if row.confirmed]
        if not confirmed:
            return
        told = (await self._recorder.call("hold.list")).result
        there = {item["hold"] for item in [*told["holds"], *told["found"]]}
        for hold in confirmed:
            if hold.id not in there:
                log.warning("hold.lost", hold=hold.id)
                await self.holds.told(hold.id, None)

    async def _hold(self, hold: HoldRow) -> None:
        if hold.told_ms is not None:
            await self._recorder.call("hold.renew", {"hold": hold.id, "until_ms": hold.until_ms})
            return
        who = hold.by if is_public_id(hold.by) else CONSOLE_ID
        span = {"from_ms": hold.from_ms, "to_ms": hold.to_ms, "until_ms": hold.until_ms}
        # The reason stays with the people: the recorder's table is not sealed.
        about = {"camera": hold.camera, "hold": hold.id, "who": who, "why": ""}
        await self._recorder.call("hold.place", about | span)

    async def _advance(self, order: OrderRow, job: Mapping[str, Any] | None) -> None:
        state = str(job["state"]) if job is not None else None
        if state is None and order.done_ms is None:
            await self._start(order)
        elif state == "measured" or (state == "ready" and order.done_ms is None):
            await self._finish(order)
        elif state is None or state in OVER:
            await self.exports.over(order.id, OVER.get(str(state), "expired"))

    async def _start(self, order: OrderRow) -> None:
        assert order.approver is not None
        decision, grant = await self._grants.issue_export(order.approver, BOX_DEVICE, order.id)
        if grant is None:
            if not decision.allowed and self._store.current.index.exports.get(order.id) is not None:
                await self.exports.over(order.id, "cancelled")  # who approved it may not any more
            return
        facts = {
            "site": self._site,
            "who": {"requester": order.requester, "approver": order.approver},
            "audit": {"request": order.audit_rows[0], "approve": order.audit_rows[1]},
            "ordered_ms": order.requested_ms,
            "approved_ms": order.approved_ms,
        }
        params = {"ticket": sign(grant, self._key), "order": order.id, "hold": order.hold, "facts": facts}
        try:
            await self._recorder.call("export.start", params)
        except BadInput as error:
            log.error("export.refused", error)
            await self.exports.over(order.id, "failed")

    async def _finish(self, order: OrderRow) -> None:
        """Sign what was measured; the same manifest gives the same signature, so twice does no harm."""
        manifest = (await self._recorder.call("export.manifest", {"order": order.id})).blob
        await self._recorder.call("export.sign", {"order": order.id}, sign_manifest(manifest, self._key))
        await self.exports.done(order.id, hashlib.sha256(manifest).hexdigest())


class HoldPort:
    """`web.copy_services.HoldDoor` over access and the recorder."""

    def __init__(self, copying: Copying, names: Names) -> None:
        self._copying, self._names = copying, names

    async def place(
        self, caller: Caller, camera: PublicId, from_ms: int, to_ms: int, why: str, days: int | None
    ) -> HeldSpan:
        """Keep a span; it stands when the answer says `confirmed`."""
        holds = self._copying.holds
        hold = await holds.place(actor_of(caller), camera, from_ms, to_ms, why, days=DAYS if days is None else days)
        await self._copying.tell_now()
        return self._shown(await holds.get(hold))

    async def all(self) -> Sequence[HeldSpan]:
        """Return what is held."""
        return [self._shown(row) for row in await self._copying.holds.rows()]

    async def lift(self, caller: Caller, hold: PublicId, why: str) -> None:
        """Give a span back to retention."""
        await self._copying.holds.lift(actor_of(caller), hold, why)
        await self._copying.tell_now()

    def _shown(self, row: HoldRow) -> HeldSpan:
        return HeldSpan(
            row.id,
            row.camera,
            row.from_ms,
            row.to_ms,
            row.until_ms,
            self._names.person(PublicId(row.by)),
            row.why,
            row.placed_ms,
            row.confirmed,
        )


class CopyPort:
    """`web.copy_services.CopyDoor` over access and the recorder."""

    def __init__(
        self, copying: Copying, grants: Grants, recorder: ControlClient, key: Ed25519PrivateKey, names: Names
    ) -> None:
        self._copying, self._grants, self._recorder = copying, grants, recorder
        self._key, self._names = key, names

    async def request(self, caller: Caller, camera: PublicId, from_ms: int, to_ms: int, why: str) -> PublicId:
        """Hold and ask in one act."""
        order = await self._copying.exports.request(actor_of(caller), camera, from_ms, to_ms, why)
        await self._copying.tell_now()
        return order

    async def all(self, caller: Caller) -> Sequence[CopyOrder]:
        """Return the orders; while the recorder is away, what access knows of them."""
        jobs: dict[PublicId, dict[str, Any]] = {}
        with contextlib.suppress(DaemonUnavailable):
            jobs = await self._copying.jobs()
        rows = await self._copying.exports.rows()
        return [self._shown(row, jobs.get(row.id, {}), caller) for row in rows]

    def _shown(self, row: OrderRow, job: Mapping[str, Any], caller: Caller) -> CopyOrder:
        person = self._names.person
        return CopyOrder(
            row.id,
            row.camera,
            row.from_ms,
            row.to_ms,
            row.why,
            state_of(row, job),
            row.requested_ms,
            person(row.requester),
            row.requester == caller.person,
            person(row.approver) if row.approver is not None else "",
            row.hold,
            int(job.get("done_bytes") or 0),
            int(job.get("total_bytes") or 0),
            float(job.get("seconds") or 0),
            str(job.get("why") or ""),
            row.done_ms,
            job.get("expires_ms"),
            person(PublicId(row.ended_by)),
            row.end_why,
            row.manifest_sha256,
        )

    async def approve(self, caller: Caller, order: PublicId) -> None:
        """Approve another person's order."""
        await self._copying.exports.approve(actor_of(caller), order)
        self._copying.nudge()

    async def end(self, caller: Caller, order: PublicId, why: str) -> None:
        """Refuse another's order that waits, or cancel any."""
        exports = self._copying.exports
        row = await exports.get(order)
        if row.approver is None and row.requester != caller.person:
            await exports.refuse(actor_of(caller), order, why)
        else:
            await exports.cancel(actor_of(caller), order, why)
        self._copying.nudge()

    async def open(self, caller: Caller, order: PublicId) -> CopyFile:
        """Decide with an audit row, and ask the recorder for the size."""
        decision, grant = await self._grants.issue_export(caller.person, caller.device, order)
        if grant is None:
            raise refusal(decision)
        params: dict[str, Any] = {"ticket": sign(grant, self._key), "order": order}
        size = int((await self._recorder.call("export.size", params)).result["bytes"])
        row = await self._copying.exports.get(order)

        async def read(offset: int, length: int) -> AsyncGenerator[bytes, None]:
            asked = params | {"offset": offset, "length": length}
            stream = cast("AsyncGenerator[bytes, None]", self._recorder.stream("export.file", asked))
            async with aclosing(stream) as chunks:
                async for chunk in chunks:
                    decision = self._grants.redecide(grant, order)  # a copy takes minutes, and rights end in seconds
                    if not decision.allowed:
                        raise refusal(decision)
                    yield chunk

        return CopyFile(f"trich-xuat-{order}.zip", size, row.manifest_sha256[:32], read)


def state_of(row: OrderRow, job: Mapping[str, Any]) -> str:
    """Return how far an order is, in the words of `CopyOrder.state`."""
    if row.ended_ms is not None:
        return row.ended_how
    if row.approver is None:
        return "asked"
    if row.done_ms is not None:
        return "ready"
    state = str(job.get("state") or "queued")
    return "signing" if state in {"measured", "ready"} else state
