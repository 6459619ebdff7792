"""`vuon-live` itself between a viewers' network and a camera network, with strangers and false viewers in the first."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.core import ticket
from gateway.core.clock import SystemClock
from gateway.core.errors import DaemonUnavailable
from gateway.live.client import LiveClient
from tests.fakes.feed import FakeFeed
from tests.fakes.h264 import clip
from tests.fakes.live_attacks import foreign_candidates, long_offers
from tests.fakes.live_box import make_grant
from tests.fakes.netlab import HANG_S, ROOT, Netlab, NoNamespaces

pytestmark = [pytest.mark.system, pytest.mark.netns, pytest.mark.anyio]

BOX, VIEWERS, STRANGER, THIRD, FORGED = "10.81.0.2", "10.81.0.11", "10.81.0.66", "10.81.0.99", "10.81.0.98"
CAMERA = "10.82.0.11"
MAX_VIEWERS = 12
CONFIG = """
[paths]
state = "{folder}/state"
run = "{folder}/run"
[live]
addresses = ["{box}"]
max_viewers = {most}
[cameras]
interfaces = ["cams"]
"""
CLIP = clip(640, 360, noise=24)


@dataclass
class Crowd:
    """A process of people in a namespace."""

    process: asyncio.subprocess.Process

    async def do(self, what: str, **order: Any) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": what, **order}).encode() + b"\n")
        return await self.read()

    async def read(self) -> Any:
        assert self.process.stdout is not None
        async with asyncio.timeout(2 * HANG_S):
            line = await self.process.stdout.readline()
        assert line, "the people are gone"
        return json.loads(line)


class Watch:
    """Notes on a card of the box whom the box speaks to."""

    def __init__(self, space: str, card: str) -> None:
        command = ["ip", "netns", "exec", space, sys.executable, "-m", "tests.fakes.wire_watch", card]
        self._process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate(timeout=HANG_S)

    def end(self) -> dict[str, int]:
        """Return the bytes sent to each address that was spoken to, ARP questions included."""
        said, _ = self._process.communicate(timeout=HANG_S)
        told = json.loads(said)
        assert told["missed"] == 0
        return dict(told["asked"])


class Scene:
    """The daemon in the box, its feed and key, and ways to make people."""

    def __init__(self, lab: Netlab, folder: Path) -> None:
        self.lab, self.folder = lab, folder
        self.key, self.clock = Ed25519PrivateKey.generate(), SystemClock()
        self.log = folder / "live.log"
        self.stack = AsyncExitStack()

    def ticket(self) -> dict[str, str]:
        return dict(ticket.sign(make_grant(self.clock, lease_ms=600_000), self.key))

    async def crowd(self, space: str, address: str) -> Crowd:
        command = self.lab.inside(space, "-m", "tests.fakes.live_people", str(self.folder / "run"), address)
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20
        )
        self.stack.push_async_callback(self._leave, process)
        made = Crowd(process)
        assert await made.read() == "ready"
        return made

    @staticmethod
    async def _leave(process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(HANG_S):
                await process.wait()
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def lab() -> Iterator[Netlab]:
    try:
        with Netlab({"lan": f"{BOX}/24", "cams": "10.82.0.2/24"}) as made:
            yield made
    except NoNamespaces as error:
        pytest.skip(f"no network namespaces here: {error}")


@asynccontextmanager
async def scene(lab: Netlab, folder: Path) -> AsyncIterator[tuple[Scene, LiveClient]]:
    made = Scene(lab, folder)
    (folder / "state" / "keys").mkdir(parents=True)
    (folder / "run").mkdir()
    (folder / "config.toml").write_text(CONFIG.format(folder=folder, box=BOX, most=MAX_VIEWERS))
    (folder / "state" / "keys" / "gateway.key.pub").write_bytes(made.key.public_key().public_bytes_raw())
    command = lab.inside(lab.box, "-m", "gateway.roofs.live", "--config", str(folder / "config.toml"))
    with made.log.open("wb") as out:
        daemon = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stderr=out, env={**os.environ})
    try:
        async with FakeFeed(folder / "run" / "feed.sock", CLIP), LiveClient(folder / "run" / "live.sock") as client:
            async with asyncio.timeout(HANG_S):
                while True:
                    with contextlib.suppress(DaemonUnavailable):
                        await client.status()
                        break
                    await asyncio.sleep(0.1)
            async with made.stack:
                yield made, client
            assert daemon.returncode is None, made.log.read_text()
            daemon.terminate()
            async with asyncio.timeout(HANG_S):
                assert await daemon.wait() == 0
    finally:
        if daemon.returncode is None:
            daemon.kill()
            await daemon.wait()


async def seen_more(crowd: Crowd, before: list[dict[str, Any]], more: int) -> list[dict[str, Any]]:
    """Wait until each viewer got so many more pictures, and return what they have."""
    async with asyncio.timeout(2 * HANG_S):
        while True:
            now: list[dict[str, Any]] = await crowd.do("count")
            if all(item["pictures"] >= old["pictures"] + more for item, old in zip(now, before, strict=True)):
                return now
            await asyncio.sleep(0.1)


async def test_hostile_people_harm_nobody_and_reach_nobody(lab: Netlab, tmp_path: Path) -> None:
    """Strangers, spoofers and four false viewers: two honest ones lose no packet, nobody else gets one, the log stays short."""
    viewers = lab.guest("lan", "v", "02:00:00:00:00:11", f"{VIEWERS}/24")
    street = lab.guest("lan", "s", "02:00:00:00:00:66", f"{STRANGER}/24")
    lab.guest("lan", "t", "02:00:00:00:00:99", f"{THIRD}/24")
    lab.guest("lan", "f", "02:00:00:00:00:98", f"{FORGED}/24")
    lab.guest("cams", "c", "02:00:00:00:01:11", f"{CAMERA}/24")
    with Watch(lab.box, "lan") as on_lan, Watch(lab.box, "cams") as on_cameras:
        async with scene(lab, tmp_path) as (made, client):
            honest = await made.crowd(viewers, VIEWERS)
            wire = await honest.do("watch", tickets=[made.ticket(), made.ticket()])
            evil = await made.crowd(street, STRANGER)
            before, lines = await honest.do("count"), made.log.read_text().count("\n")
            others = [[THIRD, 53], [CAMERA, 554]]
            for target, victim in zip(wire["targets"], wire["sources"], strict=True):
                await evil.do("attack", name="noise", target=target, sources=[victim, *others], packets=wire["packets"])
            refused = await evil.do("attack", name="offers", ticket=made.ticket())
            assert refused["sent"] == len(long_offers(""))
            refused = await evil.do("attack", name="candidates", ticket=made.ticket(), hosts=[THIRD, CAMERA])
            assert refused["sent"] >= len(foreign_candidates([], 400)) - 40
            forged = [[FORGED, 1000], [CAMERA, 1000]]
            spent = await evil.do("attack", name="insider", ticket=made.ticket(), forged=forged)
            half = await evil.do("attack", name="half_open", tickets=[made.ticket() for _ in range(MAX_VIEWERS + 5)])
            assert half["sent"] <= MAX_VIEWERS
            after = await seen_more(honest, before, 40)
            status = await client.status()
            sessions = (await client._client.call("sessions", {})).result["sessions"]
            assert [(item["holes"], item["lost"], item["told"]) for item in after] == [(0, 0, [])] * 2
            kept = [item for item in sessions if item["session"] in wire["sessions"]]
            assert [(item["skipped_frames"], item["full_socket"], item["resent"]) for item in kept] == [(0, 0, 0)] * 2
            assert {"stranger", "malformed_stun", "unsigned_stun", "channel", "bad_rtcp", "check_flood"} <= status[
                "dropped"
            ].keys()
            log = made.log.read_text()
            assert log.count("\n") - lines <= 5, log
            assert "Traceback" not in log
        spoken = on_lan.end()
        assert spoken.keys() <= {VIEWERS, STRANGER, FORGED}
        assert spoken.get(FORGED, 0) <= spent["sent"]
        assert on_cameras.end() == {}
