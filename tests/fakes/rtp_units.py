"""Ways to make a depacketizer and to feed it."""

from __future__ import annotations

import pytest

from drivers.rtsp.depacketize import Depacketizer
from drivers.rtsp.parametersets import ParameterSets
from drivers.rtsp.payload import make_depacketizer
from gateway.core.media import AccessUnit, Codec
from tests.fakes.encoded import SETS, encode, kind_of, sets_of

BOTH = pytest.mark.parametrize("codec", list(Codec))
SPS, PPS = sets_of(Codec.H264, encode(Codec.H264)).values()


def maker(codec: Codec = Codec.H264, *, known: bool = True) -> tuple[Depacketizer, list[AccessUnit]]:
    """Return a depacketizer and the list its units go to."""
    units: list[AccessUnit] = []
    sets = sets_of(codec, encode(codec)).values() if known else ()
    return make_depacketizer(0, 96, ParameterSets(codec, sets), units.append), units


def slice_nal(
    size: int = 100, *, key: bool = False, first: bool = True, codec: Codec = Codec.H264, fill: int = 0x55
) -> bytes:
    """Return a slice as far as the depacketizer looks at it."""
    begin = 0x88 if first else 0x08
    if codec is Codec.H264:
        return bytes([0x65 if key else 0x41, begin]) + bytes([fill]) * (size - 2)
    return bytes([(19 if key else 1) << 1, 1, begin]) + bytes([fill]) * (size - 3)


def feed(depacketizer: Depacketizer, *frames: bytes, now_ns: int = 1) -> None:
    """Feed frames in one read, and what the hot loop leaves as the framer does."""
    data, at = b"".join(frames), 0
    while at < len(data):
        at = depacketizer.feed(data, at, now_ns)
        if at < len(data):
            stop = at + 4 + int.from_bytes(data[at + 2 : at + 4], "big")
            depacketizer.packet(data, at + 4, stop, now_ns)
            at = stop


def kept(codec: Codec, nals: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return tuple(nal for nal in nals if kind_of(codec, nal) not in SETS[codec])
