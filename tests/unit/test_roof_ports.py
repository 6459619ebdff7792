"""The adapters under the pages: what they refuse to pass on."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core.errors import NotFound
from gateway.core.model import Action, Role
from gateway.core.wire import ControlClient, ControlServer, Reply, Request
from gateway.roofs.web_ports import RecorderDoor
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.live_box import make_grant

pytestmark = pytest.mark.anyio


async def test_a_still_of_hours_one_may_not_see_is_not_there(tmp_path: Path) -> None:
    """The recorder knows no hours: its newest picture passes only if the person might have seen that time."""

    async def still(_request: Request) -> Reply:
        return Reply({"captured_ms": NOON_MS, "width": 320, "height": 180}, b"jpeg")

    grant = make_grant(FakeClock(), role=Role.GUARDIAN, action=Action.SNAPSHOT)
    path, key = tmp_path / "r.sock", Ed25519PrivateKey.generate()
    async with (
        ControlServer(path, "recorder", {"still": still}, on_fault=lambda *_: None),
        ControlClient(path, "recorder") as client,
    ):
        seen = await RecorderDoor(client, key, lambda _grant, at_ms: at_ms == NOON_MS).still(grant, 320)
        assert (seen.captured_ms, seen.jpeg) == (NOON_MS, b"jpeg")
        with pytest.raises(NotFound):
            await RecorderDoor(client, key, lambda _grant, at_ms: at_ms > NOON_MS).still(grant, 320)
