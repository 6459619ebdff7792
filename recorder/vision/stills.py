"""Pictures: from a coded key frame to luma figures and JPEG stills. Runs in the vision child only.

Owns the decoders (one per stream, at most `MAX_STREAMS`) and the previous small picture of each stream.
Invariants: one thread; a broken picture costs its stream's decoder and nothing else; stills are never
enlarged.
"""

from __future__ import annotations

import zlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from recorder.vision.pipe import MAX_SIDE, OUTLINE, STILL_WIDTHS, Job, Jpeg, Look, Recorded

MAX_STREAMS = 96
JPEG_QUALITY = 75
SMALL = (80, 45)
CHANGED_BY = 12
"""A cell of the small picture changed if its mean luma moved by more than this (sensor noise is below 4)."""

MIDDLE = (320, 180)
"""Size at which fine structure is measured: the same for every camera, and cheap."""
CAPTION_SHARE = 0.12
"""Top and bottom strips where cameras write names and times; they say nothing of lens and light."""
BURNT = 228
"""Luma of video white is 235."""

Luma = NDArray[np.uint8]


class BadPicture(Exception):
    """The bytes do not decode to a picture we can show."""


@dataclass(slots=True)
class _Stream:
    codec: str
    decoder: Any
    small: Luma | None = None


def _decoder(codec: str) -> Any:
    context: Any = av.CodecContext.create(codec, "r")
    context.thread_count = 1
    context.options = {"flags": "low_delay"}
    return context


def luma_of(frame: Any) -> Luma:
    """Return the luma plane of a decoded frame, shape (height, width), as a view."""
    plane = frame.planes[0]
    rows: Luma = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: frame.height, : frame.width]
    return rows


def look_at(luma: Luma, previous: Luma | None) -> tuple[Look, Luma]:
    """Return the figures of a luma plane and its small picture, the `previous` of the next call."""
    small: Luma = np.asarray(cv2.resize(luma, SMALL, interpolation=cv2.INTER_AREA), np.uint8)
    difference = cv2.absdiff(small, previous) if previous is not None else np.zeros_like(small)
    height, width = luma.shape
    contrast, detail, clipped, outline = _health(luma)
    look = Look(
        width=width,
        height=height,
        motion=round(float(np.mean(difference)), 3),
        changed=round(float(np.mean(difference > CHANGED_BY)), 4),
        luma_mean=round(float(np.mean(small)), 1),
        luma_sd=round(float(np.std(small)), 1),
        crc=zlib.crc32(np.ascontiguousarray(luma).data),
        contrast=round(contrast, 2),
        detail=round(detail, 4),
        clipped=round(clipped, 4),
        outline=outline,
    )
    return look, small


def _health(luma: Luma) -> tuple[float, float, float, bytes]:
    """Return contrast, detail, clipped share and outline of the picture between the captions."""
    strip = round(MIDDLE[1] * CAPTION_SHARE)
    inner = np.asarray(cv2.resize(luma, MIDDLE, interpolation=cv2.INTER_AREA), np.float32)[strip:-strip]
    fine = inner - cv2.GaussianBlur(inner, (0, 0), 1.0)
    coarse = cv2.resize(inner, OUTLINE, interpolation=cv2.INTER_AREA)
    edges = np.hypot(cv2.Sobel(inner, cv2.CV_32F, 1, 0), cv2.Sobel(inner, cv2.CV_32F, 0, 1))
    cells = np.sqrt(cv2.resize(np.asarray(edges, np.float32), OUTLINE, interpolation=cv2.INTER_AREA))
    outline = np.clip(cells * 8, 0, 255).astype(np.uint8)
    spread = float(np.std(inner))
    return (
        float(np.std(coarse)),
        float(np.std(fine)) / max(spread, 1.0),
        float(np.mean(inner >= BURNT)),
        outline.tobytes(),
    )


def stills_of(frame: Any) -> tuple[Jpeg, ...]:
    """Encode a frame at each still width it is large enough for, at least once."""
    widths = [width for width in STILL_WIDTHS if width < frame.width] or [frame.width]
    if len(widths) < len(STILL_WIDTHS) and frame.width not in widths:
        widths.append(frame.width)
    return tuple(_still(frame, width) for width in widths)


def _still(frame: Any, width: int) -> Jpeg:
    height = max(2, round(frame.height * width / frame.width / 2) * 2)
    picture = frame.reformat(width, height, "bgr24", threads=1).to_ndarray()  # threads: none in the cage
    done, data = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not done:
        raise BadPicture("the picture does not encode")
    return Jpeg(width, height, data.tobytes())


class Looker:
    """Decodes key frames of many streams."""

    def __init__(self, *, most_streams: int = MAX_STREAMS) -> None:
        self._most_streams = most_streams
        cv2.setNumThreads(1)
        self._streams: OrderedDict[int, _Stream] = OrderedDict()
        self._shown: dict[str, _Stream] = {}

    def warm(self) -> None:
        """Make every library load what it loads lazily: afterwards no file can be opened."""
        for codec in ("h264", "hevc"):
            _decoder(codec).open()
        frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8), "bgr24").reformat(
            format="yuv420p", threads=1
        )
        look_at(luma_of(frame), None)
        stills_of(frame)

    def forget(self, stream: int) -> None:
        """Drop what is kept of a stream."""
        self._streams.pop(stream, None)

    def look(self, job: Job) -> tuple[Look, tuple[Jpeg, ...]]:
        """Decode a key frame; BadPicture if that is impossible."""
        stream = self._streams.get(job.stream)
        if stream is None or stream.codec != job.codec:
            stream = self._streams[job.stream] = _Stream(job.codec, _decoder(job.codec))
        self._streams.move_to_end(job.stream)
        while len(self._streams) > self._most_streams:
            self._streams.popitem(last=False)
        try:
            frame = self._decode(stream, job.annex_b)
            look, stream.small = look_at(luma_of(frame), stream.small)
            return look, stills_of(frame) if job.want_stills else ()
        except (av.FFmpegError, cv2.error, ValueError, MemoryError) as error:
            self.forget(job.stream)
            raise BadPicture(f"{type(error).__name__}: {error}") from error

    def show(self, wish: Recorded) -> Jpeg:
        """Decode a key frame of recorded footage to one JPEG; BadPicture if that is impossible.

        With a decoder of its own codec's, apart from the cameras': nothing of one picture stays for the next.
        """
        stream = self._shown.setdefault(wish.codec, _Stream(wish.codec, _decoder(wish.codec)))
        try:
            frame = self._decode(stream, wish.annex_b)
            return _still(frame, min(wish.width, frame.width))
        except (av.FFmpegError, cv2.error, ValueError, MemoryError, BadPicture) as error:
            del self._shown[wish.codec]
            raise BadPicture(f"{type(error).__name__}: {error}") from error

    @staticmethod
    def _decode(stream: _Stream, annex_b: bytes) -> Any:
        decoder = stream.decoder
        frames = decoder.decode(av.Packet(annex_b)) or decoder.decode(None)
        decoder.flush_buffers()
        if not frames:
            raise BadPicture("no picture in the key frame")
        frame = frames[0]
        if not (16 <= frame.width <= MAX_SIDE and 16 <= frame.height <= MAX_SIDE):
            raise BadPicture(f"unlikely size {frame.width}x{frame.height}")
        return frame
