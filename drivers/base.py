"""What every camera driver offers: the words and the `Driver` protocol.

Owns the types that cross from drivers to the recorder: what was found, what was learned, which
streams to open. Invariants: no value carries a password or a URL with one; all times are UTC
milliseconds; a driver sends a login through its camera's one `LoginGate` only, so that no camera
sees a second bad login; what a driver cannot do raises `CameraUnsupported`, and `capabilities` says
so beforehand.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Protocol, runtime_checkable

from drivers.rtsp.source import RtspSource
from gateway.core.media import Codec
from gateway.core.model import Login, StreamRole


class LoginMode(StrEnum):
    """How a camera wants to be logged in to, learned without sending a password."""

    UNKNOWN = "unknown"
    """Nothing was asked yet, or the driver learns it only while playing (RTSP)."""
    OPEN = "open"
    """Answered everything without a login."""
    WSSE = "wsse"
    """WS-Security UsernameToken with PasswordDigest."""
    DIGEST = "digest"
    """HTTP Digest (RFC 7616), MD5 or SHA-256."""
    TEXT = "text"
    """WS-Security with the password in clear: only where the installer allowed it."""
    BASIC = "basic"
    """HTTP Basic (RFC 7617): only over TLS to the certificate that was pinned."""


class Capability(StrEnum):
    """What one driver instance can do beyond naming its streams."""

    SNAPSHOT = "snapshot"
    HEALTH = "health"
    SETTINGS = "settings"
    EVENTS = "events"


class DeviceState(StrEnum):
    """What stands between a found device and its adoption, without a login being tried."""

    UNKNOWN = "unknown"
    """Heard by ONVIF only, or not to be asked from here."""
    READY = "ready"
    """Answers ONVIF, and its vendor's discovery too."""
    INACTIVE = "inactive"
    """Hikvision: nobody has given it a password yet; until then it answers neither RTSP nor ONVIF."""
    UNINITIALISED = "uninitialised"
    """Dahua: the same, under the maker's own name for it."""
    NO_ONVIF = "no_onvif"
    """Answers its vendor's discovery, but no ONVIF call: new firmware comes with ONVIF switched off."""


@dataclass(frozen=True, slots=True)
class Found:
    """One device that answered or announced itself."""

    endpoint: str
    """WS-Discovery endpoint reference; empty when the device gave none."""
    address: str
    """IPv4 address to reach it at."""
    port: int
    """TCP port of its ONVIF device service; 0 when it speaks none."""
    xaddrs: tuple[str, ...]
    """Device service URLs as announced, unusable ones left out."""
    name: str
    hardware: str
    mac: str | None
    """Lower-case, colons; from the kernel's neighbour table; None when not known (loopback, routed)."""
    interface: str
    """Name of our interface that heard it."""
    source: str = ""
    """Where its packet came from: differs from `address` on devices with several addresses."""
    on_subnet: bool = True
    """False: heard, but its address is outside our subnet (a factory default, often)."""
    profiles: tuple[str, ...] = ()
    """ONVIF profiles it claims in its scopes, as letters: S (streaming), T, G, M; empty when it claims none."""
    maker: str = ""
    """Who made it, as far as names, server texts or the MAC tell: a hint, never a driver."""
    rtsp_port: int = 0
    """TCP port that answered RTSP; 0 = nobody looked, or none did."""
    how: tuple[str, ...] = ()
    """Names of the discovery steps that saw it, first one first."""
    vendor: str = ""
    """Whose discovery it answered (`hikvision`, `dahua`); "" if ONVIF's only."""
    serial: str = ""
    """As its vendor's discovery tells it."""
    state: DeviceState = DeviceState.UNKNOWN


@dataclass(frozen=True, slots=True)
class Probe:
    """What a camera said about itself."""

    driver: str
    login_mode: LoginMode
    manufacturer: str = ""
    model: str = ""
    firmware: str = ""
    serial: str = ""
    mac: str | None = None
    name: str = ""
    clock_skew_ms: int | None = None
    """Camera clock minus ours; None when it tells no time."""
    latency_ms: int = 0
    """Round trip of the cheapest call."""
    channels: int = 1
    """Video sources: more than one on a recorder (NVR, DVR)."""


@dataclass(frozen=True, slots=True)
class StreamInfo:
    """One encoding of a camera and how to open it; 0 and None mean the camera did not say."""

    role: StreamRole
    source: RtspSource
    codec: Codec | None = None
    width: int = 0
    height: int = 0
    fps: float = 0.0
    bitrate_bps: int = 0
    gop: int = 0
    """Pictures from one key frame to the next."""
    token: str = ""
    """ONVIF profile token."""


@dataclass(frozen=True, slots=True)
class Health:
    """One cheap look at a camera."""

    latency_ms: int
    clock_skew_ms: int | None
    checked_at_ms: int


@dataclass(frozen=True, slots=True)
class Change:
    """One camera-side setting: as it is and as it should be, in the words of `drivers.settings`."""

    setting: str
    """A key of `drivers.settings.ORDER`, e.g. `main.gop`."""
    before: str
    after: str
    blocked: str = ""
    """Why it cannot be made through this driver (a code of `drivers.settings.Block`); "" = it can."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a `Change`: `now` is what was read back."""

    change: Change
    applied: bool
    now: str
    why: str = ""
    """Why it was not applied: a code of `drivers.settings.Why`, or an error's code; "" = it was."""


Point = tuple[float, float]
"""x and y in a picture, -1 to 1 from the lower left corner (ONVIF's normalised coordinates)."""


@dataclass(frozen=True, slots=True)
class EncoderWish:
    """How one stream should be encoded; None leaves that part alone."""

    codec: Codec | None = None
    width: int | None = None
    height: int | None = None
    fps: float | None = None
    gop_s: float | None = None
    """Seconds from one key frame to the next, at the rate the stream then has."""
    bitrate_bps: int | None = None
    profile: str | None = None
    """H.264 profile as ONVIF names it: `Baseline` or `Main` (both without B-frames), `Extended`, `High`."""


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """What a camera should be set to; None leaves a setting alone."""

    ntp_server: str | None = None
    """Address of the one time server; wanting one also puts the clock right and on NTP."""
    time_zone: str | None = None
    """POSIX zone, e.g. `ICT-7`."""
    main: EncoderWish | None = None
    sub: EncoderWish | None = None
    smart_codec: bool | None = None
    """H.264+, H.265+, Smart Codec: stretch the key-frame distance as they like."""
    audio: bool | None = None
    """Only False can be asked for: the gateway never turns a microphone on."""
    label: str | None = None
    """Class name drawn into the picture, with the date; "" draws neither."""
    own_user: bool | None = None
    """True: the gateway logs in by a user of its own with a random password."""
    factory_password: bool | None = None
    """True: the account the camera came with gets a random password, shown once."""
    masks: tuple[tuple[Point, ...], ...] | None = None
    """Polygons the camera blackens before it encodes."""
    ntp_fallback: str | None = None
    """Address of a time server for a camera that names none at all; otherwise like `ntp_server`."""


class LoginKeeper(Protocol):
    """What takes over the passwords that `apply` makes; they appear nowhere else."""

    async def keep(self, login: Login) -> None:
        """Prove the login where the driver cannot (RTSP), then store it as the one in use.

        Raises:
            CameraError: it does not work there; the driver then goes back to the old one.

        """

    async def let_go(self) -> None:
        """Wait, not for ever, until nobody logs in by the former login any more: a goodbye could be a bad login."""

    async def show(self, login: Login) -> None:
        """Show a person the new login of the factory account; it is not stored."""

    async def former(self) -> Login | None:
        """Return the login that the own user replaced, for an undo; None when it is known no more."""

    async def forget_former(self) -> None:
        """Drop that login: the camera refused it, and must not see it a second time."""


class EventKind(StrEnum):
    """What a camera's event is about."""

    MOTION = "motion"
    TAMPER = "tamper"
    """Covered, turned away, out of focus, too dark or bright: the camera's own view of its picture."""
    INPUT = "input"
    """A contact at the camera's terminals."""
    HARDWARE = "hardware"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class CameraEvent:
    """Something the camera itself reported."""

    topic: str
    """As the camera wrote it, e.g. tns1:VideoSource/MotionAlarm."""
    state: bool | None
    """Whether it began (True) or ended (False); None: the event has no state, or none we read."""
    camera_ms: int
    """When it happened by the camera, turned into our UTC ms; `received_ms` if it did not say."""
    received_ms: int
    kind: EventKind = EventKind.OTHER
    source: str = ""
    """Token of what reported it: a video source, an input."""
    initial: bool = False
    """It tells how things are at the beginning; nothing happened."""
    video_source: str = ""
    """Token of the video source it names: which lens, which channel of a recorder; "" for none."""
    video_configuration: str = ""
    """Token of the video source configuration it names, as events of analytics do; "" for none."""


@runtime_checkable
class Driver(Protocol):
    """One camera, spoken to in one way. Methods are for the event loop; all raise `CameraError`."""

    name: ClassVar[str]

    @property
    def capabilities(self) -> frozenset[Capability]:
        """What this instance can do; the methods of the others raise `CameraUnsupported`."""

    @classmethod
    def discover(cls, interfaces: Sequence[str], seconds: float) -> AsyncIterator[Found]:
        """Look for devices this driver could speak to, on the chosen interfaces only."""

    async def probe(self) -> Probe:
        """Learn what the camera is and log in; at most one bad login, ever."""

    async def streams(self) -> tuple[StreamInfo, ...]:
        """Return main, then sub if there is one."""

    async def snapshot(self) -> bytes:
        """Return one JPEG made by the camera."""

    async def plan(self, want: CameraSettings) -> tuple[Change, ...]:
        """Say what would have to change; changes nothing."""

    async def apply(self, changes: Sequence[Change]) -> tuple[Outcome, ...]:
        """Make the changes one by one and read each back."""

    def events(self) -> AsyncIterator[CameraEvent]:
        """Deliver what the camera reports until closed."""

    async def health(self) -> Health:
        """Take one cheap look, without a login where the camera allows it."""

    async def close(self) -> None:
        """Let go of the camera; the instance is not used again."""
