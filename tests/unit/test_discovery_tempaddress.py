"""A second address for a while: taken only where it is free, always given back."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.discovery.interfaces import Address
from drivers.discovery.tempaddress import (
    BORN_AT,
    CANDIDATES,
    LIFETIME_S,
    Linux,
    TemporaryAddress,
    answers_for,
    arp_probe,
    check_interface,
    factory_range,
    recover,
)
from gateway.core.daemonize import explain
from gateway.core.errors import BadInput, ConfigError, NotPermitted, VuonError

pytestmark = pytest.mark.anyio
WANTED = IPv4Interface("192.168.1.250/24")
OFFICE = Address("eth0", IPv4Interface("10.0.0.2/24"))


@dataclass
class FakeSystem:
    """Addresses of one interface; may refuse."""

    held: set[str] = field(default_factory=set)
    denied: bool = False
    addresses: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    marker: Path | None = None
    marked: list[bool] = field(default_factory=list)
    hangs: bool = False
    """It adds the address, and is not done for ever."""

    def _check(self) -> None:
        if self.denied:
            raise NotPermitted("no", case="net_admin", address=str(WANTED), interface="lo")

    async def is_held(self, address: IPv4Address, interface: str) -> bool:
        self._check()
        self.asked.append(str(address))
        return str(address) in self.held

    async def add(self, address: IPv4Interface, interface: str, lifetime_s: int) -> None:
        self._check()
        if self.marker is not None:
            self.marked.append(self.marker.exists())
        self.addresses[str(address)] = lifetime_s
        if self.hangs:
            await anyio.sleep_forever()

    async def remove(self, address: IPv4Interface, interface: str) -> None:
        self._check()
        await anyio.lowlevel.checkpoint()
        self.addresses.pop(str(address), None)


def visit(tmp_path: Path, system: FakeSystem, have: tuple[Address, ...] = (OFFICE,)) -> TemporaryAddress:
    return TemporaryAddress("lo", tmp_path / "run" / "marker", system=system, have=lambda: have)


async def test_it_is_there_inside_and_gone_outside(tmp_path: Path) -> None:
    """With a lifetime for the kernel, and remembered on disk before it is added."""
    system = FakeSystem(marker=tmp_path / "run" / "marker")
    async with visit(tmp_path, system) as ours:
        assert ours == Address("lo", WANTED)
        assert system.addresses == {str(WANTED): LIFETIME_S}
    assert system.addresses == {}
    assert system.marked == [True]
    assert not (tmp_path / "run" / "marker").exists()


async def test_it_is_given_back_after_an_error_and_a_cancellation(tmp_path: Path) -> None:
    """However the block ends."""
    system = FakeSystem()
    with pytest.raises(ZeroDivisionError):
        async with visit(tmp_path, system):
            raise ZeroDivisionError
    assert system.addresses == {}
    with anyio.CancelScope() as scope:
        async with visit(tmp_path, system):
            scope.cancel()
            await anyio.sleep_forever()
    assert system.addresses == {}
    assert not (tmp_path / "run" / "marker").exists()


async def test_a_search_that_ends_while_it_is_added_takes_it_back(tmp_path: Path) -> None:
    """The program may have added it before it was stopped: nothing is left, neither address nor note."""
    system = FakeSystem(hangs=True)
    async with anyio.create_task_group() as group:
        group.start_soon(visit(tmp_path, system).__aenter__)
        while not system.addresses:
            await anyio.lowlevel.checkpoint()
        group.cancel_scope.cancel()
    assert system.addresses == {}
    assert not (tmp_path / "run" / "marker").exists()


async def test_an_address_that_somebody_has_is_passed_over(tmp_path: Path) -> None:
    """The next candidate is taken; when all are somebody's nothing is added."""
    system = FakeSystem(held={"192.168.1.250", "192.168.1.249"})
    async with visit(tmp_path, system) as ours:
        assert str(ours.ip) == "192.168.1.247/24"
    system.held = {f"192.168.1.{last}" for last in CANDIDATES}
    with pytest.raises(BadInput) as refusal:
        async with visit(tmp_path, system):
            pass
    assert refusal.value.fields["case"] == "temporary_held"
    assert system.addresses == {}


@pytest.mark.parametrize("ip", ["192.168.1.7/24", "192.168.1.129/25", "192.168.0.2/16"])
async def test_no_network_is_joined_twice(tmp_path: Path, ip: str) -> None:
    """Where one of our cards is in it already the kernel would send to the wrong one."""
    system = FakeSystem()
    with pytest.raises(BadInput) as refusal:
        async with visit(tmp_path, system, (OFFICE, Address("eth1", IPv4Interface(ip)))):
            pass
    assert (refusal.value.fields["case"], refusal.value.fields["interface"]) == ("temporary_network", "eth1")
    assert system.asked == []


async def test_a_missing_right_says_what_to_type(tmp_path: Path) -> None:
    """Nothing is left behind; the remedy is a command with a lifetime of its own."""
    with pytest.raises(NotPermitted) as refusal:
        async with visit(tmp_path, FakeSystem(denied=True)):
            pass
    text = explain(refusal.value, "en")
    assert "sudo ip address add 192.168.1.250/24 dev lo valid_lft 600 preferred_lft 600" in text
    assert not (tmp_path / "run" / "marker").exists()


@pytest.mark.parametrize("name", ["", "nosuch9", "-4", "a b", "../eth0", "x" * 16, "eth0;reboot"])
def test_only_interfaces_of_this_machine(name: str) -> None:
    """Whatever else somebody writes never reaches a command line."""
    with pytest.raises(ConfigError) as refusal:
        check_interface(name)
    assert refusal.value.fields["case"] == "no_interface"


async def test_the_next_start_removes_what_a_crash_left(tmp_path: Path) -> None:
    """Once; then there is nothing to do."""
    marker, system = tmp_path / "marker", FakeSystem(addresses={str(WANTED): 1})
    marker.write_text(json.dumps({"interface": "lo", "address": str(WANTED)}))
    await recover(marker, system)
    assert system.addresses == {}
    assert not marker.exists()
    await recover(marker, system)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"interface": "lo"}',
        '{"interface": "gone9", "address": "192.168.1.250/24"}',
        '{"interface": "lo", "address": "x"}',
    ],
)
async def test_a_broken_note_is_thrown_away(tmp_path: Path, text: str) -> None:
    """It names no address of a card we have."""
    marker = tmp_path / "marker"
    marker.write_text(text)
    await recover(marker, FakeSystem(denied=True))
    assert not marker.exists()


async def test_a_note_is_kept_until_the_address_is_gone(tmp_path: Path) -> None:
    """Without the right to remove it the next start tries again."""
    marker = tmp_path / "marker"
    marker.write_text(json.dumps({"interface": "lo", "address": str(WANTED)}))
    with pytest.raises(NotPermitted):
        await recover(marker, FakeSystem(denied=True))
    assert marker.exists()


def program(folder: Path, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program named `ip` first in the path that says one line and fails."""
    tool = folder / "ip"
    tool.write_text(f"#!/bin/sh\necho '{said}' >&2\nexit 2\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


@pytest.mark.parametrize(
    "said",
    [
        "RTNETLINK answers: Cannot assign requested address",
        "Error: ipv4: Address not found.",
        'Cannot find device "lo"',
    ],
)
async def test_an_address_that_is_gone_is_removed(said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the words of older and newer kernels, and when the card was pulled out."""
    program(tmp_path, said, monkeypatch)
    await Linux().remove(WANTED, "lo")
    with pytest.raises(ConfigError):
        await Linux().add(WANTED, "lo", LIFETIME_S)


async def test_what_the_system_refuses_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A right that is missing is another error than a system that says something unknown."""
    program(tmp_path, "RTNETLINK answers: Operation not permitted", monkeypatch)
    with pytest.raises(NotPermitted):
        await Linux().remove(WANTED, "lo")
    program(tmp_path, "Error: something new", monkeypatch)
    with pytest.raises(ConfigError, match="something new"):
        await Linux().remove(WANTED, "lo")


async def test_a_card_that_went_away_is_an_error_of_ours() -> None:
    """Between the choice and the question; without the right to ask that is said instead."""
    with pytest.raises(VuonError) as refusal:
        await Linux(wait_s=0.0).is_held(WANTED.ip, "nosuch9")
    assert refusal.value.fields["case"] in {"no_link", "net_admin"}


def test_where_cameras_are_born() -> None:
    """The factory addresses of the network, without our own."""
    part = factory_range(Address("eth1", WANTED))
    assert part.network == IPv4Network("192.168.1.0/24")
    assert {int(host) & 255 for host in part.hosts()} == set(BORN_AT)
    assert not set(BORN_AT) & set(CANDIDATES)


def test_an_arp_probe_is_asked_by_nobody() -> None:
    """RFC 5227: our MAC, no address of ours, so that no cache learns it."""
    packet = arp_probe(bytes.fromhex("0200000000aa"), WANTED.ip)
    assert packet.hex() == "00010800060400010200000000aa00000000000000000000c0a801fa"
    assert not answers_for(packet, WANTED.ip)


@given(st.binary(max_size=64))
def test_no_packet_breaks_the_reading(packet: bytes) -> None:
    """Noise is no answer, unless it is one."""
    reply = bytes.fromhex("0001080006040002020000000001") + WANTED.ip.packed + bytes(10)
    assert answers_for(reply + packet, WANTED.ip)
    assert answers_for(packet, WANTED.ip) == (
        packet[:6] == reply[:6] and packet[14:18] == WANTED.ip.packed and len(packet) >= 28
    )
