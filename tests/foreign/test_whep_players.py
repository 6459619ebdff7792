"""Players nobody here wrote watch live video with a token: the real gateway decides, the real sessions send."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.h264 import clip
from tests.fakes.whole_gateway import WholeGateway, whole_gateway
from tests.foreign.places import HANG_S, HERE, need

pytestmark = [pytest.mark.system]
PYTHON = "/usr/bin/python3"
"""Debian's own, which has python3-gi."""
REMEDY = "apt-get install python3-gi gir1.2-gst-plugins-bad-1.0 gstreamer1.0-plugins-bad gstreamer1.0-nice gstreamer1.0-libav"


async def gstreamer(url: str, token: str, frames: int) -> tuple[int, list[dict[str, Any]]]:
    """Play with GStreamer; returns its exit status and what it said."""
    process = await asyncio.create_subprocess_exec(
        PYTHON, str(HERE / "gst_whep.py"), url, token, str(frames),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        async with asyncio.timeout(HANG_S):
            out, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    need(b"No module named 'gi'" not in err and b"not available" not in err, "GStreamer's webrtcbin", REMEDY)
    said = [json.loads(line) for line in out.splitlines()]
    assert said, err.decode()
    return process.returncode or 0, said


def test_gstreamer_plays_with_a_bearer_token_until_it_is_taken_back(tmp_path: Path) -> None:
    """Webrtcbin decodes the camera's pictures and ends its session; each look is audited; a dead token opens nothing."""
    need(shutil.which(PYTHON), PYTHON, REMEDY)

    async def scenario(box: WholeGateway) -> None:
        made = await box.call("player.new", person="Cô Hà", label="TV sảnh", days=1)
        url, before = made["url"] + box.camera, await box.audit()
        status, said = await gstreamer(url, made["token"], 20)
        assert status == 0
        assert said[0]["status"] == 201
        assert said[0]["patch"] == "application/trickle-ice-sdpfrag"
        assert said[1] == {"frames": 20, "width": 640, "height": 360}
        assert said[2] == {"deleted": 200}
        assert await box.audit() >= before + 2, "one row when it began, one when it ended"
        assert box.live.sessions.ended["viewer.left"] == 1
        await box.call("player.end", player="TV sảnh")
        status, said = await gstreamer(url, made["token"], 1)
        assert (status, said[0]["status"]) == (1, 401)
        assert len(box.live.sessions) == 0

    async def body() -> None:
        async with whole_gateway(tmp_path, clip(640, 360)) as box:
            await scenario(box)
        assert box.live.faults == []

    asyncio.run(body())
