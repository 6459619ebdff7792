"""What is known of one camera and of the box when the doctor looks: frozen facts, nothing judged.

Owns the words between those who measure and `drivers.doctor.faults`. Pure. Invariants: None means that a
thing could not be known, never that it is well; nothing here carries a password; figures are as measured,
thresholds live with the faults.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gateway.core.media import Codec


@dataclass(frozen=True, slots=True)
class StreamFacts:
    """One stream: what the camera promises of it and what arrives."""

    codec: Codec | None = None
    profile: str | None = None
    """H.264 profile as it stands in the stream: Baseline, Main, High, ..."""
    width: int | None = None
    height: int | None = None
    fps_promised: float | None = None
    fps: float | None = None
    """Pictures a second that arrived over the last minutes."""
    gop_s: float | None = None
    """Seconds between key frames as the camera is set."""
    key_gap_s: float | None = None
    """Longest time between key frames seen in the stream lately."""
    bitrate_bps: int | None = None
    """As the camera is set."""
    b_frames: bool | None = None
    loss: float | None = None
    """Share (0-1) of packets lost over the last minutes."""


@dataclass(frozen=True, slots=True)
class PictureFacts:
    """What the newest key frame shows; figures of the part without captions."""

    luma_mean: float
    """0-255; video black is 16."""
    contrast: float
    """Standard deviation of the luma of a coarse picture, 0-128."""
    detail: float
    """Share of fine structure in the contrast, 0-1: falls when the lens is dirty or out of focus."""
    clipped: float
    """Share of the picture that is burnt out, 0-1."""
    frozen: bool
    """The same picture bit for bit over many key frames, while packets go on."""
    usual_detail: float | None = None
    """`detail` when the installer approved the picture; None: nobody did."""
    likeness: float | None = None
    """How alike the outlines are to the approved picture, -1 to 1; None: there is none to compare with."""


@dataclass(frozen=True, slots=True)
class CameraFacts:
    """Everything the doctor knows of one camera."""

    state: str | None = None
    """The recorder's word: up, connecting, down, silent, login_refused."""
    clock_skew_ms: int | None = None
    time_zone_right: bool | None = None
    uses_ntp: bool | None = None
    factory_password: bool | None = None
    """The stored login is one that cameras leave the factory with; compared here, tried nowhere."""
    main: StreamFacts = field(default_factory=StreamFacts)
    sub: StreamFacts | None = field(default_factory=StreamFacts)
    """None: the camera has no second stream."""
    smart_codec: bool | None = None
    """As the camera says; see `faults.smart_codec` for what the stream shows."""
    audio: bool | None = None
    labelled: bool | None = None
    """The camera draws the class name and the date into its picture."""
    refusals: int | None = None
    """How often it had no room for our session (453, 503) in the last hour."""
    outages: int | None = None
    """How often it was gone in the last 24 hours."""
    dhcp: bool | None = None
    """Its address is from a DHCP server that may give it another one; ours gives the same one for ever."""
    masks: int | None = None
    needs_mask: bool | None = None
    """The installer said that part of this picture must be hidden."""
    qcvn: str | None = None
    """Number of its certificate of conformity as entered; "" if nobody did."""
    bad_firmware: str | None = None
    """The advisory its firmware is known for; "" for none that we know."""
    open_ports: tuple[int, ...] | None = None
    """Doors beside web, ONVIF and RTSP that answer."""
    picture: PictureFacts | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """A door in the modem: what the Internet reaches inside."""

    external_port: int
    protocol: str
    """TCP or UDP."""
    client: str
    """Address inside."""
    port: int
    """Port inside."""
    description: str = ""


@dataclass(frozen=True, slots=True)
class BoxFacts:
    """What the doctor knows of the box and its network."""

    time_trusted: bool | None = None
    forwards: tuple[Forward, ...] | None = None
    """None: no modem told (UPnP off, or none here)."""
    cameras: frozenset[str] = frozenset()
    """Addresses of our cameras."""
    uplink_bps: int | None = None
    """What the modem may send, as it says."""
    forwards_whole: bool = True
    """Whether the modems' lists were seen to their end."""
