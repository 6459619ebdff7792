"""SDP as cameras write it (RFC 8866, RFC 6184 §8.1, RFC 7798 §7.1, RFC 3640 §4.1): find the tracks we take.

Owns `read_sdp`. Pure. Invariants: tolerant of order, case, missing padding and missing parameter
sets; never keeps more than one video and one audio track; audio never decides about video; bounded work
(64 KiB come in, at most 2,000 lines are read).
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, field

from drivers.rtsp.audio import AudioFormat, audio_format
from gateway.core.errors import CameraBadReply, CameraUnsupported
from gateway.core.media import Codec

MOST_LINES = 2000
MOST_MEDIA = 32
MOST_SET_BYTES = 4096
MOST_SETS = 16

_CODECS = {"h264": Codec.H264, "h265": Codec.H265, "hevc": Codec.H265}
_RTPMAP = re.compile(r"(\d{1,3}) +([\w.+-]+(?:/\d{1,6}){0,2})")
_FMTP = re.compile(r"(\d{1,3}) +(.*)")


@dataclass(frozen=True, slots=True)
class VideoTrack:
    """What we SETUP: codec, RTP payload type, control text, parameter sets as NAL units."""

    codec: Codec
    payload_type: int
    control: str
    sets: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class AudioTrack:
    """A sound track that could be SETUP, if anybody wants it."""

    form: AudioFormat
    control: str


@dataclass(frozen=True, slots=True)
class Description:
    """The session's own control text, the chosen video track, and an audio track that we could take apart."""

    control: str
    video: VideoTrack
    audio: AudioTrack | None = None


@dataclass(slots=True)
class _Media:
    """One m-line while it is being read."""

    kind: str
    payload_types: tuple[int, ...]
    control: str = ""
    names: dict[int, str] = field(default_factory=dict)
    formats: dict[int, dict[str, str]] = field(default_factory=dict)


def parameter_set(text: str) -> bytes:
    """Decode one base64 parameter set, without start code and trailing zeros; empty if it is broken."""
    text = text.strip().rstrip("=")
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""
    for code in (b"\0\0\0\1", b"\0\0\1"):
        raw = raw.removeprefix(code)
    raw = raw.rstrip(b"\0")
    return raw if 2 <= len(raw) <= MOST_SET_BYTES else b""


def _sets(parameters: dict[str, str]) -> tuple[bytes, ...]:
    names = ("sprop-vps", "sprop-sps", "sprop-pps", "sprop-parameter-sets")
    texts = [text for name in names for text in parameters.get(name, "").split(",")[:MOST_SETS]]
    return tuple(raw for text in texts if (raw := parameter_set(text)))


def _media_line(value: str) -> _Media:
    words = value.split()
    types = tuple(int(word) for word in words[3:35] if word.isdecimal() and int(word) < 128)
    return _Media(words[0].lower() if words else "", types)


def _attribute(media: _Media, name: str, value: str) -> None:
    if name == "control":
        media.control = media.control or value
    elif name == "rtpmap" and (found := _RTPMAP.match(value)):
        media.names.setdefault(int(found[1]), found[2].lower())
    elif name == "fmtp" and (found := _FMTP.match(value)):
        pairs = (part.partition("=") for part in found[2].split(";"))
        values = media.formats.setdefault(int(found[1]), {})
        for key, _, text in pairs:
            values.setdefault(key.strip().lower(), text.strip())


def _track(media: _Media) -> VideoTrack | None:
    for payload_type in media.payload_types:
        parameters = media.formats.get(payload_type, {})
        name = media.names.get(payload_type, "").partition("/")[0]
        if not name and "sprop-parameter-sets" in parameters:
            name = "h264"  # some firmware forgets the rtpmap line
        codec = _CODECS.get(name)
        if codec is None or parameters.get("packetization-mode") == "2":
            continue
        if parameters.get("sprop-max-don-diff", "0") not in ("", "0"):
            continue  # interleaved decoding order: no camera needs it, and we do not reorder
        return VideoTrack(codec, payload_type, media.control, _sets(parameters))
    return None


def _audio(media: _Media) -> AudioTrack | None:
    for payload_type in media.payload_types:
        parameters = media.formats.get(payload_type, {})
        form = audio_format(payload_type, media.names.get(payload_type, ""), parameters)
        if form is not None:
            return AudioTrack(form, media.control)
    return None


def read_sdp(body: bytes) -> Description:
    """Choose the first H.264 or H.265 track of an SDP, and the first AAC or G.711 one beside it.

    CameraBadReply: no SDP. CameraUnsupported: video in another form only (field `codecs`), or none.
    """
    text = body.decode("utf-8", "replace")
    lines = text.replace("\r", "\n").split("\n", MOST_LINES)[:MOST_LINES]
    session, medias = _Media("session", ()), list[_Media]()
    for line in lines:
        kind, _, value = line.strip().partition("=")
        if kind == "m":
            if len(medias) >= MOST_MEDIA:
                break
            medias.append(_media_line(value))
        elif kind == "a":
            name, _, rest = value.partition(":")
            _attribute(medias[-1] if medias else session, name.strip().lower(), rest.strip())
    if not medias:
        raise CameraBadReply("the camera's description names no media")
    for media in medias:
        if media.kind == "video" and (track := _track(media)) is not None:
            sounds = (sound for other in medias if other.kind == "audio" and (sound := _audio(other)) is not None)
            return Description(session.control, track, next(sounds, None))
    names = (name for media in medias if media.kind == "video" for name in media.names.values())
    codecs = sorted({name.partition("/")[0] for name in names})
    raise CameraUnsupported("the camera offers no H.264 or H.265 video", codecs=codecs[:8])
