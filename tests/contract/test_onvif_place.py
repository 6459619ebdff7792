"""A camera whose ONVIF is at an odd port, over TLS, at an odd path: learned once, found by every later visit."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from drivers.adopt import Means
from drivers.base import Found
from drivers.discovery.wsd import DEFAULT_PATH
from drivers.gate import LoginGate
from drivers.manychannels import Wish, learn_device
from drivers.onvif.pace import CallPool
from drivers.rtsp.network import RtspNetwork
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, Farm, FarmWorld
from drivers.simulated.faults import Quirks
from gateway.core.clock import SystemClock
from gateway.core.config import Config
from gateway.core.errors import CameraError
from gateway.core.model import Login, Secret
from gateway.roofs.camera_driver import with_known_place
from gateway.roofs.camera_settings import SettingsDesk
from gateway.roofs.learning import Drivers, device_of
from gateway.roofs.listening import Ears
from gateway.roofs.onvifvisits import OnvifVisits
from gateway.roofs.recorder_doctor import BoxDoctor
from recorder.adoption import AdoptOrder
from recorder.registry import Camera, NewCamera
from recorder.settings import SettingsWish
from tests.fakes.camera_settings import Hurry
from tests.fakes.clock import HastyClock
from tests.fakes.recording import Books, books
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio
HANG_S = 60
PASSWORD = "Mầm-non-2026"
ODD_PATH = "/onvif/device"


@contextlib.asynccontextmanager
async def one_camera(base: str = "127.0.1.173", **quirks: object) -> AsyncIterator[SimulatedCamera]:
    """A camera on a port of the system's choice, which no table knows."""
    adjust = lambda options: replace(options, quirks=Quirks(**quirks))  # type: ignore[arg-type]  # fields by name
    options = replace(QUICK, seed=uuid4().hex, discovery=False, warm=False)
    async with Farm(1, password=PASSWORD, base=base, options=options, world=FarmWorld(adjust=adjust)) as farm:
        yield farm.cameras[0]


def order_of(camera: SimulatedCamera) -> AdoptOrder:
    return AdoptOrder(camera.address, camera.onvif_port, Login("admin", Secret(PASSWORD)), None)


def announced(camera: SimulatedCamera) -> Found:
    """What WS-Discovery says of it."""
    url = camera.state.service_url("tds")
    return Found(camera.state.identity.endpoint, camera.address, camera.onvif_port, (url,), "", "", None, "lo")


async def learned(camera: SimulatedCamera, order: AdoptOrder, found: Found | None) -> NewCamera:
    gate = LoginGate(order.login)
    async with RtspNetwork() as network:
        means = Means(Hurry(), CallPool(), network)
        device = await learn_device(order.address, order.port, gate, means, Wish(), found=found)
    return device_of(device, order, gate.pin).cameras[0]


def gate_of(camera: Camera) -> LoginGate:
    return LoginGate(camera.about.login, pin=camera.about.tls_pin)


@contextlib.asynccontextmanager
async def adopted(tmp_path: Path) -> AsyncIterator[tuple[SimulatedCamera, Books, Camera]]:
    """Such a camera, adopted from what discovery said, as a restarted recorder reads it."""
    async with one_camera(https=True, device_path=ODD_PATH) as camera:
        async with books(tmp_path, SystemClock()) as own:
            await own.registry.add(replace(await learned(camera, order_of(camera), announced(camera)), name="Lá 1"))
        async with books(tmp_path, SystemClock()) as own:
            (ours,) = await own.registry.cameras()
            yield camera, own, ours


def wasted(camera: SimulatedCamera) -> dict[str, int]:
    """What the camera counted that led nowhere."""
    lost = {name: count for name, count in camera.calls.items() if name.startswith("lost.")}
    return lost | ({"bad_logins": camera.bad_logins} if camera.bad_logins else {})


async def test_every_later_visit_goes_where_it_was_adopted(tmp_path: Path) -> None:
    """Settings, doctor, serial number and events work, and nothing is asked in vain or in clear."""
    async with adopted(tmp_path) as (camera, _, ours):
        assert (ours.about.onvif_path, ours.about.onvif_tls) == (ODD_PATH, True)
        visits = OnvifVisits(Hurry())
        desk = SettingsDesk(Config(), Hurry(), object(), visits)  # type: ignore[arg-type]  # nothing is played
        assert await desk.plan(ours, gate_of(ours), SettingsWish()), "it was asked what it is set to"
        said = await BoxDoctor(Config(), Hurry(), visits).visit(ours, gate_of(ours))
        assert said.firmware
        drivers = Drivers(None, Hurry(), None)  # type: ignore[arg-type]  # nothing is searched for or played
        assert await drivers.serial(ours, gate_of(ours)) == camera.state.identity.serial
        heard = Ears(tmp_path / "pullpoints", OnvifVisits(HastyClock())).listen(ours, gate_of(ours))
        assert heard is not None

        async def move() -> None:
            await until(lambda: bool(camera.calls.get("onvif.PullMessages")))
            camera.events.emit()

        with anyio.fail_after(HANG_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(move)
                assert (await anext(heard)).kind == "motion"
        await heard.aclose()
        assert wasted(camera) == {}


async def test_a_camera_of_before_is_guessed_as_before(tmp_path: Path) -> None:
    """A row without path and TLS is spoken to at the standard path, in clear unless its port says otherwise."""
    async with one_camera(device_path=ODD_PATH) as odd, one_camera("127.0.1.174") as plain:
        async with books(tmp_path, SystemClock()) as own:
            for number, camera in enumerate((odd, plain)):
                new = await learned(camera, order_of(camera), announced(camera))
                await own.registry.add(replace(new, name=f"Lá {number}"))
            await own.db.write(lambda db: db.execute("UPDATE camera SET onvif_path = '', onvif_tls = NULL"))
            missed, met = await own.registry.cameras()
        drivers = Drivers(None, Hurry(), None)  # type: ignore[arg-type]  # nothing is searched for or played
        assert await drivers.serial(met, gate_of(met)) == plain.state.identity.serial
        with pytest.raises(CameraError):
            await drivers.serial(missed, gate_of(missed))
        assert wasted(plain) == {}
        assert set(wasted(odd)) <= {"lost.GetSystemDateAndTime", "lost.GetDeviceInformation"}, "and no login was sent"


async def test_its_successor_is_looked_for_at_the_same_place(tmp_path: Path) -> None:
    """A replacement is learned without a search, at path and TLS of the camera it follows; what is told goes first."""
    async with adopted(tmp_path) as (camera, own, ours):
        about = ours.about
        order = replace(order_of(camera), onvif_path=about.onvif_path, onvif_tls=about.onvif_tls)
        new = await learned(camera, order, with_known_place(None, order))
        assert (new.driver, new.onvif_path, new.onvif_tls) == ("onvif", ODD_PATH, True)
        assert wasted(camera) == {}
        later = await own.registry.replace(ours.public_id, replace(new, onvif_path=DEFAULT_PATH, onvif_tls=False))
        assert (later.about.onvif_path, later.about.onvif_tls) == (DEFAULT_PATH, False)
        told = announced(camera)
        assert with_known_place(told, order) is told
        assert with_known_place(None, replace(order, onvif_path="")) is None


async def test_a_successor_with_the_usual_path_is_found_as_well() -> None:
    """The path of the camera before it is tried first, the standard one second, neither with a login."""
    async with one_camera(device_path=DEFAULT_PATH) as camera:
        order = replace(order_of(camera), onvif_path=ODD_PATH)
        new = await learned(camera, order, with_known_place(None, order))
        assert (new.driver, new.onvif_path, new.onvif_tls) == ("onvif", DEFAULT_PATH, False)
        assert wasted(camera) == {"lost.GetDeviceInformation": 1}


async def test_a_camera_that_moves_takes_its_place_along(tmp_path: Path) -> None:
    """At another address its path and TLS stay; at another port nobody knows whether that speaks TLS."""
    async with adopted(tmp_path) as (_, own, ours):
        moved = await own.registry.move(ours.public_id, "127.0.1.175", ours.about.port)
        assert (moved.about.onvif_path, moved.about.onvif_tls) == (ODD_PATH, True)
        moved = await own.registry.move(ours.public_id, "127.0.1.175", 8899)
        assert (moved.about.onvif_path, moved.about.onvif_tls) == (ODD_PATH, None)
