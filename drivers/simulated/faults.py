"""What a simulated camera can be told to do wrong, while it runs.

Owns `Faults` (things that happen to a camera), `Quirks` (how its firmware deviates for good) and the one
function that changes them by name. Invariants: every field is read at the moment it matters, so a change
acts at once, but for the few that say "through `SimulatedCamera.switch`"; a value of the wrong kind never
gets in by name; the default of every field is a good camera.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

from gateway.core.errors import BadInput


class Look(StrEnum):
    """What the lens shows: the picture faults that health checks have to tell apart."""

    NORMAL = "normal"
    FROZEN = "frozen"
    """The same picture for ever, in a stream that otherwise goes on."""
    COVERED = "covered"
    DARK = "dark"
    BRIGHT = "bright"
    BLURRED = "blurred"
    MOVED = "moved"
    """Somebody turned the camera: the scene is shifted and tilted."""


class Sound(StrEnum):
    """What a camera's microphone sends."""

    NONE = "none"
    AAC = "aac"
    PCMU = "pcmu"
    PCMA = "pcma"
    G726 = "g726"
    """Nothing that a recorder or a browser can take."""


class KeepAlive(StrEnum):
    """Which requests keep an RTSP session, as the Public header tells."""

    BOTH = "both"
    GET_PARAMETER = "get_parameter"
    OPTIONS = "options"
    DEADLY = "deadly"
    """GET_PARAMETER is offered, and the camera hangs up on it."""


@dataclass(slots=True)
class Faults:
    """Things that happen to a camera; each can be switched while clients are connected."""

    freeze: bool = False
    """The picture stands still although packets go on (same as `look = frozen`)."""
    look: Look = Look.NORMAL
    """Shown from the key frame after its scene is drawn and encoded, a second or two later."""
    drop: float = 0.0
    """Share (0-1) of RTP packets that are never sent; sequence numbers go on counting."""
    silent: bool = False
    """Sessions stand, requests are answered, no media is sent."""
    garbage: bool = False
    """RTSP requests are answered with bytes that are no RTSP."""
    refuse_status: int = 0
    """DESCRIBE is answered with this status (503, 453, ...); 0 = normally."""
    refuse_logins: bool = False
    """RTSP answers 401 to the right password, too: no connection is left (seen on Dahua); counts as no bad login."""
    max_sessions: int = 0
    """SETUP beyond this many sessions is answered with 453; 0 = no limit."""
    jump_90k: int = 0
    """Added to every RTP timestamp from now on."""
    no_params_in_sdp: bool = False
    no_params_in_band: bool = False
    latency_s: float = 0.0
    """Every RTSP and ONVIF answer comes this much later."""
    hang: bool = False
    """ONVIF requests are read and never answered."""
    html_error: bool = False
    """ONVIF faults come as an HTML page with status 500."""
    offline: bool = False
    """Unplugged: nothing listens, nothing is announced. Switch it through `SimulatedCamera.switch`."""


@dataclass(slots=True)
class Quirks:
    """How this firmware deviates from the standards, or how it was set up."""

    rtsp_digest: tuple[str, ...] = ("MD5",)
    """Algorithms offered, in this order (MD5, SHA-256); empty = none."""
    rtsp_basic: bool = False
    rtsp_qop: bool = False
    """Offer qop="auth" (RFC 7616) on RTSP; most cameras do not."""
    rtsp_anonymous: bool = False
    """RTSP needs no login at all."""
    keepalive: KeepAlive = KeepAlive.BOTH
    session_timeout_s: int = 60
    tcp_only: bool = False
    udp_only: bool = False
    udp_swaps: bool = False
    """Over UDP neighbouring packets change places."""
    udp_no_ports: bool = False
    """SETUP is answered without `server_port`."""
    rtsps: bool = False
    """RTSP over TLS, too, on a port of its own (`SimulatedCamera.rtsps_port`). Decided when the camera starts."""
    sound: Sound = Sound.NONE
    """The description has a second track; whoever sets it up gets silence."""
    retry_after_s: int = 0
    """Named beside `refuse_status` and 453; 0 = not."""
    wrong_content_base: str = ""
    """Host named in Content-Base instead of our own."""
    h265: bool = False
    """Main stream is H.265; switch it through `SimulatedCamera.switch`, which restarts the stream."""
    b_frames: int = 0
    """Pictures sent out of order, from the next key frame after they are encoded; not in profiles Main and Baseline."""
    no_sub: bool = False
    channels_off: tuple[str, ...] = ()
    """Numbers of a recorder's channels without a camera: ONVIF lists them, RTSP has no picture (404)."""
    onvif_audio: bool = False
    """Profiles carry a G.711 encoder until a client takes it out (RTSP sends no sound either way)."""
    onvif: bool = True
    """False = RTSP only: no ONVIF port, no discovery. Decided when the camera starts."""
    https: bool = False
    """ONVIF and stills over TLS only. Decided when the camera starts."""
    device_path: str = ""
    """Path of its ONVIF device service, the only one that answers then; "" = the standard one, and any other."""
    onvif_auth: tuple[str, ...] = ("wsse", "digest")
    """Accepted on ONVIF: wsse (PasswordDigest), text (PasswordText), digest and basic (HTTP), none."""
    onvif_digest: tuple[str, ...] = ("MD5",)
    clock_skew_s: float = 0.0
    """How far the camera's clock is ahead of true time."""
    wsse_window_s: float = 300.0
    """UsernameToken Created further off than this is refused."""
    takes_old_tokens: bool = False
    """A UsernameToken is good again and again within the window: libonvif sends one for a whole second."""
    clock_needs_login: bool = False
    wrong_host: str = ""
    """Host named in XAddrs and stream URIs instead of our own."""
    no_get_services: bool = False
    dhcp: bool = False
    """Says that its address comes from DHCP."""
    manufacturer: str = ""
    """Make, model and firmware it claims; "" = its own."""
    model: str = ""
    firmware: str = ""
    ignores_set: tuple[str, ...] = ()
    """Media services (media1, media2) that answer SetVideoEncoderConfiguration and change nothing."""
    refuses_profile: str = ""
    """H.264 profile that is among the options and yet refused."""
    osd_ascii: str = ""
    """What happens to a label beyond ASCII: garbled or refused; "" = it is drawn."""
    needs_symbol: bool = False
    """A user's password needs a character that is neither letter nor digit."""
    no_media2: bool = False
    media2_crash: bool = False
    max_pull_points: int = 4
    needs_termination_time: bool = False
    absolute_time_only: bool = False
    z_only: bool = False
    """Absolute times need a Z; an offset is refused."""
    no_renew: bool = False
    unsubscribe_kills_all: bool = False
    subscriptions_leak: bool = False
    """Subscriptions that ended keep their slot until somebody gives them back or the camera restarts."""
    echoed_subscription: bool = False
    """All pull points share one address; which one is meant is told by an echoed reference parameter."""
    pull_at_once: bool = False
    """An empty pull is answered at once instead of after its time."""
    event_flags_lie: bool = False
    """Capabilities say that there are no pull points."""
    sloppy_match: bool = False
    """ProbeMatch without the ProbeMatches around it."""
    discovery_delay_s: float = 0.0
    vendor: str = ""
    """Also speaks the maker's own discovery and web interface: hikvision, dahua. Decided when the camera starts."""
    inactive: bool = False
    """Has no password until it gets its first one (needs `vendor`). Decided when the camera starts."""
    onvif_off: bool = False
    """ONVIF is off until somebody switches it on (needs `vendor`). Decided when the camera starts."""
    activation: int = 0
    """Generation of Hikvision's activation; 3 = the newer one. Decided when the camera starts."""
    lockout_after: int = 0
    """Bad logins in a row before everything is refused for `lockout_s`; 0 = never."""
    lockout_s: float = 60.0
    lockout_told: bool = False
    """While locked, ONVIF says so to everybody, login or not, as Hikvision does; else it just refuses."""


FIXED = frozenset({"onvif", "rtsps", "https", "vendor", "inactive", "onvif_off", "activation"})
"""Quirks that are read once, when a camera starts."""


def set_by_name(target: Faults | Quirks, name: str, value: object) -> None:
    """Set one field from JSON; raises BadInput for an unknown name or a value of another kind."""
    if name not in {field.name for field in fields(target)}:
        raise BadInput(f"{type(target).__name__} has no {name}", name=name)
    old = getattr(target, name)
    setattr(target, name, _as_kind_of(name, old, value))


def _as_kind_of(name: str, old: object, value: object) -> object:
    if isinstance(old, StrEnum):
        try:
            return type(old)(str(value))
        except ValueError as error:
            raise BadInput(f"{name} cannot be {value!r}", name=name) from error
    if isinstance(old, bool):
        accepted = isinstance(value, bool)
    elif isinstance(old, int | float):
        accepted = isinstance(value, int | float) and not isinstance(value, bool)
        if accepted and isinstance(old, int) and value != int(str(value).split(".", maxsplit=1)[0]):
            accepted = False
    elif isinstance(old, tuple):
        accepted = isinstance(value, list | tuple) and all(isinstance(item, str) for item in value)
    else:
        accepted = isinstance(value, str)
    if not accepted:
        raise BadInput(f"{name} is a {type(old).__name__}, not {value!r}", name=name)
    return type(old)(value)  # type: ignore[call-arg]  # the kind was checked above: bool, int, float, str or tuple
