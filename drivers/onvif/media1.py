"""Media1 (ONVIF Media Service): for cameras without a working Media2.

Owns what this service says otherwise than Media2: GOP and profile stand in an element of H.264, rates are whole numbers
with an interval, a configuration goes back with its multicast and its time-out, sound is called by operations of its
own. Blocking; for one thread at a time. Invariants: those of `MediaService`; there are no masks, and no word for H.265:
an encoder that the camera calls neither H264 nor JPEG reads as "" and must not be set through this service.
"""

from __future__ import annotations

from dataclasses import replace

from lxml import etree

from drivers import xml
from drivers.onvif import mediatypes as types
from drivers.onvif.mediaservice import MediaService, audio_of, encoder_of, encoder_parameters
from drivers.onvif.profiles import number
from drivers.onvif.soap import printable
from gateway.core.errors import CameraUnsupported


class Media1(MediaService):
    """One camera's Media1 service; every method raises `CameraError`."""

    @staticmethod
    def _encoder(item: etree._Element) -> types.VideoEncoder:
        h264 = xml.first(item, "H264")
        common = encoder_of(item, gop=xml.text_of(h264, "GovLength"), profile=xml.text_of(h264, "H264Profile"))
        return replace(
            common,
            session_timeout=printable(xml.text_of(item, "SessionTimeout"), 32) or "PT60S",
            interval=number(xml.text_of(xml.first(item, "RateControl"), "EncodingInterval"), 1000) or 1,
        )

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
        wanted = encoder_parameters(encoder) | {
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

    def audio(self) -> tuple[types.ProfileAudio, ...]:
        """Return the profiles that carry sound."""
        return audio_of(self._ask("GetProfiles"), "AudioEncoderConfiguration")

    def remove_audio(self, profile: str) -> None:
        """Take the sound out of a profile."""
        self._ask("RemoveAudioEncoderConfiguration", ProfileToken=profile)

    def add_audio(self, profile: str, encoder: str) -> None:
        """Put an audio encoder back into a profile."""
        self._ask("AddAudioEncoderConfiguration", ProfileToken=profile, ConfigurationToken=encoder)


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
