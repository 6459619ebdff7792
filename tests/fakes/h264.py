"""Encoded pictures for tests: real H.264 from PyAV, as access units without start codes."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np

from gateway.core.media import AccessUnit, Codec, CodecConfig


@dataclass(frozen=True, slots=True)
class Clip:
    """A looping clip: parameter sets and coded pictures, the first of each GOP is a key frame."""

    config: CodecConfig
    pictures: tuple[tuple[tuple[bytes, ...], bool], ...]
    fps: int

    def unit(self, number: int, received_mono_ns: int) -> AccessUnit:
        """Return picture `number` of the endless loop."""
        nals, is_key = self.pictures[number % len(self.pictures)]
        return AccessUnit(nals, number * 90_000 // self.fps, is_key, received_mono_ns, self.config)


def split_start_codes(data: bytes) -> list[bytes]:
    """Split an Annex B byte stream into NAL units."""
    parts, at = [], data.find(b"\x00\x00\x01")
    while at != -1:
        following = data.find(b"\x00\x00\x01", at + 3)
        end = len(data) if following == -1 else following
        parts.append(data[at + 3 : end].rstrip(b"\x00") if following != -1 else data[at + 3 :])
        at = following
    return parts


MARK_BITS = 8
"""A mark is a row of white and black blocks along the lower edge, lowest bit left."""


@lru_cache(maxsize=24)
def clip(
    width: int = 320,
    height: int = 240,
    fps: int = 20,
    gop: int = 20,
    count: int = 40,
    noise: int = 0,
    slices: int = 1,
    mark: int | None = None,
) -> Clip:
    """Encode a moving test picture; `noise` makes frames bigger, `slices` cuts each picture, `mark` is written in it: see `MARK_BITS`."""
    encoder = av.CodecContext.create("libx264", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, fps), Fraction(fps, 1)
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        "profile": "baseline",
        "x264-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:slices={slices}:bframes=0:repeat-headers=1",
    }
    dice = np.random.default_rng(1)
    packets = []
    for number in range(count):
        picture = np.zeros((height, width, 3), dtype=np.uint8)
        picture[:, :, 0] = (np.arange(width)[None, :] + 3 * number) % 256
        picture[(number * 4) % height : (number * 4) % height + 24, 40:104] = 255
        if mark is not None:
            for bit in range(MARK_BITS):
                at = bit * width // MARK_BITS
                picture[-height // 4 :, at : at + width // MARK_BITS] = 255 if mark >> bit & 1 else 0
        if noise:
            picture += dice.integers(0, noise, picture.shape, dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    sps = pps = b""
    pictures = []
    for packet in packets:
        nals = []
        for nal in split_start_codes(bytes(packet)):
            kind = nal[0] & 0x1F
            if kind == 7:
                sps = nal
            elif kind == 8:
                pps = nal
            elif kind != 9:
                nals.append(nal)
        pictures.append((tuple(nals), any(nal[0] & 0x1F == 5 for nal in nals)))
    return Clip(CodecConfig(Codec.H264, sps, pps, width=width, height=height, epoch=1), tuple(pictures), fps)
