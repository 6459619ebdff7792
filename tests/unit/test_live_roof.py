"""The live daemon's roof: what it makes of the configuration."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import ifaddr
import pytest

from gateway.core.clock import SystemClock
from gateway.core.config import Config, parse_config
from gateway.core.log import get_logger
from gateway.live.client import LiveClient
from gateway.live.sessions import Sessions
from gateway.live.transport import Identity
from gateway.roofs.live import DROPPED_LOG_S, camera_networks, live_daemon, tell_dropped, transport_rules
from tests.fakes.clock import FakeClock


def config(folder: Path, live: str = "") -> Config:
    return parse_config(
        f'[paths]\nstate = "{folder}/state"\nrun = "{folder}/run"\n'
        f'[live]\naddresses = ["127.0.0.1"]\nallow_loopback = true\n{live}'
    )


def test_the_configured_addresses_are_the_only_ones(tmp_path: Path) -> None:
    """What is named is used as it is; loopback peers only where allowed; no server is asked."""
    shared = transport_rules(config(tmp_path), Identity(FakeClock()))
    assert shared.addresses == ("127.0.0.1",)
    assert shared.rules.allow_loopback


def test_without_addresses_every_interface_of_viewers_is_used(tmp_path: Path) -> None:
    """All own addresses but link-local ones, and loopback only when it is allowed."""
    open_config = parse_config(f'[paths]\nrun = "{tmp_path}"\n')
    addresses = transport_rules(open_config, Identity(FakeClock())).addresses
    assert "127.0.0.1" not in addresses
    assert not any(ipaddress.ip_address(item).is_link_local for item in addresses)


def test_the_camera_network_is_refused_where_it_is_apart() -> None:
    """An interface named for cameras and not used for viewers: nobody can make us send there."""
    loopback = next(
        adapter.name for adapter in ifaddr.get_adapters() if any(item.ip == "127.0.0.1" for item in adapter.ips)
    )
    named = parse_config(f'[cameras]\ninterfaces = ["{loopback}"]\n')
    assert ipaddress.ip_network("127.0.0.0/8") in camera_networks(named, ["192.0.2.1"])
    assert ipaddress.ip_network("127.0.0.0/8") not in camera_networks(named, ["127.0.0.1"])
    assert camera_networks(parse_config(""), ["192.0.2.1"]) == ()


def test_the_daemon_answers_on_its_socket_while_entered(tmp_path: Path) -> None:
    """Entered it serves `status`; left, the socket is gone."""

    async def body() -> None:
        async with live_daemon(config(tmp_path), SystemClock()), LiveClient(tmp_path / "run" / "live.sock") as client:
            status = await client.status()
            assert status["daemon"]["name"] == "vuon-live"
            assert status["sessions"] == 0
            assert (status["transcodes"]["most"], status["transcodes"]["processes"]) == (4, 0)

    (tmp_path / "run").mkdir()
    asyncio.run(body())
    assert not (tmp_path / "run" / "live.sock").exists()


@dataclass
class _Dropping(Sessions):
    """Only what the minute's line needs."""

    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        return

    def dropped(self) -> Counter[str]:
        return self.counts.copy()


def test_strangers_get_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    """Ten thousand packets of noise are one line with their number; a quiet minute is none."""

    async def body() -> None:
        clock, sessions = FakeClock(), _Dropping()
        task = asyncio.create_task(tell_dropped(sessions, clock, get_logger("live")))
        await clock.advance(DROPPED_LOG_S)
        sessions.counts["malformed_stun"] += 10_000
        await clock.advance(DROPPED_LOG_S)
        await clock.advance(10 * DROPPED_LOG_S)
        task.cancel()

    with caplog.at_level("WARNING", logger="vuon.live"):
        asyncio.run(body())
    lines = [record for record in caplog.records if record.message == "live.dropped"]
    assert [record.__dict__["fields"] for record in lines] == [{"malformed_stun": 10_000}]
