"""Cameras nobody here wrote, against our discovery, adoption, RTSP client and recorder."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import av
import pytest

from drivers.gate import GateState, LoginGate
from drivers.rtsp.network import RtspNetwork
from drivers.rtsp.source import RtspSource
from drivers.rtsponly import first_look
from gateway.core.errors import CameraError, CameraLoginRefused
from gateway.core.media import Codec
from gateway.core.model import Action, Login, Secret
from tests.fakes.films import FPS
from tests.fakes.recorderd import Recorderd, recorderd
from tests.foreign.cameras import PASSWORD, USER, Foreign, gstreamer, ipycam

pytestmark = [pytest.mark.anyio, pytest.mark.system]
GST = "127.64.10.1"


async def until_closed(daemon: Recorderd, camera: str) -> list[dict[str, Any]]:
    """Wait for the first whole segment of the main stream."""

    async def closed() -> list[dict[str, Any]]:
        return list((await daemon.call("segments", camera=camera, stream="main", closed_only=True))["segments"])

    found = await daemon.until(closed)
    return list(found)


async def check_film(daemon: Recorderd, camera: str, size: tuple[int, int]) -> None:
    """A whole segment is exported, and each of its pictures decodes, in the order of its time."""
    row = (await until_closed(daemon, camera))[0]
    span = {"from_ms": row["start_ms"], "to_ms": row["start_ms"] + row["duration_ms"]}
    ticket = daemon.ticket(camera, Action.EXPORT, **span)
    parts = [part async for part in daemon.client.stream("export", {"ticket": ticket, "segment": row["path"]})]
    with av.open(io.BytesIO(b"".join(parts)), "r") as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
        frames = [frame for packet in packets for frame in packet.decode()]
    assert {(frame.width, frame.height) for frame in frames} == {size}
    times = [frame.pts for frame in frames if frame.pts is not None]
    assert len(times) == len(packets) >= 2 * FPS
    assert times == sorted(set(times))


async def adopt(daemon: Recorderd, camera: Foreign, **more: object) -> dict[str, Any]:
    answer = await daemon.call("adopt", address=camera.address, username=USER, password=PASSWORD, **more)
    return dict(answer["camera"])


async def test_foreign_cameras_are_found_adopted_and_recorded(tmp_path: Path) -> None:
    """One by WS-Discovery and ONVIF, the other by its RTSP path and Digest: recorded without a gap, as they play."""
    with ipycam(tmp_path / "ipycam") as first, gstreamer(tmp_path / "gst", GST) as second:
        async with recorderd(tmp_path) as daemon:
            found = {(item["address"], item["port"]) for item in (await daemon.call("discover"))["found"]}
            assert (first.address, first.onvif_port) in found
            by_onvif = await adopt(daemon, first, port=first.onvif_port)
            by_path = await adopt(daemon, second, rtsp_path=f":{second.rtsp_port}/main")
            assert (by_onvif["driver"], by_onvif["manufacturer"]) == ("onvif", "PythonCam")
            assert [(s["stream"], s["width"]) for s in by_onvif["streams"]] == [("main", 640), ("sub", 320)]
            assert (by_path["driver"], by_path["streams"][0]["width"]) == ("rtsp", 320)
            await daemon.until_recording(2)
            await check_film(daemon, by_onvif["id"], (640, 360))
            await check_film(daemon, by_path["id"], (320, 240))
            for camera in (by_onvif, by_path):
                assert (await daemon.call("gaps", camera=camera["id"]))["gaps"] == []
            second.process.kill()

            async def down() -> bool:
                return str(next(c["state"] for c in await daemon.cameras() if c["id"] == by_path["id"])) == "down"

            await daemon.until(down)
            assert next(c["recording"] for c in await daemon.cameras() if c["id"] == by_onvif["id"])
        assert PASSWORD not in (tmp_path / "recorder.log").read_text()


async def test_gstreamers_login_is_answered_once(tmp_path: Path) -> None:
    """Both paths play with the right password; a wrong one is refused and not sent a second time."""
    with gstreamer(tmp_path / "gst", GST) as camera:
        async with RtspNetwork() as network:
            gate = LoginGate(Login(USER, Secret(PASSWORD)))
            for path, width in (("/main", 320), ("/sub", 160)):
                seen = await first_look(network, RtspSource(GST, camera.rtsp_port, path), gate)
                assert (seen.codec, seen.width) == (Codec.H264, width)
            wrong = LoginGate(Login(USER, Secret("wrong")))
            for _ in range(2):
                with pytest.raises(CameraLoginRefused):
                    await first_look(network, RtspSource(GST, camera.rtsp_port, "/main"), wrong)
            assert wrong.state is GateState.REFUSED
            with pytest.raises(CameraError):
                await first_look(network, RtspSource(GST, camera.rtsp_port, "/none"), gate)
            assert gate.state is GateState.PROVEN
