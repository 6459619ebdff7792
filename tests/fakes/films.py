"""Films for tests: the pictures of an encoder in a container, with any options."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.audio.stream import AudioStream
from av.video.stream import VideoStream

FPS = 10


def film(
    path: Path,
    *,
    pictures: int = 25,
    codec: str = "libx264",
    gop: int = 10,
    b_frames: int = 0,
    size: tuple[int, int] = (320, 240),
    first_pts: int = 0,
) -> Path:
    """Write a film of moving stripes; returns its path."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        assert isinstance(stream, VideoStream)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        stream.time_base = Fraction(1, FPS)
        params = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes={b_frames}"
        if codec == "libx265":
            params += ":log-level=none:pools=none:frame-threads=1"
        stream.options = {"preset": "ultrafast", f"x{codec[4:]}-params": params}
        for number in range(pictures):
            picture = np.zeros((size[1], size[0], 3), dtype=np.uint8)
            picture[:, :, 1] = (np.arange(size[0])[None, :] * 3 + 16 * number) % 256
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = first_pts + number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def tone(path: Path) -> Path:
    """Write a film without pictures."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=16_000)
        assert isinstance(stream, AudioStream)
        for number in range(8):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            sound.rate, sound.pts, sound.time_base = 16_000, number * 1024, Fraction(1, 16_000)
            container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    return path
