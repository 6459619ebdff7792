"""Motion goes with the footage it was seen in.

Owns the hourly sweep. Invariant: nothing is forgotten while a disk that might hold footage of that time is away.
"""

from __future__ import annotations

import anyio.to_thread

from gateway.core.clock import Clock
from gateway.core.model import PublicId
from recorder.motion import MotionBook
from recorder.playback_spans import footage_hours
from recorder.registry import Registry
from recorder.store import Store

SWEEP_S = 3600.0


class MotionSweep:
    """Forgets the motion of hours whose footage is gone."""

    def __init__(self, motion: MotionBook, registry: Registry, store: Store, clock: Clock) -> None:
        self._motion, self._registry, self._store, self._clock = motion, registry, store, clock

    async def run(self) -> None:
        """Sweep every hour until cancelled."""
        while True:
            await self._clock.sleep(SWEEP_S)
            await self.sweep()

    async def sweep(self) -> None:
        """Let the motion of hours go whose footage is gone; nothing while a disk is away."""
        footage = dict[PublicId, frozenset[int]]()
        for camera in await self._registry.cameras(removed=True):
            streams = [stream.id for stream in camera.streams]
            hours = await anyio.to_thread.run_sync(footage_hours, self._store.slots, streams)
            if hours is None:
                return
            footage[camera.public_id] = hours
        await self._motion.keep_only(footage)
