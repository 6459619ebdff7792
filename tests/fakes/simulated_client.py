"""One running simulated camera for a test, and short ways to speak to it."""

`FAULTS` and `QUIRKS` name one proof for each field; a field without a proof fails the first test.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import fields, replace
from typing import TypeVar

import pytest

from drivers.simulated.camera import CameraOptions, SimulatedCamera
from drivers.simulated.discovery import Announced, Responder
from drivers.simulated.farm import QUICK, Farm, FarmWorld
from drivers.simulated.faults import Faults, KeepAlive, Look, Quirks
from drivers.simulated.markup import find, local, parse
from drivers.simulated.media_service import SNAPSHOT_PATH
from gateway.core.errors import BadInput
from gateway.core.media import Codec
from gateway.core.model import StreamRole
from tests.fakes.clock import FakeClock
from tests.fakes.simulated import (
    PASSWORD,
    RtspAnswer,
    RtspClient,
    SoapAnswer,
    answer_challenge,
    get,
    post,
    probe_message,
    soap_document,
)  # fmt: skip
from tests.fakes.simulated import call as blocking_call

T = TypeVar("T")


@asynccontextmanager
async def camera(clock: FakeClock | None = None, **quirks: object) -> AsyncIterator[SimulatedCamera]:
    def adjust(options: CameraOptions) -> CameraOptions:
        return replace(options, quirks=replace(Quirks(), **quirks), faults=Faults())  # type: ignore[arg-type]  # by name

    world = FarmWorld(clock=clock, adjust=adjust) if clock else FarmWorld(adjust=adjust)
    async with Farm(1, password=PASSWORD, options=replace(QUICK, discovery=False), world=world) as farm:
        yield farm.cameras[0]


async def talk(cam: SimulatedCamera, body: Callable[[RtspClient], T], **login: str) -> T:
    def run() -> T:
        with RtspClient(cam, **login) as client:
            return body(client)

    return await asyncio.to_thread(run)


async def soap(cam: SimulatedCamera, operation: str = "GetHostname", prefix: str = "tds", **more: str) -> SoapAnswer:
    return await asyncio.to_thread(blocking_call, cam, prefix, operation, **more)


def described(client: RtspClient) -> RtspAnswer:
    return client.ask("DESCRIBE", client.url)
