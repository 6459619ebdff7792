"""A looping H.265 clip, as `tests.fakes.h264` has one of H.264."""

from __future__ import annotations

from functools import lru_cache

from gateway.core.media import Codec, CodecConfig
from tests.fakes.encoded import SETS, encode, is_key, kind_of
from tests.fakes.h264 import Clip


@lru_cache(maxsize=8)
def h265_clip(
    width: int = 320, height: int = 240, fps: int = 20, gop: int = 20, count: int = 40, *, params: str = ""
) -> Clip:
    """Encode moving stripes; `params`: more of x265's own."""
    return as_clip(Codec.H265, encode(Codec.H265, width, height, count, gop=gop, params=params), width, height, fps)


def as_clip(codec: Codec, pictures: tuple[tuple[bytes, ...], ...], width: int, height: int, fps: int = 20) -> Clip:
    """Return encoded pictures as a clip: sets apart, key frames marked."""
    sets = {kind_of(codec, nal): nal for nal in pictures[0] if kind_of(codec, nal) in SETS[codec]}
    vps, sps, pps = (sets.get(kind, b"") for kind in ((32, 33, 34) if codec is Codec.H265 else (0, 7, 8)))
    slices = tuple((tuple(nal for nal in nals if _is_slice(codec, nal)), is_key(codec, nals)) for nals in pictures)
    return Clip(CodecConfig(codec, sps, pps, vps, width, height, 1), slices, fps)


def _is_slice(codec: Codec, nal: bytes) -> bool:
    kind = kind_of(codec, nal)
    return kind < 32 if codec is Codec.H265 else 1 <= kind <= 5
