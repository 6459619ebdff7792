"""From a camera's list of profiles to its streams: which is main, which is sub.

Owns the reading of Media1 and Media2 profiles and the choice. Pure. Invariants: profiles are grouped
by video source, since their order means nothing and a recorder has many sources; main has the most
pixels; sub is the smallest that is at least 320 wide, and lighter than main; JPEG profiles are not
streams of ours; a value that is missing or absurd is 0, never an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from lxml import etree

from drivers import xml
from drivers.base import CameraEvent
from drivers.onvif.soap import printable
from gateway.core.errors import CameraUnsupported
from gateway.core.media import Codec

LEAST_SUB_WIDTH = 320
"""Below this a face is a few pixels: not worth a guardian's look."""
MOST_PROFILES = 256
"""A 64-channel recorder has 128-192."""
MOST_PIXELS_A_SIDE = 16_384
_CODECS = {"H264": Codec.H264, "H265": Codec.H265, "HEVC": Codec.H265}


@dataclass(frozen=True, slots=True)
class Profile:
    """One ONVIF media profile with a video encoder."""

    token: str
    name: str
    source: str
    """Token of its video source: the lens, or the channel of a recorder."""
    encoder: str
    """Token of its encoder configuration: two profiles may share one."""
    codec: Codec | None
    """None: the camera did not say (Media1 has no word for H.265)."""
    width: int
    height: int
    fps: float
    bitrate_bps: int
    gop: int
    media2: bool = False
    """Came from Media2, which then also knows its stream address."""
    configuration: str = ""
    """Token of its video source configuration; events name either."""

    @property
    def pixels(self) -> int:
        """Size of a picture."""
        return self.width * self.height

    @property
    def weight(self) -> tuple[int, int]:
        """What it costs to send: pixels, then bits."""
        return self.pixels, self.bitrate_bps


@dataclass(frozen=True, slots=True)
class Channel:
    """One video source with the profiles chosen for it."""

    source: str
    main: Profile
    sub: Profile | None
    tokens: frozenset[str] = frozenset()
    """Of all its profiles, also of those not chosen."""


def number(value: object, most: int = 2**31) -> int:
    """Return a camera's number as an int in [0, most]; 0 for anything else."""
    try:
        found = int(float(str(value)))
    except (ValueError, OverflowError):
        return 0
    return found if 0 <= found <= most else 0


def path(thing: Any, *names: str) -> Any:
    """Return an attribute of an attribute ...; None as soon as one is missing."""
    for name in names:
        thing = getattr(thing, name, None)
    return thing


def from_media1(profiles: Iterable[Any]) -> tuple[Profile, ...]:
    """Read zeep's answer to Media1 GetProfiles; JPEG and audio-only profiles are left out."""
    read = []
    for entry in list(profiles)[:MOST_PROFILES]:
        encoder = path(entry, "VideoEncoderConfiguration")
        encoding = str(path(encoder, "Encoding") or "").upper()
        if encoder is None or encoding in {"JPEG", "MPEG4"}:
            continue
        kind = path(encoder, "H264") if encoding == "H264" else None
        read.append(
            Profile(
                token=str(path(entry, "token") or "")[:128],
                name=printable(str(path(entry, "Name") or ""), 64),
                source=str(path(entry, "VideoSourceConfiguration", "SourceToken") or "")[:128],
                encoder=str(path(encoder, "token") or "")[:128],
                codec=_CODECS.get(encoding),
                width=number(path(encoder, "Resolution", "Width"), MOST_PIXELS_A_SIDE),
                height=number(path(encoder, "Resolution", "Height"), MOST_PIXELS_A_SIDE),
                fps=float(number(path(encoder, "RateControl", "FrameRateLimit"), 240)),
                bitrate_bps=number(path(encoder, "RateControl", "BitrateLimit"), 10**6) * 1000,
                gop=number(path(kind, "GovLength"), 10**5),
                configuration=str(path(entry, "VideoSourceConfiguration", "token") or "")[:128],
            )
        )
    return tuple(profile for profile in read if profile.token)


def from_media1_answer(answer: etree._Element) -> tuple[Profile, ...]:
    """Read the answer to Media1 GetProfiles by local names: for cameras whose reply zeep cannot read."""
    read = []
    for entry in [item for item in answer if xml.local(item) in {"Profiles", "Profile"}][:MOST_PROFILES]:
        encoder = xml.first(entry, "VideoEncoderConfiguration")
        if encoder is not None and _encoding(encoder) not in {"JPEG", "MPEG4"}:
            source = xml.first(entry, "VideoSourceConfiguration")
            read.append(_profile(entry, encoder, source, gop=xml.text_of(encoder, "GovLength", 16)))
    return tuple(profile for profile in read if profile.token)


def from_media2(answer: etree._Element) -> tuple[Profile, ...]:
    """Read the answer to Media2 GetProfiles with encoder and source configurations."""
    read = []
    for entry in list(xml.all_named(answer, "Profiles"))[:MOST_PROFILES]:
        encoder = xml.first(entry, "VideoEncoder")
        if encoder is not None and _encoding(encoder) in _CODECS:
            source = xml.first(entry, "VideoSource")
            read.append(_profile(entry, encoder, source, gop=encoder.get("GovLength", ""), media2=True))
    return tuple(profile for profile in read if profile.token)


def _encoding(encoder: etree._Element) -> str:
    return xml.text_of(encoder, "Encoding", 32).upper()


def _profile(
    entry: etree._Element, encoder: etree._Element, source: etree._Element | None, *, gop: str, media2: bool = False
) -> Profile:
    """Read what both services write alike of a profile; what they call its parts, and where the GOP stands, differs."""
    return Profile(
        token=entry.get("token", "")[:128],
        name=printable(xml.text_of(entry, "Name"), 64),
        source=xml.text_of(source, "SourceToken", 128),
        encoder=encoder.get("token", "")[:128],
        codec=_CODECS.get(_encoding(encoder)),
        width=number(xml.text_of(encoder, "Width", 16), MOST_PIXELS_A_SIDE),
        height=number(xml.text_of(encoder, "Height", 16), MOST_PIXELS_A_SIDE),
        fps=float(number(xml.text_of(encoder, "FrameRateLimit", 16), 240)),
        bitrate_bps=number(xml.text_of(encoder, "BitrateLimit", 16), 10**6) * 1000,
        gop=number(gop, 10**5),
        media2=media2,
        configuration=_token(source),
    )


def _token(element: etree._Element | None) -> str:
    return "" if element is None else element.get("token", "")[:128]


@dataclass(frozen=True, slots=True)
class Picture:
    """The names events have for one video source; compared with what `notifications` read."""

    source: str
    configurations: frozenset[str]

    def is_of(self, event: CameraEvent) -> bool:
        """Say whether an event names this picture; the source decides where it is named, else the configuration."""
        if event.video_source:
            return event.video_source == self.source
        return event.video_configuration in self.configurations


def pictures(profiles: Sequence[Profile]) -> dict[str, Picture]:
    """Return profile token -> picture; a configuration that several sources claim to share names none of them."""
    owners: dict[str, set[str]] = {}
    for profile in profiles:
        owners.setdefault(profile.configuration, set()).add(profile.source)
    own: dict[str, set[str]] = {}
    for token, sources in owners.items():
        if token and len(sources) == 1:
            own.setdefault(next(iter(sources)), set()).add(printable(token, 64))
    made = {p.source: Picture(printable(p.source, 64), frozenset(own.get(p.source, ()))) for p in profiles if p.source}
    return {p.token: made[p.source] for p in profiles if p.source}


def choose(profiles: Sequence[Profile]) -> tuple[Channel, ...]:
    """Group profiles by video source, in order of first appearance, and pick main and sub of each."""
    sources: dict[str, list[Profile]] = {}
    for profile in profiles:
        sources.setdefault(profile.source, []).append(profile)
    channels = []
    for source, group in sources.items():
        main = max(group, key=lambda profile: (profile.pixels, profile.codec is Codec.H264, profile.bitrate_bps))
        smaller = [p for p in group if p.weight < main.weight and p.width >= LEAST_SUB_WIDTH]
        sub = min(smaller, key=lambda p: (p.pixels, p.codec is not Codec.H264, p.bitrate_bps), default=None)
        channels.append(Channel(source, main, sub, frozenset(profile.token for profile in group)))
    return tuple(channels)


def own_channel(channels: Sequence[Channel], index: int, token: str = "") -> Channel:
    """Return the channel that a profile belongs to; without one, or if it is gone, the channel at `index`.

    Raises:
        CameraUnsupported: there is no such channel.

    """
    for channel in channels:
        if token and token in channel.tokens:
            return channel
    if index >= len(channels):
        raise CameraUnsupported("the recorder has no such channel", channel=index, channels=len(channels))
    return channels[index]
