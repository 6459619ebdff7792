"""The registry of named faults: what is wrong with a camera or the box, and what puts it right.

Owns each fault's code, severity, test and remedy, and every threshold that is not about pictures. Pure: a test
sees facts and answers True (it is so), False (it is not) or None (it cannot be known). Invariants: one fact,
one fault; None is never taken for well; every fault has four texts in both catalogues (`fault.<code>`, `.why`,
`.do`), a command of ours as remedy, and a row in docs/ref/faults.md; `keys` name camera settings (see the
settings of `camera.apply`) that put it right without a person.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from drivers.doctor import picture as pictures
from drivers.doctor.facts import BoxFacts, CameraFacts, Forward, PictureFacts, StreamFacts
from gateway.core.media import Codec

Facts = TypeVar("Facts", CameraFacts, BoxFacts)

MOST_SKEW_MS = 5_000
"""The call itself has whole seconds and a travel time; a minute of evidence must be right to a few."""
MOST_GOP_S = 2.2
"""A viewer waits for a key frame, a seek lands on one: two seconds, with the grain of odd frame rates."""
SMART_STRETCH = 1.5
"""A smart codec stretches the distance it promises; encoders that count plainly keep it."""
MOST_SUB_HEIGHT = 720
MOST_SUB_BPS = 1_000_000
"""Ten guardians at once through a school's uplink of ten megabits."""
MOST_LOSS = 0.01
"""1 % of RTP packets lost is visible as smear in every few GOPs."""
LEAST_FPS_SHARE = 0.7
MOST_REFUSALS = 3
MOST_OUTAGES = 4
"""Gone that often within a day is no power cut: cable, PoE port or Wi-Fi."""
LEAST_UPLINK_BPS = 5_000_000
CAMERA_PORTS = frozenset({554, 8000, 8200, 8554, 8899, 9000, 34567, 37777, 37778})
"""Ports that only cameras and recorders are reached at."""


class Severity(StrEnum):
    """How loud: red concerns children's safety or privacy now, yellow the quality of what is recorded."""

    RED = "red"
    YELLOW = "yellow"


@dataclass(frozen=True, slots=True)
class Fault(Generic[Facts]):
    """One thing that can be wrong."""

    code: str
    severity: Severity
    test: Callable[[Facts], bool | None]
    keys: tuple[str, ...] = ()
    """Settings that put it right; none: a person has to."""
    command: str = "vuon kiem-tra {camera}"
    """What to type, with {camera} and {address} to fill in."""
    figures: Callable[[Facts], Mapping[str, str | float]] = lambda _: {}
    """Values of the placeholders in its texts; numbers are written in the reader's way."""

    @property
    def fixable(self) -> bool:
        """Say whether `vuon kiem-tra --sua-loi` can put it right without a person."""
        return bool(self.keys)


def _either(*answers: bool | None) -> bool | None:
    """Return True if any is, None if none is but one is unknown."""
    if any(answer is True for answer in answers):
        return True
    return None if any(answer is None for answer in answers) else False


def _above(value: float | None, limit: float) -> bool | None:
    return None if value is None else value > limit


def _streams(facts: CameraFacts) -> tuple[StreamFacts, ...]:
    return (facts.main,) if facts.sub is None else (facts.main, facts.sub)


def _each(test: Callable[[StreamFacts], bool | None]) -> Callable[[CameraFacts], bool | None]:
    return lambda facts: _either(*(test(stream) for stream in _streams(facts)))


def _of_sub(test: Callable[[StreamFacts], bool | None]) -> Callable[[CameraFacts], bool | None]:
    """Return a test of the sub stream; a camera without one has that fault only."""
    return lambda facts: False if facts.sub is None else test(facts.sub)


def _of_picture(test: Callable[[PictureFacts], bool | None]) -> Callable[[CameraFacts], bool | None]:
    """Return a test of the picture; a picture that stands still says nothing of the room now."""
    return lambda facts: None if facts.picture is None or facts.picture.frozen else test(facts.picture)


def _is_h265(stream: StreamFacts) -> bool | None:
    return None if stream.codec is None else stream.codec is Codec.H265


def _seen_gap_s(stream: StreamFacts) -> float | None:
    """Return the key-frame distance that arrived; None where pictures went missing: a lost key frame doubles it."""
    return None if stream.loss is not None and stream.loss > MOST_LOSS else stream.key_gap_s


def _gap_s(stream: StreamFacts) -> float | None:
    """Return what is set; what arrives only where the camera does not say (else see `smart_codec`)."""
    return _seen_gap_s(stream) if stream.gop_s is None else stream.gop_s


def _stretched(stream: StreamFacts) -> bool | None:
    seen_s = _seen_gap_s(stream)
    if stream.gop_s is None or seen_s is None:
        return None
    return seen_s > max(SMART_STRETCH * stream.gop_s, stream.gop_s + 1)


def smart_codec(facts: CameraFacts) -> bool | None:
    """Say whether the camera stretches its key frames: by its own word, or by what arrives."""
    seen = _either(*(_stretched(stream) for stream in _streams(facts)))
    return facts.smart_codec if facts.smart_codec is not None and not seen else seen


def _slow(stream: StreamFacts) -> bool | None:
    """Judge the rate; pictures lost on the way are the network's, not the camera's."""
    if stream.fps is None or not stream.fps_promised or (stream.loss is not None and stream.loss > MOST_LOSS):
        return None
    return stream.fps < LEAST_FPS_SHARE * stream.fps_promised


def _wrong_profile(stream: StreamFacts) -> bool | None:
    if stream.profile is None or stream.codec is not Codec.H264:
        return None if stream.codec is None or stream.codec is Codec.H264 else False
    return stream.profile != "Baseline"


def _no_mask(facts: CameraFacts) -> bool | None:
    if not facts.needs_mask:
        return None if facts.needs_mask is None else False
    return None if facts.masks is None else facts.masks == 0


def exposed(facts: BoxFacts) -> tuple[Forward, ...]:
    """Return the modem's open doors that lead to a camera or recorder."""
    return tuple(item for item in facts.forwards or () if item.client in facts.cameras or item.port in CAMERA_PORTS)


def _is_exposed(facts: BoxFacts) -> bool | None:
    """Say whether a door leads to a camera; None if none is known to, but not all doors were told."""
    if facts.forwards is None:
        return None
    return True if exposed(facts) else None if not facts.forwards_whole else False


def _worst(facts: CameraFacts, figure: Callable[[StreamFacts], float | None], *, least: bool = False) -> float:
    values = [value for stream in _streams(facts) if (value := figure(stream)) is not None]
    return (min(values) if least else max(values)) if values else 0.0


_FIX = "vuon kiem-tra {camera} --sua-loi"
_RED, _YELLOW = Severity.RED, Severity.YELLOW
_C: type[Fault[CameraFacts]] = Fault

_CAMERA: tuple[Fault[CameraFacts], ...] = (
    _C("not_answering", _RED, lambda f: None if f.state is None else f.state in ("down", "silent", "connecting")),
    _C(
        "login_refused", _RED, lambda f: None if f.state is None else f.state == "login_refused",
        command="vuon mat-khau-camera {camera}",
    ),
    _C("frozen", _RED, lambda f: None if f.picture is None else f.picture.frozen),
    _C("covered", _RED, _of_picture(pictures.covered)),
    _C(
        "moved", _RED, _of_picture(pictures.moved), command="vuon kiem-tra {camera} --duyet-hinh",
    ),
    _C("dark", _YELLOW, _of_picture(pictures.dark)),
    _C("bright", _YELLOW, _of_picture(pictures.bright)),
    _C("blurred", _YELLOW, _of_picture(pictures.blurred)),
    _C("factory_password", _RED, lambda f: f.factory_password, ("user.own", "user.factory"), _FIX),
    _C("no_mask", _RED, _no_mask),
    _C(
        "bad_firmware", _RED, lambda f: None if f.bad_firmware is None else bool(f.bad_firmware),
        figures=lambda f: {"advisory": f.bad_firmware or ""},
    ),
    _C(
        "open_ports", _YELLOW, lambda f: None if f.open_ports is None else bool(f.open_ports),
        figures=lambda f: {"ports": ", ".join(map(str, f.open_ports or ()))},
    ),
    _C("audio_on", _RED, lambda f: f.audio, ("audio",), _FIX),
    _C("no_sub", _RED, lambda f: f.sub is None, command="vuon go-camera {camera}"),
    _C("h265_sub", _RED, _of_sub(_is_h265), ("sub.codec",), _FIX),
    _C("sub_profile", _YELLOW, _of_sub(_wrong_profile), ("sub.profile",), _FIX,
       lambda f: {"profile": (f.sub and f.sub.profile) or ""}),
    _C("sub_size", _YELLOW, _of_sub(lambda s: _above(s.height, MOST_SUB_HEIGHT)), ("sub.size",), _FIX,
       lambda f: {"width": (f.sub and f.sub.width) or 0, "height": (f.sub and f.sub.height) or 0}),
    _C("sub_bitrate", _YELLOW, _of_sub(lambda s: _above(s.bitrate_bps, MOST_SUB_BPS)), ("sub.bitrate",), _FIX,
       lambda f: {"mbps": ((f.sub and f.sub.bitrate_bps) or 0) / 1e6}),
    _C("h265_main", _YELLOW, lambda f: _is_h265(f.main), ("main.codec",), _FIX),
    _C("b_frames", _YELLOW, _each(lambda s: s.b_frames), ("main.profile", "sub.profile"), _FIX),
    _C("smart_codec", _YELLOW, smart_codec, ("codec.smart",), _FIX,
       lambda f: {"seconds": _worst(f, lambda s: s.key_gap_s)}),
    _C("long_gop", _YELLOW, _each(lambda s: _above(_gap_s(s), MOST_GOP_S)), ("main.gop", "sub.gop"), _FIX,
       lambda f: {"seconds": _worst(f, _gap_s)}),
    _C("clock_skew", _YELLOW, lambda f: _above(abs(f.clock_skew_ms), MOST_SKEW_MS)
       if f.clock_skew_ms is not None else None, ("time.ntp", "time.clock"), _FIX,
       lambda f: {"seconds": abs(f.clock_skew_ms or 0) / 1000}),
    _C("no_ntp", _YELLOW, lambda f: None if f.uses_ntp is None else not f.uses_ntp, ("time.ntp", "time.clock"), _FIX),
    _C("wrong_zone", _YELLOW, lambda f: None if f.time_zone_right is None else not f.time_zone_right,
       ("time.zone",), _FIX),
    _C("no_label", _YELLOW, lambda f: None if f.labelled is None else not f.labelled, ("osd.label",), _FIX),
    _C("packet_loss", _YELLOW, _each(lambda s: _above(s.loss, MOST_LOSS)),
       figures=lambda f: {"percent": 100 * _worst(f, lambda s: s.loss)}),
    _C("low_fps", _YELLOW, _each(_slow), figures=lambda f: {
        "fps": _worst(f, lambda s: s.fps if _slow(s) else None, least=True),
        "promised": _worst(f, lambda s: s.fps_promised if _slow(s) else None)}),
    _C("session_limit", _YELLOW, lambda f: None if f.refusals is None else f.refusals >= MOST_REFUSALS,
       figures=lambda f: {"count": f.refusals or 0}),
    _C("outages", _YELLOW, lambda f: None if f.outages is None else f.outages >= MOST_OUTAGES,
       figures=lambda f: {"count": f.outages or 0}),
    _C("dhcp_address", _YELLOW, lambda f: f.dhcp),
    _C("no_qcvn", _YELLOW, lambda f: None if f.qcvn is None else not f.qcvn,
       command="vuon kiem-tra {camera} --qcvn SO"),
)  # fmt: skip

_B: type[Fault[BoxFacts]] = Fault
_BOX: tuple[Fault[BoxFacts], ...] = (
    _B("exposed", _RED, _is_exposed, command="vuon kiem-tra",
       figures=lambda f: {"doors": ", ".join(f"{d.external_port} → {d.client}:{d.port}" for d in exposed(f))}),
    _B("box_clock", _RED, lambda f: None if f.time_trusted is None else not f.time_trusted,
       command="vuon tinh-trang"),
    _B("uplink", _YELLOW, lambda f: None if f.uplink_bps is None else f.uplink_bps < LEAST_UPLINK_BPS,
       command="vuon kiem-tra", figures=lambda f: {"mbps": (f.uplink_bps or 0) / 1e6}),
)  # fmt: skip

CAMERA_FAULTS: Mapping[str, Fault[CameraFacts]] = {fault.code: fault for fault in _CAMERA}
BOX_FAULTS: Mapping[str, Fault[BoxFacts]] = {fault.code: fault for fault in _BOX}
