"""Messages between the recorder and its vision child, over the child's stdin and stdout.

Owns the framing: `kind:u8 length:u32be body`. Invariants: one request is answered by exactly one reply,
in order; both sides cap the length before they allocate; the child's replies are untrusted (it decodes
untrusted video) and parsed as such.
"""

from __future__ import annotations

import json
import struct
from dataclasses import asdict, dataclass

from gateway.core.errors import WireError
from gateway.core.media import AccessUnit, Codec, CodecConfig

HEAD = struct.Struct(">BI")
READY, REFUSED, DECODE, PICTURE, BAD, FORGET, SHOW, SHOWN = 1, 2, 3, 4, 5, 6, 7, 8
"""READY and REFUSED open the conversation; DECODE is answered by PICTURE or BAD, SHOW by SHOWN or BAD; FORGET is
not answered."""

MAX_REQUEST_BYTES = 8 << 20
"""Key frames above that are not looked at; the largest of 4K cameras seen are below 4 MB."""
MAX_REPLY_BYTES = 2 << 20
MAX_SIDE = 8192
STILL_WIDTHS = (320, 640)
OUTLINE = (32, 18)

_DECODE = struct.Struct(">IBB")
_FORGET = struct.Struct(">I")
_SHOW = struct.Struct(">HB")
_SHOWN = struct.Struct(">HH")
_START = b"\0\0\0\1"
_CODECS = {Codec.H264: 1, Codec.H265: 2}
_NAMES = {1: "h264", 2: "hevc"}


@dataclass(frozen=True, slots=True)
class Job:
    """A key frame to look at, as the child sees it."""

    stream: int
    codec: str
    """FFmpeg's name."""
    want_stills: bool
    annex_b: bytes
    """Parameter sets and slices with start codes."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A key frame of recorded footage to be shown, as the child sees it."""

    codec: str
    width: int
    annex_b: bytes


@dataclass(frozen=True, slots=True)
class Look:
    """What the child saw in one key frame."""

    width: int
    height: int
    motion: float
    """Mean absolute luma difference to the previous key frame, 0-255, over a 80x45 picture."""
    changed: float
    """Share of its cells that changed visibly, 0-1."""
    luma_mean: float
    luma_sd: float
    crc: int
    """CRC-32 of the luma plane: identical over many key frames means a frozen camera."""
    contrast: float
    """Standard deviation of the coarse luma, 0-128; this and what follows leave out the strips of captions."""
    detail: float
    """Share of fine structure in the contrast, 0-1."""
    clipped: float
    """Share of burnt-out pixels, 0-1."""
    outline: bytes
    """Strength of the edges on a grid of `OUTLINE` cells, row by row: where things stand, whatever the light."""


@dataclass(frozen=True, slots=True)
class Jpeg:
    """One encoded still."""

    width: int
    height: int
    data: bytes


def frame(kind: int, body: bytes) -> bytes:
    """Return one message."""
    return HEAD.pack(kind, len(body)) + body


def encode_decode(stream: int, unit: AccessUnit, *, want_stills: bool) -> bytes:
    """Return the DECODE message of a key frame."""
    head = _DECODE.pack(stream, _CODECS[unit.config.codec], want_stills)
    return frame(DECODE, head + _annex_b(unit.config, unit.nals))


def _annex_b(config: CodecConfig, nals: tuple[bytes, ...]) -> bytes:
    """Return parameter sets and NAL units with start codes."""
    every = (*(item for item in (config.vps, config.sps, config.pps) if item), *nals)
    return b"".join(part for nal in every for part in (_START, nal))


def decode_decode(body: bytes) -> Job:
    """Parse a DECODE body."""
    stream, codec, want_stills = _DECODE.unpack_from(body)
    return Job(stream, _NAMES[codec], bool(want_stills), body[_DECODE.size :])


def encode_show(config: CodecConfig, nals: tuple[bytes, ...], width: int) -> bytes:
    """Return the SHOW message of a recorded key frame: one JPEG of it, at most `width` wide, is wanted."""
    return frame(SHOW, _SHOW.pack(width, _CODECS[config.codec]) + _annex_b(config, nals))


def decode_show(body: bytes) -> Recorded:
    """Parse a SHOW body."""
    width, codec = _SHOW.unpack_from(body)
    return Recorded(_NAMES[codec], width, body[_SHOW.size :])


def encode_shown(jpeg: Jpeg) -> bytes:
    """Return the SHOWN message."""
    return frame(SHOWN, _SHOWN.pack(jpeg.width, jpeg.height) + jpeg.data)


def decode_shown(body: bytes) -> Jpeg:
    """Parse a SHOWN body; WireError if it holds no picture."""
    if len(body) <= _SHOWN.size:
        raise WireError("malformed picture message")
    width, height = _SHOWN.unpack_from(body)
    if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE):
        raise WireError("a picture of the vision child has an unlikely size")
    return Jpeg(width, height, body[_SHOWN.size :])


def encode_forget(stream: int) -> bytes:
    """Return the FORGET message: the stream's decoder and last picture may go."""
    return frame(FORGET, _FORGET.pack(stream))


def decode_forget(body: bytes) -> int:
    """Parse a FORGET body."""
    (stream,) = _FORGET.unpack(body)
    return int(stream)


def encode_picture(look: Look, stills: tuple[Jpeg, ...]) -> bytes:
    """Return the PICTURE message: `length:u32` JSON head, then the JPEGs one after the other."""
    sizes = [[still.width, still.height, len(still.data)] for still in stills]
    figures = asdict(look) | {"outline": look.outline.hex()}
    head = json.dumps({"look": figures, "stills": sizes}).encode()
    return frame(PICTURE, _FORGET.pack(len(head)) + head + b"".join(still.data for still in stills))


def decode_picture(body: bytes) -> tuple[Look, tuple[Jpeg, ...]]:
    """Parse a PICTURE body; WireError if it is not exactly what `encode_picture` makes."""
    try:
        (length,) = _FORGET.unpack_from(body)
        head = json.loads(body[4 : 4 + length])
        fields = head["look"]
        look = Look(
            int(fields["width"]),
            int(fields["height"]),
            float(fields["motion"]),
            float(fields["changed"]),
            float(fields["luma_mean"]),
            float(fields["luma_sd"]),
            int(fields["crc"]),
            float(fields["contrast"]),
            float(fields["detail"]),
            float(fields["clipped"]),
            bytes.fromhex(fields["outline"]),
        )
        if len(look.outline) != OUTLINE[0] * OUTLINE[1]:
            raise WireError("an outline of the vision child has another size")
        stills, at = [], 4 + length
        for width, height, size in head["stills"]:
            if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and 0 < size <= len(body) - at):
                raise WireError("a still of the vision child runs past its message")
            stills.append(Jpeg(int(width), int(height), body[at : at + size]))
            at += size
    except (struct.error, ValueError, KeyError, TypeError) as error:
        raise WireError("malformed picture message") from error
    return look, tuple(stills)
