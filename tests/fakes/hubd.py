"""The hub as a real process, for tests that stop and kill it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sqlite3
import sys
from dataclasses import dataclass, field
from pathlib import Path

from gateway.core.errors import DaemonUnavailable
from gateway.core.events import Lane
from gateway.core.wire import ControlClient
from tests.fakes.events import FIELD

ROOT = Path(__file__).parents[2]
START_S = 120


def free_port() -> int:
    """Return a loopback port nobody uses now."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def spawn(*arguments: str, log: Path) -> asyncio.subprocess.Process:
    """Start a Python program of ours; its stderr goes to a file."""
    with log.open("ab") as out:
        return await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=ROOT, env={**os.environ, "PYTHONUNBUFFERED": "1"}, stdout=out, stderr=out
        )


async def end(process: asyncio.subprocess.Process, number: signal.Signals) -> int:
    """Send a signal to our own child and wait for its end."""
    if process.returncode is None:
        process.send_signal(number)
    async with asyncio.timeout(60):
        return await process.wait()


@dataclass
class HubProcess:
    """One hub's folder, port and process."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def config(self) -> Path:
        return self.folder / "hub.toml"

    def write_config(self) -> None:
        """Write a hub's config.toml for plain loopback."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.write_text(
            f'[paths]\nstate = "{self.folder}/state"\nrun = "{self.folder}/run"\n'
            f'[hub]\nlisten = "127.0.0.1"\nport = {self.port}\ninsecure_loopback = true\n',
            encoding="utf-8",
        )

    async def start(self) -> None:
        """Start it; does not wait."""
        arguments = ("-m", "gateway.roofs.hub", "--config", str(self.config))
        self.process = await spawn(*arguments, log=self.folder / "hub.log")

    async def until_up(self) -> None:
        """Wait until it takes connections."""
        async with asyncio.timeout(START_S):
            while True:
                assert self.process is not None
                assert self.process.returncode is None, (self.folder / "hub.log").read_text()
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                except OSError:
                    await asyncio.sleep(0.02)
                    continue
                writer.close()
                return

    async def call(self, method: str, **params: object) -> dict[str, object]:
        """Ask over its control socket."""
        async with asyncio.timeout(START_S), ControlClient(self.folder / "run" / "hub.sock", "hub") as client:
            while True:
                try:
                    return dict((await client.call(method, params)).result)
                except DaemonUnavailable:
                    await asyncio.sleep(0.05)

    async def stop(self) -> int:
        """Stop it in order; returns its exit code."""
        assert self.process is not None
        return await end(self.process, signal.SIGTERM)

    async def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        await end(self.process, signal.SIGKILL)

    def numbers(self) -> dict[Lane, list[int]]:
        """Return the numbers that events of each lane carry, in the hub's order; only while it is stopped."""
        with contextlib.closing(sqlite3.connect(self.folder / "state" / "hub.db")) as db:
            return {
                lane: [
                    row[0]
                    for row in db.execute(
                        f"SELECT json_extract(event.data, '$.{FIELD[lane]}') FROM event"
                        " JOIN cursor USING (gateway, stream) WHERE lane = ? ORDER BY cursor.number, seq",
                        (lane.value,),
                    )
                ]
                for lane in Lane
            }
