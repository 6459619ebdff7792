"""Media2 (ONVIF Media Service 2): encoders with H.265, privacy masks, captions, sound.

Owns the typed calls of one camera's Media2 service. Blocking; for one thread at a time (the driver's
line). Invariants: requests are written by ONVIF's own WSDL (`written`), answers read tolerantly; setting
what was read changes nothing; what a camera has not is `CameraUnsupported`, never an empty success.
"""

from __future__ import annotations

from lxml import etree

from drivers import xml
from drivers.onvif import mediatypes as types
from drivers.onvif.profiles import MOST_PIXELS_A_SIDE, number
from drivers.onvif.soap import printable
from drivers.onvif.written import Ask
from gateway.core.errors import CameraBadReply


class Media2:
    """One camera's Media2 service; every method raises `CameraError`."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def video_encoders(self) -> tuple[types.VideoEncoder, ...]:
        """Return the video encoder configurations (GetVideoEncoderConfigurations)."""
        found = [_encoder(item) for item in types.entries(self._ask("GetVideoEncoderConfigurations"), "Configurations")]
        return tuple(encoder for encoder in found if encoder.token)

    def encoder_options(self, token: str) -> tuple[types.EncoderOptions, ...]:
        """Return what one configuration may be set to, one entry an encoding."""
        answer = self._ask("GetVideoEncoderConfigurationOptions", ConfigurationToken=token)
        return tuple(_options(item) for item in types.entries(answer, "Options"))

    def set_video_encoder(self, encoder: types.VideoEncoder) -> None:
        """Set a video encoder; the camera may restart the stream."""
        rate: dict[str, object] = {"FrameRateLimit": encoder.fps, "BitrateLimit": encoder.bitrate_bps // 1000}
        if encoder.constant_bitrate is not None:
            rate["ConstantBitRate"] = encoder.constant_bitrate
        wanted: dict[str, object] = {
            "token": encoder.token,
            "Name": encoder.name,
            "UseCount": encoder.use_count,
            "Encoding": encoder.encoding,
            "Resolution": {"Width": encoder.width, "Height": encoder.height},
            "RateControl": rate,
            "Quality": encoder.quality,
            "GovLength": encoder.gop,
        }
        if encoder.profile:
            wanted["Profile"] = encoder.profile
        self._ask("SetVideoEncoderConfiguration", Configuration=wanted)

    def source_configurations(self) -> tuple[types.SourceConfiguration, ...]:
        """Return the video source configurations, to which masks and captions belong."""
        return types.source_configurations(self._ask("GetVideoSourceConfigurations"))

    def masks(self, configuration: str = "") -> tuple[types.Mask, ...]:
        """Return the privacy masks, of one source configuration or of all."""
        chosen = {"ConfigurationToken": configuration} if configuration else {}
        return tuple(types.mask_of(item) for item in types.entries(self._ask("GetMasks", **chosen), "Masks"))

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
        answer = self._ask("CreateMask", Mask=_mask(mask))
        return _given(xml.text_of(answer, "Token", 128), "mask")

    def set_mask(self, mask: types.Mask) -> None:
        """Change the mask of this token."""
        self._ask("SetMask", Mask=_mask(mask))

    def delete_mask(self, token: str) -> None:
        """Delete a mask."""
        self._ask("DeleteMask", Token=token)

    def osds(self, configuration: str = "") -> tuple[types.Osd, ...]:
        """Return the captions, of one source configuration or of all."""
        chosen = {"ConfigurationToken": configuration} if configuration else {}
        return tuple(types.osd_of(item) for item in types.entries(self._ask("GetOSDs", **chosen), "OSDs"))

    def osd_options(self, configuration: str) -> types.OsdOptions:
        """Return what captions this source configuration can have."""
        return types.osd_options(self._ask("GetOSDOptions", ConfigurationToken=configuration))

    def create_osd(self, osd: types.Osd) -> str:
        """Create a caption and return the camera's token for it."""
        answer = self._ask("CreateOSD", OSD=types.osd_parameters(osd))
        return _given(xml.text_of(answer, "OSDToken", 128), "caption")

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
        answer = self._ask("GetProfiles", Type=["AudioEncoder"])
        return tuple(
            types.ProfileAudio(
                types.token_of(item), printable(xml.text_of(encoder, "Encoding"), 32), types.token_of(encoder)
            )
            for item in types.entries(answer, "Profiles")
            if (encoder := xml.first(item, "AudioEncoder")) is not None
        )

    def remove_audio(self, profile: str) -> None:
        """Take the sound out of a profile."""
        self._ask("RemoveConfiguration", ProfileToken=profile, Configuration=[{"Type": "AudioEncoder"}])

    def add_audio(self, profile: str, encoder: str) -> None:
        """Put an audio encoder back into a profile."""
        wanted = [{"Type": "AudioEncoder", "Token": encoder}]
        self._ask("AddConfiguration", ProfileToken=profile, Configuration=wanted)


def _given(token: str, what: str) -> str:
    if not token:
        raise CameraBadReply("the camera made something without a name", what=what)
    return token


def _encoder(item: etree._Element) -> types.VideoEncoder:
    rate = xml.first(item, "RateControl")
    constant = None if rate is None else rate.get("ConstantBitRate")
    return types.VideoEncoder(
        token=types.token_of(item),
        name=printable(xml.text_of(item, "Name"), 64),
        encoding=printable(xml.text_of(item, "Encoding"), 32).upper(),
        width=number(xml.text_of(item, "Width"), MOST_PIXELS_A_SIDE),
        height=number(xml.text_of(item, "Height"), MOST_PIXELS_A_SIDE),
        fps=types.real(xml.text_of(rate, "FrameRateLimit"), most=240),
        bitrate_bps=number(xml.text_of(rate, "BitrateLimit"), 10**6) * 1000,
        gop=number(item.get("GovLength", ""), 10**5),
        profile=printable(item.get("Profile", ""), 32),
        quality=types.real(xml.text_of(item, "Quality")),
        constant_bitrate=None if constant is None else types.flag(constant),
        use_count=number(xml.text_of(item, "UseCount"), 1000),
        multicast=types.multicast_of(item),
    )


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
