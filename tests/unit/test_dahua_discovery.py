"""Dahua's discovery: both generations of answers, sloppy and hostile, and what we ask."""

from __future__ import annotations

import contextlib
import json
import struct
from ipaddress import IPv4Interface
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import DeviceState
from drivers.discovery import dahua
from drivers.discovery import interfaces as ifs
from drivers.discovery.vendordevice import VendorDevice
from gateway.core.errors import CameraBadReply

OURS = ifs.Address("eth1", IPv4Interface("192.168.1.10/24"))
SOURCE = "192.168.1.108"
INFO: dict[str, Any] = {
    "DeviceClass": "IPC",
    "DeviceType": "IPC-HFW2431S",
    "Find": "BC",
    "HttpPort": 80,
    "IPv4Address": {
        "DefaultGateway": "192.168.1.1",
        "DhcpEnable": True,
        "IPAddress": "192.168.1.108",
        "SubnetMask": "255.255.255.0",
    },
    "Init": 3209,
    "MachineName": "Cong truong",
    "SerialNo": "6J0E022PAG35073",
    "Vendor": "General",
    "Version": "2.800.0000000.25.R",
}


def answer(tail: bytes = b"\n\0", **changes: Any) -> bytes:
    told = {"mac": "3C:EF:8C:00:00:01", "method": dahua.ANSWER, "params": {"deviceInfo": INFO | changes}}
    return dahua.frame(json.dumps(told).encode() + tail)


def one(data: bytes, source: str = SOURCE, ours: ifs.Address = OURS) -> VendorDevice:
    device = dahua.read(data, source, ours)
    assert device is not None
    return device


def test_an_answer_is_read_whole() -> None:
    """Every fact the record has is taken from where real firmware writes it."""
    assert one(answer()) == VendorDevice(
        vendor="dahua",
        address="192.168.1.108",
        mask="255.255.255.0",
        gateway="192.168.1.1",
        mac="3c:ef:8c:00:00:01",
        serial="6J0E022PAG35073",
        model="IPC-HFW2431S",
        firmware="2.800.0000000.25.R",
        name="Cong truong",
        http_port=80,
        active=False,
        dhcp=True,
        source=SOURCE,
        interface="eth1",
        on_subnet=True,
    )
    assert one(answer()).found().state is DeviceState.UNINITIALISED


@pytest.mark.parametrize("init", [150, 1162, 3210, 3222, 3238, 3722, 3734, 0, 2])
def test_init_values_seen_on_devices_in_use(init: int) -> None:
    """What cameras with a password announce is read as such."""
    assert one(answer(Init=init)).active is True


@given(st.one_of(st.none(), st.booleans(), st.text(max_size=5), st.integers(max_value=-1), st.floats(), st.just(7)))
def test_an_init_that_says_nothing_is_unknown(init: object) -> None:
    """Other kinds of value, and bits nobody has documented, are not guessed at."""
    assert dahua.initialised(init) is None


@given(st.integers(0, 1 << 40))
def test_only_the_lowest_bits_decide(init: int) -> None:
    """1 is a camera without a password, 0 and 2 one with its own, 3 is not known."""
    assert dahua.initialised(init) is {0: True, 1: False, 2: True, 3: None}[init & 3]


@pytest.mark.parametrize("tail", [b"", b"\n\0", b"\0\0\0\0", b"  \r\n"])
def test_what_closes_the_body_does_not_matter(tail: bytes) -> None:
    """Some close the JSON by a line feed and NUL and count these in."""
    assert one(answer(tail)).serial == "6J0E022PAG35073"


@pytest.mark.parametrize("length", [0, 1 << 31, 9_999])
def test_a_wrong_length_in_the_header_costs_nothing(length: int) -> None:
    """A header that promises nothing or too much is overruled by what came."""
    data = bytearray(answer())
    struct.pack_into("<I", data, 16, length)
    assert one(bytes(data)).mac == "3c:ef:8c:00:00:01"


def test_missing_parts_leave_the_sender() -> None:
    """An answer without an address or any device facts gives the packet's source."""
    bare = dahua.frame(json.dumps({"method": dahua.ANSWER, "params": [], "mac": 7}).encode())
    device = one(bare)
    assert (device.address, device.mac, device.active, device.http_port) == (SOURCE, None, None, 80)


def test_our_own_question_is_no_device() -> None:
    """The probe heard back through the group is passed over."""
    assert dahua.read(dahua.message(UUID(int=1)), SOURCE, OURS) is None


def test_the_question_is_framed_as_devices_want_it() -> None:
    """32 bytes of header with the magic the right way round and the length twice, then JSON."""
    data = dahua.message(UUID(int=1))
    assert data[:8] == b"\x20\x00\x00\x00DHIP"
    assert struct.unpack_from("<I", data, 16) == struct.unpack_from("<I", data, 24) == (len(data) - 32,)
    assert json.loads(data[32:]) == {"method": "DHDiscover.search", "params": {"mac": "", "uni": 1}}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"\x20\0\0\0PIHD" + b"\0" * 24 + b"{}",
        dahua.frame(b"not JSON"),
        dahua.frame(b"[1]"),
        dahua.frame(b"[" * 60_000),
        dahua.frame(b'{"method":' + b"9" * 5_000 + b"}"),
        b"\x20\0\0\0DHIP" + b"\0" * 65_536,
    ],
)
def test_hostile_bytes_are_refused(data: bytes) -> None:
    """Wrong magic, no object, endless nesting, endless digits and too many bytes are typed refusals."""
    with pytest.raises(CameraBadReply):
        dahua.read(data, SOURCE, OURS)


@given(st.integers(0, len(answer()) - 1), st.integers(0, 255))
def test_a_flipped_byte_never_breaks_the_reader(at: int, byte: int) -> None:
    """One wrong byte anywhere leaves bounded, printable texts, or a typed refusal."""
    data = bytearray(answer())
    data[at] = byte
    with contextlib.suppress(CameraBadReply):
        device = dahua.read(bytes(data), SOURCE, OURS)
        if device is not None:
            assert all(len(text) <= 64 and text.isprintable() for text in (device.serial, device.model, device.name))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from([*INFO, "IPAddress", "SubnetMask"]), JSON))
def test_values_of_any_kind_are_survived(changes: dict[str, Any]) -> None:
    """Whatever stands in place of a fact: a record of the right kinds comes out."""
    device = one(answer(**changes))
    assert isinstance(device.model, str)
    assert 0 < device.http_port < 65_536
    assert device.active in {True, False, None}


# the older form


def old_answer(
    mac: bytes = b"3c:ef:8c:00:00:02", model: bytes = b"DVR04", third: bytes = b"SerialNo:OLD7\r\nIPv6Addr:::1\r\n"
) -> bytes:
    second = mac + model
    first = bytearray(0x78)
    first[0], first[2] = 0xB3, len(second)
    struct.pack_into("<H", first, 0x14, len(third))
    struct.pack_into("<4H", first, 0x20, 2, 1, 0, 5)
    first[0x28:0x2D] = b"DVR-O"
    for offset, address in ((0x38, "192.168.1.108"), (0x3C, "255.255.0.0"), (0x40, "192.168.1.1")):
        first[offset : offset + 4] = bytes(map(int, address.split(".")))
    struct.pack_into("<H", first, 0x5E, 8080)
    return bytes(first) + second + third


def test_an_old_answer_is_read() -> None:
    """Address, mask, gateway, ports, model and MAC from their places, the serial from the lines at the end."""
    device = dahua.old_read(old_answer(), SOURCE, OURS)
    assert device is not None
    assert (device.address, device.mask, device.gateway) == ("192.168.1.108", "255.255.0.0", "192.168.1.1")
    assert (device.mac, device.model, device.serial) == ("3c:ef:8c:00:00:02", "DVR04", "OLD7")
    assert (device.http_port, device.firmware, device.active) == (8080, "2.1.0.5", None)


def test_an_old_answer_without_the_rest_is_read() -> None:
    """Only the fixed part: the short model, no MAC, no serial."""
    device = dahua.old_read(old_answer(b"", b"", b""), SOURCE, OURS)
    assert device is not None
    assert (device.mac, device.model, device.serial) == (None, "DVR-O", "")


def test_an_old_question_is_no_device() -> None:
    """Ours heard back, DHIP, and fragments are passed over."""
    question = dahua.old_message(UUID(int=1))
    assert (len(question), question[:4], question[16]) == (32, b"\xa3\x01\x00\x01", 2)
    for data in (question, answer(), b"\xb3", b"", b"\xb3" + b"\0" * 70_000):
        assert dahua.old_read(data, SOURCE, OURS) is None


@given(st.binary(min_size=0x78, max_size=400), st.binary(max_size=80))
def test_old_garbage_never_breaks_the_reader(fixed: bytes, rest: bytes) -> None:
    """Whatever follows the first byte: bounded, printable texts."""
    device = dahua.old_read(b"\xb3" + fixed[1:] + rest, SOURCE, OURS)
    assert device is not None
    assert all(len(text) <= 64 and text.isprintable() for text in (device.serial, device.model))
