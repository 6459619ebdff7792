"""Drivers by name: ours, others', and addresses that name one."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import Driver
from drivers.file import FileDriver
from drivers.gate import LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.pace import CallPool
from drivers.registry import GROUP, Kit, Place, installed, named, open_driver
from drivers.rtsp.source import RtspSource
from drivers.rtsponly import RtspOnlyDriver
from drivers.simulated.driver import SimulatedDriver
from gateway.core.errors import BadInput
from tests.fakes.clock import FakeClock
from tests.unit.test_filmplayer import Network

GATE = LoginGate(None)


def kit(folder: Path | None = None) -> Kit:
    return Kit(FakeClock(), CallPool(), Network(), folder)


def test_ours_are_registered() -> None:
    """The four drivers of the box are found by their entry points."""
    assert set(installed()) >= {"onvif", "rtsp", "file", "simulated"}


@pytest.mark.parametrize(
    ("name", "place", "kind"),
    [
        ("onvif", Place("192.168.1.64"), OnvifDriver),
        ("onvif", Place("192.168.1.64", 8080), OnvifDriver),
        ("rtsp", Place("192.168.1.64", path="/stream1"), RtspOnlyDriver),
        ("file", Place("la.mp4"), FileDriver),
        ("simulated", Place("127.0.1.11"), SimulatedDriver),
    ],
)
def test_each_makes_its_driver(name: str, place: Place, kind: type[Driver]) -> None:
    """The driver that a name makes says that name of itself; making it asks no camera anything."""
    driver = open_driver(name, place, GATE, kit())
    assert type(driver) is kind
    assert driver.name == name


def test_ports_nobody_named_are_the_usual_ones() -> None:
    """ONVIF on 80, the simulated camera's on 8899; a port that was named is taken."""

    def port(name: str, place: Place) -> int:
        driver = open_driver(name, place, GATE, kit())
        assert isinstance(driver, OnvifDriver)
        return driver.port

    assert port("onvif", Place("192.168.1.64")) == 80
    assert port("onvif", Place("192.168.1.64", 2020)) == 2020
    assert port("simulated", Place("127.0.1.11")) == 8899


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("onvif", Place("192.168.1.64/x")),
        ("onvif", Place("admin@192.168.1.64")),
        ("rtsp", Place("192.168.1.64")),
        ("rtsp", Place("192.168.1.64", path="stream1")),
        ("simulated", Place("192.168.1.64")),
        ("simulated", Place("camera.local")),
        ("file", Place("la 1.mp4")),
    ],
)
def test_places_a_driver_cannot_read(name: str, place: Place) -> None:
    """A missing path, a real camera called simulated, a name with blanks: refused before anything is sent."""
    with pytest.raises(BadInput):
        open_driver(name, place, GATE, kit())


def test_an_unknown_driver_is_named_with_those_there_are() -> None:
    """The error says which driver is missing and which could be used."""
    with pytest.raises(BadInput) as caught:
        open_driver("v4l2", Place("/dev/video0"), GATE, kit())
    assert caught.value.fields["value"] == "v4l2"
    assert caught.value.fields["known"] == sorted(installed())
    assert "v4l2" in caught.value.message


def points(**values: str) -> Mapping[str, EntryPoint]:
    return {name: EntryPoint(name, value, GROUP) for name, value in values.items()}


@pytest.mark.parametrize("value", ["no.such.module:driver", "drivers.base:no_such_driver"])
def test_one_that_cannot_be_loaded_is_named(value: str) -> None:
    """A package that was half removed is told as what it is."""
    with pytest.raises(BadInput, match="cannot be loaded"):
        open_driver("odd", Place("x"), GATE, kit(), among=points(odd=value))


def not_a_driver(place: Place, gate: LoginGate, kit: Kit) -> RtspSource:
    return RtspSource(place.text, 554, "/")


def another(place: Place, gate: LoginGate, kit: Kit) -> OnvifDriver:
    return OnvifDriver(place.text, 81, gate, pool=kit.pool, clock=kit.clock)


def test_one_that_makes_no_driver_is_refused() -> None:
    """What is loaded has all methods of a driver, or is not used."""
    with pytest.raises(BadInput, match="is none"):
        open_driver("odd", Place("h"), GATE, kit(), among=points(odd=f"{__name__}:not_a_driver"))


def test_others_can_add_theirs() -> None:
    """A driver of another package is made like ours."""
    driver = open_driver("own", Place("h"), GATE, kit(), among=points(own=f"{__name__}:another"))
    assert isinstance(driver, OnvifDriver)
    assert driver.port == 81


@pytest.mark.parametrize(
    ("address", "found"),
    [
        ("file:la.mp4", ("file", "la.mp4")),
        ("onvif:192.168.1.64", ("onvif", "192.168.1.64")),
        ("onvif:fe80::1", ("onvif", "fe80::1")),
        ("192.168.1.64", None),
        ("fe80::1", None),
        ("fade::1", None),
        ("camera.local", None),
        ("FILE:x", None),
        ("file:", None),
        (":x", None),
        ("", None),
    ],
)
def test_addresses_that_name_a_driver(address: str, found: tuple[str, str] | None) -> None:
    """Plain addresses of both kinds stay addresses, also those of IPv6 that look like a word."""
    assert named(address) == found


@given(st.ip_addresses().map(str))
def test_no_ip_address_names_a_driver(address: str) -> None:
    """Whatever the network hands out is an address."""
    assert named(address) is None


@given(st.text(max_size=80))
def test_any_text_is_read(text: str) -> None:
    """Driver and rest together are the text, or it names none."""
    found = named(text)
    assert found is None or ":".join(found) == text
