"""What is kept and what goes: rules, holds and pins, the loop that deletes, and what a tight disk changes.

Owns the wiring of retention. Invariant: holds, pins and the clock's doubt that a pass of retention sees are those
of that instant; what follows from a pass (streams that rest, pins that are over) is done before the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence

from gateway.core.model import StreamId, StreamRole
from recorder.agegate import AgeGate, CalmBook
from recorder.cameras import Cameras
from recorder.cleaner import Cleaned, Cleaner, Sources
from recorder.gaps import GapCause
from recorder.holdreasons import HoldReasons
from recorder.holds import HoldBook
from recorder.parts import Parts
from recorder.pins import PinBook
from recorder.relief import Relief
from recorder.rules import RuleBook
from recorder.rulesource import RuleSource
from recorder.service_retention import RetentionService


class Keeping:
    """Retention of all disks."""

    def __init__(self, parts: Parts, rules: RuleBook, cameras: Cameras) -> None:
        self._parts, self._cameras = parts, cameras
        slots, db, clock = parts.store.slots, parts.db, parts.clock
        deleting = asyncio.Lock()
        self.gate, self._calm = AgeGate(clock), CalmBook(db)
        self.rules = RuleSource(rules, parts.registry, parts.groups)
        self.holds = HoldBook(db, slots, clock, deleting, HoldReasons(parts.seal))
        self.pins = PinBook(db, clock)
        sources = Sources(
            self.rules.rules,
            self.holds.active,
            self.pins.active,
            parts.runs.unsure,
            self.holds.vouches_for,
            rules.usual,
        )
        self.cleaner = Cleaner(slots, sources, self.gate, clock, deleting=deleting, after=self._cleaned)
        self.relief = Relief(
            parts.store, lambda: self._of_role(StreamRole.MAIN), lambda: self._of_role(StreamRole.SUB), self._cut
        )

    async def load(self) -> None:
        """Read what an earlier life left; call once, before anything is placed or deleted."""
        await self.holds.start()
        self.gate.restore(await self._calm.load())

    def service(self) -> RetentionService:
        """Return the calls about retention."""
        parts, books = self._parts, (self.holds, self.pins, self._parts.groups)
        return RetentionService(parts.registry, parts.store, self.cleaner, self.gate, self.rules, books, parts.clock)

    def _of_role(self, role: StreamRole) -> list[StreamId]:
        cameras = self._cameras.all()
        return [task.stream.id for camera in cameras for task in camera.streams if task.stream.role is role]

    async def _cut(self, streams: Collection[StreamId]) -> None:
        for camera in self._cameras.all():
            for task in camera.streams:
                if task.stream.id in streams:
                    await task.cut(GapCause.DISK)

    async def _cleaned(self, done: Sequence[Cleaned]) -> None:
        """Act on a pass of retention: what is tight, how long the clock is doubted, which pins are over."""
        slots = self._parts.store.slots
        await self.relief.apply(self.cleaner.tight, [slot for slot in slots if slot.opened is not None])
        await self._calm.save(self.gate.left_s)
        now_ms = self.gate.now_ms()
        if done and now_ms is not None:
            days = {stream: max(rule.days, rule.event_days) for stream, rule in (await self.rules.rules()).items()}
            await self.pins.forget(days, now_ms)
