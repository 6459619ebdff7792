"""Media2 (ONVIF Media Service 2): the service with H.265 and privacy masks.

Owns what this service says otherwise than Media1: any encoding, GOP and profile as attributes, rates with a fraction,
constant bit rate, masks, and sound as one more configuration of a profile. Blocking; for one thread at a time (the
driver's line). Invariants: those of `MediaService`.
"""

from __future__ import annotations

from dataclasses import replace

from lxml import etree

from drivers import xml
from drivers.onvif import mediatypes as types
from drivers.onvif.mediaservice import MediaService, audio_of, chosen, encoder_of, encoder_parameters, given
from drivers.onvif.profiles import number
from drivers.onvif.soap import printable
from gateway.core.errors import CameraBadReply


class Media2(MediaService):
    """One camera's Media2 service; every method raises `CameraError`."""

    @staticmethod
    def _encoder(item: etree._Element) -> types.VideoEncoder:
        rate = xml.first(item, "RateControl")
        constant = None if rate is None else rate.get("ConstantBitRate")
        common = encoder_of(item, gop=item.get("GovLength", ""), profile=item.get("Profile", ""))
        return replace(common, constant_bitrate=None if constant is None else types.flag(constant))

    def encoder_options(self, token: str) -> tuple[types.EncoderOptions, ...]:
        """Return what one configuration may be set to, one entry an encoding."""
        answer = self._ask("GetVideoEncoderConfigurationOptions", ConfigurationToken=token)
        return tuple(_options(item) for item in types.entries(answer, "Options"))

    def set_video_encoder(self, encoder: types.VideoEncoder) -> None:
        """Set a video encoder; the camera may restart the stream."""
        rate: dict[str, object] = {"FrameRateLimit": encoder.fps, "BitrateLimit": encoder.bitrate_bps // 1000}
        if encoder.constant_bitrate is not None:
            rate["ConstantBitRate"] = encoder.constant_bitrate
        wanted = encoder_parameters(encoder) | {"RateControl": rate, "GovLength": encoder.gop}
        if encoder.profile:
            wanted["Profile"] = encoder.profile
        self._ask("SetVideoEncoderConfiguration", Configuration=wanted)

    def masks(self, configuration: str = "") -> tuple[types.Mask, ...]:
        """Return the privacy masks, of one source configuration or of all."""
        answer = self._ask("GetMasks", **chosen(configuration))
        return tuple(types.mask_of(item) for item in types.entries(answer, "Masks"))

    def mask_options(self, configuration: str) -> types.MaskOptions:
        """Return what masks this source configuration can have."""
        answer = xml.first(self._ask("GetMaskOptions", ConfigurationToken=configuration), "Options")
        if answer is None:
            raise CameraBadReply("the camera does not say which masks it can draw")
        return types.MaskOptions(
            most=number(xml.text_of(answer, "MaxMasks"), 1000),
            most_points=number(xml.text_of(answer, "MaxPoints"), 1000),
            kinds=types.words(item.text for item in xml.all_named(answer, "Types")),
            rectangle_only=types.flag(answer.get("RectangleOnly")),
        )

    def create_mask(self, mask: types.Mask) -> str:
        """Create a mask and return the camera's token for it."""
        return given(self._ask("CreateMask", Mask=_mask(mask)), "Token", "mask")

    def set_mask(self, mask: types.Mask) -> None:
        """Change the mask of this token."""
        self._ask("SetMask", Mask=_mask(mask))

    def delete_mask(self, token: str) -> None:
        """Delete a mask."""
        self._ask("DeleteMask", Token=token)

    def audio(self) -> tuple[types.ProfileAudio, ...]:
        """Return the profiles that carry sound."""
        return audio_of(self._ask("GetProfiles", Type=["AudioEncoder"]), "AudioEncoder")

    def remove_audio(self, profile: str) -> None:
        """Take the sound out of a profile."""
        self._ask("RemoveConfiguration", ProfileToken=profile, Configuration=[{"Type": "AudioEncoder"}])

    def add_audio(self, profile: str, encoder: str) -> None:
        """Put an audio encoder back into a profile."""
        wanted = [{"Type": "AudioEncoder", "Token": encoder}]
        self._ask("AddConfiguration", ProfileToken=profile, Configuration=wanted)


def _options(item: etree._Element) -> types.EncoderOptions:
    gop = sorted(types.real(word) for word in item.get("GovLengthRange", "").split()[: types.MOST_LISTED])
    rates = {types.real(word, most=240) for word in item.get("FrameRatesSupported", "").split()[: types.MOST_LISTED]}
    return types.EncoderOptions(
        encoding=printable(xml.text_of(item, "Encoding"), 32).upper(),
        sizes=types.sizes_of(item),
        fps=tuple(sorted(rates - {0.0})),
        bitrate_bps=types.span_of(item, "BitrateRange", 1000.0),
        gop=types.Span(gop[0], gop[-1]) if gop else types.Span(),
        quality=types.span_of(item, "QualityRange"),
        profiles=types.words(item.get("ProfilesSupported", "").split()),
        constant_bitrate=types.flag(item.get("ConstantBitRateSupported")),
    )


def _mask(mask: types.Mask) -> dict[str, object]:
    wanted: dict[str, object] = {
        "ConfigurationToken": mask.configuration,
        "Polygon": {"Point": [{"x": x, "y": y} for x, y in mask.points]},
        "Type": mask.kind,
        "Enabled": mask.enabled,
    }
    if mask.kind == "Color" and mask.colour is not None:
        wanted["Color"] = dict(zip("XYZ", mask.colour, strict=True))
    if mask.token:
        wanted["token"] = mask.token
    return wanted
