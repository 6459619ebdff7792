"""The vendors' side of a search in the recorder's words: joined, doubted, and never led astray."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar
from uuid import uuid4

import pytest

from drivers.base import DeviceState
from drivers.discovery.nextstep import next_steps
from drivers.discovery.vendordevice import WEB_PORT
from drivers.onvif.pace import CallPool
from drivers.simulated.farm import QUICK, Farm
from gateway.core.clock import SystemClock
from gateway.core.errors import CameraUnreachable
from gateway.roofs.activation import MOST_DOUBTED, Activation, doubted
from gateway.roofs.searching import found_camera
from tests.fakes.clock import FakeClock
from tests.unit.test_nextstep import ONVIF, VENDOR

pytestmark = pytest.mark.anyio
T = TypeVar("T")
SILENT = replace(VENDOR, state=DeviceState.NO_ONVIF)


class Counting(CallPool):
    """Counts the calls it is asked to make."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    async def run(self, call: Callable[[], T]) -> T:
        self.calls += 1
        return await super().run(call)


async def test_a_lost_probe_does_not_make_onvif_off() -> None:
    """A camera that answers an ONVIF call is ready although no probe found it; one that does not stays so."""
    seed = uuid4().hex
    options = replace(QUICK, odd=("hikvision:ready", "dahua:onvif_off"), seed=seed, discovery=False, warm=False)
    async with Farm(2, password="Mat-khau-1", base=f"127.91.{int(seed[:2], 16)}.11", options=options) as farm:
        found = [
            replace(
                SILENT,
                address=camera.address,
                source=camera.address,
                port=camera.onvif_port,
                mac=camera.state.identity.mac,
            )
            for camera in farm.cameras
        ]
        states = [item.state for item in await doubted(found, SystemClock(), CallPool())]
        assert states == [DeviceState.READY, DeviceState.NO_ONVIF]
        assert [camera.calls for camera in farm.cameras] == [{"onvif.GetDeviceInformation": 1}, {}]


async def test_an_answer_that_names_another_host_leads_nobody_there() -> None:
    """Only the host that answered is asked: a liar cannot make the box call a third one."""
    seed = uuid4().hex
    options = replace(QUICK, seed=seed, discovery=False, warm=False)
    async with Farm(1, password="Mat-khau-1", base=f"127.91.{int(seed[:2], 16)}.21", options=options) as farm:
        (victim,) = farm.cameras
        lie = replace(SILENT, address=victim.address, port=victim.onvif_port, source="127.91.0.66")
        assert await doubted([lie], SystemClock(), CallPool()) == (lie,)
        assert victim.calls == {}


def test_the_recorder_is_told_state_and_command() -> None:
    """Each device with what comes next; a ready one with nothing."""
    found = [replace(ONVIF, state=DeviceState.READY), replace(SILENT, address="192.168.1.65")]
    ready, silent = map(found_camera, found, next_steps(found))
    assert (ready.state, ready.remedy, ready.command) == ("ready", "", "")
    assert (silent.remedy, silent.command) == ("onvif_on", "vuon kich-hoat 192.168.1.65")
    assert (silent.vendor, silent.serial, silent.mac) == ("hikvision", "SN1", VENDOR.mac)


async def test_a_port_comes_from_the_search() -> None:
    """Without a port the device is looked at where it was last found; passwords are fresh each time."""
    seed = uuid4().hex
    options = replace(QUICK, odd=("dahua:inactive",), seed=seed, discovery=False, warm=False)
    async with Farm(1, password="Mat-khau-1", base=f"127.91.{int(seed[:2], 16)}.31", options=options) as farm:
        (camera,) = farm.cameras
        known = replace(VENDOR, address=camera.address, port=camera.onvif_port)
        activation = Activation(SystemClock(), CallPool(), lambda _: known)
        needs = await activation.look(camera.address, None)
        assert (needs.vendor, needs.port, needs.steps) == ("dahua", camera.onvif_port, ("password", "onvif"))
        only_rtsp = Activation(SystemClock(), CallPool(), lambda _: replace(known, port=0))
        with pytest.raises(CameraUnreachable) as refusal:  # ports alone were seen: then the usual web port is asked
            await only_rtsp.look(camera.address, None)
        assert refusal.value.fields == {"case": "no_answer", "address": camera.address, "port": WEB_PORT}
        assert activation.new_login() != activation.new_login()
        login = activation.new_login()
        assert await activation.give_password(needs, login) == ("password", "cloud_off")
        assert await activation.switch_onvif_on(needs, login) == ("onvif",)
        assert camera.bad_logins == 0


async def test_a_flood_of_silent_devices_is_bounded() -> None:
    """A liar that invents a thousand devices costs one bounded round of questions, and all are still told."""
    flood = [replace(SILENT, address="127.91.0.9", source="127.91.0.9", port=9, mac=f"mac{n}") for n in range(1_000)]
    clock = FakeClock()
    pool = Counting()
    assert await doubted(flood, clock, pool) == tuple(flood)
    assert pool.calls <= MOST_DOUBTED
