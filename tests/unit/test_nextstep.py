"""What comes next with a found device: the joining of two discoveries, and the rule."""

from __future__ import annotations

import shlex
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Interface

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.base import DeviceState, Found
from drivers.discovery.nextstep import Remedy, next_step, next_steps, settle, spare_address

ONVIF = Found("urn:uuid:1", "192.168.1.64", 80, (), "Lớp Lá", "DS", "c0:56:e3:00:00:01", "eth1", source="192.168.1.64")
VENDOR = Found(
    "", "192.168.1.64", 80, (), "", "DS-2CD", "c0:56:e3:00:00:01", "eth1", source="192.168.1.64",
    vendor="hikvision", serial="SN1",
)  # fmt: skip

addresses = st.integers(0, 0xFFFFFFFF).map(lambda number: str(IPv4Address(number)))
macs = st.sampled_from([None, "02:00:00:00:00:01", "02:00:00:00:00:02", "02:00:00:00:00:03"])
hosts = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "192.168.1.64"])
founds = st.builds(
    lambda vendor, host, mac, state, on_subnet, port: Found(
        "" if vendor else f"urn:{mac}:{host}", host, port, (), "", "", mac, "eth0", source=host,
        on_subnet=on_subnet, vendor=vendor, state=state if vendor else DeviceState.UNKNOWN,
    ),
    st.sampled_from(["", "hikvision", "dahua"]),
    hosts,
    macs,
    st.sampled_from([DeviceState.UNKNOWN, DeviceState.INACTIVE, DeviceState.UNINITIALISED]),
    st.booleans(),
    st.integers(1, 65_535),
)  # fmt: skip


def test_a_device_of_both_discoveries_comes_out_once() -> None:
    """ONVIF's record stays, and gains vendor and serial; it is ready."""
    (only,) = settle([VENDOR, ONVIF])
    assert only == replace(ONVIF, vendor="hikvision", serial="SN1", state=DeviceState.READY)
    assert next_step(only) is None


def test_an_inactive_camera_that_answers_probes_is_inactive_all_the_same() -> None:
    """Some answer WS-Discovery before they have a password: what the vendor's discovery says goes before."""
    (only,) = settle([ONVIF, replace(VENDOR, state=DeviceState.INACTIVE)])
    step = next_step(only)
    assert step is not None
    assert (step.remedy, step.command) == (Remedy.ACTIVATE, "vuon kich-hoat 192.168.1.64")


def test_a_device_that_no_probe_found_has_onvif_off() -> None:
    """It has a password and is in reach: ONVIF is what is lacking, and its port is named if it is not 80."""
    (only,) = settle([replace(VENDOR, port=8081)])
    step = next_step(only)
    assert only.state is DeviceState.NO_ONVIF
    assert step is not None
    assert (step.remedy, step.command) == (Remedy.ONVIF_ON, "vuon kich-hoat 192.168.1.64 --port 8081")


def test_a_device_out_of_reach_is_reached_first() -> None:
    """An inactive camera on another subnet: first an address beside it, not the camera's and nobody's."""
    (only,) = settle([replace(VENDOR, on_subnet=False, state=DeviceState.INACTIVE)])
    step = next_step(only, {"192.168.1.250"})
    assert step is not None
    assert step.remedy is Remedy.REACH
    assert step.command == "sudo ip address add 192.168.1.249/24 dev eth1 valid_lft 3600 preferred_lft 3600"


@pytest.mark.parametrize("ours", ["192.168.1.10/24", "192.168.0.10/16", "192.168.1.10/28"])
def test_no_network_of_ours_is_joined_twice(ours: str) -> None:
    """A new camera on the second card, while the first one is in its factory network: no address there is proposed."""
    away = replace(VENDOR, on_subnet=False, state=DeviceState.INACTIVE)
    assert next_steps([away], [IPv4Interface(ours)]) == (None,)
    (step,) = next_steps([away], [IPv4Interface("10.0.0.1/24")])
    assert step is not None
    assert step.remedy is Remedy.REACH


def test_the_later_record_counts() -> None:
    """A device that was activated while the search ran is told as it is now."""
    (only,) = settle([replace(VENDOR, state=DeviceState.INACTIVE), VENDOR])
    assert only.state is DeviceState.NO_ONVIF


@pytest.mark.parametrize("address", ["8.8.8.8", "127.0.1.11", "1.1.1.1", "100.64.0.1"])
def test_no_step_leads_into_a_network_that_is_not_private(address: str) -> None:
    """A lying answer cannot make an installer give the box an address in anybody's network."""
    assert next_step(replace(VENDOR, address=address, on_subnet=False)) is None


def test_an_interface_with_a_strange_name_stays_one_word() -> None:
    """A command is safe to paste whatever an interface is called."""
    step = next_step(replace(VENDOR, on_subnet=False, interface="eth0; reboot"))
    assert step is not None
    assert shlex.split(step.command)[6] == "eth0; reboot"


@given(st.lists(founds, max_size=8))
def test_settling_loses_no_device_and_doubles_none(found: list[Found]) -> None:
    """Every endpoint and every MAC that was heard is still there, and no record comes twice."""
    settled = settle(found)
    assert {item.endpoint for item in found} - {""} == {item.endpoint for item in settled} - {""}
    assert {item.mac for item in found} - {None} == {item.mac for item in settled} - {None}
    assert len(set(settled)) == len(settled) <= len(found)


def test_new_cameras_at_one_factory_address_stay_two() -> None:
    """Two MACs at one address are two devices, also where a probe was answered from it."""
    other = replace(VENDOR, mac="c0:56:e3:00:00:02", serial="SN2")
    settled = settle([replace(ONVIF, mac=None), VENDOR, other])
    assert [item.serial for item in settled] == ["SN1", "SN2"]


@given(founds, st.sets(addresses, max_size=4))
def test_a_step_is_one_command_about_this_device(found: Found, taken: set[str]) -> None:
    """Whatever was found: no step, or a command of plain words that names its address or one beside it."""
    for item in settle([found]):
        step = next_step(item, taken)
        if step is None:
            continue
        parts = shlex.split(step.command)
        assert step.address == item.address
        if step.remedy is Remedy.REACH:
            ours = IPv4Interface(parts[4])
            assert not item.on_subnet
            assert IPv4Address(item.address) in ours.network
            assert str(ours.ip) not in {item.address, *taken}
        else:
            assert item.on_subnet
            assert parts[:3] == ["vuon", "kich-hoat", item.address]


@given(addresses, st.sets(addresses, max_size=8))
def test_a_spare_address_is_free_private_and_beside_the_device(device: str, taken: set[str]) -> None:
    """Never the device's, never one that is somebody's, never the network's or its broadcast."""
    spare = spare_address(device, taken)
    if spare is not None:
        assert str(spare.ip) not in {device, *taken}
        assert spare.ip.is_private
        assert IPv4Address(device) in spare.network
        assert spare.ip not in {spare.network.network_address, spare.network.broadcast_address}


def test_a_full_network_has_no_spare_address() -> None:
    """Where every number is somebody's nothing is proposed."""
    assert spare_address("10.0.0.9", {f"10.0.0.{last}" for last in range(256)}) is None


def test_cameras_that_share_an_address_are_taken_one_at_a_time() -> None:
    """What is sent to a shared factory address reaches either: nothing is activated there until they are apart."""
    other = replace(VENDOR, mac="c0:56:e3:00:00:02", serial="SN2", state=DeviceState.INACTIVE)
    alone = replace(VENDOR, mac="c0:56:e3:00:00:03", address="192.168.1.70")
    steps = next_steps(settle([replace(VENDOR, state=DeviceState.INACTIVE), other, alone]))
    assert [step and step.remedy for step in steps] == [Remedy.APART, Remedy.APART, Remedy.ONVIF_ON]


@given(st.lists(founds, max_size=8))
def test_steps_come_in_the_order_of_the_devices(found: list[Found]) -> None:
    """One for each; no two devices are to be activated at one address, no proposed address is a found one."""
    settled = settle(found)
    steps = next_steps(settled)
    assert [step.address for step in steps if step] == [
        item.address for item, step in zip(settled, steps, strict=True) if step
    ]
    activated = [step.address for step in steps if step and step.remedy is Remedy.ACTIVATE]
    assert len(set(activated)) == len(activated)
    for step in steps:
        if step is not None and step.remedy is Remedy.REACH:
            assert step.command.split()[4].partition("/")[0] not in {item.address for item in settled}


def test_a_device_that_is_joined_already_is_ready() -> None:
    """Where the search itself joined the answers, the state is the same."""
    (only,) = settle([replace(ONVIF, vendor="dahua", serial="S")])
    assert only.state is DeviceState.READY
    (only,) = settle([replace(ONVIF, vendor="dahua", state=DeviceState.UNINITIALISED)])
    assert only.state is DeviceState.UNINITIALISED
