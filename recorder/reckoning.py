"""Setting right what a wrong clock told while the recorder was away.

Owns `set_right`, the first thing a starting recorder does with its books, and the rule from when on a stream missed
footage. Invariants: nothing of another boot is changed, of which nobody knows how wrong the clock was; done twice
it does nothing the second time; segments already in an index move with their run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from gateway.core.clock import Clock
from gateway.core.model import StreamId
from recorder.cameras import SetOffset
from recorder.gaps import GapLedger
from recorder.registry import Camera, Stream
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


def last_known(
    cameras: Iterable[Camera], ends: Mapping[StreamId, int], recording: Mapping[StreamId, int]
) -> dict[Stream, int]:
    """Return until when each stream's time is accounted for, UTC ms; pure.

    That is the end of its last footage; without any, the beginning of the run that died with its first pictures in
    memory (`recording`), or the adoption.
    """
    return {
        stream: ends.get(stream.id, recording.get(stream.id, camera.added_ms))
        for camera in cameras
        for stream in camera.streams
    }
