"""The doctor's visit to one ONVIF camera: what it says of itself, and what it will not say."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from drivers.doctor.said import Said
from drivers.gate import GateState, LoginGate
from drivers.onvif import checkup
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.pace import CallPool, Turns
from drivers.onvif.transport import Limits
from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, Farm
from gateway.core.clock import SystemClock
from gateway.core.model import Login, Secret

PASSWORD = "Mat-khau-1!"
pytestmark = pytest.mark.anyio


@asynccontextmanager
async def camera(**quirks: Any) -> AsyncIterator[SimulatedCamera]:
    """One camera without pictures: nobody plays it here."""
    options = replace(QUICK, discovery=False, warm=False)
    async with Farm(1, password=PASSWORD, base="127.13.7.11", options=options) as farm:
        (one,) = farm.cameras
        for name, value in quirks.items():
            await one.switch(name, value)
        yield one


async def look(one: SimulatedCamera, gate: LoginGate | None = None) -> Said:
    gate = gate or LoginGate(Login("admin", Secret(PASSWORD)))
    pool = CallPool(turns=Turns(200))
    driver = OnvifDriver(one.address, one.onvif_port, gate, pool=pool, clock=SystemClock(), limits=Limits(total_s=2.0))
    driver.settle()
    try:
        return await checkup.look(driver)
    finally:
        await driver.close()


async def test_a_camera_tells_settings_make_and_network() -> None:
    """One visit brings the settings in our words, its make, and where its address comes from."""
    async with camera(clock_skew_s=300.0, onvif_audio=True, dhcp=True, firmware="V5 build 190220") as one:
        said = await look(one)
    assert said.settings["time.clock"].startswith("manual +")
    assert said.settings["audio"] != "off"
    assert said.settings["main.codec"] == "h264"
    assert said.settings["osd.label"] == ""
    assert said.settings["mask"] == ""
    assert said.dhcp is True
    assert (said.manufacturer, said.firmware) == ("Vuon", "V5 build 190220")
    assert one.bad_logins == 0


async def test_a_visit_asks_each_thing_once() -> None:
    """Few questions, and none often: the settings' reader begins by clock, make and profiles of its own."""
    async with camera() as one:
        await look(one)
        calls = {name.removeprefix("onvif."): count for name, count in one.calls.items() if name.startswith("onvif.")}
    assert max(calls.values()) <= 3
    assert sum(calls.values()) <= 22


@pytest.mark.parametrize(
    "quirks",
    [
        {"no_media2": True},
        {"media2_crash": True},
        {"no_get_services": True},
        {"clock_needs_login": True},
        {"onvif_auth": ["digest"]},
        {"wrong_host": "10.0.0.99"},
    ],
)
async def test_a_strange_camera_is_still_read(quirks: dict[str, object]) -> None:
    """Whatever its firmware does its own way, the doctor learns codec, firmware and network."""
    async with camera(**quirks) as one:
        said = await look(one)
    assert said.settings["main.codec"] == "h264"
    assert said.firmware == "1.0.0"
    assert said.dhcp is False
    assert one.bad_logins == 0


@pytest.mark.parametrize("fault", ["offline", "hang"])
async def test_a_camera_that_does_not_answer_says_nothing(fault: str) -> None:
    """No error leaves the visit; nothing is known."""
    async with camera() as one:
        port = one.onvif_port
        await one.switch(fault, value=True)
        one.state.onvif_port = port
        said = await look(one)
    assert said.firmware == ""


async def test_a_refused_login_is_sent_once_and_never_again() -> None:
    """The visit goes through the camera's gate: one bad login over two visits."""
    async with camera() as one:
        gate = LoginGate(Login("admin", Secret("falsch")))
        assert (await look(one, gate)).settings == {}
        assert (await look(one, gate)).settings == {}
        assert one.bad_logins == 1
        assert gate.state is GateState.REFUSED


@pytest.mark.parametrize(
    ("inner", "expected"),
    [
        ("", None),
        ("<NetworkInterfaces><Enabled>true</Enabled></NetworkInterfaces>", None),
        ("<NetworkInterfaces><Enabled>true</Enabled><Config><DHCP>true</DHCP></Config></NetworkInterfaces>", True),
        ("<NetworkInterfaces><Enabled>1</Enabled><Config><DHCP>0</DHCP></Config></NetworkInterfaces>", False),
        ("<NetworkInterfaces><Enabled>false</Enabled><Config><DHCP>true</DHCP></Config></NetworkInterfaces>", None),
    ],
)
async def test_only_an_interface_in_use_tells(inner: str, expected: bool | None) -> None:
    """Switched-off interfaces and missing words say nothing."""
    assert checkup.dhcp_of(etree.fromstring(f"<R>{inner}</R>")) is expected


@given(st.text(alphabet="abDHCPtrue <>/", max_size=80))
def test_no_answer_breaks_the_reading(text: str) -> None:
    """Anything an XML parser lets through is yes, no or unknown."""
    root = etree.fromstring(f"<R>{text}</R>", etree.XMLParser(recover=True))
    if root is not None:
        assert checkup.dhcp_of(root) in (None, True, False)
