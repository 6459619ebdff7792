"""Encoders, masks and captions of a camera, the same for Media1 and Media2.

Owns the values and the reading of elements into them; pure. Invariants: names are compared without
their namespace, because cameras mix them up; a value that is missing or absurd is 0, "" or None, never
an error; lists are cut to size; a value read and sent back unchanged changes nothing on the camera.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from lxml import etree

from drivers import xml
from drivers.onvif.profiles import MOST_PIXELS_A_SIDE, number
from drivers.onvif.soap import printable
from gateway.core.media import Codec

MOST_LISTED = 64
"""Configurations, masks, captions, sizes: more is nonsense."""
_CODECS = {"H264": Codec.H264, "H265": Codec.H265}


@dataclass(frozen=True, slots=True)
class Span:
    """From `least` to `most`; both 0: the camera did not say."""

    least: float = 0.0
    most: float = 0.0

    def clamp(self, value: float) -> float:
        """Return the nearest value inside; `value` itself when nothing is known."""
        return min(max(value, self.least), self.most) if self.most else value


@dataclass(frozen=True, slots=True)
class VideoEncoder:
    """One video encoder configuration; `dataclasses.replace` makes the wanted one."""

    token: str
    name: str
    encoding: str
    """H264, H265, JPEG ... in capitals."""
    width: int
    height: int
    fps: float
    bitrate_bps: int
    gop: int
    """Pictures from one key frame to the next."""
    profile: str = ""
    """Baseline, Main, High ...; "" if the camera did not say."""
    quality: float = 0.0
    constant_bitrate: bool | None = None
    """Media2 only."""
    use_count: int = 1
    multicast: tuple[str, int, int, bool] = ("0.0.0.0", 0, 0, False)  # noqa: S104 - ONVIF's way to say "none"
    """IPv4 address, port, time to live, started by itself: Media1 wants it back."""
    session_timeout: str = "PT60S"
    """xs:duration; Media1 wants it back."""
    interval: int = 1
    """Encode every n-th picture (Media1)."""

    @property
    def codec(self) -> Codec | None:
        """The codec if it is one we record."""
        return _CODECS.get(self.encoding)


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """What one encoder configuration may be set to, for one encoding."""

    encoding: str
    sizes: tuple[tuple[int, int], ...]
    fps: tuple[float, ...]
    """Rates offered, rising; () if the camera did not say."""
    bitrate_bps: Span
    gop: Span
    quality: Span
    profiles: tuple[str, ...]
    constant_bitrate: bool = False
    """Whether constant bit rate can be asked for (Media2)."""


@dataclass(frozen=True, slots=True)
class SourceConfiguration:
    """A video source as profiles use it: what masks and captions belong to."""

    token: str
    source: str


@dataclass(frozen=True, slots=True)
class Mask:
    """One privacy mask; coordinates -1..1, (0, 0) in the middle, y upwards (Media2 §5.10)."""

    configuration: str
    """Token of its `SourceConfiguration`."""
    points: tuple[tuple[float, float], ...]
    kind: str = "Color"
    """Color, Pixelated, Blurred."""
    colour: tuple[float, float, float] | None = (0.0, 0.0, 0.0)
    """Y, Cb, Cr as the camera counts them; read by Color masks."""
    enabled: bool = True
    token: str = ""
    """Given by the camera."""


@dataclass(frozen=True, slots=True)
class MaskOptions:
    """What masks a camera can draw."""

    most: int
    most_points: int
    kinds: tuple[str, ...]
    rectangle_only: bool


@dataclass(frozen=True, slots=True)
class Osd:
    """One caption in the picture."""

    configuration: str
    """Token of its `SourceConfiguration`."""
    kind: str = "Plain"
    """Plain, Date, Time, DateAndTime; Image for a picture, which we leave alone."""
    text: str = ""
    position: str = "UpperLeft"
    """UpperLeft, UpperRight, LowerLeft, LowerRight, Custom."""
    at: tuple[float, float] | None = None
    """x, y in -1..1, for Custom."""
    date_format: str = ""
    time_format: str = ""
    font_size: int = 0
    """0: the camera's own."""
    token: str = ""
    """Given by the camera."""


@dataclass(frozen=True, slots=True)
class OsdOptions:
    """What captions a camera can draw."""

    most: int
    kinds: tuple[str, ...]
    positions: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProfileAudio:
    """A media profile that carries sound."""

    profile: str
    encoding: str
    encoder: str = ""
    """Token of its audio encoder configuration."""


def entries(answer: etree._Element, name: str) -> list[etree._Element]:
    """Return the answer's entries of that name, cut to size."""
    return [item for item in answer if xml.local(item) == name][:MOST_LISTED]


def token_of(element: etree._Element) -> str:
    """Return an element's token, cut to the length ONVIF allows twice over."""
    return element.get("token", "")[:128]


def real(text: str | None, least: float = 0.0, most: float = 1e9) -> float:
    """Return a camera's number in [least, most]; 0 for anything else."""
    try:
        value = float(text or "")
    except ValueError:
        return 0.0
    return value if least <= value <= most else 0.0


def flag(text: str | None) -> bool:
    """Return an xs:boolean; False for anything else."""
    return (text or "").strip().lower() in {"true", "1"}


def words(texts: Iterable[str | None]) -> tuple[str, ...]:
    """Return what is there, each printable and short, no more than `MOST_LISTED`."""
    return tuple(printable(text, 32) for text in texts if text and text.strip())[:MOST_LISTED]


def span_of(parent: etree._Element | None, name: str, factor: float = 1.0) -> Span:
    """Return the Min and Max of the first element of that name."""
    element = None if parent is None else xml.first(parent, name)
    return Span(real(xml.text_of(element, "Min")) * factor, real(xml.text_of(element, "Max")) * factor)


def sizes_of(parent: etree._Element) -> tuple[tuple[int, int], ...]:
    """Return the resolutions offered, largest first."""
    found = {
        tuple(number(xml.text_of(item, side), MOST_PIXELS_A_SIDE) for side in ("Width", "Height"))
        for item in list(xml.all_named(parent, "ResolutionsAvailable"))[:MOST_LISTED]
    }
    return tuple(sorted(((w, h) for w, h in found if w and h), key=lambda size: (-size[0] * size[1], size)))


def multicast_of(encoder: etree._Element) -> tuple[str, int, int, bool]:
    """Return address, port, time to live and auto-start of an encoder's multicast settings."""
    found = xml.first(encoder, "Multicast")
    address = printable(xml.text_of(found, "IPv4Address"), 64) or "0.0.0.0"  # noqa: S104 - ONVIF's way to say "none"
    port, ttl = number(xml.text_of(found, "Port"), 65_535), number(xml.text_of(found, "TTL"), 255)
    return address, port, ttl, flag(xml.text_of(found, "AutoStart"))


def source_configurations(answer: etree._Element) -> tuple[SourceConfiguration, ...]:
    """Read the answer to GetVideoSourceConfigurations."""
    found = [
        SourceConfiguration(token_of(item), xml.text_of(item, "SourceToken", 128))
        for item in entries(answer, "Configurations")
    ]
    return tuple(item for item in found if item.token)


def mask_of(element: etree._Element) -> Mask:
    """Read one mask."""
    points = list(xml.all_named(element, "Point"))[:MOST_LISTED]
    colour = xml.first(element, "Color")
    return Mask(
        configuration=xml.text_of(element, "ConfigurationToken", 128),
        points=tuple((real(p.get("x"), -10, 10), real(p.get("y"), -10, 10)) for p in points),
        kind=printable(xml.text_of(element, "Type"), 32),
        colour=None if colour is None else (real(colour.get("X")), real(colour.get("Y")), real(colour.get("Z"))),
        enabled=flag(xml.text_of(element, "Enabled")),
        token=token_of(element),
    )


def osd_of(element: etree._Element) -> Osd:
    """Read one caption."""
    words_, position = xml.first(element, "TextString"), xml.first(element, "Position")
    at = None if position is None else xml.first(position, "Pos")
    return Osd(
        configuration=xml.text_of(element, "VideoSourceConfigurationToken", 128),
        kind="Image" if words_ is None else printable(xml.text_of(words_, "Type"), 32),
        text=printable(xml.text_of(words_, "PlainText")),
        position=printable(xml.text_of(position, "Type"), 32),
        at=None if at is None else (real(at.get("x"), -10, 10), real(at.get("y"), -10, 10)),
        date_format=printable(xml.text_of(words_, "DateFormat"), 32),
        time_format=printable(xml.text_of(words_, "TimeFormat"), 32),
        font_size=number(xml.text_of(words_, "FontSize"), 1000),
        token=token_of(element),
    )


def osd_options(answer: etree._Element) -> OsdOptions:
    """Read the answer to GetOSDOptions."""
    most, text = xml.first(answer, "MaximumNumberOfOSDs"), xml.first(answer, "TextOption")
    return OsdOptions(
        most=0 if most is None else number(most.get("Total"), 1000),
        kinds=() if text is None else words(item.text for item in xml.all_named(text, "Type")),
        positions=words(item.text for item in xml.all_named(answer, "PositionOption")),
    )


def osd_parameters(osd: Osd) -> dict[str, object]:
    """Return a caption as a request wants it."""
    words_: dict[str, object] = {"Type": osd.kind}
    optional = {
        "DateFormat": osd.date_format,
        "TimeFormat": osd.time_format,
        "FontSize": osd.font_size,
        "PlainText": osd.text if osd.kind == "Plain" else "",
    }
    words_.update({name: value for name, value in optional.items() if value})
    position: dict[str, object] = {"Type": osd.position}
    if osd.at is not None:
        position["Pos"] = {"x": osd.at[0], "y": osd.at[1]}
    return {
        "token": osd.token,
        "VideoSourceConfigurationToken": osd.configuration,
        "Type": "Text",
        "Position": position,
        "TextString": words_,
    }
