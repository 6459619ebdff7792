"""Setting right what a wrong clock told while the recorder was away.

Owns `set_right`, the first thing a starting recorder does with its books. Invariants: it changes nothing of another
boot, of which nobody knows how wrong the clock was; done twice it does nothing the second time; segments already
in an index move with their run.
"""

from __future__ import annotations

from gateway.core.clock import Clock
from recorder.cameras import SetOffset
from recorder.gaps import GapLedger
from recorder.runs import RunBook, wall_minus_mono_ms


async def set_right(runs: RunBook, ledger: GapLedger, set_offset: SetOffset, clock: Clock) -> None:
    """Look at the clock as `StepWatch` would have, had the recorder been running since its last look."""
    stands_ms, trusted = wall_minus_mono_ms(clock), clock.trusted()
    step_ms = await runs.note_clock(stands_ms, trusted=trusted)
    if step_ms is None:
        return
    if not trusted:
        await ledger.moved(step_ms)
        return
    for run, offset_ms in await runs.correct(stands_ms):
        await set_offset(run, offset_ms)
    await ledger.stepped(clock.now_ms(), sets_right_by_ms=step_ms)
