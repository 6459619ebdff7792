"""Who can be asked for a key frame, and through which gate."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import cast

import pytest

from drivers.gate import LoginGate
from drivers.onvif.pace import CallPool
from gateway.core.errors import CameraUnsupported
from gateway.core.model import CameraId, Login, PublicId, Secret, StreamId
from gateway.roofs.keyframes import key_frames_by
from gateway.roofs.onvifvisits import OnvifVisits
from recorder.host import Gate
from recorder.registry import Camera, Stream
from tests.fakes.clock import FakeClock
from tests.fakes.recording import new_camera

GATE = LoginGate(Login("admin", Secret("x")))


@pytest.mark.parametrize(
    ("driver", "token", "gate"),
    [("rtsp", "main", GATE), ("onvif", "", GATE), ("onvif", "main", object())],
    ids=["stream only", "unnamed", "foreign gate"],
)
def test_who_has_no_onvif_is_not_asked(driver: str, token: str, gate: object) -> None:
    """A camera known by its stream only, a stream without a name, and a gate that is none of ours: no packet is sent."""
    about = replace(new_camera(), driver=driver)
    stream = Stream(StreamId(1), PublicId("c" * 16), replace(about.streams[0], token=token))
    camera = Camera(CameraId(1), PublicId("c" * 16), about, (stream,), 0)
    ask = key_frames_by(OnvifVisits(FakeClock(), CallPool()))
    with pytest.raises(CameraUnsupported):
        asyncio.run(ask(camera, stream, cast(Gate, gate)))
