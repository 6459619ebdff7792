"""Offers of viewers: read strictly, checked, and written anew before any library sees them.

Owns what an SDP offer may say to us (RFC 8866, RFC 9429, draft-ietf-wish-whep). Invariants: pure; work is
bounded by the size limits below; the canonical text handed on holds only attributes we know, each rebuilt
from its parsed value, so that no byte of a stranger reaches aiortc's parser unchecked; whatever is
wrong is one OfferRefused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from gateway.core.errors import OfferRefused

MAX_OFFER_BYTES = 16 * 1024
MAX_WALL_BYTES = 48 * 1024
MAX_LINES = 512
MAX_LINE_BYTES = 512
MAX_MEDIA = 4
MAX_CANDIDATES = 20
ABS_SEND_TIME = "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"

_LINE = re.compile(r"[a-z]=[\x20-\x7e]*")
_MEDIA = re.compile(r"m=([a-z]+) (\d{1,5}) (UDP/TLS/RTP/SAVPF|UDP/DTLS/SCTP) ([\x21-\x7e][\x20-\x7e]*)")
_RTPMAP = re.compile(r"(\d{1,3}) ([A-Za-z0-9.-]{1,32})/(\d{1,6})(?:/\d)?")
_FMTP = re.compile(r"(\d{1,3}) ([\x21-\x7e][\x20-\x7e]*)")
_FEEDBACK = re.compile(r"(\d{1,3}|\*) (nack|nack pli|goog-remb|ccm fir)")
_EXTMAP = re.compile(r"(\d{1,3})(?:/[a-z]+)? (\S+)(?: .*)?")
_CANDIDATE = re.compile(
    r"([A-Za-z0-9+/]{1,32}) (\d{1,3}) ([A-Za-z]{3,8}) (\d{1,10}) (\S{1,64}) (\d{1,5}) typ ([a-z]{4,5})(?: .*)?"
)
_FINGERPRINT = re.compile(r"(sha-256|sha-384|sha-512) ([0-9A-F]{2}(?::[0-9A-F]{2}){31,63})", re.IGNORECASE)
_UFRAG = re.compile(r"[A-Za-z0-9+/]{4,256}")
_PASSWORD = re.compile(r"[A-Za-z0-9+/]{22,256}")
_MID = re.compile(r"[A-Za-z0-9_+.-]{1,16}")
_PROFILE = re.compile(r"[0-9A-Fa-f]{6}")
_DIRECTIONS = frozenset({"sendrecv", "recvonly", "sendonly", "inactive"})


@dataclass(frozen=True, slots=True)
class Limits:
    """How big an offer may be, and how many video lines it may have."""

    offer_bytes: int = MAX_OFFER_BYTES
    lines: int = MAX_LINES
    media: int = MAX_MEDIA
    videos: int = 1


WHEP = Limits()
WALL = Limits(offer_bytes=MAX_WALL_BYTES, lines=1024, media=17, videos=16)
"""A page of tiles; Chromium's offer of sixteen lines has 22 kB and 550 lines."""


@dataclass(frozen=True, slots=True)
class RemoteCandidate:
    """One way to reach the viewer; addresses are judged by `ice.AddressRules`, not here."""

    foundation: str
    priority: int
    address: str
    port: int
    kind: str

    def line(self) -> str:
        """Return the SDP value, without `a=candidate:`."""
        return f"{self.foundation} 1 udp {self.priority} {self.address} {self.port} typ {self.kind}"


@dataclass(frozen=True, slots=True)
class Unserved:
    """A sound line: answered, since it was offered and may hold the path of all, but nothing is sent for it."""

    index: int
    """Its place among the offer's lines."""
    mid: str
    payload_type: int
    codec: str
    """Name, clock and channels of that type, as in `rtpmap`; empty for one that needs none."""
    off: bool
    """The viewer itself has switched it off."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A checked offer."""

    sdp: str
    """Canonical text: video lines with H.264 (and RTX), at most one data channel line, no sound."""
    has_channel: bool
    candidates: tuple[RemoteCandidate, ...]
    videos: int = 1
    sound: tuple[Unserved, ...] = ()
    """Lines that are not in `sdp` and that the answer must have (`answers.complete`)."""


@dataclass(slots=True)
class _Section:
    """The attributes of one m-line, or of the session, by name."""

    head: str = ""
    attributes: dict[str, list[str]] = field(default_factory=dict)

    def all(self, name: str) -> list[str]:
        return self.attributes.get(name, [])

    def one(self, name: str, form: re.Pattern[str], fallback: _Section | None = None) -> str:
        values = self.all(name) or (fallback.all(name) if fallback else [])
        if len(values) != 1 or not form.fullmatch(values[0]):
            raise OfferRefused(f"the offer needs one valid {name}", attribute=name)
        return values[0]


def parse_offer(text: str, limits: Limits = WHEP) -> Offer:
    """Return the checked offer; OfferRefused names what is wrong with it."""
    session, offered = _sections(text, limits)
    sound = tuple(_sound(index, item) for index, item in enumerate(offered) if item.head.startswith("m=audio "))
    media = [section for section in offered if not section.head.startswith("m=audio ")]
    if not media or not media[0].head.startswith("m=video "):
        raise OfferRefused("the first media line but sound must be video")
    videos = [section for section in media if section.head.startswith("m=video ")]
    rest = media[len(videos) :]
    channel = len(rest) == 1 and rest[0].head.startswith("m=application ")
    if len(videos) > limits.videos or (rest and not channel):
        raise OfferRefused(f"only {limits.videos} video line(s) and, after them, one data channel line are served")
    # Bundled lines use the first one's path; the others' candidates are only read for being well-formed.
    each = [tuple(item for line in section.all("candidate") for item in _candidate(line)) for section in offered]
    candidates = each[offered.index(media[0])] or each[0]
    lines = ["v=0", "o=- 1 1 IN IP4 0.0.0.0", "s=-", "t=0 0"]
    mids = [section.one("mid", _MID) for section in media]
    if len({*mids, *(item.mid for item in sound)}) != len(offered):
        raise OfferRefused("media lines share an identification", attribute="mid")
    lines.append("a=group:BUNDLE " + " ".join(mids))
    bundle = videos[0] if videos[0].all("ice-ufrag") else offered[0]
    for video in videos:
        lines += _video(video, bundle, session)
    if channel:
        lines += _channel(rest[0], bundle, session)
    # At the end of the last section: of bundled lines aiortc reads the last one's candidates.
    lines += (f"a=candidate:{item.line()}" for item in candidates)
    return Offer("\r\n".join(lines) + "\r\n", channel, candidates, len(videos), sound)


def _sound(index: int, section: _Section) -> Unserved:
    """Read what the answer repeats of a sound line; most players offer one."""
    match = _MEDIA.fullmatch(section.head)
    kind = match[4].split()[0] if match is not None and match[3] == "UDP/TLS/RTP/SAVPF" else ""
    if match is None or not (kind.isascii() and kind.isdigit() and int(kind) < 128):
        raise OfferRefused("a media line is malformed", attribute="m")
    names = (_RTPMAP.fullmatch(value) for value in section.all("rtpmap") if value.startswith(f"{kind} "))
    codec = next((item[0].partition(" ")[2] for item in names if item is not None), "")
    off = match[2] == "0" and "bundle-only" not in section.attributes
    return Unserved(index, section.one("mid", _MID), int(kind), codec, off)


def parse_candidates(text: str) -> tuple[RemoteCandidate, ...]:
    """Return the candidates of a trickle fragment: `candidate:` lines, with or without `a=`; others are ignored."""
    if len(text) > MAX_OFFER_BYTES:
        raise OfferRefused("the candidate fragment is too long")
    values = [
        line.removeprefix("a=").removeprefix("candidate:")
        for line in text.splitlines()
        if line.removeprefix("a=").startswith("candidate:")
    ]
    if len(values) > MAX_CANDIDATES:
        raise OfferRefused(f"more than {MAX_CANDIDATES} candidates")
    return tuple(item for value in values for item in _candidate(value))


def _sections(text: str, limits: Limits) -> tuple[_Section, list[_Section]]:
    """Split into session and media sections; every size limit is checked on the way."""
    if len(text) > limits.offer_bytes:
        raise OfferRefused(f"the offer is over {limits.offer_bytes} bytes")
    lines = text.replace("\r\n", "\n").removesuffix("\n").split("\n")
    if len(lines) > limits.lines:
        raise OfferRefused(f"the offer has more than {limits.lines} lines")
    if lines[0] != "v=0":
        raise OfferRefused("this is no SDP")
    session, media, candidates = _Section(), list[_Section](), 0
    current = session
    for line in lines:
        if len(line) > MAX_LINE_BYTES or not _LINE.fullmatch(line):
            raise OfferRefused("the offer has a malformed line")
        if line.startswith("m="):
            current = _Section(line)
            media.append(current)
            if len(media) > limits.media:
                raise OfferRefused(f"more than {limits.media} media lines")
        elif line.startswith("a="):
            name, _, value = line[2:].partition(":")
            candidates += name == "candidate"
            current.attributes.setdefault(name, []).append(value)
    if candidates > MAX_CANDIDATES:
        raise OfferRefused(f"more than {MAX_CANDIDATES} candidates")
    return session, media


def _candidate(value: str) -> Iterator[RemoteCandidate]:
    """Yield the candidate if it is one we can use (UDP, RTP component); malformed ones are refused."""
    match = _CANDIDATE.fullmatch(value)
    if match is None:
        raise OfferRefused("a candidate is malformed", attribute="candidate")
    foundation, component, transport, priority, address, port, kind = match.groups()
    if not 0 < int(port) < 65536 or int(priority) >= 1 << 32:
        raise OfferRefused("a candidate is malformed", attribute="candidate")
    if component == "1" and transport.lower() == "udp" and kind in ("host", "srflx", "relay"):
        yield RemoteCandidate(foundation, int(priority), address, int(port), kind)


def _head(section: _Section, protocol: str) -> list[str]:
    match = _MEDIA.fullmatch(section.head)
    # Port 0 switches a line off, but for one that has its ports with the first (RFC 9143 §6).
    off = match is not None and match[2] == "0" and "bundle-only" not in section.attributes
    if match is None or match[3] != protocol or off:
        raise OfferRefused("a media line is malformed or switched off")
    return match[4].split()


def _transport(section: _Section, bundle: _Section, session: _Section) -> Iterator[str]:
    """Yield mid, ICE and DTLS lines; a bundled section may leave out what the first one said."""
    setup = (section.all("setup") or bundle.all("setup") or session.all("setup") or [""])[0]
    if setup not in ("actpass", "active"):
        raise OfferRefused("the viewer must be ready to be the DTLS client", attribute="setup")
    prints = section.all("fingerprint") or bundle.all("fingerprint") or session.all("fingerprint")
    found = [match for item in prints[:4] if (match := _FINGERPRINT.fullmatch(item))]
    if not found:
        raise OfferRefused("the offer has no usable fingerprint", attribute="fingerprint")
    yield f"a=mid:{section.one('mid', _MID)}"
    where = section if section.all("ice-ufrag") else bundle
    yield f"a=ice-ufrag:{where.one('ice-ufrag', _UFRAG, session)}"
    yield f"a=ice-pwd:{where.one('ice-pwd', _PASSWORD, session)}"
    yield from (f"a=fingerprint:{match[1].lower()} {match[2].upper()}" for match in found)
    yield f"a=setup:{setup}"


def _video(section: _Section, bundle: _Section, session: _Section) -> list[str]:
    offered = {int(item) for item in _head(section, "UDP/TLS/RTP/SAVPF") if item.isascii() and item.isdigit()}
    direction = [name for name in section.attributes if name in _DIRECTIONS]
    if direction not in ([], ["recvonly"], ["sendrecv"]) or not section.all("rtcp-mux"):
        raise OfferRefused("the video line must receive, with rtcp-mux")
    names: dict[int, str] = {}
    for value in section.all("rtpmap"):
        if (match := _RTPMAP.fullmatch(value)) and match[3] == "90000" and int(match[1]) in offered:
            names[int(match[1])] = match[2].upper()
    formats = {int(match[1]): match[2] for value in section.all("fmtp") if (match := _FMTP.fullmatch(value))}
    codecs = list(_codecs(names, formats))
    kept = [kind for kind, _ in codecs]
    if not kept:
        raise OfferRefused("the viewer offers no H.264 with packetization-mode=1", codec="h264")
    out = [f"m=video 9 UDP/TLS/RTP/SAVPF {' '.join(map(str, kept))}", *_transport(section, bundle, session)]
    out += ["a=recvonly", "a=rtcp-mux"]
    for value in section.all("extmap"):
        if (match := _EXTMAP.fullmatch(value)) and match[2] == ABS_SEND_TIME and 1 <= int(match[1]) <= 14:
            out.append(f"a=extmap:{match[1]} {ABS_SEND_TIME}")
            break
    for kind, line in codecs:
        out += [f"a=rtpmap:{kind} {'rtx' if names[kind] == 'RTX' else 'H264'}/90000", f"a=fmtp:{kind} {line}"]
    for value in dict.fromkeys(section.all("rtcp-fb")):
        if (match := _FEEDBACK.fullmatch(value)) and (match[1] == "*" or int(match[1]) in kept):
            out.append(f"a=rtcp-fb:{value}")
    return out


def _codecs(names: dict[int, str], formats: dict[int, str]) -> Iterator[tuple[int, str]]:
    """Yield (payload type, fmtp) of each H.264 we can serve, then of the RTX streams that belong to them."""
    served = set()
    for kind, name in names.items():
        if not 35 <= kind <= 127 or 64 <= kind <= 95:  # RFC 5761 §4: the rest collides with RTCP or is fixed
            continue
        options = dict(part.strip().partition("=")[::2] for part in formats.get(kind, "").split(";"))
        profile = options.get("profile-level-id", "42001f")
        if name == "H264" and options.get("packetization-mode") == "1" and _PROFILE.fullmatch(profile):
            served.add(kind)
            yield kind, f"level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={profile.lower()}"
    for kind, name in names.items():
        apt = formats.get(kind, "").strip().removeprefix("apt=")
        if name == "RTX" and 35 <= kind <= 127 and apt.isascii() and apt.isdigit() and int(apt) in served:
            yield kind, f"apt={int(apt)}"


def _channel(section: _Section, video: _Section, session: _Section) -> list[str]:
    if _head(section, "UDP/DTLS/SCTP") != ["webrtc-datachannel"]:
        raise OfferRefused("the application line is no data channel")
    port = section.one("sctp-port", re.compile(r"\d{1,5}"))
    return [
        "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        *_transport(section, video, session),
        f"a=sctp-port:{int(port)}",
        "a=max-message-size:65536",
    ]
