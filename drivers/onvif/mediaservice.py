"""What both media services of ONVIF say in the same words; `Media1` and `Media2` add what each says in its own.

Owns the typed calls that differ in nothing but the description they are written by (source configurations, captions,
key frames), and what is the same in reading and writing encoders and sound. Blocking; for one thread at a time (the
driver's line). Invariants: requests are written by ONVIF's own WSDL (`written`), answers read tolerantly; setting what
was read changes nothing; what a camera has not is `CameraUnsupported`, never an empty success.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from lxml import etree

from drivers import xml
from drivers.onvif import mediatypes as types
from drivers.onvif.profiles import MOST_PIXELS_A_SIDE, number
from drivers.onvif.soap import printable
from drivers.onvif.written import Ask
from gateway.core.errors import CameraBadReply


class MediaService(ABC):
    """One camera's media service; every method raises `CameraError`."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def video_encoders(self) -> tuple[types.VideoEncoder, ...]:
        """Return the video encoder configurations (GetVideoEncoderConfigurations)."""
        answer = self._ask("GetVideoEncoderConfigurations")
        found = [self._encoder(item) for item in types.entries(answer, "Configurations")]
        return tuple(encoder for encoder in found if encoder.token)

    @staticmethod
    @abstractmethod
    def _encoder(item: etree._Element) -> types.VideoEncoder:
        """Read one video encoder configuration."""

    @abstractmethod
    def encoder_options(self, token: str) -> tuple[types.EncoderOptions, ...]:
        """Return what one configuration may be set to, one entry an encoding that this service knows."""

    @abstractmethod
    def set_video_encoder(self, encoder: types.VideoEncoder) -> None:
        """Set a video encoder; the camera may restart the stream.

        Raises:
            CameraUnsupported: this service has no word for its encoding.

        """

    def source_configurations(self) -> tuple[types.SourceConfiguration, ...]:
        """Return the video source configurations, to which masks and captions belong."""
        return types.source_configurations(self._ask("GetVideoSourceConfigurations"))

    def osds(self, configuration: str = "") -> tuple[types.Osd, ...]:
        """Return the captions, of one source configuration or of all."""
        answer = self._ask("GetOSDs", **chosen(configuration))
        return tuple(types.osd_of(item) for item in types.entries(answer, "OSDs"))

    def osd_options(self, configuration: str) -> types.OsdOptions:
        """Return what captions this source configuration can have."""
        return types.osd_options(self._ask("GetOSDOptions", ConfigurationToken=configuration))

    def create_osd(self, osd: types.Osd) -> str:
        """Create a caption and return the camera's token for it."""
        return given(self._ask("CreateOSD", OSD=types.osd_parameters(osd)), "OSDToken", "caption")

    def set_osd(self, osd: types.Osd) -> None:
        """Change the caption of this token."""
        self._ask("SetOSD", OSD=types.osd_parameters(osd))

    def delete_osd(self, token: str) -> None:
        """Delete a caption."""
        self._ask("DeleteOSD", OSDToken=token)

    def synchronise(self, profile: str) -> None:
        """Let the next picture of a profile be a key frame."""
        self._ask("SetSynchronizationPoint", ProfileToken=profile)

    @abstractmethod
    def audio(self) -> tuple[types.ProfileAudio, ...]:
        """Return the profiles that carry sound."""

    @abstractmethod
    def remove_audio(self, profile: str) -> None:
        """Take the sound out of a profile."""

    @abstractmethod
    def add_audio(self, profile: str, encoder: str) -> None:
        """Put an audio encoder back into a profile."""


def chosen(configuration: str) -> dict[str, object]:
    """Return the parameter that asks for one source configuration's, none for those of all."""
    return {"ConfigurationToken": configuration} if configuration else {}


def given(answer: etree._Element, name: str, what: str) -> str:
    """Return the token the camera gave to what it made; CameraBadReply where it gave none."""
    token = xml.text_of(answer, name, 128)
    if not token:
        raise CameraBadReply("the camera made something without a name", what=what)
    return token


def encoder_of(item: etree._Element, *, gop: str, profile: str) -> types.VideoEncoder:
    """Read what both services write alike of an encoder; where GOP and profile stand differs."""
    rate = xml.first(item, "RateControl")
    return types.VideoEncoder(
        token=types.token_of(item),
        name=printable(xml.text_of(item, "Name"), 64),
        encoding=printable(xml.text_of(item, "Encoding"), 32).upper(),
        width=number(xml.text_of(item, "Width"), MOST_PIXELS_A_SIDE),
        height=number(xml.text_of(item, "Height"), MOST_PIXELS_A_SIDE),
        fps=types.real(xml.text_of(rate, "FrameRateLimit"), most=240),
        bitrate_bps=number(xml.text_of(rate, "BitrateLimit"), 10**6) * 1000,
        gop=number(gop, 10**5),
        profile=printable(profile, 32),
        quality=types.real(xml.text_of(item, "Quality")),
        use_count=number(xml.text_of(item, "UseCount"), 1000),
        multicast=types.multicast_of(item),
    )


def encoder_parameters(encoder: types.VideoEncoder) -> dict[str, object]:
    """Return what both services want alike of an encoder that is set."""
    return {
        "token": encoder.token,
        "Name": encoder.name,
        "UseCount": encoder.use_count,
        "Encoding": encoder.encoding,
        "Resolution": {"Width": encoder.width, "Height": encoder.height},
        "Quality": encoder.quality,
    }


def audio_of(answer: etree._Element, name: str) -> tuple[types.ProfileAudio, ...]:
    """Read the profiles that carry sound: those with an audio encoder, which each service calls its own name."""
    return tuple(
        types.ProfileAudio(
            types.token_of(item), printable(xml.text_of(encoder, "Encoding"), 32), types.token_of(encoder)
        )
        for item in types.entries(answer, "Profiles")
        if (encoder := xml.first(item, name)) is not None
    )
