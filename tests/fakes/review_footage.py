"""Recorded footage that never was: real fragments whose pictures say which instant they show.

A group of pictures of two seconds is black and white blocks: a row of eight bits with its number modulo `CODES`, the
same row inverted below, and a row of four bits with the number of the picture in the group. `CODES` is prime, so
that no whole number of minutes or hours off looks right.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache

import av
import numpy as np

from gateway.core.media import Codec, CodecConfig
from recorder.fmp4 import Sample, fragment, init_segment, rebase
from tests.fakes.encoded import is_key, sets_of
from tests.fakes.h264 import split_start_codes

GOP_MS, SEGMENT_MS, MINUTE_MS = 2000, 60_000, 60_000
FPS, CODES = 5, 251
PICTURES = FPS * GOP_MS // 1000
TICKS_PER_MS = 90


def drawn(code: int, picture: int, width: int, height: int) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """One picture that says its number."""
    bits = [code >> bit & 1 for bit in range(8)]
    rows = (bits, [1 - bit for bit in bits], [picture >> bit & 1 for bit in range(4)] * 2)
    image = np.full((height, width, 3), 60, dtype=np.uint8)
    for row, values in enumerate(rows):
        for column, value in enumerate(values):
            top, left = row * height // 4, column * width // 8
            image[top : top + height // 4, left : left + width // 8] = 235 if value else 20
    return image


@lru_cache(maxsize=8)
def gops(width: int, height: int, codec: Codec = Codec.H264) -> tuple[CodecConfig, tuple[bytes, ...]]:
    """All groups there are, as fragments that begin at 0, and what decodes them."""
    encoder = av.CodecContext.create("libx264" if codec is Codec.H264 else "libx265", "w")
    assert isinstance(encoder, av.VideoCodecContext)
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.time_base, encoder.framerate = Fraction(1, FPS), Fraction(FPS, 1)
    params = f"keyint={PICTURES}:min-keyint={PICTURES}:scenecut=0:bframes=0:repeat-headers=1"
    name = "x264" if codec is Codec.H264 else "x265"
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency", f"{name}-params": params}
    count = CODES if codec is Codec.H264 else 1
    packets = []
    for number in range(count * PICTURES):
        frame = av.VideoFrame.from_ndarray(drawn(number // PICTURES, number % PICTURES, width, height), format="rgb24")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    units = tuple(tuple(split_start_codes(bytes(packet))) for packet in packets)
    sets = sets_of(codec, units)
    config = (
        CodecConfig(codec, sets[7], sets[8], width=width, height=height)
        if codec is Codec.H264
        else CodecConfig(codec, sets[33], sets[34], sets[32], width, height)
    )
    made = [_fragment(codec, units[at : at + PICTURES]) for at in range(0, len(units), PICTURES)]
    return config, tuple(made)


def _fragment(codec: Codec, units: tuple[tuple[bytes, ...], ...]) -> bytes:
    head = frozenset({7, 8}) if codec is Codec.H264 else frozenset({32, 33, 34})
    kept = [
        [nal for nal in unit if (nal[0] & 31 if codec is Codec.H264 else nal[0] >> 1 & 63) not in head]
        for unit in units
    ]
    samples = [Sample(90_000 // FPS, sum(len(nal) + 4 for nal in unit), is_key(codec, tuple(unit))) for unit in kept]
    return fragment(1, 0, samples, [nal for unit in kept for nal in unit])


@dataclass
class Footage:
    """One stream's days: everything between `start_ms` and `newest_ms` but the gaps."""

    width: int
    height: int
    start_ms: int
    newest_ms: int
    gaps: list[tuple[int, int, str]] = field(default_factory=list)
    changes_ms: int | None = None
    """From here on, pictures have another size: a second config."""
    codec: Codec = Codec.H264
    loop: tuple[CodecConfig, tuple[bytes, ...]] | None = None
    """Fragments of two seconds to go round instead of the drawn numbers."""

    def made(self, at_ms: int) -> tuple[CodecConfig, tuple[bytes, ...]]:
        """What decodes the pictures of an instant, and all fragments they are taken from."""
        _, (width, height) = self.size_at(at_ms)
        return self.loop or gops(width, height, self.codec)

    def fragment_at(self, at_ms: int) -> bytes:
        """The fragment of an instant, at time 0."""
        fragments = self.made(at_ms)[1]
        return fragments[self.code_at(at_ms) % len(fragments)]

    def size_at(self, at_ms: int) -> tuple[int, tuple[int, int]]:
        """The config's number and size at an instant."""
        later = self.changes_ms is not None and at_ms >= self.changes_ms
        return (
            (2, (self.width // 2 // 16 * 16, self.height // 2 // 16 * 16)) if later else (1, (self.width, self.height))
        )

    def code_at(self, at_ms: int) -> int:
        """What the picture of an instant says."""
        return at_ms // GOP_MS % CODES

    def recorded(self, at_ms: int) -> bool:
        """Whether the group of an instant exists: the whole of it lies outside the gaps."""
        start = at_ms // GOP_MS * GOP_MS
        whole = self.start_ms <= start and start + GOP_MS <= self.newest_ms
        return whole and not any(start < to and start + GOP_MS > since for since, to, _ in self.gaps)

    def spans(self, from_ms: int, to_ms: int) -> list[list[int]]:
        """Stretches with footage."""
        found: list[list[int]] = [[max(from_ms, self.start_ms), min(to_ms, self.newest_ms)]]
        for since, to, _ in sorted(self.gaps):
            last = found[-1]
            if last[0] < since < last[1]:
                found[-1:] = [[last[0], since], [min(to, last[1]), last[1]]]
        return [span for span in found if span[1] > span[0]]

    def gop(self, start_ms: int) -> bytes:
        """The fragment of a group, at its true time."""
        head, rest = rebase(self.fragment_at(start_ms), start_ms // GOP_MS, start_ms * TICKS_PER_MS)
        return head + bytes(rest)

    def init(self, config: int) -> bytes:
        """The init segment of a config."""
        return init_segment(self.made(self.start_ms if config == 1 else self.newest_ms)[0])

    def mime(self, config: int) -> str:
        """What a browser is asked whether it can play."""
        if self.codec is not Codec.H264:
            return 'video/mp4; codecs="hvc1.9.9.L999.B0"'
        sps = self.made(self.start_ms if config == 1 else self.newest_ms)[0].sps
        return f'video/mp4; codecs="avc1.{sps[1:4].hex()}"'

    def segment(self, start_ms: int) -> list[list[int]]:
        """The groups of one minute: start, duration, offset, size, key."""
        found, offset = [], 0
        for at_ms in range(start_ms, start_ms + SEGMENT_MS, GOP_MS):
            if self.recorded(at_ms):
                size = len(self.fragment_at(at_ms))
                found.append([at_ms, GOP_MS, offset, size, 1])
                offset += size
        return found
