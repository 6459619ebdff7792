"""One stream of any codec we record to small H.264 pictures. Runs in the transcoder's process only.

Owns decoder and encoder. Invariants: one thread each (the cage starts none); what does not decode costs the pictures
up to the next key frame and is counted, never raised; the first picture, and the first after anything was lost or
changed, is a key frame; media time and time of receipt of a shown picture are its source's.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace
from fractions import Fraction
from typing import Any

import av
from av.video.frame import PictureType

from drivers.annexb import split_annex_b
from gateway.core.media import TICKS_PER_S, AccessUnit, Codec, CodecConfig
from gateway.live.transcoder.pace import FPS, KEY_EVERY_90K, LEAST_SIDE, MOST_SIDE, Thinner, fitted

_NAMES = {Codec.H264: "h264", Codec.H265: "hevc"}
_BASE = Fraction(1, TICKS_PER_S)
_START = b"\0\0\0\1"
_SPS, _PPS, _IDR, _SLICE = 7, 8, 5, 1
_BACK_90K = TICKS_PER_S
"""A step back by more than that is a new run of the source, not the order of its pictures."""
_REMEMBERED = 64
ENCODER = {
    "preset": "ultrafast",
    "tune": "zerolatency",
    "profile": "baseline",
    "crf": "26",
    "maxrate": "700k",
    "bufsize": "700k",
    "forced-idr": "1",
    "x264-params": "keyint=infinite:scenecut=0:bframes=0:annexb=1:repeat-headers=1:aud=0",
}
"""What every browser decodes in hardware, at most what a sub stream may have (see the doctor's `sub_bitrate`)."""


def decoder(codec: Codec) -> Any:
    """Return an open decoder of one thread."""
    context: Any = av.CodecContext.create(_NAMES[codec], "r")
    context.thread_count = 1
    context.options = {"flags": "low_delay"}
    context.open()
    return context


def encoder(width: int, height: int) -> Any:
    """Return an encoder of one thread."""
    context: Any = av.CodecContext.create("libx264", "w")
    context.width, context.height, context.pix_fmt = width, height, "yuv420p"
    context.time_base, context.framerate, context.thread_count = _BASE, Fraction(FPS, 1), 1
    context.options = dict(ENCODER)
    return context


class SmallPictures:
    """Takes the access units of one stream in decode order."""

    def __init__(self) -> None:
        self._source: CodecConfig | None = None
        self._decoder: Any = None
        self._waits_for_key = True
        self._encoder: Any = None
        self._size = (0, 0)
        self._config: CodecConfig | None = None
        self._thinner = Thinner()
        self._pts_90k = 0
        self._key_90k: int | None = None
        self._received: OrderedDict[int, tuple[int, bool]] = OrderedDict()
        """Media time of units in the decoder to their time of receipt and whether they are shown."""
        self.bad = 0
        """How often decoding failed."""

    def warm(self) -> None:
        """Make the libraries load what they load lazily: afterwards no file can be opened."""
        for codec in Codec:
            decoder(codec)
        frame = av.VideoFrame(64, 48, "yuv420p10le").reformat(32, 24, "yuv420p", threads=1)
        frame.pts, frame.time_base = 0, _BASE
        encoder(32, 24).encode(frame)

    def ask_key(self) -> None:
        """Make the next shown picture a key frame."""
        self._key_90k = None

    def take(self, unit: AccessUnit, *, quiet: bool = False) -> list[AccessUnit]:
        """Return the small pictures that a unit yields; `quiet` ones are decoded for those after them."""
        if unit.config != self._source or unit.pts_90k < self._pts_90k - _BACK_90K:
            self._begin(unit.config)
        if self._waits_for_key and not unit.is_key:
            return []
        self._waits_for_key = False
        self._pts_90k = unit.pts_90k
        self._received[unit.pts_90k] = (unit.received_mono_ns, not quiet)
        while len(self._received) > _REMEMBERED:
            self._received.popitem(last=False)
        try:
            return [made for frame in self._decoded(unit) if (made := self._shown(frame)) is not None]
        except (av.FFmpegError, ValueError, MemoryError):
            self.bad += 1
            self._begin(unit.config)
            return []

    def _begin(self, config: CodecConfig) -> None:
        self._source, self._waits_for_key = config, True
        self._decoder = decoder(config.codec)
        self._received.clear()
        self._thinner = Thinner()
        self._encoder = self._key_90k = None
        self._pts_90k = 0

    def _decoded(self, unit: AccessUnit) -> list[Any]:
        sets = (unit.config.vps, unit.config.sps, unit.config.pps) if unit.is_key else ()
        packet: Any = av.Packet(b"".join(_START + nal for nal in (*sets, *unit.nals) if nal))
        packet.pts, packet.time_base = unit.pts_90k, _BASE
        frames: list[Any] = self._decoder.decode(packet)
        return frames

    def _shown(self, frame: Any) -> AccessUnit | None:
        if frame.pts is None or frame.pts not in self._received:
            return None
        received_ns, shown = self._received.pop(frame.pts)
        if not shown or not self._thinner.takes(frame.pts):
            return None
        if not all(LEAST_SIDE <= side <= MOST_SIDE for side in (frame.width, frame.height)):
            raise ValueError(f"unlikely size {frame.width}x{frame.height}")
        size = fitted(frame.width, frame.height)
        if self._encoder is None or size != self._size:
            self._encoder, self._size, self._key_90k = encoder(*size), size, None
        small = frame.reformat(*size, "yuv420p", threads=1, interpolation="FAST_BILINEAR")
        small.pts, small.time_base = frame.pts, _BASE
        due = self._key_90k is None or frame.pts - self._key_90k >= KEY_EVERY_90K
        small.pict_type = PictureType.I if due else PictureType.NONE
        if due:
            self._key_90k = frame.pts
        coded = b"".join(bytes(packet) for packet in self._encoder.encode(small))
        return self._unit(coded, frame.pts, received_ns) if coded else None

    def _unit(self, coded: bytes, pts_90k: int, received_ns: int) -> AccessUnit:
        nals = split_annex_b(coded)
        sets = {nal[0] & 0x1F: nal for nal in nals if nal[0] & 0x1F in (_SPS, _PPS)}
        if sets.keys() == {_SPS, _PPS}:
            now = CodecConfig(Codec.H264, sets[_SPS], sets[_PPS], b"", *self._size)
            if self._config is None or replace(self._config, epoch=0) != now:
                self._config = replace(now, epoch=1 if self._config is None else self._config.epoch + 1)
        if self._config is None:
            raise ValueError("the encoder gave no parameter sets")
        slices = tuple(nal for nal in nals if nal[0] & 0x1F in (_SLICE, _IDR))
        is_key = any(nal[0] & 0x1F == _IDR for nal in slices)
        return AccessUnit(slices, pts_90k, is_key, received_ns, self._config)
