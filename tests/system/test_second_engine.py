"""A camera pinned to the second engine, in the real recorder daemon."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from gateway.core.errors import CameraLoginRefused
from tests.fakes.recorderd import PASSWORD, Recorderd, recorderd, small_farm

pytestmark = [pytest.mark.anyio, pytest.mark.system]


def engines(daemon: Recorderd) -> list[int]:
    """The daemon's children that run FFmpeg."""
    process = daemon._process
    assert process is not None
    found = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return [int(pid) for pid in found if b"drivers.pyav.child" in Path(f"/proc/{pid}/cmdline").read_bytes()]


async def test_it_records_and_a_dead_child_costs_one_stream_a_moment(tmp_path: Path) -> None:
    """Beside a camera of our own engine; adopted by name or by the probe, and after a restart as before."""
    async with small_farm(2, tmp_path) as farm, recorderd(tmp_path) as daemon:
        ids = []
        for camera, engine in zip(farm.cameras, ("pyav", "auto"), strict=True):
            answer = await daemon.call(
                "adopt", address=camera.address, port=camera.onvif_port, username="admin", password=PASSWORD,
                engine=engine,
            )  # fmt: skip
            ids.append(answer["camera"]["id"])
            assert answer["camera"]["engine"] == {"pyav": "pyav", "auto": "native"}[engine]
        await daemon.until_recording(2)

        async def both_streams() -> list[int]:
            found = engines(daemon)
            return found if len(found) == 2 else []

        children = await daemon.until(both_streams)
        for pid in children:
            told = Path(f"/proc/{pid}/cmdline").read_bytes() + Path(f"/proc/{pid}/environ").read_bytes()
            assert PASSWORD.encode() not in told
        os.kill(children[0], signal.SIGKILL)

        async def mended() -> bool:
            gaps = [(await daemon.call("gaps", camera=ids[0], stream=stream))["gaps"] for stream in ("main", "sub")]
            hurt = [each for each in gaps if each]
            return [len(each) for each in hurt] == [1] and not hurt[0][0]["open"]

        await daemon.until(mended)
        assert (await daemon.call("gaps", camera=ids[1]))["gaps"] == []
        assert await daemon.stop() == 0
        assert not any(Path(f"/proc/{pid}").exists() for pid in children)
        await daemon.start()
        await daemon.until_recording(2)
        await daemon.until(both_streams)
        listed = (await daemon.call("camera.list"))["cameras"]
        assert [camera["engine"] for camera in listed] == ["pyav", "native"]
        assert [camera.bad_logins for camera in farm.cameras] == [0, 0]


async def test_a_wrong_password_is_sent_once_whatever_engine_is_asked_for(tmp_path: Path) -> None:
    """The adoption fails and nothing is stored."""
    async with small_farm(1, tmp_path) as farm, recorderd(tmp_path) as daemon:
        (camera,) = farm.cameras
        with pytest.raises(CameraLoginRefused):
            await daemon.call(
                "adopt", address=camera.address, port=camera.onvif_port, username="admin", password="falsch",
                engine="auto",
            )  # fmt: skip
        assert camera.bad_logins == 1
        assert (await daemon.call("camera.list"))["cameras"] == []
