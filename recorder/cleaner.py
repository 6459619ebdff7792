"""Carrying out retention: every minute, for each disk, what the plan says.

Owns the loop and the deletion. Invariants: footage that a hold touches is never deleted; nothing goes by
age while the clock is not trusted, or for `CALM_S` after it jumped far: a wrong date must not cost a
month of footage; deletion is in storage's order (row, file, folder, key) and at most 200 rows a
transaction; a hold that is placed while a plan is carried out counts from the next of these on.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import anyio.to_thread

from gateway.core.clock import Clock
from gateway.core.log import get_logger
from gateway.core.model import StreamId
from recorder.files import storage_error
from recorder.index import DELETE_BATCH, delete_segments
from recorder.layout import DAY_MS
from recorder.retention import Disk, Hold, Plan, Rule, plan
from recorder.rows import SegmentRow
from recorder.slot import Opened, Slot

log = get_logger("recorder.cleaner")

EVERY_S = 60.0
CALM_S = 24 * 3600
FAR_MS = 3_600_000
"""A clock that jumps further than an hour is not believed about ages for CALM_S."""
_NEW_WINDOW_NS = 60_000_000_000

Rules = Callable[[], Awaitable[Mapping[StreamId, Rule]]]
Holds = Callable[[], Awaitable[Sequence[Hold]]]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What one pass over one disk did or would do."""

    slot: Slot
    plan: Plan


class AgeGate:
    """Says which wall time may decide about ages; None = no time may."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._calm_from_ns: int | None = None
        self._difference_ms = self._difference()

    def _difference(self) -> int:
        return self._clock.now_ms() - self._clock.mono_ns() // 1_000_000

    def newest_was(self, end_ms: int | None) -> None:
        """Compare with the newest footage at the start: a jump while the box was off is a jump."""
        if end_ms is not None and abs(self._clock.now_ms() - end_ms) > DAY_MS:
            self._calm_from_ns = self._clock.mono_ns()

    def now_ms(self) -> int | None:
        """Return the wall time to judge ages by."""
        difference_ms = self._difference()
        if abs(difference_ms - self._difference_ms) > FAR_MS:
            self._calm_from_ns = self._clock.mono_ns()
        self._difference_ms = difference_ms
        if self._calm_from_ns is not None and self._clock.mono_ns() - self._calm_from_ns < CALM_S * 10**9:
            return None
        return self._clock.now_ms() if self._clock.trusted() else None


class Cleaner:
    """Plans and deletes, disk by disk."""

    def __init__(self, slots: Sequence[Slot], rules: Rules, holds: Holds, gate: AgeGate, clock: Clock) -> None:
        self._slots, self._rules, self._holds, self._gate, self._clock = slots, rules, holds, gate, clock
        self._written: dict[Slot, tuple[int, int, float]] = {}
        self.full_by_hold = False
        """True while a disk is full and only held footage is left."""
        self.deleting = asyncio.Lock()
        """Held while files are deleted: whoever takes it knows that nothing is deleted meanwhile."""
        self._cleaning = asyncio.Lock()

    async def run(self) -> None:
        """Clean every minute until cancelled; without a pause while there is more to delete."""
        while True:
            done = await self.clean()
            if all(item.plan.complete for item in done):
                await self._clock.sleep(EVERY_S)

    async def clean(self, *, dry_run: bool = False) -> list[Cleaned]:
        """Make one plan per disk and carry it out (not with `dry_run`); one caller at a time."""
        async with self._cleaning:
            rules, holds, done = await self._rules(), await self._holds(), list[Cleaned]()
            now_ms = self._gate.now_ms()
            for slot in self._slots:
                opened = slot.opened
                if opened is not None:
                    made = await anyio.to_thread.run_sync(self._plan, slot, opened, rules, holds, now_ms)
                    if made.victims and not dry_run:
                        await self._carry_out(opened, made, now_ms)
                    done.append(Cleaned(slot, made))
            self.full_by_hold = any(item.plan.full_by_hold for item in done)
            return done

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
        rules: Mapping[StreamId, Rule],
        holds: Sequence[Hold],
        now_ms: int | None,
    ) -> Plan:
        used = opened.index.totals()
        rows = {stream: _oldest_first(opened, stream) for stream in used}
        free_bytes, _ = opened.volume.free_bytes()
        disk = Disk(free_bytes, slot.options.min_free_bytes, self._write_rate(slot, opened))
        return plan(rows, rules, used, holds, disk, now_ms=now_ms)

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


def _oldest_first(opened: Opened, stream: StreamId) -> Iterator[SegmentRow]:
    """Yield a stream's rows day by day, so that a plan that needs ten rows reads one day."""
    seen_ms = -1
    for day in opened.index.days(stream):
        for row in opened.index.find(stream, day.day * DAY_MS, (day.day + 1) * DAY_MS):
            if row.begin_ms // DAY_MS == day.day and row.begin_ms >= seen_ms:
                seen_ms = row.begin_ms
                yield row


def _delete(opened: Opened, rows: Sequence[SegmentRow]) -> int:
    try:
        return delete_segments(opened.index, opened.volume.files, opened.ring, rows)
    except OSError as error:
        raise storage_error(error, str(opened.volume.path)) from error
