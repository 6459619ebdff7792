"""Speaking ONVIF to cameras of ours: one way to make their drivers, whoever speaks.

Owns the threads of those visits and the users that a maker's own interface refused. Invariants: a driver is closed
when its visit ends; a user that was refused by a maker's interface is sent there by nobody.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from drivers.gate import LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.pace import CallPool
from gateway.core.clock import Clock
from gateway.core.errors import CameraUnsupported
from gateway.core.model import PublicId
from gateway.roofs.camera_driver import onvif_driver
from recorder.registry import Camera


@dataclass(frozen=True, slots=True)
class OnvifVisits:
    """Makes drivers for cameras we have."""

    clock: Clock
    pool: CallPool = field(default_factory=CallPool)
    refused: dict[PublicId, set[str]] = field(default_factory=dict)
    """Camera -> users its maker's interface refused."""

    @contextlib.asynccontextmanager
    async def to(self, camera: Camera, gate: LoginGate) -> AsyncIterator[OnvifDriver]:
        """Return the camera's driver while entered.

        Raises:
            CameraUnsupported: the camera is known by its stream only.

        """
        about = camera.about
        if about.driver != OnvifDriver.name:
            raise CameraUnsupported("this camera is known by its stream only", driver=about.driver)
        driver = onvif_driver(camera, gate, self.pool, self.clock)
        driver.refused_by_maker = self.refused.setdefault(camera.public_id, set())
        try:
            yield driver
        finally:
            await driver.close()
