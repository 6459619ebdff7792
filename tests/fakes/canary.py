"""A picture and names that would be known again anywhere: what a thief must not find."""

from __future__ import annotations

import re
import time
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import anyio.lowlevel
import av
import numpy as np
from numpy.typing import NDArray

from gateway.core.media import AccessUnit, Codec, CodecConfig
from tests.fakes.h264 import split_start_codes
from tests.fakes.recording import Session

WIDTH, HEIGHT, FPS, GOP = 192, 128, 10, 20
PERSON, CHILD, REASON = "Nguyễn Thị Hoàng Yến 7Q", "Bé Chim Bạch Yến 4K", "bé bị ngã ở cầu trượt, chim hoàng yến 9Z"
NAMES = (PERSON, CHILD, REASON)
_FRAGMENT = re.compile(rb"moof.{4}mfhd", re.DOTALL)
"""Eight bytes: four alone occur by chance in a megabyte of noise."""
_SLICE = 32
_RICH = 20
"""Distinct bytes in 32 that make a slice unmistakable."""


@cache
def picture() -> NDArray[np.uint8]:
    """The canary as luma: coarse random blocks, so that it survives coding and nothing else looks like it."""
    blocks = np.random.default_rng(20261121).integers(30, 220, (HEIGHT // 8, WIDTH // 8), dtype=np.uint8)
    return np.kron(blocks, np.ones((8, 8), np.uint8))


@cache
def film(count: int = 120) -> tuple[AccessUnit, ...]:
    """The canary as H.264 without B-frames, fine noise over it so that every slice is rich."""
    context = av.CodecContext.create("libx264", "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = WIDTH, HEIGHT, "yuv420p"
    context.time_base, context.framerate, context.thread_count = Fraction(1, 90_000), Fraction(FPS, 1), 1
    context.options = {"preset": "ultrafast", "g": str(GOP), "keyint_min": str(GOP), "sc_threshold": "0", "bf": "0",
                       "crf": "20"}  # fmt: skip
    noise = np.random.default_rng(7)
    packets: list[av.Packet[Any]] = []
    for number in range(count):
        whole = np.full((HEIGHT * 3 // 2, WIDTH), 128, np.uint8)
        whole[:HEIGHT] = picture() + noise.integers(0, 12, (HEIGHT, WIDTH), dtype=np.uint8)
        frame = av.VideoFrame.from_ndarray(whole, format="yuv420p")
        frame.pts, frame.time_base = number * 90_000 // FPS, Fraction(1, 90_000)
        packets += context.encode(frame)
    packets += context.encode(None)
    config: CodecConfig | None = None
    units = []
    for packet in packets:
        nals = split_start_codes(bytes(packet))
        sets = {nal[0] & 31: nal for nal in nals if nal[0] & 31 in {7, 8}}
        config = config or CodecConfig(Codec.H264, sets[7], sets[8], b"", WIDTH, HEIGHT, 1)
        assert packet.pts is not None
        slices = tuple(nal for nal in nals if nal[0] & 31 in {1, 5})
        units.append(AccessUnit(slices, packet.pts, packet.is_keyframe, 0, config))
    return tuple(units)


async def show(session: Session) -> None:
    """Deliver the film as if it had been shot until now."""
    units = film()
    start_ns = time.monotonic_ns() - len(units) * 1_000_000_000 // FPS
    for number, unit in enumerate(units):
        received_ns = start_ns + number * 1_000_000_000 // FPS
        session.sink.unit(AccessUnit(unit.nals, unit.pts_90k, unit.is_key, received_ns, unit.config))
    await anyio.lowlevel.checkpoint()


def slices() -> list[bytes]:
    """Rich pieces of 32 bytes of the coded film, from every picture, and of the raw rows."""
    coded = b"".join(nal for unit in film() for nal in unit.nals)
    pieces = [coded[at : at + _SLICE] for at in range(0, len(coded) - _SLICE, _SLICE)]
    return [piece for piece in pieces if len(set(piece)) >= _RICH]


def found_in(data: bytes) -> list[str]:
    """Say what of the canary is in these bytes: pieces of the film, its rows, boxes of an MP4, names."""
    found = [name for name in NAMES if _spelled(name, data)]
    found += ["a row of the picture"] if any(bytes(row) in data for row in picture()[::8]) else []
    found += ["a fragment of MP4"] if _FRAGMENT.search(data) else []
    wanted = np.unique(np.array([int.from_bytes(item[:8], "little") for item in slices()], np.uint64))
    for shift in range(8):
        words = np.frombuffer(data[shift : shift + (len(data) - shift) // 8 * 8], "<u8")
        at = np.searchsorted(wanted, words).clip(max=len(wanted) - 1)
        if bool((wanted[at] == words).any()):
            found.append("a piece of the film")
            break
    return found


def _spelled(name: str, data: bytes) -> bool:
    """Look for a name in every spelling that a database or log would use."""
    forms = [name.encode(), name.encode("utf-16-le"), name.encode("unicode_escape"), name.encode().hex().encode()]
    return any(form in data for form in forms)


def every_byte(root: Path) -> bytes:
    """Return the contents of every file below a folder, and the names of files and folders."""
    files = sorted(path for path in root.rglob("*") if path.is_file() and not path.is_socket())
    names = "\n".join(str(path.relative_to(root)) for path in files).encode()
    return b"".join(path.read_bytes() for path in files) + names
