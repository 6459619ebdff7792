"""One running simulated camera for a test, and short ways to speak to it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, TypeVar

from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, Farm, FarmWorld
from drivers.simulated.faults import Faults, Quirks
from drivers.simulated.options import CameraOptions
from tests.fakes.clock import FakeClock
from tests.fakes.simulated import (
    PASSWORD,
    RtspAnswer,
    RtspClient,
    SoapAnswer,
)  # fmt: skip
from tests.fakes.simulated import call as blocking_call

T = TypeVar("T")
PLAIN = replace(QUICK, discovery=False)


def farm(quirks: Quirks | None = None, clock: FakeClock | None = None) -> Farm:
    """Return a farm of one camera with these quirks and faults of its own, not yet running."""

    def adjust(options: CameraOptions) -> CameraOptions:
        return replace(options, quirks=quirks or Quirks(), faults=Faults())

    world = FarmWorld(clock=clock, adjust=adjust) if clock else FarmWorld(adjust=adjust)
    return Farm(1, password=PASSWORD, options=PLAIN, world=world)


@asynccontextmanager
async def camera(clock: FakeClock | None = None, **quirks: object) -> AsyncIterator[SimulatedCamera]:
    async with farm(replace(Quirks(), **quirks), clock) as running:  # type: ignore[arg-type]  # by name
        yield running.cameras[0]


async def talk(cam: SimulatedCamera, body: Callable[[RtspClient], T], **login: str) -> T:
    def run() -> T:
        with RtspClient(cam, **login) as client:
            return body(client)

    return await asyncio.to_thread(run)


async def call(cam: SimulatedCamera, prefix: str, operation: str, content: str = "", **more: Any) -> SoapAnswer:
    """Ask one operation of a service, while the camera answers in this loop."""
    return await asyncio.to_thread(blocking_call, cam, prefix, operation, content, **more)


async def soap(cam: SimulatedCamera, operation: str = "GetHostname", prefix: str = "tds", **more: str) -> SoapAnswer:
    return await call(cam, prefix, operation, **more)


def described(client: RtspClient) -> RtspAnswer:
    return client.ask("DESCRIBE", client.url)
