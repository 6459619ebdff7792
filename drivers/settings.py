"""What Vườn wants of a camera, and what would have to change for that. Pure.

Owns the keys of settings, the standard wish and the plan. Invariants: nothing is planned that the camera
has already or that nobody asked for; what is asked is moved to the nearest the camera offers, and what
its options exclude is named as blocked; the order is safe: the clock first (logins are signed with it),
the smart codec while the factory login is still in use (a user made by ONVIF has no rights there on some
cameras) and before the encoder it overrules, the factory password last, when our own login is proven.
After a plan was applied the next plan is empty.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum

from drivers import settingtext as text
from drivers.base import CameraSettings, Change, EncoderWish, Probe
from gateway.core.errors import BadInput
from gateway.core.media import Codec
from gateway.core.model import StreamRole

_PARTS = ("codec", "profile", "size", "fps", "gop", "bitrate")
ORDER: tuple[str, ...] = (
    "time.zone",
    "time.ntp",
    "time.clock",
    "codec.smart",
    "user.own",
    *(f"sub.{part}" for part in _PARTS),
    *(f"main.{part}" for part in _PARTS),
    "audio",
    "osd.label",
    "mask",
    "user.factory",
)
"""Every setting, in the order in which changes are made."""

VIET_NAM = "ICT-7"
"""POSIX zone of Viet Nam, as cameras write it."""
GOP_S = 2.0
MAIN = EncoderWish(codec=Codec.H264, gop_s=GOP_S, profile="Main")
"""Size, rate and bits of the main stream are the school's choice: disks and lenses differ."""
SUB = EncoderWish(Codec.H264, 640, 360, fps=10.0, gop_s=GOP_S, bitrate_bps=400_000, profile="Baseline")
LABEL_CHARS = 32
"""What the OSD of a common camera holds."""
MOST_SUB_HEIGHT = 720
_PROFILES = {"Main": ("Main", "Baseline"), "Baseline": ("Baseline", "Main")}
"""What serves a wish for a profile, best first: none of these has B-frames as cameras encode them."""
_WITHOUT_B_FRAMES = frozenset({"Main", "Baseline"})


class Block(StrEnum):
    """Why a change cannot be made through the driver."""

    NOT_OFFERED = "not_offered"
    """The camera has no such setting, or none that we know how to reach."""
    NO_OPTION = "no_option"
    """Its options exclude what is wanted."""
    SHARED = "shared"
    """The login belongs to a recorder with several channels: changing it for one cuts off the others."""


class Why(StrEnum):
    """Why a change was not made, beside the codes of errors."""

    BLOCKED = "blocked"
    """Planned as impossible: see `Block`."""
    IGNORED = "ignored"
    """The camera took the order and shows the old value."""
    OTHER = "other"
    """It shows something that is neither old nor asked for."""
    UNTOUCHED = "untouched"
    """Something before it went wrong; it was not tried."""
    OWN_USER_FIRST = "own_user_first"
    """The gateway logs in by this very account."""
    NO_FORMER_LOGIN = "no_former_login"
    """The login of before is known no more."""


@dataclass(frozen=True, slots=True)
class BoxFacts:
    """What of the box and of this camera's place goes into the camera."""

    ntp_server: str | None = None
    """Address of the time server all cameras are to use; None: theirs is left alone."""
    time_zone: str | None = VIET_NAM
    label: str | None = None
    """Class name for the picture."""
    ntp_fallback: str | None = None
    """Address the camera reaches our own time server at, for one that names none; None: we serve it no time."""


@dataclass(frozen=True, slots=True)
class EncoderOptions:
    """What one stream can be set to in one codec; empty: the camera does not say."""

    sizes: tuple[tuple[int, int], ...] = ()
    fps: tuple[float, ...] = ()
    gop: tuple[int, int] | None = None
    bitrate_bps: tuple[int, int] | None = None
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """What a camera can be set to."""

    settable: frozenset[str] = frozenset(ORDER)
    main: Mapping[Codec, EncoderOptions] = field(default_factory=dict)
    sub: Mapping[Codec, EncoderOptions] = field(default_factory=dict)
    most_masks: int = text.MOST_MASKS
    shared_login: bool = False
    """The device is a recorder: other cameras of ours log in with the same user."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A camera's settings as read: the backup, and the base of every plan."""

    now: Mapping[str, str]
    """Setting key -> text; a key that is missing was not told."""
    options: Options


def standard(about: Probe, box: BoxFacts) -> CameraSettings:
    """Return what Vườn wants of every camera.

    Nothing of the factory password and of masks: those are asked for by a person. A recorder (more than
    one channel) keeps its login, because all its channels share it.
    """
    return CameraSettings(
        ntp_server=box.ntp_server,
        ntp_fallback=box.ntp_fallback,
        time_zone=box.time_zone,
        main=MAIN,
        sub=SUB,
        smart_codec=False,
        audio=False,
        label=None if box.label is None else box.label[:LABEL_CHARS].strip(),
        own_user=None if about.channels > 1 else True,
    )


def check_keys(keys: Iterable[str]) -> frozenset[str]:
    """Return the keys as a set; BadInput names one that is no setting."""
    chosen = frozenset(keys)
    for key in sorted(chosen - set(ORDER)):
        raise BadInput(
            f"there is no setting {key!r}", case="setting", key="settings", value=key, settings=", ".join(ORDER)
        )
    return chosen


def narrowed(want: CameraSettings, keys: Collection[str]) -> CameraSettings:
    """Return the part of a wish that concerns these settings only."""
    kept = {name for name, concerned in _FIELDS.items() if not concerned.isdisjoint(keys)}
    cut = replace(want, **{item.name: None for item in fields(want) if item.name not in kept})
    return replace(cut, main=_narrowed(cut.main, "main", keys), sub=_narrowed(cut.sub, "sub", keys))


_FIELDS: Mapping[str, frozenset[str]] = {
    "ntp_server": frozenset({"time.ntp", "time.clock"}),
    "ntp_fallback": frozenset({"time.ntp", "time.clock"}),
    "time_zone": frozenset({"time.zone"}),
    "main": frozenset(f"main.{part}" for part in _PARTS),
    "sub": frozenset(f"sub.{part}" for part in _PARTS),
    "smart_codec": frozenset({"codec.smart"}),
    "audio": frozenset({"audio"}),
    "label": frozenset({"osd.label"}),
    "own_user": frozenset({"user.own"}),
    "factory_password": frozenset({"user.factory"}),
    "masks": frozenset({"mask"}),
}


def concerned(want: CameraSettings) -> frozenset[str]:
    """Return the settings a wish may change: what has to be read for it."""
    asked = (_FIELDS[item.name] for item in fields(want) if getattr(want, item.name) is not None)
    return frozenset[str]().union(*asked)


def _narrowed(wish: EncoderWish | None, role: str, keys: Collection[str]) -> EncoderWish | None:
    if wish is None:
        return None
    names = {"size": ("width", "height"), "gop": ("gop_s",), "bitrate": ("bitrate_bps",)}
    kept = {name for part in _PARTS if f"{role}.{part}" in keys for name in names.get(part, (part,))}
    return replace(wish, **{item.name: None for item in fields(wish) if item.name not in kept})


def differences(now: Mapping[str, str], want: CameraSettings, options: Options) -> tuple[Change, ...]:
    """Return the changes that lead from what a camera shows to what is wanted, in a safe order.

    Changes that cannot be made are among them, with `blocked`: a person should know. A stream the camera
    does not have is left out.
    """
    targets = {
        **_plain_targets(now, want),
        **_encoder_targets(StreamRole.SUB, now, want.sub, options),
        **_encoder_targets(StreamRole.MAIN, now, want.main, options),
    }
    return tuple(
        Change(key, now.get(key, ""), targets[key], _blocked(key, targets[key], options))
        for key in ORDER
        if key in targets and not (key in now and agrees(key, now[key], targets[key]))
    )


def agrees(setting: str, now: str, want: str) -> bool:
    """Say whether what a camera shows is what was asked: `settingtext.agrees`, and Baseline serves for Main."""
    if setting == "main.profile" and want == "Main" and now in _WITHOUT_B_FRAMES:
        return True
    return text.agrees(setting, now, want)


def undone(changes: Sequence[Change]) -> tuple[Change, ...]:
    """Return what takes applied changes back, in the safe order of settings."""
    back = [Change(change.setting, change.after, change.before) for change in changes]
    return tuple(sorted(back, key=place_of))


def place_of(change: Change) -> tuple[int, int]:
    """Return where a change stands in the safe order: that of `ORDER`, with one exception.

    The way back to the login of before comes ahead of the smart codec, as the way to our own user comes after it:
    only the factory login may switch it on some cameras.
    """
    if change.setting == "user.own" and not agrees("user.own", change.after, text.OWN_USER):
        return ORDER.index("codec.smart"), 0
    return ORDER.index(change.setting), 1


def _blocked(key: str, target: str, options: Options) -> str:
    role, _, part = key.partition(".")
    if key in ("user.own", "user.factory") and options.shared_login:
        return Block.SHARED
    if key not in options.settable:
        return Block.NOT_OFFERED
    if part == "codec" and role in ("main", "sub"):
        offered = options.main if role == "main" else options.sub
        return Block.NO_OPTION if offered and Codec(target) not in offered else ""
    if key == "mask" and len(text.read_masks(target)) > options.most_masks:
        return Block.NO_OPTION
    return ""


def takes_fallback(now: Mapping[str, str], server: str | None) -> bool:
    """Say whether a camera may be pointed at a time server nobody configured: it says that it has none, or this one."""
    return server is not None and now.get("time.ntp") in ("", server)


def _plain_targets(now: Mapping[str, str], want: CameraSettings) -> dict[str, str]:
    targets: dict[str, str] = {}
    if want.time_zone is not None:
        targets["time.zone"] = want.time_zone
    server = want.ntp_server or (want.ntp_fallback if takes_fallback(now, want.ntp_fallback) else None)
    if server is not None:
        targets |= {"time.ntp": server, "time.clock": text.NTP}
    if want.own_user:
        targets["user.own"] = text.OWN_USER
    if want.smart_codec is not None:
        targets["codec.smart"] = text.switch_text(want.smart_codec)
    if want.audio is False and "audio" in now:
        targets["audio"] = text.OFF
    if want.label is not None:
        targets["osd.label"] = text.label_text(want.label, date=bool(want.label))
    if want.masks is not None:
        targets["mask"] = text.mask_text(want.masks)
    if want.factory_password:
        targets["user.factory"] = text.RANDOM
    return targets


def _encoder_targets(
    role: StreamRole, now: Mapping[str, str], wish: EncoderWish | None, options: Options
) -> dict[str, str]:
    """Return what each part should be, given the codec and the rate the stream will really have."""
    codec_now = now.get(f"{role}.codec")
    if wish is None or codec_now is None:
        return {}
    offered = options.main if role is StreamRole.MAIN else options.sub
    targets: dict[str, str] = {}
    codec = codec_now
    if wish.codec is not None:
        targets["codec"] = wish.codec.value
        codec = codec_now if _blocked(f"{role}.codec", wish.codec.value, options) else wish.codec.value
    limits = next((item for name, item in offered.items() if name.value == codec), EncoderOptions())
    if wish.width is not None and wish.height is not None:
        targets["size"] = text.size_text(*nearest_size(limits.sizes, (wish.width, wish.height), role))
    fps = float(now.get(f"{role}.fps", "0"))
    if wish.fps is not None:
        wanted = nearest_rate(limits.fps, wish.fps)
        targets["fps"] = text.rate_text(wanted)
        fps = wanted if f"{role}.fps" in options.settable and f"{role}.fps" in now else fps
    if wish.gop_s is not None and fps > 0:
        targets["gop"] = str(clamped(max(1, round(wish.gop_s * fps)), limits.gop))
    if wish.bitrate_bps is not None:
        targets["bitrate"] = str(clamped(wish.bitrate_bps, limits.bitrate_bps))
    if wish.profile is not None and codec == Codec.H264.value:
        profile = nearest_profile(limits.profiles, wish.profile)
        if profile is not None:
            targets["profile"] = profile
    told = {f"{role}.{part}": target for part, target in targets.items()}
    return {key: target for key, target in told.items() if key in now}


def nearest_size(sizes: Collection[tuple[int, int]], wish: tuple[int, int], role: StreamRole) -> tuple[int, int]:
    """Return the offered size nearest to the wish in pixels; a sub stream's is at most 720 high if one is."""
    low = [size for size in sizes if role is StreamRole.MAIN or size[1] <= MOST_SUB_HEIGHT]
    pixels = wish[0] * wish[1]
    return min(low or sizes, key=lambda size: (abs(size[0] * size[1] - pixels), size), default=wish)


def nearest_rate(rates: Collection[float], wish: float) -> float:
    """Return the offered pictures a second nearest to the wish, the lower of two."""
    return min(rates, key=lambda rate: (abs(rate - wish), rate), default=wish)


def nearest_profile(profiles: Collection[str], wish: str) -> str | None:
    """Return the offered H.264 profile that serves the wish; None if none does."""
    if not profiles:
        return wish
    return next((name for name in _PROFILES.get(wish, (wish,)) if name in profiles), None)


def clamped(value: int, span: tuple[int, int] | None) -> int:
    """Return the value moved into a span."""
    return value if span is None else max(span[0], min(value, span[1]))
