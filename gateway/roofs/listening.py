"""Listening to cameras: the drivers' events in the recorder's words.

Owns the threads that listen and the place where pull points are remembered. Invariants: a camera is listened
to through its one login gate and its one turn of calls; only cameras whose driver has events are.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from pathlib import Path

from drivers.gate import LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.memory import PullFile
from drivers.onvif.pace import CallPool
from gateway.core.clock import Clock
from gateway.core.config import Config
from gateway.roofs.onvifvisits import OnvifVisits
from recorder.cameraevents import Listen, Report
from recorder.host import Gate
from recorder.registry import Camera


@dataclass(slots=True)
class Ears:
    """Listening to cameras, in the recorder's words."""

    folder: Path
    """Where pull points are remembered over a crash."""
    visits: OnvifVisits
    """With its own threads, since pulls wait; the turns of the cameras are those of all who ask them."""

    def listen(self, camera: Camera, gate: Gate) -> AsyncGenerator[Report, None] | None:
        """Return the camera's events; None if its driver has none."""
        if camera.about.driver != OnvifDriver.name or not isinstance(gate, LoginGate):
            return None
        if (
            camera.about.identity.channel
        ):  # a recorder reports of all channels at once: whose it is, is not sorted out yet
            return None
        return self._heard(camera, gate)

    async def _heard(self, camera: Camera, gate: LoginGate) -> AsyncGenerator[Report, None]:
        async with (
            self.visits.to(camera, gate) as driver,
            contextlib.aclosing(driver.events(PullFile(self.folder / camera.public_id))) as events,
        ):
            async for event in events:
                yield event


def listen_of(config: Config, clock: Clock, pool: CallPool) -> Listen | None:
    """Return what listens to cameras, with threads of its own but the turns of `pool`; None if nobody shall."""
    if not config.cameras.events:
        return None
    return Ears(config.paths.state / "pullpoints", OnvifVisits(clock, CallPool(turns=pool.turns))).listen
