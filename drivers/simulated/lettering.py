"""Vietnamese words on a picture, with a font that has no Vietnamese letters.

OpenCV's built-in fonts are ASCII only, and a system font may be missing on a bare box. So each letter is
drawn as its ASCII base, and its marks (NFD combining characters) as strokes above, below or through it.
Invariant: never raises for any text; a character without an ASCII base is drawn as a space.
"""

from __future__ import annotations

import unicodedata
from typing import Any, TypeAlias

import cv2
import numpy as np
import numpy.typing as npt

Picture: TypeAlias = npt.NDArray[np.uint8]
"""BGR, shape (height, width, 3)."""
Colour: TypeAlias = tuple[int, int, int]
"""Blue, green, red; 0-255."""

_FONT = cv2.FONT_HERSHEY_SIMPLEX
_CAP_UNITS = 21.0
"""Height of a capital letter in Hershey Simplex at scale 1, pixels."""
_X_HEIGHT = 0.67
"""Height of a small letter such as x, as a share of a capital."""
_TALL = frozenset("bdfhklt")
_PLAIN = str.maketrans("\u2013\u2014\u2018\u2019\u201c\u201d\u00b7", "--''\"\"-")
_GRAVE, _ACUTE, _CIRCUMFLEX, _TILDE, _BREVE, _HOOK, _HORN, _DOT_BELOW = (
    "\u0300", "\u0301", "\u0302", "\u0303", "\u0306", "\u0309", "\u031b", "\u0323",
)  # fmt: skip

_ABOVE: dict[str, tuple[tuple[float, float], ...]] = {
    _GRAVE: ((-0.16, -0.2), (0.1, 0.0)),
    _ACUTE: ((-0.1, 0.0), (0.16, -0.2)),
    _CIRCUMFLEX: ((-0.2, 0.0), (0.0, -0.16), (0.2, 0.0)),
    _TILDE: ((-0.2, -0.02), (-0.08, -0.1), (0.08, 0.0), (0.2, -0.08)),
    _BREVE: ((-0.18, -0.14), (-0.08, 0.0), (0.08, 0.0), (0.18, -0.14)),
    _HOOK: ((-0.08, -0.2), (0.06, -0.22), (0.08, -0.1), (0.0, 0.0)),
}
"""Strokes around the middle of the letter; unit = height of a capital, y grows downwards."""


def ascii_only(text: str) -> str:
    """Return `text` without its marks: "Lớp Lá" -> "Lop La"; what has no ASCII base becomes a space."""
    return "".join(base for base, _ in _letters(text))


def _letters(text: str) -> list[tuple[str, str]]:
    """Split into (ASCII base, marks); "đ" keeps its bar as the mark "-"."""
    letters: list[tuple[str, str]] = []
    for char in unicodedata.normalize("NFD", text.translate(_PLAIN)):
        if unicodedata.combining(char):
            if letters:
                base, marks = letters[-1]
                letters[-1] = (base, marks + char)
        elif char in "đĐ":
            letters.append(("d" if char == "đ" else "D", "-"))
        else:
            letters.append((char if " " <= char <= "~" else " ", ""))
    return letters


def text_width(text: str, cap_px: float) -> int:
    """Return the pixels `draw` will use for `text`."""
    return round(sum(_advance(base, cap_px / _CAP_UNITS) for base, _ in _letters(text)))


def _advance(base: str, scale: float) -> float:
    # Measured in tens: one letter's size is rounded to whole pixels, which adds up over a word.
    (width, _), _ = cv2.getTextSize(base * 10, _FONT, scale, 1)
    return width / 10


def draw(picture: Picture, text: str, at: tuple[int, int], cap_px: float, colour: Colour) -> None:
    """Draw `text` with its baseline's left end at `at`; capitals are `cap_px` high."""
    scale, pen = cap_px / _CAP_UNITS, float(at[0])
    thick = max(1, round(cap_px / 11))
    for base, marks in _letters(text):
        wide = _advance(base, scale)
        cv2.putText(picture, base, (round(pen), at[1]), _FONT, scale, colour, thick, cv2.LINE_AA)
        _draw_marks(picture, base, marks, (pen + wide / 2, at[1]), cap_px, colour)
        pen += wide


def _draw_marks(
    picture: Picture, base: str, marks: str, foot: tuple[float, float], cap_px: float, colour: Colour
) -> None:
    middle, baseline = foot
    thick = max(1, round(cap_px / 14))
    tall = base.isupper() or base in _TALL
    top = baseline - cap_px * ((1.0 if tall else _X_HEIGHT) + 0.14)
    for mark in marks:
        if mark in _ABOVE:
            _stroke(picture, [(middle + x * cap_px, top + y * cap_px) for x, y in _ABOVE[mark]], colour, thick)
            top -= cap_px * 0.2  # a second mark (tone over circumflex) goes above the first
        elif mark == _DOT_BELOW:
            cv2.circle(picture, (round(middle), round(baseline + cap_px * 0.24)), thick, colour, -1, cv2.LINE_AA)
        elif mark == _HORN:
            edge, crown = middle + cap_px * 0.3, baseline - cap_px * (1.0 if tall else _X_HEIGHT)
            _stroke(picture, [(edge, crown), (edge + cap_px * 0.12, crown - cap_px * 0.14)], colour, thick)
        elif mark == "-":
            height = baseline - cap_px * (0.5 if base == "D" else 0.82)
            _stroke(picture, [(middle - cap_px * 0.1, height), (middle + cap_px * 0.42, height)], colour, thick)


def _stroke(picture: Picture, points: list[tuple[float, float]], colour: Colour, thick: int) -> None:
    line: Any = np.array([[[round(x), round(y)] for x, y in points]], dtype=np.int32)
    cv2.polylines(picture, line, False, colour, thick, cv2.LINE_AA)
