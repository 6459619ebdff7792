"""What a camera says of itself, and the facts that follow from it together with what was measured.

Owns `Said`, `Measured` and their joining into `CameraFacts`. Pure. Invariants: where the stream and the camera's
words differ, the stream is believed (codec, profile, size); a promise (rate, distance of key frames) is taken
from the camera's words, else from what it said at adoption; nothing is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from drivers import settingtext as text
from drivers.doctor.facts import CameraFacts, PictureFacts, StreamFacts
from drivers.doctor.firmware import advisory_for
from gateway.core.media import Codec, CodecConfig

_OFF_BY = re.compile(r" ([+-]\d{1,12}) s$")
_PROFILES = {66: "Baseline", 77: "Main", 88: "Extended", 100: "High", 110: "High10", 122: "High422", 244: "High444"}
"""profile_idc (ITU-T H.264 Annex A)."""


@dataclass(frozen=True, slots=True)
class Said:
    """A camera's own words; what is missing it did not tell."""

    settings: Mapping[str, str] = field(default_factory=dict)
    """In the keys and texts of `drivers.settings`."""
    dhcp: bool | None = None
    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    leased: bool = False
    """Its address is one the box itself gave it, for ever."""

    def with_settings(self, now: Mapping[str, str]) -> Self:
        """Return these words with settings."""
        return replace(self, settings=dict(now))

    def with_dhcp(self, dhcp: bool | None) -> Self:
        """Return these words with whether the address comes from DHCP."""
        return replace(self, dhcp=dhcp)

    def with_lease(self) -> Self:
        """Return these words of a camera whose address the box gave it."""
        return replace(self, leased=True)

    def with_make(self, manufacturer: str, model: str, firmware: str) -> Self:
        """Return these words with make, model and firmware."""
        return replace(self, manufacturer=manufacturer, model=model, firmware=firmware)


@dataclass(frozen=True, slots=True)
class StreamMeasured:
    """One stream as it arrives; None = too little was seen."""

    config: CodecConfig | None = None
    fps: float | None = None
    key_gap_s: float | None = None
    b_frames: bool | None = None
    loss: float | None = None
    promised_fps: float = 0.0
    """As told at adoption; 0 = it did not say."""
    codec: Codec | None = None
    """As told at adoption."""
    width: int = 0
    height: int = 0


@dataclass(frozen=True, slots=True)
class Measured:
    """What the recorder knows of a camera by itself."""

    state: str
    main: StreamMeasured
    sub: StreamMeasured | None
    picture: PictureFacts | None
    factory_password: bool
    outages: int
    refusals: int
    open_ports: tuple[int, ...] | None
    needs_mask: bool | None
    qcvn: str


def profile_of(config: CodecConfig | None) -> str | None:
    """Return the H.264 profile written in a parameter set; None for H.265 or what we have no name for."""
    if config is None or config.codec is not Codec.H264 or len(config.sps) < 2:
        return None
    return _PROFILES.get(config.sps[1])


def clock_of(words: str | None) -> tuple[bool | None, int | None]:
    """Return (runs by NTP, skew ms) of a clock's text such as `manual -300 s`; None where there is none."""
    if words is None:
        return None, None
    off_by = _OFF_BY.search(words)
    try:
        mode = text.clock_mode(words)
    except ValueError:
        return None, None
    return mode == text.NTP, int(off_by.group(1)) * 1000 if off_by else 0


def facts_of(measured: Measured, said: Said, zone: str) -> CameraFacts:
    """Join both into facts; `zone` is the POSIX zone the site lives in."""
    now = said.settings
    by_ntp, skew_ms = clock_of(now.get("time.clock"))
    server = now.get("time.ntp")
    smart, audio, mask, label = (now.get(key) for key in ("codec.smart", "audio", "mask", "osd.label"))
    return CameraFacts(
        state=measured.state,
        clock_skew_ms=skew_ms,
        time_zone_right=text.agrees("time.zone", now["time.zone"], zone) if "time.zone" in now else None,
        uses_ntp=None if by_ntp is None else by_ntp and server != "",
        factory_password=measured.factory_password,
        main=_stream("main", measured.main, now),
        sub=None if measured.sub is None else _stream("sub", measured.sub, now),
        smart_codec=None if smart is None else smart == text.ON,
        audio=None if audio is None else audio != text.OFF,
        labelled=None if label is None else all(text.read_label(label)),
        refusals=measured.refusals,
        outages=measured.outages,
        dhcp=said.dhcp if said.dhcp is None else said.dhcp and not said.leased,
        masks=None if mask is None else sum(bool(polygon.strip()) for polygon in mask.split(";")),
        needs_mask=measured.needs_mask,
        qcvn=measured.qcvn,
        bad_firmware=advisory_for(said.manufacturer, said.model, said.firmware) if said.firmware else None,
        open_ports=measured.open_ports,
        picture=measured.picture,
    )


def _stream(role: str, measured: StreamMeasured, now: Mapping[str, str]) -> StreamFacts:
    config = measured.config
    told = {part: now.get(f"{role}.{part}") for part in ("codec", "profile", "size", "fps", "gop", "bitrate")}
    size = _size(told["size"])
    fps = _number(told["fps"]) or measured.promised_fps or None
    gop = _number(told["gop"])
    codec = config.codec if config is not None else _codec(told["codec"]) or measured.codec
    return StreamFacts(
        codec=codec,
        profile=profile_of(config) or (told["profile"] if codec is Codec.H264 and config is None else None),
        width=(config and config.width) or size[0] or measured.width or None,
        height=(config and config.height) or size[1] or measured.height or None,
        fps_promised=fps,
        fps=measured.fps,
        gop_s=gop / fps if gop and fps else None,
        key_gap_s=measured.key_gap_s,
        bitrate_bps=round(rate) if (rate := _number(told["bitrate"])) else None,
        b_frames=measured.b_frames,
        loss=measured.loss,
    )


def _codec(words: str | None) -> Codec | None:
    return next((codec for codec in Codec if codec.value == words), None)


def _number(words: str | None) -> float | None:
    try:
        return float(words) if words else None
    except ValueError:
        return None


def _size(words: str | None) -> tuple[int, int]:
    try:
        return text.read_size(words or "")
    except ValueError:
        return 0, 0
