"""RTSP requests and replies as bytes (RFC 2326): parsing, Transport lines, session descriptions.

Pure: no sockets, no state. Invariants: a request head without the three parts of its first line, or with an
address that is none, raises `CameraBadReply`; of its headers nothing is echoed but CSeq digits.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from drivers.simulated.rtp import VIDEO_PAYLOAD_TYPE
from gateway.core.errors import CameraBadReply
from gateway.core.media import TICKS_PER_S, Codec, CodecConfig

MOST_BODY_BYTES = 65_536
MOST_CHANNEL, MOST_PORT = 254, 65_534
"""The pair's second one must fit, too."""
TRACK = "trackID=0"
"""Control name of the video track, as many cameras name it."""
SOUND_TRACK = "trackID=1"

_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    404: "Stream Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    453: "Not Enough Bandwidth",
    454: "Session Not Found",
    455: "Method Not Valid in This State",
    461: "Unsupported Transport",
    501: "Not Implemented",
    503: "Service Unavailable",
}


@dataclass(frozen=True, slots=True)
class RtspRequest:
    """One request without its body, which no method of ours needs."""

    method: str
    url: str
    headers: dict[str, str]
    """Names in lower case; the last of equal names wins."""

    @property
    def cseq(self) -> str:
        """Return CSeq, digits only."""
        digits = self.headers.get("cseq", "0").strip()
        return digits if digits.isascii() and digits.isdigit() else "0"

    @property
    def session(self) -> str:
        """Return the session id without its parameters; empty if none."""
        return self.headers.get("session", "").partition(";")[0].strip()

    @property
    def path(self) -> str:
        """Return the path with query, without a track's control name and trailing slashes."""
        parts = urlsplit(self.url)
        whole = parts.path + (f"?{parts.query}" if parts.query else "")
        return whole.removesuffix("/").removesuffix(TRACK).removesuffix(SOUND_TRACK).removesuffix("/") or "/"

    @property
    def is_sound(self) -> bool:
        """Say whether the sound track is meant."""
        return self.url.rstrip("/").endswith(SOUND_TRACK)


@dataclass(frozen=True, slots=True)
class RtspReply:
    """One answer; CSeq, Server and Content-Length are added when it is written."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def to_bytes(self, cseq: str) -> bytes:
        """Return the reply as it goes on the wire."""
        lines = [f"RTSP/1.0 {self.status} {_REASONS.get(self.status, 'Error')}", f"CSeq: {cseq}", "Server: Vuon-Sim"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.body:
            lines.append(f"Content-Length: {len(self.body)}")
        return ("\r\n".join(lines) + "\r\n\r\n").encode() + self.body


def parse_request(head: bytes) -> RtspRequest:
    """Parse a head that ends with an empty line; raises CameraBadReply for anything else."""
    lines = head.decode("latin-1").split("\r\n")
    parts = lines[0].split(" ")
    if len(parts) != 3 or not parts[2].startswith("RTSP/"):
        raise CameraBadReply("not an RTSP request line", length=len(lines[0]))
    headers = {}
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            headers[name.strip().lower()] = value.strip()
    try:
        urlsplit(parts[1])
    except ValueError as error:
        raise CameraBadReply("not an RTSP address", length=len(parts[1])) from error
    return RtspRequest(parts[0], parts[1], headers)


@dataclass(frozen=True, slots=True)
class Transport:
    """What a client asks for in SETUP: interleaved channels, or UDP ports."""

    tcp: bool
    first: int | None
    """RTP channel or client port; None when the client leaves channels to us."""


def parse_transport(value: str) -> Transport | None:
    """Return the first unicast transport that we know; None otherwise (461)."""
    for choice in value.split(","):
        fields = [part.strip() for part in choice.split(";")]
        if fields[0].upper() == "RTP/AVP/TCP":
            found = re.search(r"interleaved=(\d{1,3})", choice)
            if found is None or int(found[1]) <= MOST_CHANNEL:
                return Transport(True, int(found[1]) if found else None)
        if fields[0].upper() in ("RTP/AVP", "RTP/AVP/UDP") and "multicast" not in fields:
            found = re.search(r"client_port=(\d{1,5})", choice)
            if found and 0 < int(found[1]) <= MOST_PORT:
                return Transport(False, int(found[1]))
    return None


def describe(
    config: CodecConfig, *, fps: int, address: str, session: str, params: bool, more: Sequence[str] = ()
) -> bytes:
    """Return the SDP of one video track and `more` lines (RFC 8866); `params` = with parameter sets (RFC 6184 §8.1)."""

    def b64(nal: bytes) -> str:
        return base64.b64encode(nal).decode()

    if config.codec is Codec.H264:
        fmtp = f"packetization-mode=1;profile-level-id={config.sps[1:4].hex().upper()}"
        fmtp += f";sprop-parameter-sets={b64(config.sps)},{b64(config.pps)}" if params else ""
    else:
        sets = f"sprop-vps={b64(config.vps)};sprop-sps={b64(config.sps)};sprop-pps={b64(config.pps)}"
        fmtp = sets if params else ""
    kind = VIDEO_PAYLOAD_TYPE
    lines = [
        "v=0",
        f"o=- {session} 1 IN IP4 {address}",
        "s=Media Presentation",
        "c=IN IP4 0.0.0.0",
        "t=0 0",
        "a=control:*",
        "a=range:npt=now-",
        f"m=video 0 RTP/AVP {kind}",
        f"a=rtpmap:{kind} {config.codec.upper()}/{TICKS_PER_S}",
        *([f"a=fmtp:{kind} {fmtp}"] if fmtp else []),
        f"a=framerate:{fps}",
        f"a=control:{TRACK}",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n").encode()
