"""The real gateway and the real live sessions in one test's process; only cameras and recorder are answers."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gateway.core.clock import SystemClock
from gateway.core.config import parse_config
from gateway.core.model import PublicId
from gateway.core.secrets import load_signing_key
from gateway.core.wire import ControlClient, ControlServer, Reply, Request
from gateway.live.ice import own_addresses
from gateway.roofs import gateway
from tests.fakes.gateway_desk import FakeRecorder
from tests.fakes.h264 import Clip
from tests.fakes.live_box import CAMERA, LiveBox

CONFIG = """[site]
name = "Trường Hoa Sen"
[paths]
state = "{folder}/state"
run = "{folder}/run"
[web]
listen = "127.0.0.1"
port = {port}
insecure_loopback = true
{more}
"""


@dataclass
class WholeGateway:
    """A school with a principal, a class and its camera."""

    url: str
    control: ControlClient
    live: LiveBox
    camera: PublicId = CAMERA

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Call the gateway as the console."""
        return (await self.control.call(method, params)).result

    async def audit(self) -> int:
        """Return how many rows the audit has; it must be whole."""
        verdict = await self.call("audit.verify")
        assert verdict["ok"]
        return int(verdict["rows"])


def outer_address() -> str:
    """Return an IPv4 address of this machine that is not loopback: foreign players use no other."""
    return next(item for item in own_addresses(loopback=False) if ":" not in item)


@asynccontextmanager
async def whole_gateway(folder: Path, clip: Clip, *, more: str = "") -> AsyncIterator[WholeGateway]:
    """Run both; `more` is further configuration."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = int(free.getsockname()[1])
    config = parse_config(CONFIG.format(folder=folder, port=port, more=more))
    for path in (config.paths.state, config.paths.run):
        path.mkdir(parents=True)
    recorder = FakeRecorder()
    recorder.cameras = [{"id": CAMERA, "name": "Mầm 1", "state": "up", "connected": True, "recording": True}]

    async def cameras(_request: Request) -> Reply:
        return Reply({"cameras": recorder.cameras})

    async def no_orders(_request: Request) -> Reply:
        return Reply({"orders": []})

    methods = {
        "journal": recorder.journal,
        "status": recorder.status,
        "groups.set": recorder.set_groups,
        "camera.list": cameras,
        "export.list": no_orders,
    }
    key = load_signing_key(config.paths.grant_key)
    live = LiveBox(config.paths.run, clip, addresses=(outer_address(),), key=key)
    async with (
        ControlServer(config.paths.socket("recorder"), "recorder", methods, on_fault=lambda _name, error: None),
        live,
        gateway.build(config, SystemClock()),
        ControlClient(config.paths.socket("gateway"), "gateway") as control,
    ):
        box = WholeGateway(f"http://127.0.0.1:{port}", control, live)
        await box.call("person.add", name="Cô Hà", role="principal")
        await box.call("class.add", name="Mầm 1", cameras=[CAMERA], plan="open")
        await box.call("accept")
        yield box
