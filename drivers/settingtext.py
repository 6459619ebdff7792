"""Camera settings as text: one form for each, so that plans, journals and undo speak the same words.

Owns the text of every setting and the rule when two texts mean the same. Pure. Invariants: what is
written here reads back equal; numbers a camera rounds in its own way still agree (a bit rate to 5 %, a
polygon to a hundredth); nothing here can carry a password.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import quote, unquote

from drivers.base import Point

ON, OFF = "on", "off"
NTP, MANUAL = "ntp", "manual"
FROM_DHCP = "dhcp"
RANDOM = "random"
OWN_USER = "vuon"
NEAR_MS = 5_000
"""A clock this near is right: the call itself has whole seconds and a travel time."""
DATE, SUMMER = "+date", "+dst"
MOST_MASKS, MOST_CORNERS = 32, 64
_BITRATE_SHARE = 0.05
_MASK_GRAIN = 0.011
"""Cameras keep polygons on a grid of a hundredth of the picture."""
_ZONE = re.compile(r"(?:[A-Za-z]{3,10}|<[+\-A-Za-z0-9]{1,10}>)([+-]?)(\d{1,2})(?::(\d{2}))?(?::\d{2})?")
_CLOCK = re.compile(rf"({NTP}|{MANUAL})(?: [+-]\d+ s)?")
_OWN = re.compile(rf"{OWN_USER}\d?")


def size_text(width: int, height: int) -> str:
    """Return `1920x1080`."""
    return f"{width}x{height}"


def read_size(text: str) -> tuple[int, int]:
    """Return (width, height); ValueError if it is no size."""
    width, _, height = text.partition("x")
    return int(width), int(height)


def rate_text(fps: float) -> str:
    """Return `15` or `12.5`."""
    return f"{fps:g}"


def switch_text(on: bool) -> str:
    """Return `on` or `off`."""
    return ON if on else OFF


def zone_text(zone: str, summer: bool) -> str:
    """Return a POSIX zone, with whether the camera adds summer time."""
    return f"{zone} {SUMMER}" if zone and summer else zone


def read_zone(text: str) -> tuple[str, bool]:
    """Return (zone, summer time) of `zone_text`."""
    zone = text.removesuffix(f" {SUMMER}")
    return zone, zone != text


def clock_text(mode: str, skew_ms: int | None) -> str:
    """Return `ntp` or `manual`, with how far the clock is off when that is more than a moment."""
    if skew_ms is None or abs(skew_ms) <= NEAR_MS:
        return mode
    return f"{mode} {round(skew_ms / 1000):+d} s"


def clock_mode(text: str) -> str:
    """Return `ntp` or `manual` of a clock's text; ValueError if it is none."""
    found = _CLOCK.fullmatch(text)
    if found is None:
        raise ValueError(text)
    return found.group(1)


def label_text(label: str, date: bool) -> str:
    """Return what a camera draws: the plain text, then whether the date."""
    return " ".join(part for part in (label, DATE if date else "") if part)


def read_label(text: str) -> tuple[str, bool]:
    """Return (label, date) of `label_text`."""
    label = text.removesuffix(DATE)
    return label.strip(), label != text


def ascii_label(text: str) -> str:
    """Return a label without marks: many cameras' fonts have no Vietnamese."""
    bare = unicodedata.normalize("NFD", text.replace("đ", "d").replace("Đ", "D"))
    return "".join(c for c in bare if c.isascii() and c.isprintable()).strip()


def mask_text(polygons: Iterable[tuple[Point, ...]]) -> str:
    """Return polygons as `x,y x,y x,y; …`, coordinates to a thousandth, in an order of their own."""

    def number(value: float) -> str:
        return f"{round(value, 3) + 0.0:g}"

    return "; ".join(sorted(" ".join(f"{number(x)},{number(y)}" for x, y in polygon) for polygon in polygons))


def read_masks(text: str) -> tuple[tuple[Point, ...], ...]:
    """Return the polygons of `mask_text`; ValueError if it is none or a coordinate is outside -1..1."""
    polygons = []
    for part in text.split(";") if text else ():
        points = []
        for pair in part.split():
            x, _, y = pair.partition(",")
            points.append((float(x), float(y)))
        if len(points) < 3 or not all(-1 <= value <= 1 for point in points for value in point):
            raise ValueError(part)
        polygons.append(tuple(points))
    return tuple(polygons)


def audio_text(tokens: Mapping[str, str]) -> str:
    """Return `off`, or for each stream with sound the token of its audio encoder: `main=enc sub=enc`.

    The tokens are what an undo needs; they are percent-encoded.
    """
    return " ".join(sorted(f"{role}={quote(token, safe='')}" for role, token in tokens.items() if token)) or OFF


def read_audio(text: str) -> dict[str, str]:
    """Return stream -> token of `audio_text`; ValueError if it is none."""
    found = {}
    for word in () if text == OFF else text.split():
        role, _, token = word.partition("=")
        if role not in ("main", "sub") or not token:
            raise ValueError(word)
        found[role] = unquote(token)
    return found


def zone_minutes(text: str) -> int | None:
    """Return how far a POSIX zone without summer time is east of UTC; None for any other."""
    found = _ZONE.fullmatch(text.strip())
    if found is None:
        return None
    sign, hours, minutes = found.groups()
    west = int(hours) * 60 + int(minutes or 0)
    return west if sign == "-" else -west


def agrees(setting: str, now: str, want: str) -> bool:
    """Say whether a camera that shows `now` is set as `want` asks, for a setting key."""
    if now == want:
        return True
    rule = _RULES.get(setting.rpartition(".")[2] if setting.startswith(("main.", "sub.")) else setting)
    try:
        return rule is not None and rule(now, want)
    except ValueError:
        return False


def _same_zone(now: str, want: str) -> bool:
    minutes = zone_minutes(now)
    return minutes is not None and minutes == zone_minutes(want)


def _same_clock(now: str, want: str) -> bool:
    """Say whether the mode agrees; a wrong clock is never wanted back, so only the mode is restored."""
    if clock_mode(now) != clock_mode(want):
        return False
    return now == clock_mode(now) or want != clock_mode(want)


def _same_label(now: str, want: str) -> bool:
    (have, have_date), (label, date) = read_label(now), read_label(want)
    return have_date == date and have in (label, ascii_label(label))


def _same_masks(now: str, want: str) -> bool:
    left, right = list(read_masks(now)), read_masks(want)
    for polygon in right:
        match = next((item for item in left if _same_polygon(item, polygon)), None)
        if match is None:
            return False
        left.remove(match)
    return not left


def _same_polygon(one: tuple[Point, ...], other: tuple[Point, ...]) -> bool:
    return len(one) == len(other) and all(
        abs(a - b) <= _MASK_GRAIN for p, q in zip(one, other, strict=True) for a, b in zip(p, q, strict=True)
    )


_RULES: Mapping[str, Callable[[str, str], bool]] = {
    "time.zone": _same_zone,
    "time.clock": _same_clock,
    "osd.label": _same_label,
    "mask": _same_masks,
    "user.own": lambda now, want: bool(_OWN.fullmatch(now) and _OWN.fullmatch(want)),
    "fps": lambda now, want: abs(float(now) - float(want)) < 0.5,
    "gop": lambda now, want: abs(int(now) - int(want)) <= 1,
    "bitrate": lambda now, want: abs(int(now) - int(want)) <= int(want) * _BITRATE_SHARE,
    "size": lambda now, want: read_size(now) == read_size(want),
}
