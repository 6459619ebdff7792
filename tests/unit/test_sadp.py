"""SADP: what Hikvision devices answer, sloppy and hostile, and the one thing we ever send."""

from __future__ import annotations

import contextlib
from ipaddress import IPv4Interface
from uuid import UUID
from xml.sax.saxutils import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import DeviceState
from drivers.discovery import interfaces as ifs
from drivers.discovery import sadp
from drivers.discovery.vendordevice import VendorDevice
from gateway.core.errors import CameraBadReply

OURS = ifs.Address("eth1", IPv4Interface("192.168.1.10/24"))
SOURCE = "192.168.1.64"
ANSWER = """<?xml version="1.0" encoding="UTF-8"?>
<ProbeMatch>
<Uuid>6F1D3C52-1111-4222-8333-944455556666</Uuid>
<Types>inquiry</Types>
<DeviceType>139711</DeviceType>
<DeviceDescription>DS-2CD2143G2-I</DeviceDescription>
<DeviceSN>DS-2CD2143G2-I20260101AAWRK12345678</DeviceSN>
<CommandPort>8000</CommandPort>
<HttpPort>8081</HttpPort>
<MAC>c0-56-e3-0a-0b-0c</MAC>
<IPv4Address>192.168.1.64</IPv4Address>
<IPv4SubnetMask>255.255.255.0</IPv4SubnetMask>
<IPv4Gateway>192.168.1.1</IPv4Gateway>
<DHCP>false</DHCP>
<SoftwareVersion>V5.7.12build 230101</SoftwareVersion>
<BootTime>2026-11-27 07:00:00</BootTime>
<Activated>false</Activated>
</ProbeMatch>
"""


def one(text: str | bytes, source: str = SOURCE, ours: ifs.Address = OURS) -> VendorDevice:
    device = sadp.read(text if isinstance(text, bytes) else text.encode(), source, ours)
    assert device is not None
    return device


@pytest.mark.parametrize(
    ("claimed", "source", "address", "near"),
    [
        ("192.168.1.64", "192.168.1.64", "192.168.1.64", True),
        ("192.168.1.64", "192.168.1.77", "192.168.1.64", True),  # two cards of a recorder: both are in reach
        ("10.9.9.9", "192.168.1.77", "192.168.1.77", True),  # only the sender is in reach, and it did answer
        ("10.9.9.9", "10.9.9.9", "10.9.9.9", False),
        ("127.0.0.1", "192.168.1.77", "192.168.1.77", True),
        ("127.0.0.1", "10.9.9.9", "10.9.9.9", False),
        ("0.0.0.0", "192.168.1.77", "192.168.1.77", True),
    ],
)
def test_where_a_device_is(claimed: str, source: str, address: str, near: bool) -> None:
    """Where it says, but never at this machine itself, and where it answered from if only that is in reach."""
    device = one(ANSWER.replace("<IPv4Address>192.168.1.64", f"<IPv4Address>{claimed}"), source)
    assert (device.address, device.on_subnet) == (address, near)


def test_an_answer_is_read_whole() -> None:
    """Every fact the record has is taken from where real firmware writes it."""
    assert one(ANSWER) == VendorDevice(
        vendor="hikvision",
        address="192.168.1.64",
        mask="255.255.255.0",
        gateway="192.168.1.1",
        mac="c0:56:e3:0a:0b:0c",
        serial="DS-2CD2143G2-I20260101AAWRK12345678",
        model="DS-2CD2143G2-I",
        firmware="V5.7.12build 230101",
        name="",
        http_port=8081,
        active=False,
        dhcp=False,
        source=SOURCE,
        interface="eth1",
        on_subnet=True,
    )
    assert one(ANSWER).found().state is DeviceState.INACTIVE


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ProbeMatch", "Probematch"),
        ("<ProbeMatch>", '<ProbeMatch xmlns="http://www.hikvision.com/ver20">'),
        ("Activated", "activated"),
        ("\n", "\r\n"),
        ("</ProbeMatch>\n", "</ProbeMatch>\n\0\0"),
        ("<BootTime>2026-11-27 07:00:00</BootTime>", "<BootTime>2026 & broken <"),
    ],
)
def test_other_spellings_are_read_all_the_same(old: str, new: str) -> None:
    """Case, namespaces, line ends, padding and a broken element in the middle cost nothing."""
    device = one(ANSWER.replace(old, new))
    assert (device.mac, device.address) == ("c0:56:e3:0a:0b:0c", "192.168.1.64")


def test_a_stranger_on_another_subnet_is_marked() -> None:
    """A factory-default camera heard on a school's network is off our subnet."""
    school = ifs.Address("eth0", IPv4Interface("10.20.0.5/24"))
    device = one(ANSWER, ours=school)
    assert not device.on_subnet
    assert not device.found().on_subnet


@pytest.mark.parametrize("said", ["0.0.0.0", "255.255.255.255", "239.1.1.1", "192.168.1", "", "::1", "a.b.c.d"])
def test_an_impossible_address_gives_way_to_the_sender(said: str) -> None:
    """What no device can have is not taken from its answer."""
    text = ANSWER.replace("<IPv4Address>192.168.1.64", f"<IPv4Address>{said}")
    assert one(text, source="192.168.1.77").address == "192.168.1.77"


def test_what_is_not_said_is_not_known() -> None:
    """A bare answer gives the sender's address and nothing invented."""
    device = one("<ProbeMatch/>")
    assert (device.address, device.mac, device.serial, device.active, device.dhcp) == (SOURCE, None, "", None, None)
    assert device.http_port == 80
    assert device.found().state is DeviceState.UNKNOWN


@pytest.mark.parametrize(
    "data",
    [
        sadp.message(UUID(int=7)),
        b"<Probe><Types>update</Types></Probe>",
        b"<Envelope><Body><ProbeMatch/></Body></Envelope>",
    ],
)
def test_only_answers_are_devices(data: bytes) -> None:
    """Our own question heard back, other verbs, and WS-Discovery are no devices."""
    assert sadp.read(data, SOURCE, OURS) is None


def test_we_only_inquire() -> None:
    """The one message we send asks and names no verb that changes a device."""
    text = sadp.message(UUID("6f1d3c52-1111-4222-8333-944455556666")).decode()
    assert "<Types>inquiry</Types>" in text
    assert "<Uuid>6F1D3C52-1111-4222-8333-944455556666</Uuid>" in text
    assert "\r" not in text


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not XML",
        b"<!DOCTYPE a [<!ENTITY x 'y'>]><ProbeMatch><MAC>&x;</MAC></ProbeMatch>",
        b"<ProbeMatch>" + b"<a>" * 30_000,
        b" " * 65_537,
        ANSWER.encode("utf-16"),
    ],
)
def test_hostile_bytes_are_refused_or_harmless(data: bytes) -> None:
    """Nothing but a typed refusal or a device without facts comes of them."""
    with contextlib.suppress(CameraBadReply):
        device = sadp.read(data, SOURCE, OURS)
        assert device is None or device.mac is None


def test_thousands_of_elements_are_not_looked_at() -> None:
    """Facts beyond the first few hundred elements are not taken."""
    flood = "<ProbeMatch>" + "<a/>" * 5_000 + "<MAC>c0-56-e3-0a-0b-0c</MAC></ProbeMatch>"
    assert one(flood).mac is None


@given(st.binary(max_size=400))
def test_garbage_never_breaks_the_reader(data: bytes) -> None:
    """Whatever the bytes: a device, nothing, or a typed refusal."""
    with contextlib.suppress(CameraBadReply):
        sadp.read(data, SOURCE, OURS)


@given(st.integers(0, len(ANSWER) - 1), st.integers(0, 255))
def test_a_flipped_byte_never_breaks_the_reader(at: int, byte: int) -> None:
    """One wrong byte anywhere leaves a device with bounded, printable texts, or a typed refusal."""
    data = bytearray(ANSWER.encode())
    data[at] = byte
    with contextlib.suppress(CameraBadReply):
        device = sadp.read(bytes(data), SOURCE, OURS)
        if device is not None:
            texts = (device.serial, device.model, device.firmware, device.name)
            assert all(len(text) <= 64 and text.isprintable() for text in texts)
            assert 0 < device.http_port < 65_536


@given(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), max_size=80),
    st.integers(1, 65_535),
    st.booleans(),
)
def test_what_a_device_says_is_what_we_read(model: str, port: int, active: bool) -> None:
    """Model, port and activation come through as they were sent, the text on one line and cut to size."""
    text = f"<ProbeMatch><DeviceDescription>{escape(model)}</DeviceDescription><HttpPort>{port}</HttpPort>"
    device = one(f"{text}<Activated>{str(active).lower()}</Activated></ProbeMatch>")
    assert (device.http_port, device.active) == (port, active)
    assert device.model == " ".join(model.split())[:64].strip()
