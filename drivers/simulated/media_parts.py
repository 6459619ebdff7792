"""What media1 and media2 share: reading and writing encoders, sources, OSDs and masks.

Owns the XML of tt: media types and the limits of the simulated encoder. Invariants: elements come in the
order of onvif.xsd, because strict clients validate; an encoder outside the options is refused, not clamped.
"""

from __future__ import annotations

from dataclasses import replace

import av
from lxml import etree

from drivers.simulated.markup import Xml, find, join, tag, value_of
from drivers.simulated.soap import SoapRequest, invalid
from drivers.simulated.state import (
    LEAST_KBPS,
    MOST_FPS,
    MOST_GOP,
    MOST_KBPS,
    PROFILES,
    SIZES,
    SOURCE_CONFIGURATION,
    CameraState,
    Encoder,
    Profile,
)
from gateway.core.media import Codec
from gateway.core.model import StreamRole

SNAPSHOT_PATH = "/onvif/snapshot.jpg"
SESSION_TIMEOUT = "PT60S"
MOST_OSDS = MOST_MASKS = 8
_SERVICES = {"trt": "media1", "tr2": "media2"}


def codecs() -> tuple[Codec, ...]:
    """Return what this machine can encode: H.265 only where PyAV has libx265."""
    return (Codec.H264, Codec.H265) if "libx265" in av.codecs_available else (Codec.H264,)


def profile_of(state: CameraState, request: SoapRequest) -> Profile:
    """Return the profile a request names; raises the fault ONVIF prescribes."""
    token = request.value("ProfileToken") or request.value("Token")
    found = next((p for p in state.shown_profiles() if p.token == token), None)
    if found is None:
        raise invalid("NoProfile", "no such profile")
    return found


def by_encoder_token(state: CameraState, token: str) -> Profile:
    """Return the profile an encoder configuration belongs to."""
    found = next((p for p in state.shown_profiles() if p.encoder_token == token), None)
    if found is None:
        raise invalid("NoConfig", "no such encoder configuration")
    return found


def stream_uri(state: CameraState, request: SoapRequest) -> str:
    """Return the stream's address of the profile a request names."""
    return f"rtsp://{state.host}:{state.rtsp_port}{profile_of(state, request).path}"


def snapshot_uri(state: CameraState, request: SoapRequest) -> str:
    """Return the still's address, the same for every profile; one must be named all the same."""
    profile_of(state, request)
    return state.url(SNAPSHOT_PATH)


def synchronise(state: CameraState, request: SoapRequest) -> Xml:
    """Let the next picture of the profile a request names be a key frame."""
    state.on_synchronise(profile_of(state, request))
    return Xml("")


def source_size(state: CameraState) -> tuple[int, int]:
    """Return the sensor's size in pixels."""
    return max(
        [*SIZES[StreamRole.MAIN], *((p.encoder.width, p.encoder.height) for p in state.profiles)],
        key=lambda size: size[0] * size[1],
    )


def source_configuration(state: CameraState, name: str, profile: Profile) -> Xml:
    """Return the VideoSourceConfiguration of a profile, called `name`."""
    width, height = source_size(state)
    return tag(
        name,
        tag("tt:Name", "Source"),
        tag("tt:UseCount", sum(other.source == profile.source for other in state.shown_profiles())),
        tag("tt:SourceToken", profile.source),
        tag("tt:Bounds", x=0, y=0, width=width, height=height),
        token=profile.source_configuration,
    )


def source_configurations(state: CameraState, name: str) -> Xml:
    """Return the VideoSourceConfigurations of all channels."""
    return join([source_configuration(state, name, profile) for profile in state.sources()])


def resolution(width: int, height: int, name: str = "tt:Resolution") -> Xml:
    """Return a size in pixels."""
    return tag(name, tag("tt:Width", width), tag("tt:Height", height))


def _multicast() -> Xml:
    address = tag("tt:Address", tag("tt:Type", "IPv4"), tag("tt:IPv4Address", "0.0.0.0"))  # noqa: S104 - means none
    return tag("tt:Multicast", address, tag("tt:Port", 0), tag("tt:TTL", 0), tag("tt:AutoStart", False))


def encoder1(state: CameraState, profile: Profile, name: str) -> Xml:
    """Return a Media1 VideoEncoderConfiguration; it has no word for H.265: ask Media2."""
    e = profile.encoder
    rate = tag(
        "tt:RateControl",
        tag("tt:FrameRateLimit", e.fps),
        tag("tt:EncodingInterval", 1),
        tag("tt:BitrateLimit", e.bitrate_kbps),
    )
    return tag(
        name,
        tag("tt:Name", profile.encoder_token),
        tag("tt:UseCount", 1),
        tag("tt:Encoding", "H264"),
        resolution(e.width, e.height),
        tag("tt:Quality", e.quality),
        rate,
        tag("tt:H264", tag("tt:GovLength", e.gop_frames), tag("tt:H264Profile", state.h264_profile(e))),
        _multicast(),
        tag("tt:SessionTimeout", SESSION_TIMEOUT),
        token=profile.encoder_token,
    )


def encoder2(state: CameraState, profile: Profile, name: str) -> Xml:
    """Return a Media2 VideoEncoder2Configuration."""
    e = profile.encoder
    rate = tag(
        "tt:RateControl", tag("tt:FrameRateLimit", e.fps), tag("tt:BitrateLimit", e.bitrate_kbps), ConstantBitRate=False
    )
    return tag(
        name,
        tag("tt:Name", profile.encoder_token),
        tag("tt:UseCount", 1),
        tag("tt:Encoding", e.codec.upper()),
        resolution(e.width, e.height),
        rate,
        tag("tt:Quality", e.quality),
        token=profile.encoder_token,
        GovLength=e.gop_frames,
        Profile="Main" if e.codec is Codec.H265 else state.h264_profile(e),
    )


def read_encoder(state: CameraState, configuration: etree._Element, profile: Profile) -> Encoder:
    """Return the encoder a Set request asks for; raises ter:ConfigModify for what we cannot do."""
    old = profile.encoder

    def number(name: str, default: float) -> float:
        text = configuration.get(name) or value_of(configuration, name, str(default))
        try:
            return round(float(text) * 100) / 100  # also refuses "inf" and "nan"
        except (ValueError, OverflowError) as error:
            raise invalid("ConfigModify", f"{name} is no number") from error

    codec = _codec(value_of(configuration, "Encoding", old.codec.upper()))
    wanted = replace(
        old,
        codec=codec,
        width=round(number("Width", old.width)),
        height=round(number("Height", old.height)),
        fps=round(number("FrameRateLimit", old.fps)),
        bitrate_kbps=round(number("BitrateLimit", old.bitrate_kbps)),
        gop_frames=round(number("GovLength", old.gop_frames)),
        quality=number("Quality", old.quality),
        profile=old.profile if codec is Codec.H265 else _profile(state, configuration, old),
    )
    sizes = {*SIZES[profile.role], (old.width, old.height), profile.came_with}
    fits = (
        (wanted.width, wanted.height) in sizes
        and 1 <= wanted.fps <= MOST_FPS
        and 1 <= wanted.gop_frames <= MOST_GOP
        and LEAST_KBPS <= wanted.bitrate_kbps <= MOST_KBPS
        and not (state.quirks.no_media2 and wanted.codec is Codec.H265)
        and (wanted.profile == old.profile or wanted.profile != state.quirks.refuses_profile)
    )
    if not fits:
        raise invalid("ConfigModify", "the encoder cannot do that")
    return wanted


def _profile(state: CameraState, configuration: etree._Element, old: Encoder) -> str:
    """Return the H.264 profile asked for; what is shown already is no wish."""
    named = configuration.get("Profile") or value_of(configuration, "H264Profile")
    if not named or named == state.h264_profile(old):
        return old.profile
    if named not in PROFILES:
        raise invalid("ConfigModify", "no such profile")
    return named


def _codec(name: str) -> Codec:
    found = next((codec for codec in codecs() if codec.upper() == name.upper()), None)
    if found is None:
        raise invalid("ConfigModify", "no such encoding")
    return found


def span(name: str, least: int, most: int) -> Xml:
    """Return an integer range."""
    return tag(name, tag("tt:Min", least), tag("tt:Max", most))


def set_encoder(state: CameraState, request: SoapRequest) -> Xml:
    """Apply SetVideoEncoderConfiguration of either service."""
    configuration = find(request.element, "Configuration")
    if configuration is None:
        raise invalid("NoConfig", "no configuration")
    profile = by_encoder_token(state, str(configuration.get("token", "")))
    wanted = read_encoder(state, configuration, profile)
    if _SERVICES.get(request.prefix) not in state.quirks.ignores_set:
        state.change_encoder(profile, wanted)
    return Xml("")


def sound(state: CameraState, profile: Profile, name: str) -> list[Xml]:
    """Return a profile's audio encoder configuration called `name`, or nothing."""
    if not state.has_sound(profile):
        return []
    token = f"snd-{profile.token}"
    named = [tag("tt:Name", token), tag("tt:UseCount", 1)]
    if name.startswith("tr2:"):
        return [
            tag(name, *named, tag("tt:Encoding", "PCMU"), tag("tt:Bitrate", 64), tag("tt:SampleRate", 8), token=token)
        ]
    rate = [tag("tt:Encoding", "G711"), tag("tt:Bitrate", 64), tag("tt:SampleRate", 8)]
    return [tag(name, *named, *rate, _multicast(), tag("tt:SessionTimeout", SESSION_TIMEOUT), token=token)]


def sounds(state: CameraState, name: str) -> Xml:
    """Return every profile's audio encoder configuration, each called `name`."""
    return join([part for profile in state.shown_profiles() for part in sound(state, profile, name)])


def mute(state: CameraState, request: SoapRequest) -> None:
    """Take the sound out of the profile a request names."""
    state.muted.add(profile_of(state, request).token)


def unmute(state: CameraState, request: SoapRequest, token: str) -> None:
    """Put a profile's own audio encoder back; raises the fault for any other."""
    profile = profile_of(state, request)
    if token != f"snd-{profile.token}":
        raise invalid("NoConfig", "no such audio encoder")
    state.muted.discard(profile.token)


def osd(token: str, text: tuple[str, str], name: str) -> Xml:
    """Return an OSD configuration; `text` is (type, plain text)."""
    kind, plain = text
    words = [tag("tt:Type", kind)]
    if plain:
        words.append(tag("tt:PlainText", plain))
    return tag(
        name,
        tag("tt:VideoSourceConfigurationToken", SOURCE_CONFIGURATION),
        tag("tt:Type", "Text"),
        tag("tt:Position", tag("tt:Type", "UpperLeft")),
        tag("tt:TextString", *words),
        token=token,
    )


class OsdBook:
    """Create, change and delete OSDs: the same in both services but for the prefix."""

    def __init__(self, state: CameraState, prefix: str) -> None:
        self._state, self._prefix = state, prefix

    def get(self, request: SoapRequest) -> Xml:
        """Answer GetOSDs."""
        wanted = request.value("OSDToken")
        shown = {key: value for key, value in self._state.osds.items() if not wanted or key == wanted}
        return join([osd(token, text, f"{self._prefix}:OSDs") for token, text in shown.items()])

    def options(self, _: SoapRequest) -> Xml:
        """Answer GetOSDOptions."""
        kinds = [tag("tt:Type", kind) for kind in ("Plain", "Date", "Time", "DateAndTime")]
        corners = ("UpperLeft", "UpperRight", "LowerLeft", "LowerRight")
        return tag(
            f"{self._prefix}:OSDOptions",
            tag("tt:MaximumNumberOfOSDs", Total=MOST_OSDS),
            tag("tt:Type", "Text"),
            *(tag("tt:PositionOption", corner) for corner in corners),
            tag("tt:TextOption", *kinds),
        )

    def create(self, request: SoapRequest) -> Xml:
        """Answer CreateOSD."""
        if len(self._state.osds) >= MOST_OSDS:
            raise invalid("MaxOSDs", "too many OSDs")
        token = self._state.new_token("osd")
        self._state.osds[token] = self._text(request)
        return tag(f"{self._prefix}:OSDToken", token)

    def set(self, request: SoapRequest) -> Xml:
        """Answer SetOSD."""
        self._state.osds[self._known(request)] = self._text(request)
        return Xml("")

    def delete(self, request: SoapRequest) -> Xml:
        """Answer DeleteOSD."""
        del self._state.osds[self._known(request)]
        return Xml("")

    def _known(self, request: SoapRequest) -> str:
        element = find(request.element, "OSD")
        token = str(element.get("token", "")) if element is not None else request.value("OSDToken")
        if token not in self._state.osds:
            raise invalid("NoConfig", "no such OSD")
        return token

    def _text(self, request: SoapRequest) -> tuple[str, str]:
        words = find(request.element, "TextString")
        plain, quirk = value_of(words, "PlainText"), self._state.quirks.osd_ascii
        if quirk == "refused" and not plain.isascii():
            raise invalid("ConfigModify", "the label cannot be drawn")
        if quirk == "garbled":
            plain = plain.encode("ascii", "replace").decode()
        return value_of(words, "Type", "Plain"), plain
