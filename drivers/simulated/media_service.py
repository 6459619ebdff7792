"""ONVIF Media (version 1) service: profiles, stream and snapshot addresses, encoders, OSD.

Owns the translation between `CameraState` and trt: XML. Invariant: a stream that is H.265 has no encoder
configuration here, because Media1 has no word for it (as on real cameras); Media2 shows it.
"""

from __future__ import annotations

from drivers.simulated.markup import Xml, join, tag
from drivers.simulated.media_parts import (
    OsdBook,
    by_encoder_token,
    encoder1,
    mute,
    profile_of,
    resolution,
    set_encoder,
    snapshot_uri,
    sound,
    sounds,
    source_configuration,
    source_configurations,
    source_size,
    span,
    stream_uri,
    synchronise,
    unmute,
)
from drivers.simulated.soap import Operations, SoapRequest, invalid
from drivers.simulated.state import (
    MOST_FPS,
    MOST_GOP,
    PROFILES,
    SIZES,
    CameraState,
    Profile,
)
from gateway.core.media import Codec


class MediaService:
    """Operations of one camera's Media1 service; used in the event loop only."""

    def __init__(self, state: CameraState) -> None:
        self._state = state
        self._osds = OsdBook(state, "trt")

    def operations(self) -> Operations:
        """Return the table of operations."""
        nothing = lambda _: Xml("")
        return {
            "GetServiceCapabilities": self._capabilities,
            "GetProfiles": lambda _: join([self._profile(p, "trt:Profiles") for p in self._state.shown_profiles()]),
            "GetProfile": lambda r: self._profile(profile_of(self._state, r), "trt:Profile"),
            "GetStreamUri": lambda r: self._uri(stream_uri(self._state, r)),
            "GetSnapshotUri": lambda r: self._uri(snapshot_uri(self._state, r)),
            "GetVideoSources": self._sources,
            "GetVideoSourceConfigurations": lambda _: source_configurations(self._state, "trt:Configurations"),
            "GetVideoSourceConfiguration": self._source_configuration,
            "GetCompatibleVideoSourceConfigurations": lambda _: source_configurations(
                self._state, "trt:Configurations"
            ),
            "GetVideoEncoderConfigurations": self._encoders,
            "GetCompatibleVideoEncoderConfigurations": self._encoders,
            "GetVideoEncoderConfiguration": self._encoder,
            "GetVideoEncoderConfigurationOptions": self._options,
            "GetGuaranteedNumberOfVideoEncoderInstances": self._instances,
            "SetVideoEncoderConfiguration": lambda r: set_encoder(self._state, r),
            "SetSynchronizationPoint": lambda r: synchronise(self._state, r),
            "GetAudioSources": nothing,
            "GetAudioSourceConfigurations": nothing,
            "GetAudioEncoderConfigurations": lambda _: sounds(self._state, "trt:Configurations"),
            "RemoveAudioEncoderConfiguration": self._mute,
            "AddAudioEncoderConfiguration": self._unmute,
            "GetAudioOutputs": nothing,
            "GetAudioOutputConfigurations": nothing,
            "GetAudioDecoderConfigurations": nothing,
            "GetMetadataConfigurations": nothing,
            "GetVideoAnalyticsConfigurations": nothing,
            "GetOSDs": self._osds.get,
            "GetOSDOptions": self._osds.options,
            "CreateOSD": self._osds.create,
            "SetOSD": self._osds.set,
            "DeleteOSD": self._osds.delete,
        }

    def _capabilities(self, _: SoapRequest) -> Xml:
        most = tag("trt:ProfileCapabilities", MaximumNumberOfProfiles=len(self._state.profiles))
        streaming = tag("trt:StreamingCapabilities", RTPMulticast=False, RTP_TCP=True, RTP_RTSP_TCP=True)
        return tag("trt:Capabilities", most, streaming, SnapshotUri=True, Rotation=False, OSD=True)

    def _profile(self, profile: Profile, name: str) -> Xml:
        parts = [
            tag("tt:Name", profile.role),
            source_configuration(self._state, "tt:VideoSourceConfiguration", profile),
        ]
        if profile.encoder.codec is Codec.H264:
            parts.append(encoder1(self._state, profile, "tt:VideoEncoderConfiguration"))
        parts += sound(self._state, profile, "tt:AudioEncoderConfiguration")
        return tag(name, *parts, token=profile.token, fixed=True)

    @staticmethod
    def _uri(uri: str) -> Xml:
        return tag(
            "trt:MediaUri",
            tag("tt:Uri", uri),
            tag("tt:InvalidAfterConnect", False),
            tag("tt:InvalidAfterReboot", False),
            tag("tt:Timeout", "PT0S"),
        )

    def _sources(self, _: SoapRequest) -> Xml:
        size = resolution(*source_size(self._state))
        rate = tag("tt:Framerate", MOST_FPS)
        return join([tag("trt:VideoSources", rate, size, token=p.source) for p in self._state.sources()])

    def _source_configuration(self, request: SoapRequest) -> Xml:
        wanted = request.value("ConfigurationToken")
        found = next((p for p in self._state.sources() if wanted in ("", p.source_configuration)), None)
        if found is None:
            raise invalid("NoConfig", "no such video source configuration")
        return source_configuration(self._state, "trt:Configuration", found)

    def _encoders(self, _: SoapRequest) -> Xml:
        shown = [p for p in self._state.shown_profiles() if p.encoder.codec is Codec.H264]
        return join([encoder1(self._state, profile, "trt:Configurations") for profile in shown])

    def _encoder(self, request: SoapRequest) -> Xml:
        profile = by_encoder_token(self._state, request.value("ConfigurationToken"))
        if profile.encoder.codec is not Codec.H264:
            raise invalid("NoConfig", "not an H.264 configuration")
        return encoder1(self._state, profile, "trt:Configuration")

    def _options(self, request: SoapRequest) -> Xml:
        token, named = request.value("ConfigurationToken"), request.value("ProfileToken")
        profiles = self._state.shown_profiles()
        if token:
            profiles = [by_encoder_token(self._state, token)]
        elif named:
            profiles = [profile_of(self._state, request)]
        sizes = sorted({size for profile in profiles for size in SIZES[profile.role]}, reverse=True)
        h264 = tag(
            "tt:H264",
            *(resolution(*size, name="tt:ResolutionsAvailable") for size in sizes),
            span("tt:GovLengthRange", 1, MOST_GOP),
            span("tt:FrameRateRange", 1, MOST_FPS),
            span("tt:EncodingIntervalRange", 1, 1),
            *(tag("tt:H264ProfilesSupported", name) for name in PROFILES),
        )
        return tag("trt:Options", span("tt:QualityRange", 1, 5), h264)

    def _mute(self, request: SoapRequest) -> Xml:
        mute(self._state, request)
        return Xml("")

    def _unmute(self, request: SoapRequest) -> Xml:
        unmute(self._state, request, request.value("ConfigurationToken"))
        return Xml("")

    def _instances(self, _: SoapRequest) -> Xml:
        count = len(self._state.shown_profiles())
        return join([tag("trt:TotalNumber", count), tag("trt:H264", count)])
