"""Foreign RTSP clients see a good camera: ffprobe, and FFmpeg as PyAV has it.

ffprobe is a hard need of these tests: where it is missing they fail, they do not skip.
"""

from __future__ import annotations

import asyncio
import itertools
import json
from dataclasses import replace
from typing import Any

import av
import pytest
from av.video.stream import VideoStream

from drivers.simulated.camera import SimulatedCamera
from drivers.simulated.farm import QUICK, Farm
from drivers.simulated.faults import Look
from drivers.simulated.pacing import Pace
from gateway.core.model import StreamRole
from tests.fakes.simulated import PASSWORD
from tests.fakes.waiting import until

pytestmark = pytest.mark.anyio

PLAIN = replace(QUICK, discovery=False)
FFPROBE = "/usr/bin/ffprobe"


def login_url(camera: SimulatedCamera, role: StreamRole = StreamRole.MAIN) -> str:
    """These clients take a login only in the URL."""
    return camera.rtsp_url(role).replace("rtsp://", f"rtsp://admin:{PASSWORD}@")


async def ffprobe(camera: SimulatedCamera, transport: str, role: StreamRole = StreamRole.MAIN) -> dict[str, Any]:
    shown = "stream=codec_name,profile,width,height,has_b_frames,nb_read_frames,avg_frame_rate"
    command = [FFPROBE, "-v", "error", "-rtsp_transport", transport, "-read_intervals", "%+2", "-count_frames"]
    child = await asyncio.create_subprocess_exec(
        *command, "-show_entries", shown, "-of", "json", login_url(camera, role),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, errors = await child.communicate()
    assert child.returncode == 0, errors.decode()
    assert errors == b"", errors.decode()
    found: dict[str, Any] = json.loads(out)["streams"][0]
    return found


@pytest.mark.parametrize("transport", ["tcp", "udp"])
async def test_ffprobe(transport: str) -> None:
    """Ffprobe logs in, names codec, profile and size, and decodes without a complaint, over TCP and UDP."""
    async with Farm(1, password=PASSWORD, options=PLAIN) as f:
        found = await ffprobe(f.cameras[0], transport)
        assert (found["codec_name"], found["profile"]) == ("h264", "Constrained Baseline")
        assert (found["width"], found["height"], found["has_b_frames"]) == (320, 180, 0)
        assert found["avg_frame_rate"] == "10/1"
        assert int(found["nb_read_frames"]) >= 10
        assert f.cameras[0].bad_logins == 0


async def test_ffprobe_sub_stream() -> None:
    """The sub stream is another one, at its own rate."""
    async with Farm(1, password=PASSWORD, options=PLAIN) as f:
        assert (await ffprobe(f.cameras[0], "tcp", StreamRole.SUB))["avg_frame_rate"] == "5/1"


async def test_ffprobe_h265() -> None:
    """A camera switched to H.265 sends a main stream that ffprobe decodes as such."""
    async with Farm(1, password=PASSWORD, options=PLAIN) as f:
        await f.cameras[0].switch("h265", value=True)
        found = await ffprobe(f.cameras[0], "tcp")
        assert found["codec_name"] == "hevc"
        assert int(found["nb_read_frames"]) >= 10


async def test_ffprobe_without_parameter_sets_in_sdp() -> None:
    """Sets that come in band only are enough for a decoder."""
    async with Farm(1, password=PASSWORD, options=PLAIN) as f:
        f.cameras[0].faults.no_params_in_sdp = True
        assert (await ffprobe(f.cameras[0], "tcp"))["width"] == 320


async def test_ffprobe_paced_as_on_a_lan() -> None:
    """A camera that lets its bytes out segment by segment is read as well."""
    async with Farm(1, password=PASSWORD, options=replace(PLAIN, pace=Pace())) as f:
        assert int((await ffprobe(f.cameras[0], "tcp"))["nb_read_frames"]) >= 10


def watch(url: str, frames: int) -> tuple[list[int], list[float]]:
    """Read `frames` packets; returns their times (90 kHz) and the mean grey of the decoded pictures."""
    times: list[int] = []
    light: list[float] = []
    with av.open(url, options={"rtsp_transport": "tcp", "timeout": "20000000"}) as container:
        stream = container.streams.video[0]
        assert isinstance(stream, VideoStream)
        for packet in container.demux(stream):
            if packet.pts is not None:  # FFmpeg gives the first one none, whatever the server
                times.append(packet.pts)
            light += [float(frame.to_ndarray(format="gray").mean()) for frame in packet.decode()]
            if len(times) >= frames:
                break
    return times, light


async def test_pyav_over_the_seam_of_the_loop() -> None:
    """FFmpeg reads more frames than a loop has, and time goes on evenly over the seam."""
    async with Farm(1, password=PASSWORD, options=PLAIN) as f:
        times, light = await asyncio.to_thread(watch, login_url(f.cameras[0]), 35)
        assert {b - a for a, b in itertools.pairwise(times)} == {9000}
        assert len(light) >= 30


async def test_a_covered_lens_is_seen_by_a_viewer() -> None:
    """A look switched on while somebody watches reaches the decoder without an error."""
    async with Farm(1, password=PASSWORD, options=PLAIN) as f:
        watching = asyncio.create_task(asyncio.to_thread(watch, login_url(f.cameras[0]), 60))
        await until(lambda: f.cameras[0].calls.get("rtp_packets", 0) > 30)
        f.cameras[0].faults.look = Look.COVERED
        _, light = await watching
        assert light[0] > 100
        assert light[-1] < 60


async def test_two_viewers_one_timeline() -> None:
    """Two clients at the same time both get pictures, from one encoding."""
    async with Farm(1, password=PASSWORD, options=PLAIN) as f:
        both = [asyncio.to_thread(watch, login_url(f.cameras[0]), 12) for _ in range(2)]
        first, second = await asyncio.gather(*both)
        assert len(first[0]) == len(second[0]) == 12
