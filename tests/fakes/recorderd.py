"""The real recorder daemon as a subprocess, with simulated cameras on loopback."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from drivers.simulated.farm import Farm, FarmOptions
from drivers.simulated.state import Encoder
from gateway.core.errors import DaemonUnavailable
from gateway.core.model import Action, Grant, PublicId, Role, StreamRole, new_public_id
from gateway.core.secrets import load_signing_key
from gateway.core.ticket import sign
from gateway.core.wire import ControlClient

ROOT = Path(__file__).parents[2]
PASSWORD = "Mat-khau-1!"
HANG_S = 40.0
"""Generous: only a broken daemon waits that long."""
SMALL = FarmOptions(
    main=Encoder(width=640, height=360, fps=10, gop_frames=10, bitrate_kbps=300),
    sub=Encoder(width=320, height=180, fps=5, gop_frames=5, bitrate_kbps=100),
    loop_s=2,
    distinct=0,
)


def own_address(root: Path, last: int = 11) -> str:
    """Return a loopback address of this test's own: others may run at the same time."""
    number = zlib.crc32(str(root).encode())
    return f"127.{number % 200 + 20}.{number // 200 % 250}.{last}"


def small_farm(count: int, root: Path, options: FarmOptions = SMALL) -> Farm:
    """Return a farm whose identities and addresses are this test's own."""
    return Farm(count, password=PASSWORD, options=replace(options, seed=str(root)), base=own_address(root))


CONFIG = """
[paths]
state = "{root}/state"
run = "{root}/run"
[[volumes]]
path = "{root}/footage"
min_free_bytes = 1048576
create = true
[recording]
segment_s = 5
sync_s = 1.0
[cameras]
interfaces = ["127.0.0.1"]
loopback = true
discovery_s = 1.5
{cameras}
[clock]
require_ntp = false
[vision]
sandbox = true
"""


class Recorderd:
    """One box's recorder: start, call, stop, kill, start again."""

    def __init__(self, root: Path, cameras: str = "", within: Sequence[str] = ()) -> None:
        """`cameras`: more lines of that section; `within`: what it runs through, such as `ip netns exec NAME`."""
        self.root, self._within = root, within
        self.config = root / "config.toml"
        self.config.write_text(CONFIG.format(root=root, cameras=cameras))
        self.client = ControlClient(root / "run" / "recorder.sock", "recorder")
        self.feed_socket = root / "run" / "feed.sock"
        self.footage = root / "footage"
        self.module, self.env = "gateway.roofs.recorder", dict[str, str]()
        self._process: subprocess.Popen[bytes] | None = None

    async def start(self) -> None:
        """Start it and wait until it answers."""
        self._process = self._spawn()
        await self.until(self.answers)

    def _spawn(self) -> subprocess.Popen[bytes]:
        with (self.root / "recorder.log").open("ab") as log:
            return subprocess.Popen(
                [*self._within, sys.executable, "-m", self.module, "--config", str(self.config)],
                cwd=ROOT, stderr=log, env={**os.environ, "PYTHONPATH": str(ROOT), **self.env},
            )  # fmt: skip

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    async def answers(self) -> bool:
        try:
            await self.client.call("status")
        except DaemonUnavailable:
            assert self._process is not None
            assert self._process.poll() is None, self.log()
            return False
        return True

    async def until(self, check: Callable[[], Any]) -> Any:
        """Repeat an async check until it is true; fails with the daemon's log when it never is."""
        deadline = time.monotonic() + HANG_S
        while time.monotonic() < deadline:
            if found := await check():
                return found
            await asyncio.sleep(0.1)
        status = (await self.client.call("status")).result
        raise AssertionError(f"never became true\n{status}\n{self.log()}")

    def log(self) -> str:
        return (self.root / "recorder.log").read_text()[-6000:]

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; returns the exit status."""
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        return await asyncio.to_thread(process.wait, HANG_S)

    async def call(self, method: str, **params: object) -> dict[str, Any]:
        return (await self.client.call(method, params, timeout_s=HANG_S)).result

    async def cameras(self) -> list[dict[str, Any]]:
        return list((await self.call("status"))["cameras"])

    async def adopt_all(self, farm: Farm) -> list[str]:
        """Discover and adopt every camera; returns their ids in the farm's order."""
        found = {item["address"]: item for item in (await self.call("discover"))["found"]}
        ids = []
        for camera in farm.cameras:
            item = found[camera.address]
            answer = await self.call(
                "adopt", address=item["address"], port=item["port"], username="admin", password=PASSWORD,
                name=item["name"],
            )  # fmt: skip
            ids.append(str(answer["camera"]["id"]))
        return ids

    async def until_recording(self, count: int) -> list[dict[str, Any]]:
        """Wait until so many cameras record all their streams."""

        async def all_record() -> list[dict[str, Any]]:
            cameras = await self.cameras()
            return cameras if sum(camera["recording"] for camera in cameras) >= count else []

        return list(await self.until(all_record))

    async def segments(self, camera: str) -> list[dict[str, Any]]:
        return list((await self.call("segments", camera=camera))["segments"])

    def ticket(self, camera: str, action: Action, **fields: Any) -> dict[str, str]:
        """Sign a grant as the gateway would."""
        now_ms = time.time_ns() // 1_000_000
        grant = Grant(
            id=new_public_id(), person=new_public_id(), role=Role.PRINCIPAL, device="test", action=action,
            camera=PublicId(camera), streams=frozenset(StreamRole), issued_ms=now_ms, until_ms=now_ms + 600_000,
            lease_ms=60_000, facts_version=1, audit_seq=1,
        )  # fmt: skip
        key = load_signing_key(self.root / "state" / "keys" / "gateway.key")
        return sign(replace(grant, **fields), key)


@asynccontextmanager
async def recorderd(root: Path, cameras: str = "", within: Sequence[str] = ()) -> AsyncIterator[Recorderd]:
    """Run a daemon in `root`, with more lines for `[cameras]`; what is still running at the end is killed."""
    daemon = Recorderd(root, cameras, within)
    try:
        async with daemon.client:
            await daemon.start()
            yield daemon
    finally:
        await daemon.stop(signal.SIGKILL)
