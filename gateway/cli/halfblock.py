"""A picture in the terminal: half blocks in colour, or a sentence where there is no colour.

Pure. Invariants: each line resets its colours, so that nothing after it is painted; the picture keeps its
shape and fits the cells it is given; without colour nothing but words is printed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

UPPER = "▀"
RESET = "\x1b[0m"
LEAST_COLUMNS, MOST_COLUMNS = 16, 160
DARK, BRIGHT = 0.25, 0.75
"""Mean brightness below and above which a picture is called so."""
GLARE = 0.2
"""A third that is brighter than the rest by this much is said."""
_LEVELS = (0, 95, 135, 175, 215, 255)
"""The cube of xterm's 256 colours; 232 to 255 are greys of 8 + 10 n."""


class Colour(StrEnum):
    """What a terminal can show."""

    FULL = "full"
    FEW = "few"
    """256 of xterm."""
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Picture:
    """RGB, three bytes a pixel, `width * height * 3` of them, from the top left."""

    width: int
    height: int
    rgb: bytes

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """Return a pixel's red, green and blue."""
        at = (y * self.width + x) * 3
        return self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]


@dataclass(frozen=True, slots=True)
class Light:
    """How bright a picture is: in all, and where it is much brighter than elsewhere."""

    mean: float
    """0 to 1."""
    side: str | None
    """left, middle or right."""

    @property
    def word(self) -> str:
        """Return dark, bright or good."""
        return "dark" if self.mean < DARK else "bright" if self.mean > BRIGHT else "good"


def colour_of(environment: Mapping[str, str], *, is_terminal: bool) -> Colour:
    """Return what the terminal shows, by NO_COLOR (no-color.org), COLORTERM and TERM."""
    term = environment.get("TERM", "")
    if not is_terminal or environment.get("NO_COLOR") or term in {"", "dumb"}:
        return Colour.NONE
    if environment.get("COLORTERM", "").lower() in {"truecolor", "24bit"} or term.endswith("-direct"):
        return Colour.FULL
    return Colour.FEW if "256" in term else Colour.NONE


def fit(width: int, height: int, columns: int, lines: int) -> tuple[int, int]:
    """Return the pixels to paint a picture of any size with: one a cell across, two a cell down, shape kept."""
    most = max(LEAST_COLUMNS, min(columns, MOST_COLUMNS))
    across = min(most, max(1, round(max(1, lines) * 2 * width / height)))
    down = max(2, round(across * height / width / 2) * 2)
    return across, down


def paint(picture: Picture, colour: Colour) -> list[str]:
    """Return a line for each two rows of pixels; a last odd row is left out. Empty without colour."""
    if colour is Colour.NONE:
        return []
    code = _full if colour is Colour.FULL else _few
    lines = []
    for y in range(0, picture.height - 1, 2):
        parts, last = [], ""
        for x in range(picture.width):
            paints = f"\x1b[38;{code(*picture.pixel(x, y))};48;{code(*picture.pixel(x, y + 1))}m"
            parts.append((paints if paints != last else "") + UPPER)
            last = paints
        lines.append("".join(parts) + RESET)
    return lines


def _full(red: int, green: int, blue: int) -> str:
    return f"2;{red};{green};{blue}"


def _few(red: int, green: int, blue: int) -> str:
    return f"5;{nearest(red, green, blue)}"


def nearest(red: int, green: int, blue: int) -> int:
    """Return the nearest of xterm's colours 16 to 255: of its cube, or of its greys."""
    cube = [_level(value) for value in (red, green, blue)]
    grey = min(23, max(0, round(((red + green + blue) / 3 - 8) / 10)))
    in_cube = sum((_LEVELS[n] - value) ** 2 for n, value in zip(cube, (red, green, blue), strict=True))
    in_greys = sum((8 + 10 * grey - value) ** 2 for value in (red, green, blue))
    return 232 + grey if in_greys < in_cube else 16 + 36 * cube[0] + 6 * cube[1] + cube[2]


def _level(value: int) -> int:
    return min(range(6), key=lambda number: abs(_LEVELS[number] - value))


def light(picture: Picture) -> Light:
    """Say how bright a picture is, as somebody who cannot see it would want to know."""
    thirds: list[list[float]] = [[], [], []]
    for y in range(picture.height):
        for x in range(picture.width):
            red, green, blue = picture.pixel(x, y)
            thirds[x * 3 // picture.width].append((0.2126 * red + 0.7152 * green + 0.0722 * blue) / 255)
    means = [_mean(part) for part in thirds]
    brightest = max(range(3), key=means.__getitem__)
    rest = _mean([means[n] for n in range(3) if n != brightest])
    side = ("left", "middle", "right")[brightest] if means[brightest] - rest > GLARE else None
    return Light(_mean([value for part in thirds for value in part]), side)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
