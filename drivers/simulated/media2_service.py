"""ONVIF Media2 service: the one that knows H.265, masks and OSD of Profile T cameras.

Owns the translation between `CameraState` and tr2: XML. Invariant: a mask is kept as the client sent it
(polygon, colour), only its token is ours, so that it reads back the same.
"""

from __future__ import annotations

from lxml import etree

from drivers.simulated.markup import Xml, find, join, tag
from drivers.simulated.media_parts import (
    MOST_MASKS,
    OsdBook,
    codecs,
    encoder2,
    mute,
    profile_of,
    resolution,
    set_encoder,
    snapshot_uri,
    sound,
    sounds,
    source_configuration,
    source_configurations,
    stream_uri,
    synchronise,
    unmute,
)
from drivers.simulated.soap import Operations, SoapRequest, invalid
from drivers.simulated.state import LEAST_KBPS, MOST_FPS, MOST_GOP, MOST_KBPS, PROFILES, SIZES, CameraState, Profile
from gateway.core.media import Codec


class Media2Service:
    """Operations of one camera's Media2 service; used in the event loop only."""

    def __init__(self, state: CameraState) -> None:
        self._state = state
        self._osds = OsdBook(state, "tr2")

    def operations(self) -> Operations:
        """Return the table of operations."""
        nothing = lambda _: Xml("")
        return {
            "GetServiceCapabilities": self._capabilities,
            "GetProfiles": self._profiles,
            "GetStreamUri": lambda r: tag("tr2:Uri", stream_uri(self._state, r)),
            "GetSnapshotUri": lambda r: tag("tr2:Uri", snapshot_uri(self._state, r)),
            "GetVideoSourceConfigurations": lambda _: source_configurations(self._state, "tr2:Configurations"),
            "GetVideoEncoderConfigurations": self._encoders,
            "GetVideoEncoderConfigurationOptions": self._options,
            "GetVideoEncoderInstances": self._instances,
            "SetVideoEncoderConfiguration": lambda r: set_encoder(self._state, r),
            "SetSynchronizationPoint": lambda r: synchronise(self._state, r),
            "GetAudioSourceConfigurations": nothing,
            "GetAudioEncoderConfigurations": lambda _: sounds(self._state, "tr2:Configurations"),
            "RemoveConfiguration": self._remove,
            "AddConfiguration": self._add,
            "GetMetadataConfigurations": nothing,
            "GetAnalyticsConfigurations": nothing,
            "GetMasks": self._get_masks,
            "CreateMask": self._create_mask,
            "SetMask": self._set_mask,
            "DeleteMask": self._delete_mask,
            "GetMaskOptions": self._mask_options,
            "GetOSDs": self._osds.get,
            "GetOSDOptions": self._osds.options,
            "CreateOSD": self._osds.create,
            "SetOSD": self._osds.set,
            "DeleteOSD": self._osds.delete,
        }

    def _capabilities(self, _: SoapRequest) -> Xml:
        most = tag("tr2:ProfileCapabilities", MaximumNumberOfProfiles=len(self._state.profiles))
        streaming = tag("tr2:StreamingCapabilities", RTSPStreaming=True, RTPMulticast=False, RTP_RTSP_TCP=True)
        return tag("tr2:Capabilities", most, streaming, SnapshotUri=True, OSD=True, Mask=True)

    def _profiles(self, request: SoapRequest) -> Xml:
        wanted = request.value("Token")
        shown = [p for p in self._state.shown_profiles() if wanted in ("", p.token)]
        if not shown:
            raise invalid("NoProfile", "no such profile")
        return join([self._profile(profile) for profile in shown])

    def _profile(self, profile: Profile) -> Xml:
        configurations = tag(
            "tr2:Configurations",
            source_configuration(self._state, "tr2:VideoSource", profile),
            encoder2(self._state, profile, "tr2:VideoEncoder"),
            *sound(self._state, profile, "tr2:AudioEncoder"),
        )
        return tag("tr2:Profiles", tag("tr2:Name", profile.role), configurations, token=profile.token, fixed=True)

    def _encoders(self, request: SoapRequest) -> Xml:
        wanted = request.value("ConfigurationToken")
        shown = [p for p in self._state.shown_profiles() if wanted in ("", p.encoder_token)]
        return join([encoder2(self._state, profile, "tr2:Configurations") for profile in shown])

    def _options(self, request: SoapRequest) -> Xml:
        token, named = request.value("ConfigurationToken"), request.value("ProfileToken")
        shown = [p for p in self._state.shown_profiles() if token in ("", p.encoder_token) and named in ("", p.token)]
        if not shown:
            raise invalid("NoConfig", "no such configuration")
        sizes = sorted({size for profile in shown for size in SIZES[profile.role]}, reverse=True)
        rates = " ".join(str(fps) for fps in (25, 20, 15, 12, 10, 8, 6, 5, 2, 1) if fps <= MOST_FPS)
        return join(
            [
                tag(
                    "tr2:Options",
                    tag("tt:Encoding", codec.upper()),
                    tag("tt:QualityRange", tag("tt:Min", 1), tag("tt:Max", 5)),
                    *(resolution(*size, name="tt:ResolutionsAvailable") for size in sizes),
                    tag("tt:BitrateRange", tag("tt:Min", LEAST_KBPS), tag("tt:Max", MOST_KBPS)),
                    GovLengthRange=f"1 {MOST_GOP}",
                    FrameRatesSupported=rates,
                    ProfilesSupported="Main" if codec is Codec.H265 else " ".join(PROFILES),
                    ConstantBitRateSupported=False,
                )
                for codec in codecs()
            ]
        )

    def _remove(self, request: SoapRequest) -> Xml:
        profile_of(self._state, request)  # first: a profile that is none is the worse mistake
        if request.value("Type") != "AudioEncoder":
            raise invalid("ConfigModify", "only sound can be taken out here")
        mute(self._state, request)
        return Xml("")

    def _add(self, request: SoapRequest) -> Xml:
        if request.value("Type") != "AudioEncoder":
            raise invalid("ConfigModify", "only sound can be put in here")
        unmute(self._state, request, request.value("Token"))
        return Xml("")

    def _instances(self, _: SoapRequest) -> Xml:
        count = len(self._state.shown_profiles())
        return tag("tr2:Info", tag("tr2:Total", count))

    def _get_masks(self, request: SoapRequest) -> Xml:
        wanted = request.value("Token")
        masks = self._state.masks.items()
        return join([_shown(token, kept) for token, kept in masks if wanted in ("", token)])

    def _create_mask(self, request: SoapRequest) -> Xml:
        mask = find(request.element, "Mask")
        if mask is None or find(mask, "Polygon") is None:
            raise invalid("InvalidPolygon", "a mask needs a polygon")
        if len(self._state.masks) >= MOST_MASKS:
            raise invalid("MaxMasks", "too many masks")
        token = self._state.new_token("mask")
        self._state.masks[token] = _kept(mask)
        return tag("tr2:Token", token)

    def _set_mask(self, request: SoapRequest) -> Xml:
        mask = find(request.element, "Mask")
        token = str(mask.get("token", "")) if mask is not None else ""
        if mask is None or token not in self._state.masks:
            raise invalid("NoConfig", "no such mask")
        self._state.masks[token] = _kept(mask)
        return Xml("")

    def _delete_mask(self, request: SoapRequest) -> Xml:
        if self._state.masks.pop(request.value("Token"), None) is None:
            raise invalid("NoConfig", "no such mask")
        return Xml("")

    @staticmethod
    def _mask_options(_: SoapRequest) -> Xml:
        kinds = [tag("tr2:Types", "Color"), tag("tr2:Color", tag("tt:ColorList", X=0, Y=0, Z=0))]
        return tag("tr2:Options", tag("tr2:MaxMasks", MOST_MASKS), tag("tr2:MaxPoints", 8), *kinds, RectangleOnly=False)


def _kept(mask: etree._Element) -> bytes:
    """Return the mask's content, self-contained: each child with its own namespace declarations."""
    return b"".join(etree.tostring(child, method="c14n", exclusive=True) for child in mask)


def _shown(token: str, kept: bytes) -> Xml:
    return tag("tr2:Masks", Xml(kept.decode()), token=token)
