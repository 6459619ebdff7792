"""Cameras with addresses of their own, in namespaces joined to nothing else: every packet the box sends is seen."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.core.errors import BadInput, CameraError
from tests.fakes.frames import contains_run, plain_text_of, recorded, slices
from tests.fakes.hostile import CANARY, SECRETS, Hostile, hostile
from tests.fakes.hostile_rtsp import UNITS, attacks
from tests.fakes.hostile_soap import lies, lies_told
from tests.fakes.recorderd import HANG_S, ROOT, Recorderd, recorderd
from tests.fakes.spaces import ip

pytestmark = [pytest.mark.anyio, pytest.mark.system, pytest.mark.netns]

BOX, CARD = "10.79.0.2", "cams"
GOOD, EVIL, THIRD = ("10.79.0.11", "10.79.0.12"), "10.79.0.66", "10.79.0.99"
LURES = (
    "redirect", "redirect with another login", "redirect after the login", "redirect to a web server",
    "redirect at play", "redirect request", "control elsewhere", "media from elsewhere",
)  # fmt: skip
SOAP_LURES = ("a DTD elsewhere", "a schema elsewhere", "HTTP 307", "services elsewhere", "stream elsewhere")


def inside(namespace: str) -> list[str]:
    return ["ip", "netns", "exec", namespace]


@pytest.fixture
def names() -> Iterator[dict[str, str]]:
    """A box whose bridge joins one namespace per host; returns the namespaces by address."""
    mark = f"vh{os.getpid()}"
    made = {address: f"{mark}n{number}" for number, address in enumerate((BOX, *GOOD, EVIL, THIRD))}
    box = made[BOX]
    try:
        try:
            for name in made.values():
                ip("netns", "add", name)
                ip("-n", name, "link", "set", "lo", "up")
            ip("-n", box, "link", "add", CARD, "type", "bridge", "mcast_snooping", "0")
            ip("-n", box, "addr", "add", f"{BOX}/24", "dev", CARD)
            ip("-n", box, "link", "set", CARD, "up")
            for number, (address, name) in enumerate(list(made.items())[1:]):
                port = f"port{number}"
                ip("-n", box, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
                ip("-n", box, "link", "set", port, "master", CARD, "up")
                ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
                ip("-n", name, "link", "set", "eth0", "up")
                ip("-n", name, "route", "add", "default", "via", BOX)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no network namespaces here: {error}")
        yield made
    finally:
        for name in made.values():
            with contextlib.suppress(OSError, subprocess.CalledProcessError):  # one that was never made
                ip("netns", "del", name)


@dataclass
class Watch:
    """The process that notes whom the box speaks to."""

    process: subprocess.Popen[str]

    def end(self) -> set[str]:
        """Return every address that was spoken to."""
        said, _ = self.process.communicate(timeout=HANG_S)
        told = json.loads(said)
        assert told["missed"] == 0
        return set(told["asked"])


@contextlib.contextmanager
def watch(namespace: str) -> Iterator[Watch]:
    command = [*inside(namespace), sys.executable, "-m", "tests.fakes.wire_watch", CARD]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield Watch(process)
    finally:
        process.kill()
        process.communicate(timeout=HANG_S)


@asynccontextmanager
async def network(names: dict[str, str], root: Path) -> AsyncIterator[tuple[Recorderd, list[Hostile], Watch]]:
    """The recorder in the box, a camera in each of the others (the last one hostile), and the watch."""
    async with AsyncExitStack() as stack:
        wire = stack.enter_context(watch(names[BOX]))
        cameras = [await stack.enter_async_context(hostile(at, THIRD, inside(names[at]))) for at in (*GOOD, EVIL)]
        daemon = await stack.enter_async_context(recorderd(root, "max_calls_per_s = 50", inside(names[BOX])))
        yield daemon, cameras, wire


async def adopt(daemon: Recorderd, address: str) -> str:
    answer = await daemon.call("adopt", address=address, port=8899, username="admin", password=CANARY, name=address)
    return str(answer["camera"]["id"])


async def test_no_packet_leaves_for_a_third_host(names: dict[str, str], tmp_path: Path) -> None:
    """Lured by RTSP and SOAP the box speaks to its cameras only, also by ARP, and the neighbours lose no picture."""
    async with network(names, tmp_path) as (daemon, cameras, wire):
        *good, evil = [await adopt(daemon, camera.address) for camera in cameras]
        attacker = cameras[-1]
        await daemon.until_recording(len(cameras))
        for name in LURES:
            told = await attacker.tell(rtsp=name)
            await daemon.call("camera.login", camera=evil, username="admin", password=CANARY)
            await attacker.until_done(name, told["done"].get(name, 0), daemon.log)
        for name, operation in lies_told(SOAP_LURES):
            await attacker.tell(lie=name, to=operation)
            with contextlib.suppress(BadInput, CameraError):
                again = await adopt(daemon, EVIL)  # the lie did no harm: what it is learned from is not ours yet
                await daemon.call("camera.remove", camera=again)

        async def closed() -> bool:  # one closed and one open, main and sub
            return min([len(await daemon.segments(camera)) for camera in good]) >= 4

        await daemon.until(closed)
        loop = [slices(nals) for nals in UNITS]
        for camera in good:
            assert (await daemon.call("gaps", camera=camera))["gaps"] == []
            pictures = await recorded(daemon, camera)
            assert len(pictures) >= len(loop) / 2
            assert contains_run(loop * (len(pictures) // len(loop) + 2), pictures)
        assert (await attacker.tell())["secrets_seen"] == 0
        assert plain_text_of(tmp_path, SECRETS) == []
        assert await daemon.stop() == 0
        assert wire.end() - {"127.0.0.1"} == {*GOOD, EVIL}


def test_attacks_named_here_exist() -> None:
    """Misspelt names would lure nobody."""
    assert set(LURES) <= set(attacks(THIRD))
    assert set(SOAP_LURES) <= set(lies(THIRD))
