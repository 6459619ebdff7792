"""A hostile camera among good ones, against the real recorder: it learns nothing, reaches nobody, harms nobody."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.core.errors import BadInput, CameraError
from tests.fakes.frames import Shown, contains_run, plain_text_of, recorded
from tests.fakes.hostile import CANARY, LOGINS, SECRETS, Hostile, hostile
from tests.fakes.hostile_rtsp import attacks
from tests.fakes.hostile_soap import RAW, lies, lies_told
from tests.fakes.recorderd import Recorderd, recorderd, small_farm
from tests.fakes.third_host import ThirdHost
from tests.fakes.watched_process import WatchedProcess

pytestmark = [pytest.mark.anyio, pytest.mark.system]

MOST_BYTES = 64 << 20
"""How much more memory the recorder may take while it is attacked."""
GOOD = 3
OFTEN = "max_calls_per_s = 50"
"""A hundred adoptions of one camera would take minutes at the pace that spares it."""


@dataclass
class Scene:
    """A recorder with good cameras, two hostile ones, and the host nobody may speak to."""

    daemon: Recorderd
    by_rtsp: Hostile
    by_soap: Hostile
    third: ThirdHost
    good: list[str]
    shown: list[Shown]
    watched: WatchedProcess

    async def adopt(self, camera: Hostile, port: int = 8899) -> str:
        answer = await self.daemon.call(
            "adopt", address=camera.address, port=port, username="admin", password=CANARY, name="x"
        )
        return str(answer["camera"]["id"])

    async def check_neighbours(self) -> None:
        """The good cameras have no gap, one run, and on disk exactly the pictures that were shown, each once."""

        async def two_closed() -> bool:
            counts = [
                len((await self.daemon.call("segments", camera=c, stream="main", closed_only=True))["segments"])
                for c in self.good
            ]
            return min(counts) >= 2

        await self.daemon.until(two_closed)
        for camera, shown in zip(self.good, self.shown, strict=True):
            assert (await self.daemon.call("gaps", camera=camera))["gaps"] == []
            pictures = await recorded(self.daemon, camera)
            assert len(pictures) >= 50
            assert contains_run(shown.pictures, pictures), camera

    async def check_secrets(self) -> None:
        """The password stands in no file, log, command line, nor in anything anybody was sent."""
        assert plain_text_of(self.daemon.root, SECRETS) == []
        seen = self.watched.command_lines() + bytes(self.third.data)
        assert not [secret for secret in SECRETS if secret in seen]
        for camera in (self.by_rtsp, self.by_soap):
            assert (await camera.tell())["secrets_seen"] == 0


@asynccontextmanager
async def scene(root: Path) -> AsyncIterator[Scene]:
    farm = small_farm(GOOD, root)
    first = farm.cameras[0].address.rsplit(".", 1)[0]
    with ThirdHost(f"{first}.99") as third:
        async with (
            farm,
            hostile(f"{first}.66", third.address) as one,
            hostile(f"{first}.67", third.address) as other,
            recorderd(root, OFTEN) as daemon,
        ):
            shown = [Shown(camera) for camera in farm.cameras]
            good = await daemon.adopt_all(farm)
            await daemon.until_recording(GOOD)
            yield Scene(daemon, one, other, third, good, shown, WatchedProcess(daemon.pid))


async def attack_by_rtsp(stage: Scene, camera: str) -> dict[str, int]:
    """Let an adopted camera attack in every way; return the memory at its highest by then, by attack."""
    peaks, told = {}, await stage.by_rtsp.tell()
    for name in attacks(stage.third.address):
        told = await stage.by_rtsp.tell(rtsp=name)
        await stage.daemon.call("camera.login", camera=camera, username="admin", password=CANARY)
        told = await stage.by_rtsp.until_done(name, told["done"].get(name, 0), stage.daemon.log)
        peaks[name] = stage.watched.peak_bytes()
    assert told["logins"]["basic login"] == 0
    assert {name: told["logins"][name] for name in LOGINS} == LOGINS
    await stage.by_rtsp.tell(rtsp="")
    await stage.daemon.call("camera.login", camera=camera, username="admin", password=CANARY)
    await stage.daemon.until_recording(GOOD + 1)  # one that mends its ways is recorded again
    return peaks


async def attack_by_soap(stage: Scene) -> dict[str, int]:
    """Try to adopt the camera while it answers with lies and rubbish; return as `attack_by_rtsp` does."""
    peaks, told = {}, await stage.by_soap.tell()
    orders = [(told["port"], {"lie": name, "to": operation}) for name, operation in lies_told(lies(""))]
    orders += [(told["raw_port"], {"lie": "", "raw": name}) for name in RAW]
    for port, order in orders:
        await stage.by_soap.tell(**order)
        with contextlib.suppress(BadInput, CameraError):
            camera = await stage.adopt(stage.by_soap, port)  # the lie did no harm, or its RTSP was found
            await stage.daemon.call("camera.remove", camera=camera)
        peaks[str(order)] = stage.watched.peak_bytes()
    assert (await stage.by_soap.tell())["bad_logins"] == 0
    return peaks


async def test_a_hostile_camera_learns_nothing_reaches_nobody_and_harms_nobody(tmp_path: Path) -> None:
    """By RTSP and SOAP at once: no packet to a third host, no secret out, +64 MB at most, every neighbour's picture kept."""
    async with scene(tmp_path) as stage:
        camera = await stage.adopt(stage.by_rtsp)
        await stage.daemon.until_recording(GOOD + 1)
        most_bytes = stage.watched.resident_bytes() + MOST_BYTES
        stage.watched.reset_peak()
        for peaks in await asyncio.gather(attack_by_rtsp(stage, camera), attack_by_soap(stage)):
            assert {name: peak for name, peak in peaks.items() if peak > most_bytes} == {}
        assert stage.third.heard == []
        assert "Traceback" not in stage.daemon.log()
        await stage.check_secrets()
        await stage.check_neighbours()
