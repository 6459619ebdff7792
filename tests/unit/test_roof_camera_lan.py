"""What the box serves on the cameras' network, as the recorder's roof runs it."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv4Interface
from pathlib import Path
from typing import Any

import pytest

from drivers.discovery.interfaces import Address
from gateway.core.clock import SystemClock, kernel_unsure_s
from gateway.core.config import Config, parse_config
from gateway.core.privileges import keep_from_children
from gateway.roofs.camera_lan import RETRY_S, CameraLan
from tests.fakes.clock import FakeClock
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio
LO = Address("lo", IPv4Interface("127.0.0.1/8"))


class NoBook:
    """No lease was ever given."""

    async def leases(self) -> Mapping[str, IPv4Address]:
        return {}

    async def remember(self, mac: str, address: IPv4Address) -> None:
        raise AssertionError("nothing is given here")

    async def forget(self, mac: str) -> None:
        raise AssertionError("nothing is given here")


def fault(name: str, error: BaseException) -> None:
    raise AssertionError(name) from error


def lan(text: str, clock: FakeClock, *have: Address) -> CameraLan:
    return CameraLan(config(text), clock, NoBook(), fault, have=lambda: have)


def config(text: str) -> Config:
    return parse_config(text)


def time_of(box: CameraLan) -> dict[str, Any]:
    return dict(box.facts()["time"])


async def test_time_is_served_where_cameras_are() -> None:
    """On the addresses that search for cameras, with loopback only where that was asked for."""
    text = "[cameras]\ntime_port = 0\nloopback = true\n"
    async with lan(text, FakeClock(), LO) as box:
        await until(lambda: time_of(box)["served"] == ["127.0.0.1"])
        assert box.facts() == {"time": {"served": ["127.0.0.1"], "answered": 0, "errors": []}, "addresses": None}
    async with lan("[cameras]\ntime_port = 0\n", FakeClock(), LO) as box:
        assert time_of(box)["served"] == []


async def test_what_is_switched_off_is_not_there() -> None:
    """No time, no addresses: nothing runs and nothing is told."""
    async with lan("[cameras]\nserve_time = false\n", FakeClock(), LO) as box:
        assert box.facts() == {"time": None, "addresses": None}


async def test_a_camera_is_told_where_it_gets_our_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our address in its own network, at the port cameras ask, by a clock that is sure; else none."""
    text = "[cameras]\ntime_port = 0\nloopback = true\n"
    clock = FakeClock()
    async with lan(text, clock, LO) as box:
        await until(lambda: time_of(box)["served"] == ["127.0.0.1"])
        assert box.time_for("127.0.1.11") is None, "no camera asks another port than 123"
        monkeypatch.setattr("drivers.lan.sntp.PORT", 0)
        assert box.time_for("127.0.1.11") == "127.0.0.1"
        assert box.time_for("10.0.0.1") is None
        assert box.time_for("camera.local") is None
        clock.distrust()
        assert box.time_for("127.0.1.11") is None
    assert box.time_for("127.0.1.11") is None


class Given(NoBook):
    """One lease."""

    async def leases(self) -> Mapping[str, IPv4Address]:
        return {"02:00:00:00:00:01": IPv4Address("10.0.0.1")}


async def test_leases_count_while_we_serve_them() -> None:
    """A box that was told to give no addresses any more keeps nobody's address as it is."""
    ordered = config('[camera_lan]\ninterface = "eth1"\nrange = "10.0.0.1-10.0.0.9"\n')
    assert await CameraLan(ordered, FakeClock(), Given(), fault).leases() == await Given().leases()
    assert await CameraLan(config(""), FakeClock(), Given(), fault).leases() == {}


async def test_a_taken_port_is_told_with_its_remedy() -> None:
    """Which port of which address, and the network that the other program should serve."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", 0))
        text = f"[cameras]\ntime_port = {other.getsockname()[1]}\nloopback = true\n"
        async with lan(text, FakeClock(), LO) as box:
            (error,) = await until(lambda: time_of(box)["errors"])
    assert (error["code"], error["fields"]["case"]) == ("address_taken", "time_port")
    assert (error["fields"]["address"], error["fields"]["network"]) == ("127.0.0.1", "127.0.0.0/8")


async def test_a_card_that_is_not_there_is_tried_again() -> None:
    """A name that no card has is a state with its key; when the card comes, time is served."""
    clock, have = FakeClock(), list[Address]()
    text = '[cameras]\ninterfaces = ["lo"]\ntime_port = 0\n'
    async with CameraLan(config(text), clock, NoBook(), fault, have=lambda: have) as box:
        (error,) = await until(lambda: time_of(box)["errors"])
        assert (error["code"], error["fields"]["value"]) == ("config", "lo")
        have.append(LO)
        await clock.advance(RETRY_S)
        await until(lambda: time_of(box)["served"] == ["127.0.0.1"])
        assert time_of(box)["errors"] == []


async def test_a_card_without_an_address_serves_none() -> None:
    """The address server says what it lacks, and the time server does not mind."""
    text = '[cameras]\ntime_port = 0\n[camera_lan]\ninterface = "cam0"\nrange = "192.168.10.20-192.168.10.22"\n'
    async with lan(text, FakeClock(), LO) as box:
        (error,) = await until(lambda: box.facts()["addresses"]["errors"])
        assert (error["code"], error["fields"]["case"]) == ("config", "camera_lan_address")
        assert box.facts()["addresses"]["serving"] is False
        assert time_of(box)["errors"] == []


def test_the_kernel_says_how_sure_it_is() -> None:
    """Between nothing and the 16 s at which it gives up."""
    assert 0 <= kernel_unsure_s() <= 16.1
    assert SystemClock().now_ms() > 0


def test_programs_we_start_get_none_of_our_rights() -> None:
    """The ambient set is empty afterwards, in ourselves and in our children."""
    code = (
        "from gateway.core.privileges import keep_from_children as keep; import subprocess as s;"
        "keep(); print(s.run(['grep', 'CapAmb', '/proc/self/status'], capture_output=True, text=True).stdout)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["CapAmb:", "0000000000000000"]
    keep_from_children()
    assert "CapAmb:\t0000000000000000" in Path("/proc/self/status").read_text(encoding="ascii")
