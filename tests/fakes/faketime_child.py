"""A cleaner on the system's clock, for a test that sets that clock by libfaketime: `DISK CALM_DATABASE` on the line.

For each line on stdin it cleans once and prints its time, the rows left and the rows gone, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from gateway.core.clock import SystemClock
from gateway.core.db import Database
from gateway.core.model import PublicId, StreamId
from recorder.agegate import AgeGate, CalmBook
from recorder.cleaner import Cleaner, Sources
from recorder.losses import Losses
from recorder.registry import MIGRATIONS
from recorder.retention import Hold, Rule
from recorder.retentiondb import MIGRATIONS as RETENTION
from recorder.slot import Slot, SlotOptions
from recorder.writer import WriterOptions

STREAMS = [StreamId(number) for number in range(1, 5)]


async def rules() -> Mapping[StreamId, Rule]:
    return {stream: Rule(30) for stream in STREAMS}


async def holds() -> Sequence[Hold]:
    return ()


async def main(disk: Path, state: Path) -> None:
    clock = SystemClock()
    slot = Slot(
        SlotOptions(disk, PublicId("b" * 16), 0, create=False, writer=WriterOptions()), None, Losses(clock), clock
    )
    slot.open({})
    gate = AgeGate(clock)
    async with Database(state, [MIGRATIONS, RETENTION]) as db:
        calm = CalmBook(db)
        gate.restore(await calm.load())
        gate.newest_was(max(slot.last_end_ms(stream) or 0 for stream in STREAMS))
        cleaner = Cleaner([slot], Sources(rules, holds), gate, clock)
        while await asyncio.to_thread(sys.stdin.readline):
            (done,) = await cleaner.clean()
            await calm.save(gate.left_s)
            left = sum(len(slot.rows(stream, -(1 << 60), 1 << 60, closed_only=True)) for stream in STREAMS)
            sys.stdout.write(
                json.dumps({"now_ms": clock.now_ms(), "left": left, "gone": len(done.plan.victims)}) + "\n"
            )
            sys.stdout.flush()
    slot.close()


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), Path(sys.argv[2])))
