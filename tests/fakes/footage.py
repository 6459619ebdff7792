"""Footage for storage tests: real H.264 by libx264, plain made-up units, listening events, a volume."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any, Self

import av
import numpy as np

from gateway.core.errors import StorageError
from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import RunId, StreamId
from recorder.files import VolumeFiles
from recorder.gop import RunInfo
from recorder.index import INDEX_NAME, VolumeIndex
from recorder.keys import KeyRing
from recorder.keystore import KeyStore
from recorder.rows import SegmentRow
from recorder.school import SchoolKey
from tests.fakes.clock import FakeClock
from tests.fakes.h264 import split_start_codes

START_MS = 1_795_219_200_000
"""2026-11-21 00:00:00 UTC."""
PLAIN = CodecConfig(
    Codec.H264, b"\x67\x42\xc0\x1e\xda\x02\x80\xbf\xe5\xc0\x44\x00\x00\x03", b"\x68\xce\x3c\x80", b"", 640, 360, 1
)


@cache
def encoded(
    codec: str = "libx264", frames: int = 60, fps: int = 15, gop: int = 30, *, b_frames: int = 0, size: int = 64
) -> tuple[AccessUnit, ...]:
    """Return a real encoded clip as access units in decode order, pts from 0."""
    context = av.CodecContext.create(codec, "w")
    assert isinstance(context, av.VideoCodecContext)
    context.width, context.height, context.pix_fmt = size * 2, size, "yuv420p"
    context.time_base, context.framerate = Fraction(1, 90_000), Fraction(fps, 1)
    context.thread_count = 1
    context.options = (
        {"preset": "ultrafast", "g": str(gop), "keyint_min": str(gop), "sc_threshold": "0", "bf": str(b_frames)}
        if codec == "libx264"
        else {
            "preset": "ultrafast",
            "x265-params": f"keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:log-level=none:pools=1",
        }
    )
    is_h264 = codec == "libx264"
    units: list[AccessUnit] = []
    config: CodecConfig | None = None
    packets: list[av.Packet[Any]] = []
    for number in range(frames):
        picture = np.full((size * 3 // 2, size * 2), 128, np.uint8)
        picture[:size, : (number * 3) % (size * 2)] = 40 + number % 200
        frame = av.VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts, frame.time_base = number * 90_000 // fps, Fraction(1, 90_000)
        packets += context.encode(frame)
    packets += context.encode(None)
    for packet in packets:
        sets: dict[int, bytes] = {}
        nals: list[bytes] = []
        for nal in split_start_codes(bytes(packet)):
            kind = nal[0] & 31 if is_h264 else nal[0] >> 1 & 63
            if kind in ({7, 8} if is_h264 else {32, 33, 34}):
                sets[kind] = nal
            elif kind not in ({9} if is_h264 else {35}):
                nals.append(nal)
        if config is None:
            order = (7, 8) if is_h264 else (33, 34)
            config = CodecConfig(
                Codec.H264 if is_h264 else Codec.H265,
                sets[order[0]],
                sets[order[1]],
                sets.get(32, b""),
                size * 2,
                size,
                1,
            )
        assert packet.pts is not None
        units.append(AccessUnit(tuple(nals), packet.pts, packet.is_keyframe, 0, config))
    return tuple(units)


def plain_unit(
    number: int, *, gop: int = 4, step_90k: int = 45_000, size: int = 60, config: CodecConfig = PLAIN
) -> AccessUnit:
    """Return a made-up unit; unit 0 and every `gop`-th is a key frame."""
    is_key = number % gop == 0
    nal = bytes((0x65 if is_key else 0x41,)) + number.to_bytes(4, "big") + bytes(size)
    return AccessUnit((nal,), number * step_90k, is_key, 0, config)


def plain_units(count: int, *, gop: int = 4, step_90k: int = 45_000, size: int = 60) -> Iterator[AccessUnit]:
    """Yield made-up units: half a second each, a GOP of 2 s."""
    return (plain_unit(number, gop=gop, step_90k=step_90k, size=size) for number in range(count))


def run_of(stream: int = 1, run: int = 1, start_ms: int = START_MS, offset_ms: int = 0) -> RunInfo:
    """Return a run."""
    return RunInfo(RunId(run), StreamId(stream), start_ms, offset_ms)


class Heard:
    """What a writer told."""

    def __init__(self) -> None:
        self.closed: list[SegmentRow] = []
        self.drops: list[tuple[int, int, int, str]] = []
        self.errors: list[StorageError] = []
        self.changed = threading.Condition()

    def segment_closed(self, row: SegmentRow) -> None:
        with self.changed:
            self.closed.append(row)
            self.changed.notify_all()

    def dropped(self, stream: StreamId, from_ms: int, to_ms: int, cause: str) -> None:
        with self.changed:
            self.drops.append((stream, from_ms, to_ms, cause))
            self.changed.notify_all()

    def storage_error(self, error: StorageError) -> None:
        with self.changed:
            self.errors.append(error)
            self.changed.notify_all()


def school_key(folder: Path) -> SchoolKey:
    """Return the key of a school whose box keeps it, made in this folder on first use."""
    folder.mkdir(parents=True, exist_ok=True)
    return KeyStore(folder, "box", FakeClock()).load()


class Box:
    """A volume with index and keys in a folder, without the marker's ceremony."""

    def __init__(
        self, root: Path, *, files: VolumeFiles | None = None, encrypted: bool = True, school: SchoolKey | None = None
    ) -> None:
        self.root = root
        self.files = files or VolumeFiles(root)
        self.index = VolumeIndex(root / INDEX_NAME)
        self.school = school or school_key(root / ".keys")
        self.ring = KeyRing(self.files, self.school) if encrypted else None
        self.heard = Heard()

    def __enter__(self) -> Self:
        self.index.open()
        return self

    def __exit__(self, *error: object) -> None:
        self.index.close()
        self.files.close_root()

    def segment_files(self) -> list[str]:
        """Return the paths of all segment files, closed and running."""
        return sorted(
            str(path.relative_to(self.root)) for path in self.root.rglob("*-*.*") if path.suffix in {".seg", ".part"}
        )
