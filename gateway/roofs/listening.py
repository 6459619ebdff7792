"""Listening to cameras: the drivers' events in the recorder's words.

Owns the threads that listen and the place where pull points are remembered. Invariants: a camera is listened
to through its one login gate and its one turn of calls; only cameras whose driver has events are.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

from drivers.base import LoginMode
from drivers.gate import LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.memory import PullFile
from drivers.onvif.pace import CallPool
from gateway.core.clock import Clock
from gateway.core.config import Config
from gateway.roofs.camera_driver import onvif_driver
from recorder.cameraevents import Listen, Report
from recorder.host import Gate
from recorder.registry import Camera


@dataclass(slots=True)
class Ears:
    """Listening to cameras, in the recorder's words."""

    folder: Path
    """Where pull points are remembered over a crash."""
    clock: Clock
    pool: CallPool = field(default_factory=CallPool)
    """Its own threads, since pulls wait; the turns of the cameras are those of all who ask them."""

    def listen(self, camera: Camera, gate: Gate) -> AsyncGenerator[Report, None] | None:
        """Return the camera's events; None if its driver has none."""
        about = camera.about
        if about.driver != OnvifDriver.name or not isinstance(gate, LoginGate):
            return None
        if about.identity.channel:  # a recorder reports of all channels at once: whose it is, is not sorted out yet
            return None
        gate.clear_text = about.login_mode == LoginMode.TEXT  # the installer allowed it when the camera was adopted
        return self._heard(camera, gate)

    async def _heard(self, camera: Camera, gate: LoginGate) -> AsyncGenerator[Report, None]:
        driver = onvif_driver(camera, gate, self.pool, self.clock)
        driver.settle()
        try:
            async with contextlib.aclosing(driver.events(PullFile(self.folder / camera.public_id))) as events:
                async for event in events:
                    yield event
        finally:
            await driver.close()


def listen_of(config: Config, clock: Clock, pool: CallPool) -> Listen | None:
    """Return what listens to cameras, with threads of its own but the turns of `pool`; None if nobody shall."""
    if not config.cameras.events:
        return None
    return Ears(config.paths.state / "pullpoints", clock, CallPool(turns=pool.turns)).listen
