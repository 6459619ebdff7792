"""Encoded classroom loops: each scene is encoded once and served to every viewer.

Owns the encoder settings and the memory of finished loops. The class name is drawn with its Vietnamese
marks (see `lettering`). Invariants: a `Loop` is frozen and starts with a key frame; GOPs are closed, so
the loop can go round for ever; parameter sets are apart from the units; the same `SceneSpec` is encoded
once in a process, whoever asks, and at most `MOST_LOOPS` are kept.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.codeccontext import VideoCodecContext

from drivers.annexb import split_annex_b
from drivers.simulated.art import Classroom
from drivers.simulated.faults import Look
from drivers.simulated.rtp import packetize
from gateway.core.errors import CameraUnsupported
from gateway.core.media import TICKS_PER_S, Codec, CodecConfig

MOST_LOOPS = 96
"""32 cameras with main and sub, and a third more for faults switched on and off."""
STILL_QUALITY = 80
_X264 = "keyint={gop}:min-keyint={gop}:scenecut=0:bframes={b}:open-gop=0:repeat-headers=1:threads=1:sliced-threads=0"
_X265 = _X264.replace(":sliced-threads=0", "").replace("threads=1", "pools=none:frame-threads=1:log-level=error")


@dataclass(frozen=True, slots=True)
class SceneSpec:
    """Everything that decides how a loop looks; equal specs share one encoding."""

    label: str
    variant: int
    width: int = 1280
    height: int = 720
    fps: int = 15
    codec: Codec = Codec.H264
    gop_frames: int = 30
    loop_frames: int = 120
    """Rounded up to whole GOPs."""
    bitrate_bps: int = 2_000_000
    """Upper bound; the drawn scene usually needs less, unless `grain` fills it."""
    b_frames: int = 0
    look: Look = Look.NORMAL
    grain: int = 0
    """Sensor noise, grey levels (0-40): makes the encoder use its bitrate, as a real lens does."""

    @property
    def frames(self) -> int:
        """Frames of the loop: whole GOPs, two at least: a live camera's key frames differ; a frozen one's do not."""
        gops = 1 if self.look is Look.FROZEN else max(2, -(-self.loop_frames // self.gop_frames))
        return gops * self.gop_frames


@dataclass(frozen=True, slots=True)
class LoopUnit:
    """One access unit of a loop, in decode order."""

    nals: tuple[bytes, ...]
    """Slices only: no parameter sets, no SEI, no AUD."""
    is_key: bool
    lag_90k: int
    """Presentation minus decode time; 0 without B-frames."""


@dataclass(frozen=True)
class Loop:
    """A scene's access units and parameter sets, shared by all viewers; frozen but for the packet cache."""

    spec: SceneSpec
    config: CodecConfig
    units: tuple[LoopUnit, ...]
    _packets: dict[tuple[int, bool], tuple[tuple[bytes, ...], ...]] = field(default_factory=dict, repr=False)

    def payloads(self, mtu_bytes: int, *, params_in_band: bool = True) -> tuple[tuple[bytes, ...], ...]:
        """Return for each unit its RTP payloads (RFC 6184, RFC 7798), made once per MTU."""
        key = (mtu_bytes, params_in_band)
        if key not in self._packets:
            sets = tuple(nal for nal in (self.config.vps, self.config.sps, self.config.pps) if nal)
            self._packets[key] = tuple(
                tuple(
                    payload
                    for nal in ((*sets, *unit.nals) if unit.is_key and params_in_band else unit.nals)
                    for payload in packetize(nal, self.config.codec, mtu_bytes)
                )
                for unit in self.units
            )
        return self._packets[key]


def nal_type(nal: bytes, codec: Codec) -> int:
    """Return nal_unit_type: 5 bits for H.264, 6 for H.265."""
    return nal[0] & 0x1F if codec is Codec.H264 else nal[0] >> 1 & 0x3F


def _is_slice(nal: bytes, codec: Codec) -> bool:
    kind = nal_type(nal, codec)
    return 1 <= kind <= 5 if codec is Codec.H264 else kind < 32


def _is_idr(nal: bytes, codec: Codec) -> bool:
    kind = nal_type(nal, codec)
    return kind == 5 if codec is Codec.H264 else 16 <= kind <= 21


def _open_encoder(spec: SceneSpec) -> VideoCodecContext:
    """Open libx264 or libx265; raises CameraUnsupported when this PyAV was built without it."""
    name = "libx264" if spec.codec is Codec.H264 else "libx265"
    if name not in av.codecs_available:
        raise CameraUnsupported(f"this PyAV has no {name}: the simulated camera cannot send {spec.codec}")
    context = av.CodecContext.create(name, "w")
    assert isinstance(context, VideoCodecContext)
    context.width, context.height, context.pix_fmt = spec.width, spec.height, "yuv420p"
    context.time_base, context.framerate = Fraction(1, spec.fps), Fraction(spec.fps)
    context.gop_size, context.thread_count = spec.gop_frames, 1
    kbps = max(64, spec.bitrate_bps // 1000)
    cap = f":vbv-maxrate={kbps}:vbv-bufsize={kbps}"
    if spec.codec is Codec.H264:
        params, profile = _X264.format(gop=spec.gop_frames, b=spec.b_frames), "main" if spec.b_frames else "baseline"
        context.options = {"preset": "ultrafast", "profile": profile, "crf": "25", "x264-params": params + cap}
    else:
        params = _X265.format(gop=spec.gop_frames, b=spec.b_frames)
        context.options = {"preset": "ultrafast", "crf": "27", "x265-params": params + cap}
    if not spec.b_frames:
        context.options = {**context.options, "tune": "zerolatency"}
    return context


def _pictures(spec: SceneSpec) -> Iterator[av.VideoFrame]:
    cv2.setNumThreads(1)  # a drawing is too small to share out, and OpenCV's pool would spin on a busy box
    room = Classroom(spec.variant, spec.label, spec.width, spec.height, loop_s=spec.frames / spec.fps)
    noise = _noise(spec)
    for index in range(spec.frames):
        picture = room.frame(index / spec.fps, look=spec.look)
        planes = np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2YUV_I420), np.uint8)
        if noise is not None:
            shift = index * 7919 % (noise.size - spec.width * spec.height)
            luma = planes[: spec.height].reshape(-1)
            luma[:] = cv2.add(luma, noise[shift : shift + luma.size], dtype=cv2.CV_8U).reshape(-1)
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(planes), format="yuv420p")
        frame.pts, frame.time_base = index, Fraction(1, spec.fps)
        yield frame


def _noise(spec: SceneSpec) -> np.ndarray[tuple[int], np.dtype[np.int16]] | None:
    if not spec.grain:
        return None
    dice = np.random.default_rng(spec.variant)
    grey = dice.normal(0, min(spec.grain, 40), spec.width * spec.height + 100_003)
    return np.asarray(grey, np.int16)


def encode(spec: SceneSpec) -> Loop:
    """Draw and encode one loop; blocks for about a second per 200 HD frames, so call it in a thread."""
    encoder = _open_encoder(spec)
    packets = [packet for frame in _pictures(spec) for packet in encoder.encode(frame)]
    packets.extend(encoder.encode(None))
    units: list[LoopUnit] = []
    sets: dict[int, bytes] = {}
    for packet in packets:
        nals = split_annex_b(bytes(packet))
        slices = tuple(nal for nal in nals if _is_slice(nal, spec.codec))
        sets.update((nal_type(nal, spec.codec), nal) for nal in nals if not _is_slice(nal, spec.codec))
        lag = (packet.pts or 0) - (packet.dts or 0) if packet.dts is not None else 0
        units.append(LoopUnit(slices, any(_is_idr(nal, spec.codec) for nal in slices), lag * TICKS_PER_S // spec.fps))
    assert len(units) == spec.frames
    assert units[0].is_key
    vps, sps, pps = (32, 33, 34) if spec.codec is Codec.H265 else (0, 7, 8)
    config = CodecConfig(spec.codec, sets[sps], sets[pps], sets.get(vps, b""), spec.width, spec.height)
    return Loop(spec, config, tuple(units))


def still(spec: SceneSpec, time_s: float) -> bytes:
    """Return the scene at `time_s` as JPEG; blocks for some milliseconds."""
    room = Classroom(spec.variant, spec.label, spec.width, spec.height, loop_s=spec.frames / spec.fps)
    _, jpeg = cv2.imencode(".jpg", room.frame(time_s, look=spec.look), [cv2.IMWRITE_JPEG_QUALITY, STILL_QUALITY])
    return jpeg.tobytes()


class SceneStore:
    """Finished loops by spec; thread-safe; equal specs asked for at once are encoded once."""

    def __init__(self, most_loops: int = MOST_LOOPS) -> None:
        self._most = most_loops
        self._lock = threading.Lock()
        self._loops: OrderedDict[SceneSpec, Loop] = OrderedDict()
        self._busy: dict[SceneSpec, threading.Lock] = {}
        self.encoded = 0

    def ready(self, spec: SceneSpec) -> Loop | None:
        """Return the loop if it is finished; never blocks for an encoding."""
        with self._lock:
            return self._loops.get(spec)

    def get(self, spec: SceneSpec) -> Loop:
        """Return the loop, encoding it first if need be; blocks, so call it in a worker thread."""
        with self._lock:
            turn = self._busy.setdefault(spec, threading.Lock())
        with turn:
            found = self.ready(spec)
            if found is None:
                found = encode(spec)
                with self._lock:
                    self.encoded += 1
                    self._loops[spec] = found
                    while len(self._loops) > self._most:
                        self._loops.popitem(last=False)
        with self._lock:
            self._busy.pop(spec, None)
            if spec in self._loops:
                self._loops.move_to_end(spec)
        return found


SHARED = SceneStore()
"""The process's loops: they are immutable, so farms and tests in one process may share them."""
