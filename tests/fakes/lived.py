"""`vuon-live` as a process of its own, with a feed that plays a clip and a key that the test holds."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core import ticket
from gateway.core.clock import SystemClock
from gateway.core.errors import DaemonUnavailable
from gateway.live.client import LiveClient
from tests.fakes.feed import FakeFeed
from tests.fakes.h264 import Clip
from tests.fakes.live_box import make_grant
from tests.fakes.spaces import HANG_S, ROOT

_CONFIG = """
[paths]
state = "{folder}/state"
run = "{folder}/run"
[live]
addresses = ["{address}"]
allow_loopback = {loopback}
max_viewers = {most}
"""


@dataclass
class Lived:
    """The running daemon."""

    folder: Path
    pid: int
    client: LiveClient
    feed: FakeFeed
    key: Ed25519PrivateKey
    clock: SystemClock

    @property
    def run(self) -> Path:
        return self.folder / "run"

    def log(self) -> str:
        """Return what it has written."""
        return (self.folder / "live.log").read_text()

    def ticket(self, **grant: Any) -> dict[str, str]:
        """Return a ticket for a new grant that lasts ten minutes."""
        return dict(ticket.sign(make_grant(self.clock, **{"lease_ms": 600_000, **grant}), self.key))

    async def sessions(self) -> list[dict[str, Any]]:
        """Return the facts of its sessions."""
        found: list[dict[str, Any]] = (await self.client._client.call("sessions", {})).result["sessions"]
        return found


@asynccontextmanager
async def lived(
    folder: Path,
    clip: Clip,
    *,
    address: str = "127.0.0.1",
    most: int = 10,
    more: str = "",
    within: Sequence[str] = (),
) -> AsyncIterator[Lived]:
    """Run it in `folder`, if need be through a command such as `ip netns exec NAME`; it must end well."""
    key = Ed25519PrivateKey.generate()
    (folder / "state" / "keys").mkdir(parents=True)
    (folder / "run").mkdir()
    loopback = "true" if address.startswith("127.") else "false"
    config = folder / "config.toml"
    config.write_text(_CONFIG.format(folder=folder, address=address, loopback=loopback, most=most) + more)
    (folder / "state" / "keys" / "gateway.key.pub").write_bytes(key.public_key().public_bytes_raw())
    command = [*within, sys.executable, "-m", "gateway.roofs.live", "--config", str(config)]
    with (folder / "live.log").open("wb") as out:
        daemon = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=out)
    try:
        async with (
            FakeFeed(folder / "run" / "feed.sock", clip) as feed,
            LiveClient(folder / "run" / "live.sock") as client,
        ):
            pid = await _up(client)
            yield Lived(folder, pid, client, feed, key, SystemClock())
            assert daemon.returncode is None, (folder / "live.log").read_text()
            daemon.terminate()
            async with asyncio.timeout(HANG_S):
                assert await daemon.wait() == 0
    finally:
        if daemon.returncode is None:
            daemon.kill()
            await daemon.wait()


async def _up(client: LiveClient) -> int:
    async with asyncio.timeout(HANG_S):
        while True:
            with contextlib.suppress(DaemonUnavailable):
                return int((await client.status())["daemon"]["pid"])
            await asyncio.sleep(0.1)
