"""What a simulated camera remembers: identity, profiles, time, network, OSD, masks.

Owns the camera's settings as ONVIF shows and changes them. Invariants: what a client sets is what it reads
back; encoder settings stay within `limits`; a change of a profile calls `on_stream_change`, nothing else
does I/O. A power cycle of the process forgets all but the identity, which is a function of `seed` and index.
"""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from drivers.simulated.faults import Quirks
from drivers.simulated.logins import LoginBook
from drivers.simulated.soap import SERVICE_PATHS
from gateway.core.clock import Clock
from gateway.core.media import Codec
from gateway.core.model import StreamRole

MANUFACTURER, MODEL, FIRMWARE, HARDWARE = "Vuon", "Simulated classroom", "1.0.0", "SIM-1"
SOURCE_TOKEN, SOURCE_CONFIGURATION = "vs0", "vsc0"
TIME_ZONE = "ICT-7"
"""POSIX zone of Viet Nam, as cameras write it."""
SIZES: dict[StreamRole, tuple[tuple[int, int], ...]] = {
    StreamRole.MAIN: ((1920, 1080), (1280, 720), (640, 360), (320, 180)),
    StreamRole.SUB: ((1280, 720), (640, 360), (320, 180)),
}
PROFILES = ("Baseline", "Main", "High")
"""H.264 profiles on offer."""
WITHOUT_B_FRAMES = frozenset({"Baseline", "Main"})
MOST_FPS, MOST_GOP, LEAST_KBPS, MOST_KBPS = 25, 250, 64, 8192


@dataclass(frozen=True, slots=True)
class Encoder:
    """One encoding as ONVIF sees it."""

    codec: Codec = Codec.H264
    width: int = 1280
    height: int = 720
    fps: int = 15
    gop_frames: int = 30
    bitrate_kbps: int = 2000
    quality: float = 4.0
    profile: str = ""
    """H.264 profile a client asked for; "" = as the camera came (see `CameraState.h264_profile`)."""


MAIN = Encoder()
SUB = Encoder(width=640, height=360, fps=10, gop_frames=20, bitrate_kbps=400)


@dataclass(slots=True)
class Profile:
    """One media profile: a name, an RTSP path and an encoder."""

    role: StreamRole
    token: str
    path: str
    """RTSP path with query, beginning with a slash."""
    encoder: Encoder
    channel: int = 1
    """Of a recorder: from 1."""
    came_with: tuple[int, int] = field(init=False)
    """Size it was built with: always on offer beside `SIZES`, so that a client can take a change back."""

    def __post_init__(self) -> None:
        self.came_with = (self.encoder.width, self.encoder.height)

    @property
    def source(self) -> str:
        """Return the token of its video source."""
        return SOURCE_TOKEN if self.channel == 1 else f"vs{self.channel - 1}"

    @property
    def source_configuration(self) -> str:
        """Return the token of its video source configuration."""
        return SOURCE_CONFIGURATION if self.channel == 1 else f"vsc{self.channel - 1}"

    @property
    def encoder_token(self) -> str:
        """Return the token of its encoder configuration."""
        return f"enc-{self.token}"


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells one camera from another; equal seed and index give an equal identity."""

    endpoint: str
    """WS-Discovery endpoint reference, urn:uuid:..."""
    serial: str
    mac: str
    """Locally administered, colon separated, lower case."""


def identity_of(seed: str, index: int) -> Identity:
    """Return the identity of camera `index` of a farm."""
    digest = hashlib.sha256(f"{seed}/{index}".encode()).digest()
    mac = ":".join(f"{byte:02x}" for byte in (0x02, *digest[:5]))
    return Identity(f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}", f"VS{digest.hex()[:10].upper()}", mac)


@dataclass(slots=True)
class CameraState:
    """Settings of one camera; used in the event loop only."""

    name: str
    identity: Identity
    address: str
    clock: Clock
    quirks: Quirks
    book: LoginBook
    profiles: list[Profile]
    on_stream_change: Callable[[Profile], None]
    on_synchronise: Callable[[Profile], None] = lambda _: None
    """Makes the next frame of a profile a key frame."""
    onvif_port: int = 0
    rtsp_port: int = 0
    ntp_servers: list[str] = field(default_factory=list)
    ntp_from_dhcp: bool = False
    time_type: str = "Manual"
    time_zone: str = TIME_ZONE
    hostname: str = "vuon-sim"
    location: str = ""
    boots: int = 0
    scopes_added: list[str] = field(default_factory=list)
    osds: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Token -> (kind of text, text)."""
    masks: dict[str, bytes] = field(default_factory=dict)
    """Token -> the mask as the client sent it, canonical XML without its token."""
    muted: set[str] = field(default_factory=set)
    """Tokens of the profiles whose audio encoder was taken out."""
    imaging: dict[str, float] = field(
        default_factory=lambda: {"Brightness": 50.0, "ColorSaturation": 50.0, "Contrast": 50.0, "Sharpness": 50.0}
    )

    tokens_made: int = 0

    def new_token(self, kind: str) -> str:
        """Return a token that never named anything on this camera."""
        self.tokens_made += 1
        return f"{kind}{self.tokens_made}"

    def now_ms(self) -> int:
        """Return the camera's own clock, UTC ms, with its skew."""
        return self.clock.now_ms() + round(self.quirks.clock_skew_s * 1000)

    @property
    def host(self) -> str:
        """Return the host this camera believes to have."""
        return self.quirks.wrong_host or self.address

    def url(self, path: str) -> str:
        """Return an ONVIF address of this camera."""
        scheme = "https" if self.quirks.https else "http"
        return f"{scheme}://{self.host}:{self.onvif_port}{path}"

    def service_url(self, prefix: str) -> str:
        """Return the address of one of its services ("tds", "trt", ...)."""
        return self.url((prefix == "tds" and self.quirks.device_path) or SERVICE_PATHS[prefix])

    def shown_profiles(self) -> list[Profile]:
        """Return the profiles clients may see."""
        return [p for p in self.profiles if not (self.quirks.no_sub and p.role is StreamRole.SUB)]

    def sources(self) -> list[Profile]:
        """Return one profile of each video source, in the order of the channels."""
        return list({profile.source: profile for profile in reversed(self.shown_profiles())}.values())[::-1]

    def h264_profile(self, encoder: Encoder) -> str:
        """Return the profile an encoder shows: a camera that came with B-frames came with High."""
        return encoder.profile or ("High" if self.quirks.b_frames else "Baseline")

    def b_frames(self, encoder: Encoder) -> int:
        """Return how many pictures are sent out of order: none in profiles Baseline and Main."""
        return 0 if encoder.codec is Codec.H264 and encoder.profile in WITHOUT_B_FRAMES else self.quirks.b_frames

    def has_sound(self, profile: Profile) -> bool:
        """Say whether a profile carries an audio encoder."""
        return self.quirks.onvif_audio and profile.token not in self.muted

    def scopes(self) -> list[str]:
        """Return WS-Discovery scopes (ONVIF Core 7.3.3), percent-encoded where needed."""
        base = "onvif://www.onvif.org"
        fixed = ["type/video_encoder", "type/Network_Video_Transmitter", "Profile/Streaming", "Profile/T"]
        named = [f"hardware/{HARDWARE}", f"name/{quote(self.name)}", f"location/{quote(self.location or 'truong')}"]
        return [f"{base}/{item}" for item in (*fixed, *named)] + self.scopes_added

    def change_encoder(self, profile: Profile, encoder: Encoder) -> None:
        """Set an encoder; the stream restarts if anything visible changed."""
        if encoder != profile.encoder:
            profile.encoder = replace(encoder)
            self.on_stream_change(profile)


def quote(text: str) -> str:
    """Percent-encode everything but unreserved characters (RFC 3986 §2.3)."""
    safe = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~"
    return "".join(c if c in safe else "".join(f"%{byte:02X}" for byte in c.encode()) for c in text)
