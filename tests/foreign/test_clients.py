"""Clients nobody here wrote, against the simulated camera: what they expect of a camera, it gives."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import pytest

from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, Farm, FarmWorld
from drivers.simulated.faults import Quirks
from gateway.core.model import StreamRole
from tests.foreign.places import HERE, NODE, PYTHON, need, program, run

pytestmark = [pytest.mark.anyio, pytest.mark.system]
PASSWORD = "Mat-khau-1"
"""ASCII: npm's client sends other letters wrong (it takes their low bytes)."""
Arguments = Callable[[], list[str]]


def npm_onvif() -> list[str]:
    need((NODE / "onvif").exists(), "npm's onvif")
    return [program("node", "nodejs"), str(HERE / "npm_onvif.js")]


def python(package: str, script: str) -> Arguments:
    def arguments() -> list[str]:
        need(list(PYTHON.glob(f"{package}-*.dist-info")), package)
        return [sys.executable, str(HERE / script)]

    return arguments


CLIENTS: dict[str, Arguments] = {
    "npm onvif": npm_onvif,
    "onveef": python("onveef", "onveef_client.py"),
    "onvif-python": python("onvif_python", "onvif_python_client.py"),
}


def farm(quirks: Quirks) -> Farm:
    options = replace(QUICK, seed=uuid4().hex, discovery=False)
    world = FarmWorld(adjust=lambda plain: replace(plain, quirks=quirks))
    return Farm(1, password=PASSWORD, base="127.0.1.141", options=options, world=world)


def check(told: dict[str, object], camera: SimulatedCamera) -> None:
    """What every client must have learned."""
    assert told["manufacturer"] == "Vuon"
    assert told["serial"] == camera.state.identity.serial
    assert told["profiles"] == ["main", "sub"]
    assert told["uris"] == [camera.rtsp_url(StreamRole.MAIN), camera.rtsp_url(StreamRole.SUB)]
    assert str(told["snapshot"]).startswith(f"http://{camera.address}:{camera.onvif_port}/")
    assert told.get("events", True) is True
    assert told.get("jpeg", True) is True
    assert isinstance(told["asked"], int)
    assert told["asked"] > 15
    assert camera.events.subscriptions == 0


async def asked(client: str, camera: SimulatedCamera) -> dict[str, object]:
    """Run a client; somebody moves as soon as it waits for events (npm's waits a minute otherwise)."""
    command = [*CLIENTS[client](), camera.address, str(camera.onvif_port), "admin"]
    running = asyncio.ensure_future(asyncio.to_thread(run, command, PASSWORD))
    while not running.done() and not camera.calls.get("onvif.PullMessages"):
        await asyncio.wait([running], timeout=0.1)
    camera.events.emit(value="true")
    told: dict[str, object] = json.loads(await running)
    return told


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_foreign_client_gets_what_it_asks(client: str) -> None:
    """Device, profiles, streams, stills, lens, network and events, without a refused question or a bad login."""
    async with farm(Quirks()) as cameras:
        (camera,) = cameras.cameras
        check(await asked(client, camera), camera)
        assert camera.bad_logins == 0


async def test_one_that_knows_http_digest_gets_it() -> None:
    """A camera that takes HTTP Digest only is read by the foreign client that speaks it."""
    async with farm(Quirks(onvif_auth=("digest",))) as cameras:
        (camera,) = cameras.cameras
        check(await asked("onveef", camera), camera)


@pytest.mark.parametrize("client", CLIENTS)
async def test_a_wrong_password_gets_nobody_in(client: str) -> None:
    """The foreign client fails, and the camera counted its tries."""
    async with farm(Quirks()) as cameras:
        (camera,) = cameras.cameras
        command = [*CLIENTS[client](), camera.address, str(camera.onvif_port), "admin"]
        with pytest.raises(AssertionError):
            await asyncio.to_thread(run, command, "wrong")
        assert camera.bad_logins > 0
        assert camera.book.good_logins == 0
