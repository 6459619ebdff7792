"""What the roof asks of a device after an outage: its marks without a login, its serial with one."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from drivers.gate import GateState, LoginGate
from drivers.rtsp.network import RtspNetwork
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, Farm
from gateway.core.clock import SystemClock
from gateway.core.config import parse_config
from gateway.core.errors import CameraLoginRefused, CameraUnreachable
from gateway.core.model import CameraId, Login, PublicId, Secret, StreamId
from gateway.roofs.learning import Drivers
from gateway.roofs.searching import Searching
from recorder.adoption import AdoptOrder
from recorder.identity import Identity, Verdict, judge
from recorder.registry import Camera, Stream

pytestmark = pytest.mark.anyio
PASSWORD = "Mầm-non-2026"
LOGIN = Login("admin", Secret(PASSWORD))


@contextlib.asynccontextmanager
async def adopted(root: Path) -> AsyncIterator[tuple[SimulatedCamera, Drivers, Camera]]:
    """A simulated camera, adopted by its address alone."""
    config = parse_config(f'[paths]\nstate = "{root}"\nrun = "{root}"\n[clock]\nrequire_ntp = false\n')
    farm = Farm(1, password=PASSWORD, base="127.85.0.1", options=replace(QUICK, seed=uuid4().hex))
    async with farm, RtspNetwork() as network:
        (simulated,) = farm.cameras
        drivers = Drivers(Searching(config, SystemClock()), SystemClock(), network)
        device = await drivers.learn(AdoptOrder(simulated.address, simulated.onvif_port, LOGIN, None))
        (new,) = device.cameras
        public_id = PublicId("a" * 16)
        streams = tuple(Stream(StreamId(n), public_id, spec) for n, spec in enumerate(new.streams))
        yield simulated, drivers, Camera(CameraId(1), public_id, new, streams, 0)


async def test_a_camera_adopted_by_address_can_be_known_again(tmp_path: Path) -> None:
    """Its endpoint was asked for at adoption, so that a look without a login is enough afterwards."""
    async with adopted(tmp_path) as (simulated, drivers, camera):
        marks = simulated.state.identity
        assert camera.about.identity == Identity(marks.endpoint, marks.mac, marks.serial)
        logins = simulated.book.good_logins
        seen = await drivers.look(camera)
        assert judge(camera.about.identity, seen) is Verdict.SAME
        assert (simulated.book.good_logins, simulated.bad_logins) == (logins, 0)


async def test_a_camera_that_is_off_is_not_a_stranger(tmp_path: Path) -> None:
    """Nobody answers: unreachable."""
    async with adopted(tmp_path) as (simulated, drivers, camera):
        await simulated.switch("offline", True)
        with pytest.raises(CameraUnreachable):
            await drivers.look(camera)


async def test_the_serial_costs_one_login(tmp_path: Path) -> None:
    """The right one is proven by it; a wrong one is sent once, however often it is asked."""
    async with adopted(tmp_path) as (simulated, drivers, camera):
        right, wrong = LoginGate(LOGIN), LoginGate(Login("admin", Secret("falsch")))
        assert await drivers.serial(camera, right) == simulated.state.identity.serial
        assert right.state is GateState.PROVEN
        for _ in range(3):
            with pytest.raises(CameraLoginRefused):
                await drivers.serial(camera, wrong)
        assert simulated.bad_logins == 1
        rtsp = replace(camera, about=replace(camera.about, driver="rtsp"))
        assert await drivers.serial(rtsp, wrong) == ""
