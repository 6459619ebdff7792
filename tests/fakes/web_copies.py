"""Holds and copies as the pages see them, in memory: `web.copy_services` over a list."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass, field, replace

from gateway.core.clock import Clock
from gateway.core.errors import BadInput, Denied, NotFound
from gateway.core.model import PublicId, new_public_id
from web.caller import Caller
from web.copy_services import CopyFile, CopyOrder, HeldSpan

DAY_MS = 86_400_000


@dataclass
class FakeHolds:
    """Implements `HoldDoor`; tests read and set the fields."""

    clock: Clock
    say: Callable[[str], None]
    held: list[HeldSpan] = field(default_factory=list)
    confirmed: bool = True

    async def place(
        self, caller: Caller, camera: PublicId, from_ms: int, to_ms: int, why: str, days: int | None
    ) -> HeldSpan:
        return self.put(caller, camera, from_ms, to_ms, why, days)

    def put(
        self, caller: Caller, camera: PublicId, from_ms: int, to_ms: int, why: str, days: int | None = None
    ) -> HeldSpan:
        if not why.strip() or from_ms >= to_ms:
            raise BadInput("no reason or no span")
        self.say(f"hold {camera} {to_ms - from_ms} {why} {days}")
        now_ms = self.clock.now_ms()
        until_ms = now_ms + (30 if days is None else days) * DAY_MS
        span = HeldSpan(
            new_public_id(), camera, from_ms, to_ms, until_ms, caller.name, why, now_ms, confirmed=self.confirmed
        )
        self.held.insert(0, span)
        return span

    async def all(self) -> Sequence[HeldSpan]:
        return list(self.held)

    async def lift(self, caller: Caller, hold: PublicId, why: str) -> None:
        if not why.strip():
            raise BadInput("no reason")
        if all(item.id != hold for item in self.held):
            raise NotFound("no such hold")
        self.say(f"lift by {caller.person}: {why}")
        self.held = [item for item in self.held if item.id != hold]


@dataclass
class FakeCopies:
    """Implements `CopyDoor`; tests read and set the fields."""

    clock: Clock
    say: Callable[[str], None]
    holds: FakeHolds
    orders: list[CopyOrder] = field(default_factory=list)
    askers: dict[PublicId, Caller] = field(default_factory=dict)
    data: bytes = bytes(range(256)) * 40

    async def request(self, caller: Caller, camera: PublicId, from_ms: int, to_ms: int, why: str) -> PublicId:
        return self.put(caller, camera, from_ms, to_ms, why)

    def put(self, caller: Caller, camera: PublicId, from_ms: int, to_ms: int, why: str) -> PublicId:
        held = self.holds.put(caller, camera, from_ms, to_ms, why)
        now_ms, order = self.clock.now_ms(), new_public_id()
        self.orders.insert(
            0, CopyOrder(order, camera, from_ms, to_ms, why, "asked", now_ms, caller.name, mine=False, hold=held.id)
        )
        self.askers[order] = caller
        return order

    async def all(self, caller: Caller) -> Sequence[CopyOrder]:
        return [replace(item, mine=self.askers[item.id].person == caller.person) for item in self.orders]

    def change(self, order: PublicId, **fields: object) -> None:
        if all(item.id != order for item in self.orders):
            raise NotFound("no such order")
        self.orders = [replace(item, **fields) if item.id == order else item for item in self.orders]  # type: ignore[arg-type]  # a test's own fields

    async def approve(self, caller: Caller, order: PublicId) -> None:
        if order in self.askers and self.askers[order].person == caller.person:
            raise Denied("your own", reason="export.same_person")
        self.change(order, state="queued", approver=caller.name)

    async def end(self, caller: Caller, order: PublicId, why: str) -> None:
        known = next((item for item in self.orders if item.id == order), None)
        refused = known is not None and known.state == "asked" and self.askers[order].person != caller.person
        if refused and not why:
            raise BadInput("no reason")
        self.change(order, state="refused" if refused else "cancelled", ended_by=caller.name, end_why=why)

    async def open(self, caller: Caller, order: PublicId) -> CopyFile:
        known = next((item for item in self.orders if item.id == order), None)
        if known is None:
            raise NotFound("no such order")
        if known.state != "ready":
            raise Denied("not approved", reason="export.two_people")
        self.say(f"fetch by {caller.person}")
        return CopyFile(f"trich-xuat-{order}.zip", len(self.data), "mark", self._read)

    async def _read(self, offset: int, length: int) -> AsyncGenerator[bytes, None]:
        for at in range(offset, offset + length, 1000):
            yield self.data[at : min(at + 1000, offset + length)]
