"""Real H.264 and H.265 from PyAV's encoders, as NAL units per picture, with any encoder options."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np

from gateway.core.media import Codec
from tests.fakes.h264 import split_start_codes

SETS = {Codec.H264: frozenset({7, 8}), Codec.H265: frozenset({32, 33, 34})}


def kind_of(codec: Codec, nal: bytes) -> int:
    """Return the NAL unit type."""
    return nal[0] & 31 if codec is Codec.H264 else nal[0] >> 1 & 63


def is_key(codec: Codec, nals: tuple[bytes, ...]) -> bool:
    """Say whether an access unit has a key picture."""
    keys = frozenset({5}) if codec is Codec.H264 else frozenset(range(16, 22))
    return any(kind_of(codec, nal) in keys for nal in nals)


@lru_cache(maxsize=64)
def encode(
    codec: Codec,
    width: int = 320,
    height: int = 240,
    pictures: int = 1,
    *,
    options: tuple[tuple[str, str], ...] = (),
    pixels: str = "yuv420p",
    gop: int = 4,
    params: str = "",
) -> tuple[tuple[bytes, ...], ...]:
    """Encode moving stripes; each picture is the tuple of its NAL units, key frames carry the sets."""
    name = "libx264" if codec is Codec.H264 else "libx265"
    encoder = av.CodecContext.create(name, "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, pixels
    encoder.time_base, encoder.framerate = Fraction(1, 15), Fraction(15, 1)
    common = f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:repeat-headers=1" + (f":{params}" if params else "")
    if codec is Codec.H265:
        common += ":log-level=none:pools=none:frame-threads=1"
    encoder.options = {
        "preset": "ultrafast",
        "tune": "zerolatency",
        f"x{name[4:]}-params": common,
        **dict(options),
    }
    packets = []
    for number in range(pictures):
        picture = np.zeros((height, width, 3), dtype=np.uint8)
        picture[:, :, 1] = (np.arange(width)[None, :] * 3 + 7 * number) % 256
        picture[:, :, 0] = (np.arange(height)[:, None] * 5 + number) % 256
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return tuple(tuple(split_start_codes(bytes(packet))) for packet in packets)


def sets_of(codec: Codec, units: tuple[tuple[bytes, ...], ...]) -> dict[int, bytes]:
    """Return the first parameter set of each kind."""
    found: dict[int, bytes] = {}
    for nal in itertools.chain.from_iterable(units):
        if kind_of(codec, nal) in SETS[codec]:
            found.setdefault(kind_of(codec, nal), nal)
    return found


def decodes(codec: Codec, units: Iterable[Iterable[bytes]]) -> int:
    """Decode access units in order, strictly; return how many pictures came out."""
    decoder = av.CodecContext.create("h264" if codec is Codec.H264 else "hevc", "r")
    packets = [av.Packet(b"".join(b"\0\0\0\1" + nal for nal in nals)) for nals in units]
    return sum(len(decoder.decode(packet)) for packet in packets) + len(decoder.decode(None))
