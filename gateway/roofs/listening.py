"""Listening to cameras: the drivers' events in the recorder's words.

Owns the threads that listen and the place where pull points are remembered. Invariants: a camera is listened
to through its one login gate and its one turn of calls; only cameras whose driver has events are; the channels of a
recorder share one subscription, and a channel whose profile is not known is not listened to, since whose an event is
would be a guess.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from drivers.gate import LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.memory import PullFile
from drivers.onvif.pace import CallPool
from gateway.core.clock import Clock
from gateway.core.config import Config
from gateway.roofs.onvifvisits import OnvifVisits
from gateway.roofs.sharedear import Heard, SharedEar
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

    shared: dict[LoginGate, SharedEar] = field(default_factory=dict)
    """Of recorders: a gate is one login of one device."""

    def listen(self, camera: Camera, gate: Gate) -> AsyncGenerator[Report, None] | None:
        """Return the camera's events; None if its driver has none."""
        if camera.about.driver != OnvifDriver.name or not isinstance(gate, LoginGate):
            return None
        if not camera.about.identity.channel:
            return self._heard(camera, gate)
        token = camera.streams[0].spec.token if camera.streams else ""
        return self._ear(gate).listen(token, partial(self._device, camera, gate)) if token else None

    def _ear(self, gate: LoginGate) -> SharedEar:
        """Return what the channels of a device share; what nobody needs any more is forgotten."""
        for other in [other for other, ear in self.shared.items() if ear.idle and other is not gate]:
            del self.shared[other]
        return self.shared.setdefault(gate, SharedEar(self.visits.clock))

    async def _device(self, camera: Camera, gate: LoginGate) -> AsyncGenerator[Heard, None]:
        """Deliver the pictures of a recorder, then all its events; `camera` is any of its channels."""
        async with self.visits.to(camera, gate) as driver:
            yield dict(await driver.pictures())
            async with contextlib.aclosing(driver.events(PullFile(self.folder / device_file(camera)))) as events:
                async for event in events:
                    yield event

    async def _heard(self, camera: Camera, gate: LoginGate) -> AsyncGenerator[Report, None]:
        async with (
            self.visits.to(camera, gate) as driver,
            contextlib.aclosing(driver.events(PullFile(self.folder / camera.public_id))) as events,
        ):
            async for event in events:
                yield event


def device_file(camera: Camera) -> str:
    """Return the name of the file for a recorder's pull point: the same for all its channels that log in alike."""
    about = camera.about
    identity, user = about.identity, about.login.username if about.login else ""
    marks = identity.marks if any(identity.marks) else (about.address,)
    return f"device-{hashlib.sha256(chr(0).join((*marks, user)).encode()).hexdigest()[:24]}"


def listen_of(config: Config, clock: Clock, pool: CallPool) -> Listen | None:
    """Return what listens to cameras, with threads of its own but the turns of `pool`; None if nobody shall."""
    if not config.cameras.events:
        return None
    return Ears(config.paths.state / "pullpoints", OnvifVisits(clock, CallPool(turns=pool.turns))).listen
