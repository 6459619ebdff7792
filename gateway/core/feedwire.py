"""The feed socket: access units of one stream from `vuon-recorder` to one reader.

Owns the wire format of `<run>/feed.sock`. The reader sends one SUBSCRIBE frame, the recorder answers
CONFIG and UNIT frames (the current GOP first) until it sends END or hangs up. Frame:
`kind:u8 length:u32be body`. Meanwhile the reader may send KEY frames, and nothing else.

- SUBSCRIBE  JSON `{"protocol": 1, "camera": public id, "stream": "main" | "sub"}`
- CONFIG     `epoch:u32 codec:u8(1 h264, 2 h265) track:u8 width:u16 height:u16` + three
             `length:u16 bytes` (vps, sps, pps); `track` 0 is video, 1 is kept for audio
- UNIT       `epoch:u32 track:u8 flags:u8(1 key, 2 skipped before) lost:u16 pts_90k:i64
             received_mono_ns:i64` + NAL units, each `length:u32 bytes`
- KEY        empty: the reader would like a key frame soon; the recorder asks the camera, or does not
- END        JSON `{"code": error code}`: the stream ended, subscribe again later

Invariants: a UNIT's epoch names a CONFIG sent before it; after a skip the next UNIT is a key frame.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

from gateway.core.errors import WireError
from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import PublicId, StreamRole, is_public_id

PROTOCOL = 1
SUBSCRIBE, CONFIG, UNIT, END, KEY = 1, 2, 3, 4, 5
FLAG_KEY, FLAG_SKIPPED = 1, 2
MAX_BODY_BYTES = 32 << 20
"""One access unit; the largest seen key frames are below 4 MB, the cap only bounds a broken peer."""

HEAD = struct.Struct(">BI")
_CONFIG = struct.Struct(">IBBHH")
_UNIT = struct.Struct(">IBBHqq")
_U16, _U32 = struct.Struct(">H"), struct.Struct(">I")
_CODECS = {Codec.H264: 1, Codec.H265: 2}
_CODEC_OF = {number: codec for codec, number in _CODECS.items()}


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a reader asks for."""

    camera: PublicId
    stream: StreamRole


def frame(kind: int, body: bytes) -> bytes:
    """Return one frame ready for the socket."""
    return HEAD.pack(kind, len(body)) + body


def encode_subscribe(wanted: Subscription) -> bytes:
    """Return the SUBSCRIBE frame."""
    head = {"protocol": PROTOCOL, "camera": wanted.camera, "stream": wanted.stream.value}
    return frame(SUBSCRIBE, json.dumps(head).encode())


def encode_key_wanted() -> bytes:
    """Return the KEY frame."""
    return frame(KEY, b"")


def decode_subscribe(body: bytes) -> Subscription:
    """Parse a SUBSCRIBE body; WireError for another protocol or malformed ids."""
    try:
        head = json.loads(body)
        if head["protocol"] != PROTOCOL or not is_public_id(head["camera"]):
            raise WireError(f"bad subscription {head!r}")
        return Subscription(PublicId(head["camera"]), StreamRole(head["stream"]))
    except (ValueError, KeyError, TypeError) as error:
        raise WireError("malformed subscription") from error


def encode_config(config: CodecConfig) -> bytes:
    """Return the CONFIG frame of an epoch."""
    sets = b"".join(_U16.pack(len(item)) + item for item in (config.vps, config.sps, config.pps))
    return frame(CONFIG, _CONFIG.pack(config.epoch, _CODECS[config.codec], 0, config.width, config.height) + sets)


def decode_config(body: bytes) -> CodecConfig:
    """Parse a CONFIG body; WireError if it is cut short or names an unknown codec."""
    try:
        epoch, codec, _track, width, height = _CONFIG.unpack_from(body)
        sets, at = [], _CONFIG.size
        for _ in range(3):
            (length,) = _U16.unpack_from(body, at)
            if at + 2 + length > len(body):
                raise WireError("a parameter set runs past the frame")
            sets.append(body[at + 2 : at + 2 + length])
            at += 2 + length
        return CodecConfig(_CODEC_OF[codec], sets[1], sets[2], sets[0], width, height, epoch)
    except (struct.error, KeyError) as error:
        raise WireError("malformed configuration frame") from error


def encode_unit(unit: AccessUnit, *, skipped: bool = False) -> bytes:
    """Return the UNIT frame; `skipped` says units were dropped for this reader before it."""
    flags = (FLAG_KEY if unit.is_key else 0) | (FLAG_SKIPPED if skipped else 0)
    head = _UNIT.pack(unit.config.epoch, 0, flags, min(unit.lost_before, 0xFFFF), unit.pts_90k, unit.received_mono_ns)
    return frame(UNIT, head + b"".join(part for nal in unit.nals for part in (_U32.pack(len(nal)), nal)))


def decode_unit(body: bytes, configs: dict[int, CodecConfig]) -> tuple[AccessUnit, bool]:
    """Parse a UNIT body into the unit and its `skipped` flag; WireError if malformed."""
    try:
        epoch, _track, flags, lost, pts_90k, received = _UNIT.unpack_from(body)
        nals, at, end = [], _UNIT.size, len(body)
        while at < end:
            (length,) = _U32.unpack_from(body, at)
            if at + 4 + length > end:
                raise WireError("NAL unit runs past the frame")
            nals.append(body[at + 4 : at + 4 + length])
            at += 4 + length
        unit = AccessUnit(tuple(nals), pts_90k, bool(flags & FLAG_KEY), received, configs[epoch], lost)
        return unit, bool(flags & FLAG_SKIPPED)
    except (struct.error, KeyError) as error:
        raise WireError("malformed unit frame") from error
