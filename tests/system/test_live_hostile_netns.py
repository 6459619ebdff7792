"""`vuon-live` itself between a viewers' network and a camera network, with strangers and false viewers in the first."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from tests.fakes.h264 import clip
from tests.fakes.live_attacks import foreign_candidates, long_offers
from tests.fakes.lived import Lived, lived
from tests.fakes.netlab import Netlab
from tests.fakes.spaces import HANG_S, ROOT, NoNamespaces, python_in

pytestmark = [pytest.mark.system, pytest.mark.netns, pytest.mark.anyio]

BOX, VIEWERS, STRANGER, THIRD, FORGED = "10.81.0.2", "10.81.0.11", "10.81.0.66", "10.81.0.99", "10.81.0.98"
CAMERA = "10.82.0.11"
MAX_VIEWERS = 12
CAMERAS = '[cameras]\ninterfaces = ["cams"]\n'
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


def inside(space: str) -> list[str]:
    """Return what a command is put behind to run in a namespace."""
    return ["ip", "netns", "exec", space]


class Watch:
    """Notes on a card of the box whom the box speaks to."""

    def __init__(self, space: str, card: str) -> None:
        command = [*inside(space), sys.executable, "-m", "tests.fakes.wire_watch", card]
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


@asynccontextmanager
async def crowd(lab: Netlab, space: str, run: Path, address: str) -> AsyncIterator[Crowd]:
    """People in a namespace; they leave with the block."""
    command = python_in(space, "-m", "tests.fakes.live_people", str(run), address)
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 20
    )
    try:
        made = Crowd(process)
        assert await made.read() == "ready"
        yield made
    finally:
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


async def seen_more(crowd: Crowd, before: list[dict[str, Any]], more: int) -> list[dict[str, Any]]:
    """Wait until each viewer got so many more pictures, and return what they have."""
    async with asyncio.timeout(2 * HANG_S):
        while True:
            now: list[dict[str, Any]] = await crowd.do("count")
            if all(item["pictures"] >= old["pictures"] + more for item, old in zip(now, before, strict=True)):
                return now
            await asyncio.sleep(0.1)


async def attack(box: Lived, evil: Crowd, wire: dict[str, Any]) -> int:
    """Do all that the street can; returns the bytes that were sent with forged sources and a right signature."""
    others = [[THIRD, 53], [CAMERA, 554]]
    for target, victim in zip(wire["targets"], wire["sources"], strict=True):
        await evil.do("attack", name="noise", target=target, sources=[victim, *others], packets=wire["packets"])
    refused = await evil.do("attack", name="offers", ticket=box.ticket())
    assert refused["sent"] == len(long_offers(""))
    refused = await evil.do("attack", name="candidates", ticket=box.ticket(), hosts=[THIRD, CAMERA])
    assert refused["sent"] >= len(foreign_candidates([], 400)) - 40
    forged = [[FORGED, 1000], [CAMERA, 1000]]
    spent = await evil.do("attack", name="insider", ticket=box.ticket(), forged=forged)
    half = await evil.do("attack", name="half_open", tickets=[box.ticket() for _ in range(MAX_VIEWERS + 5)])
    assert half["sent"] <= MAX_VIEWERS
    return int(spent["sent"])


async def test_hostile_people_harm_nobody_and_reach_nobody(lab: Netlab, tmp_path: Path) -> None:
    """Strangers, spoofers and four false viewers: two honest ones lose no packet, nobody else gets one, the log stays short."""
    viewers = lab.guest("lan", "v", "02:00:00:00:00:11", f"{VIEWERS}/24")
    street = lab.guest("lan", "s", "02:00:00:00:00:66", f"{STRANGER}/24")
    lab.guest("lan", "t", "02:00:00:00:00:99", f"{THIRD}/24")
    lab.guest("lan", "f", "02:00:00:00:00:98", f"{FORGED}/24")
    lab.guest("cams", "c", "02:00:00:00:01:11", f"{CAMERA}/24")
    with Watch(lab.box, "lan") as on_lan, Watch(lab.box, "cams") as on_cameras:
        async with (
            lived(tmp_path, CLIP, address=BOX, most=MAX_VIEWERS, more=CAMERAS, within=inside(lab.box)) as box,
            crowd(lab, viewers, box.run, VIEWERS) as honest,
            crowd(lab, street, box.run, STRANGER) as evil,
        ):
            wire = await honest.do("watch", tickets=[box.ticket(), box.ticket()])
            before, lines = await honest.do("count"), box.log().count("\n")
            spent = await attack(box, evil, wire)
            after = await seen_more(honest, before, 40)
            assert [(item["holes"], item["lost"], item["told"]) for item in after] == [(0, 0, [])] * 2
            kept = [item for item in await box.sessions() if item["session"] in wire["sessions"]]
            assert [(item["skipped_frames"], item["full_socket"], item["resent"]) for item in kept] == [(0, 0, 0)] * 2
            dropped = (await box.client.status())["dropped"]
            assert {
                "stranger",
                "malformed_stun",
                "unsigned_stun",
                "channel",
                "bad_rtcp",
                "check_flood",
            } <= dropped.keys()
            assert box.log().count("\n") - lines <= 5, box.log()
            assert "Traceback" not in box.log()
        spoken = on_lan.end()
        assert spoken.keys() <= {VIEWERS, STRANGER, FORGED}
        assert spoken.get(FORGED, 0) <= spent
        assert on_cameras.end() == {}
