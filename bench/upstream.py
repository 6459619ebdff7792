"""Bench `upstream`: how many events a hub takes from one box, in batches and one by one.

Owns the hub process, a box enrolled for the round, and its documents. Both variants speak the real protocol over
loopback HTTP, signed and compressed; only the size of a request differs. Invariant: a round counts only if
the hub acknowledged every event.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.harness import Options, Reading, Table, Variant, compare
from bench.schedstat import Meter
from gateway.core.clock import SystemClock
from gateway.core.errors import DaemonUnavailable, HubUnreachable
from gateway.core.events import Lane, make_event
from gateway.core.wire import ControlClient
from gateway.upstream.link import HubLink
from gateway.upstream.payload import document
from gateway.upstream.protocol import Announced

BATCH = 500
SINGLES = 200
START_S = 30.0


def documents(first: int, count: int) -> list[str]:
    """Return events as a box sends them, numbered from `first`."""
    clock, bodies = SystemClock(), []
    for number in range(first, first + count):
        event = make_event(
            "camera.state",
            now_ms=clock.now_ms(),
            mono_ns=clock.mono_ns(),
            trusted=True,
            subject="cameracameracame",
            camera="cameracameracame",
            state="up",
            why="",
        )
        body = document(event)
        assert body is not None
        bodies.append(json.dumps({**body, "sequence": number}))
    return bodies


class Hub:
    """A hub process on loopback with an empty database."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._folder = folder
        config = folder / "hub.toml"
        config.write_text(
            f'[paths]\nstate = "{folder}/state"\nrun = "{folder}/run"\n'
            f'[hub]\nlisten = "127.0.0.1"\nport = {self.port}\ninsecure_loopback = true\n'
        )
        with (folder / "log").open("w") as log:
            command = [sys.executable, "-m", "gateway.roofs.hub", "--config", str(config)]
            self.child = subprocess.Popen(command, stdout=log, stderr=log)

    async def claim(self) -> str:
        """Wait until it answers; return a claim for one box."""
        end_s = time.monotonic() + START_S
        async with ControlClient(self._folder / "run" / "hub.sock", "hub") as client:
            while True:
                try:
                    return str((await client.call("claim.new", {"site": "bench"})).result["claim"])
                except DaemonUnavailable:
                    if time.monotonic() > end_s:
                        raise
                    await asyncio.sleep(0.1)

    def close(self) -> None:
        """End it."""
        self.child.send_signal(signal.SIGTERM)
        self.child.wait()


async def send(hub: Hub, batch: int, count: int) -> Reading:
    """Send `count` events of one box in requests of `batch`, each after the other's answer."""
    clock = SystemClock()
    key, stream = Ed25519PrivateKey.generate(), str(uuid.uuid4())
    claim = await hub.claim()
    async with HubLink(f"http://127.0.0.1:{hub.port}", key, clock) as link:
        for _ in range(int(START_S / 0.1)):
            try:
                gateway = await link.enrol(claim)
                break
            except HubUnreachable:
                await asyncio.sleep(0.1)
        else:
            raise TimeoutError("the hub does not answer")
        await link.hello(gateway, [Announced(Lane.ROUTINE.value, stream, 0, count)])
        bodies = documents(1, count)
        meter = Meter([hub.child.pid], time.monotonic)
        meter.look()
        acked = 0
        while acked < count:
            ack = await link.send(gateway, stream, acked + 1, bodies[acked : acked + batch])
            if ack.gap or ack.acked <= acked:
                break
            acked = ack.acked
        meter.look()
    used = meter.used()
    figures = {
        "hub CPU per event, us": used.cpu_percent * used.wall_s * 1e4 / count,
        "events/s": count / used.wall_s,
        "ms per request": used.wall_s * 1000 / -(-count // batch),
    }
    return Reading(figures, "" if acked == count else f"{count - acked} events not acknowledged")


NOTES = (
    "One box, one request at a time, signed and gzipped; the hub commits each request with synchronous=FULL.",
    f"Batches of {BATCH} are what a box sends; the control sends {SINGLES} events in requests of one.",
)


def run(options: Options) -> list[Table]:
    """Measure both against one hub process."""
    with tempfile.TemporaryDirectory(prefix="vuon-bench-") as folder:
        hub = Hub(Path(folder))
        try:
            rows = [
                Variant(f"batches of {BATCH}", lambda: asyncio.run(send(hub, BATCH, 20 * BATCH))),
                Variant("one event per request", lambda: asyncio.run(send(hub, 1, SINGLES)), control=True),
            ]
            return [compare("upstream: events of one box into a hub", rows, options, NOTES)]
        finally:
            hub.close()
