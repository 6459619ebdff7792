"""Asking cameras of ours for key frames: the drivers' call in the recorder's words.

Owns the translation. Invariant: a camera is asked through its one login gate and its one turn of calls.
"""

from __future__ import annotations

from drivers.gate import LoginGate
from gateway.core.errors import CameraUnsupported
from gateway.roofs.onvifvisits import OnvifVisits
from recorder.host import Gate
from recorder.keyframes import AskKeyFrame
from recorder.registry import Camera, Stream


def key_frames_by(visits: OnvifVisits) -> AskKeyFrame:
    """Return what asks by ONVIF (SetSynchronizationPoint)."""

    async def ask(camera: Camera, stream: Stream, gate: Gate) -> None:
        if not isinstance(gate, LoginGate) or not stream.spec.token:
            raise CameraUnsupported("this stream has no name to ask by", stream=stream.role.value)
        async with visits.to(camera, gate) as driver:
            await driver.key_frame(stream.spec.token)

    return ask
