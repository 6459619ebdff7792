"""Carrying out retention: every minute, for each disk, what the plan says.

Owns the loop and the deletion. Invariants: footage that a hold touches is never deleted, and no disk is
cleaned before its own copy of the holds was read; nothing goes by age unless the gate gives a time; deletion
is in storage's order (row, file, folder, key) and at most 200 rows a transaction; a hold that is placed while
a plan is carried out counts from the next of these on; a disk that falls below its reserve is looked at
within `LOOK_S`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

import anyio.to_thread

from gateway.core.clock import Clock
from gateway.core.errors import StorageError
from gateway.core.log import get_logger
from gateway.core.model import RunId, StreamId
from recorder.agegate import AgeGate
from recorder.files import storage_error
from recorder.index import DELETE_BATCH, delete_segments
from recorder.relief import EASE
from recorder.retention import MAX_VICTIMS, USUAL_DAYS, Disk, Hold, Pin, Plan, Protected, Reason, Rule, plan
from recorder.rows import SegmentRow
from recorder.shelf import Shelf, counted_bytes, footage_of
from recorder.slot import Opened, Slot
from recorder.spans import Unsure

log = get_logger("recorder.cleaner")

EVERY_S = 60.0
LOOK_S = 10.0
"""How soon a disk that somebody else fills is noticed."""
TOLD_NS = 3600 * 10**9
"""Event footage that went for want of room is an alarm for so long."""
_NEW_WINDOW_NS = 60_000_000_000


async def _nothing(_done: Sequence[Cleaned]) -> None:
    """Stand in for whoever acts on a pass."""


async def _no_pins() -> Sequence[Pin]:
    return ()


async def _all_sure() -> Mapping[RunId, Unsure]:
    return {}


@dataclass(frozen=True, slots=True)
class Sources:
    """What a pass asks for; the holds last, so that none is missed."""

    rules: Callable[[], Awaitable[Mapping[StreamId, Rule]]]
    holds: Callable[[], Awaitable[Sequence[Hold]]]
    pins: Callable[[], Awaitable[Sequence[Pin]]] = _no_pins
    unsure: Callable[[], Awaitable[Mapping[RunId, Unsure]]] = _all_sure
    vouches_for: Callable[[Opened], bool] = lambda _: True
    """Says whether it is known what this disk holds."""
    usual: Callable[[], Rule] = lambda: Rule(USUAL_DAYS)
    """The rule when no stream has one: every camera was removed."""


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What one pass over one disk did or would do."""

    slot: Slot
    plan: Plan
    tight: bool
    """Besides the newest hour only held footage is left, or was until there is room for a quarter more."""


class Cleaner:
    """Plans and deletes, disk by disk."""

    def __init__(
        self,
        slots: Sequence[Slot],
        sources: Sources,
        gate: AgeGate,
        clock: Clock,
        *,
        deleting: asyncio.Lock | None = None,
        after: Callable[[Sequence[Cleaned]], Awaitable[None]] = _nothing,
    ) -> None:
        """Take `deleting` if others wait for it too; `after` hears of each pass that was not a dry run."""
        self._slots, self._sources, self._gate, self._clock, self._after = slots, sources, gate, clock, after
        self._written: dict[Slot, tuple[int, int, float]] = {}
        self._last: dict[Slot, Cleaned] = {}
        self._tight_from: dict[Slot, int] = {}
        """The greatest reserve of each tight disk since it became so: resting streams write nothing."""
        self._events_went_ns: dict[Slot, int] = {}
        self.deleting = deleting or asyncio.Lock()
        """Held while files are deleted: whoever takes it knows that nothing is deleted meanwhile."""
        self._cleaning = asyncio.Lock()

    async def run(self) -> None:
        """Clean every minute until cancelled; without a pause while there is more to delete."""
        while True:
            done = await self.clean()
            if all(item.plan.complete for item in done):
                await self._wait()

    async def _wait(self) -> None:
        until_ns = self._clock.mono_ns() + int(EVERY_S * 1e9)
        while self._clock.mono_ns() < until_ns:
            await self._clock.sleep(LOOK_S)
            if await anyio.to_thread.run_sync(self._below):
                return

    def _below(self) -> bool:
        """Say whether a disk has less room than its reserve. Worker threads only."""
        for slot, done in list(self._last.items()):
            opened = slot.opened
            if opened is not None and opened.volume.free_bytes()[0] < done.plan.reserve_bytes:
                return True
        return False

    @property
    def tight(self) -> frozenset[Slot]:
        """The disks on which besides the newest hour only held footage is left."""
        return frozenset(self._tight_from)

    def state(self, slot: Slot) -> dict[str, bool | int]:
        """Return what the last pass found out about a disk, for the status."""
        last, went_ns = self._last.get(slot), self._events_went_ns.get(slot)
        return {
            "reserve_bytes": slot.options.min_free_bytes if last is None else last.plan.reserve_bytes,
            "short_bytes": 0 if last is None else last.plan.short_bytes,
            "full_by_hold": slot in self._tight_from,
            "event_footage_going": went_ns is not None and self._clock.mono_ns() - went_ns < TOLD_NS,
        }

    async def clean(self, *, dry_run: bool = False, limit: int = MAX_VICTIMS) -> list[Cleaned]:
        """Make one plan per disk and carry it out (not with `dry_run`); one caller at a time."""
        async with self._cleaning:
            there = [(slot, slot.opened) for slot in self._slots]
            shelf = Shelf(
                await self._sources.rules(),
                await self._sources.pins(),
                await self._sources.unsure(),
                await self._holds(),
                self._sources.usual(),
            )
            done, now_ms = list[Cleaned](), self._gate.now_ms()
            opened_ones = [opened for _, opened in there if opened is not None]
            counted = await anyio.to_thread.run_sync(counted_bytes, opened_ones)
            failed: StorageError | None = None
            for slot, opened in there:
                if opened is None or slot.opened is not opened or not self._sources.vouches_for(opened):
                    continue
                try:
                    made = await anyio.to_thread.run_sync(
                        self._plan, slot, opened, shelf, counted[opened.index], now_ms, limit
                    )
                    if made.plan.victims and not dry_run:
                        await self._carry_out(opened, made.plan, now_ms)
                except StorageError as error:  # the other disks need their room all the same
                    failed = error
                else:
                    done.append(made)
            if not dry_run:
                await self._take_in(done)
            if failed is not None:
                raise failed
            return done

    async def _holds(self) -> Sequence[Hold]:
        return await self._sources.holds()

    async def _take_in(self, done: Sequence[Cleaned]) -> None:
        """Remember what a pass found, and let others act on it."""
        for item in done:
            self._last[item.slot] = item
            if item.tight:
                before = self._tight_from.get(item.slot, 0)
                self._tight_from[item.slot] = max(before, item.plan.reserve_bytes)
            else:
                self._tight_from.pop(item.slot, None)
            if any(victim.reason is Reason.EVENT for victim in item.plan.victims):
                self._events_went_ns[item.slot] = self._clock.mono_ns()
        for slot in self._slots:
            if slot.opened is None:  # what is away is neither tight nor short
                self._last.pop(slot, None)
                self._tight_from.pop(slot, None)
        await self._after(done)

    async def _carry_out(self, opened: Opened, made: Plan, now_ms: int | None) -> None:
        """Delete the plan's segments; StorageError from the disk: what is left is finished by the next pass."""
        rows, count, freed = [victim.row for victim in made.victims], 0, 0
        for start in range(0, len(rows), DELETE_BATCH):
            async with self.deleting:
                holds = [hold for hold in await self._holds() if hold.until_ms > (now_ms or 0)]
                batch = [row for row in rows[start : start + DELETE_BATCH] if not any(h.covers(row) for h in holds)]
                freed += await anyio.to_thread.run_sync(_delete, opened, batch)
                count += len(batch)
        reasons = {victim.reason.value for victim in made.victims}
        log.info("retention.deleted", segments=count, bytes=freed, reasons=",".join(sorted(reasons)))

    def _plan(
        self,
        slot: Slot,
        opened: Opened,
        shelf: Shelf,
        counted: Mapping[StreamId, int],
        now_ms: int | None,
        limit: int,
    ) -> Cleaned:
        """Plan one disk. Worker threads only."""
        footage, protected = footage_of(opened, counted, shelf), Protected(shelf.holds, shelf.pins)
        free_bytes, _ = opened.volume.free_bytes()
        disk = Disk(free_bytes, slot.options.min_free_bytes, self._write_rate(slot, opened))
        made = plan(footage, shelf.rules, protected, disk, now_ms=now_ms, limit=limit, usual=shelf.usual)
        tight = made.full_by_hold
        if slot in self._tight_from and not tight:  # it stays so until there would be room for a quarter more
            wanted = round(EASE * max(self._tight_from[slot], made.reserve_bytes))
            could = plan(footage, shelf.rules, protected, Disk(free_bytes, wanted), now_ms=None)
            tight = could.full_by_hold
        return Cleaned(slot, made, tight)

    def _write_rate(self, slot: Slot, opened: Opened) -> float:
        """Return bytes per second over about the last minute."""
        now_ns, total = self._clock.mono_ns(), opened.writer.statistics().written_bytes
        since_ns, before, rate = self._written.get(slot, (now_ns, total, 0.0))
        if total < before:  # the disk was opened again: a new writer counts from 0
            since_ns, before = now_ns, total
        if now_ns - since_ns >= _NEW_WINDOW_NS // 2:
            rate = (total - before) * 1e9 / (now_ns - since_ns)
            since_ns, before = now_ns, total
        self._written[slot] = (since_ns, before, rate)
        return rate


def _delete(opened: Opened, rows: Sequence[SegmentRow]) -> int:
    try:
        return delete_segments(opened.index, opened.volume.files, opened.ring, rows)
    except OSError as error:
        raise storage_error(error, str(opened.volume.path)) from error
