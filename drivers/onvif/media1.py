"""Media1 (ONVIF Media Service): the same questions to cameras without a working Media2.

Owns the typed calls of one camera's Media1 service, as `Media2` does for its own. Blocking; for one
thread at a time. Invariants: as there; there are no masks, and no word for H.265: an encoder that the
camera calls neither H264 nor JPEG reads as "" and must not be set through this service.
"""

from __future__ import annotations

from lxml import etree

from drivers import xml
from drivers.onvif import mediatypes as types
from drivers.onvif.profiles import MOST_PIXELS_A_SIDE, number
from drivers.onvif.soap import printable
from drivers.onvif.written import Ask
from gateway.core.errors import CameraBadReply, CameraUnsupported


class Media1:
    """One camera's Media1 service; every method raises `CameraError`."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def video_encoders(self) -> tuple[types.VideoEncoder, ...]:
        """Return the video encoder configurations (GetVideoEncoderConfigurations)."""
        found = [_encoder(item) for item in types.entries(self._ask("GetVideoEncoderConfigurations"), "Configurations")]
        return tuple(encoder for encoder in found if encoder.token)

    def encoder_options(self, token: str) -> tuple[types.EncoderOptions, ...]:
        """Return what one configuration may be set to: H.264 or nothing."""
        answer = self._ask("GetVideoEncoderConfigurationOptions", ConfigurationToken=token)
        found = [item for item in xml.all_named(answer, "H264") if len(item)]
        return (_options(answer, found),) if found else ()

    def set_video_encoder(self, encoder: types.VideoEncoder) -> None:
        """Set a video encoder; the camera may restart the stream.

        Raises:
            CameraUnsupported: it is no H.264 encoder.

        """
        if encoder.encoding != "H264":
            raise CameraUnsupported("Media1 knows no such encoding", encoding=encoder.encoding)
        address, port, ttl, auto = encoder.multicast
        wanted = {
            "token": encoder.token,
            "Name": encoder.name,
            "UseCount": encoder.use_count,
            "Encoding": encoder.encoding,
            "Resolution": {"Width": encoder.width, "Height": encoder.height},
            "Quality": encoder.quality,
            "RateControl": {
                "FrameRateLimit": round(encoder.fps),
                "EncodingInterval": encoder.interval,
                "BitrateLimit": encoder.bitrate_bps // 1000,
            },
            "H264": {"GovLength": encoder.gop, "H264Profile": encoder.profile or "Main"},
            "Multicast": {
                "Address": {"Type": "IPv4", "IPv4Address": address},
                "Port": port,
                "TTL": ttl,
                "AutoStart": auto,
            },
            "SessionTimeout": encoder.session_timeout,
        }
        self._ask("SetVideoEncoderConfiguration", Configuration=wanted, ForcePersistence=True)

    def source_configurations(self) -> tuple[types.SourceConfiguration, ...]:
        """Return the video source configurations, to which captions belong."""
        return types.source_configurations(self._ask("GetVideoSourceConfigurations"))

    def osds(self, configuration: str = "") -> tuple[types.Osd, ...]:
        """Return the captions, of one source configuration or of all."""
        chosen = {"ConfigurationToken": configuration} if configuration else {}
        return tuple(types.osd_of(item) for item in types.entries(self._ask("GetOSDs", **chosen), "OSDs"))

    def osd_options(self, configuration: str) -> types.OsdOptions:
        """Return what captions this source configuration can have."""
        return types.osd_options(self._ask("GetOSDOptions", ConfigurationToken=configuration))

    def create_osd(self, osd: types.Osd) -> str:
        """Create a caption and return the camera's token for it."""
        token = xml.text_of(self._ask("CreateOSD", OSD=types.osd_parameters(osd)), "OSDToken", 128)
        if not token:
            raise CameraBadReply("the camera made something without a name", what="caption")
        return token

    def set_osd(self, osd: types.Osd) -> None:
        """Change the caption of this token."""
        self._ask("SetOSD", OSD=types.osd_parameters(osd))

    def delete_osd(self, token: str) -> None:
        """Delete a caption."""
        self._ask("DeleteOSD", OSDToken=token)

    def synchronise(self, profile: str) -> None:
        """Let the next picture of a profile be a key frame."""
        self._ask("SetSynchronizationPoint", ProfileToken=profile)

    def audio(self) -> tuple[types.ProfileAudio, ...]:
        """Return the profiles that carry sound."""
        return tuple(
            types.ProfileAudio(
                types.token_of(item), printable(xml.text_of(encoder, "Encoding"), 32), types.token_of(encoder)
            )
            for item in types.entries(self._ask("GetProfiles"), "Profiles")
            if (encoder := xml.first(item, "AudioEncoderConfiguration")) is not None
        )

    def remove_audio(self, profile: str) -> None:
        """Take the sound out of a profile."""
        self._ask("RemoveAudioEncoderConfiguration", ProfileToken=profile)

    def add_audio(self, profile: str, encoder: str) -> None:
        """Put an audio encoder back into a profile."""
        self._ask("AddAudioEncoderConfiguration", ProfileToken=profile, ConfigurationToken=encoder)


def _encoder(item: etree._Element) -> types.VideoEncoder:
    rate, h264 = xml.first(item, "RateControl"), xml.first(item, "H264")
    return types.VideoEncoder(
        token=types.token_of(item),
        name=printable(xml.text_of(item, "Name"), 64),
        encoding=printable(xml.text_of(item, "Encoding"), 32).upper(),
        width=number(xml.text_of(item, "Width"), MOST_PIXELS_A_SIDE),
        height=number(xml.text_of(item, "Height"), MOST_PIXELS_A_SIDE),
        fps=types.real(xml.text_of(rate, "FrameRateLimit"), most=240),
        bitrate_bps=number(xml.text_of(rate, "BitrateLimit"), 10**6) * 1000,
        gop=number(xml.text_of(h264, "GovLength"), 10**5),
        profile=printable(xml.text_of(h264, "H264Profile"), 32),
        quality=types.real(xml.text_of(item, "Quality")),
        use_count=number(xml.text_of(item, "UseCount"), 1000),
        multicast=types.multicast_of(item),
        session_timeout=printable(xml.text_of(item, "SessionTimeout"), 32) or "PT60S",
        interval=number(xml.text_of(rate, "EncodingInterval"), 1000) or 1,
    )


def _options(answer: etree._Element, found: list[etree._Element]) -> types.EncoderOptions:
    h264, extended = found[0], found[-1]  # the bit rate came with an extension (Media §5.2.3.5)
    rates = types.span_of(h264, "FrameRateRange")
    return types.EncoderOptions(
        encoding="H264",
        sizes=types.sizes_of(h264),
        fps=tuple(float(rate) for rate in range(round(max(rates.least, 1)), round(min(rates.most, 240)) + 1)),
        bitrate_bps=types.span_of(extended, "BitrateRange", 1000.0),
        gop=types.span_of(h264, "GovLengthRange"),
        quality=types.span_of(answer, "QualityRange"),
        profiles=types.words(item.text for item in xml.all_named(h264, "H264ProfilesSupported")),
    )
