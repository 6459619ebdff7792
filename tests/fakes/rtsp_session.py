"""A camera with one H.264 stream, and its media as frames: what tests of one RTSP session share."""

from __future__ import annotations

from gateway.core.media import Codec, CodecConfig
from tests.fakes.encoded import encode, sets_of
from tests.fakes.rtp import Packetizer
from tests.fakes.rtsp_server import FakeCamera, sdp

KNOWN = sets_of(Codec.H264, encode(Codec.H264))
CONFIG = CodecConfig(Codec.H264, KNOWN[7], KNOWN[8], width=320, height=240)
HANDSHAKE = ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
PICTURES = encode(Codec.H264, 320, 240, 6)


def camera(**changes: object) -> FakeCamera:
    made = FakeCamera(sdp(CONFIG))
    for name, value in changes.items():
        setattr(made, name, value)
    return made


def media(count: int = 6, channel: int = 0) -> list[bytes]:
    packetizer = Packetizer(size=200, channel=channel)
    return [b"".join(packetizer.packets(PICTURES[number % 6], number * 6000)) for number in range(count)]
