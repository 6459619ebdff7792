"""Pictures in the terminal: shape, colours, and words where there is no colour."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli.halfblock import RESET, UPPER, Colour, Picture, colour_of, fit, light, nearest, paint

sizes = st.integers(1, 4096)
levels = st.integers(0, 255)


@st.composite
def pictures(draw: st.DrawFn) -> Picture:
    width, height = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    return Picture(width, height, draw(st.binary(min_size=width * height * 3, max_size=width * height * 3)))


def rgb_of(number: int) -> tuple[int, int, int]:
    """Xterm's colour of a number, from its own description."""
    if number >= 232:
        return (8 + 10 * (number - 232),) * 3
    cube = [0, 95, 135, 175, 215, 255]
    number -= 16
    return cube[number // 36], cube[number // 6 % 6], cube[number % 6]


@pytest.mark.parametrize(("environment", "terminal", "colour"), [
    ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, True, Colour.FULL),
    ({"TERM": "xterm", "COLORTERM": "24bit"}, True, Colour.FULL),
    ({"TERM": "xterm-direct"}, True, Colour.FULL),
    ({"TERM": "xterm-256color"}, True, Colour.FEW),
    ({"TERM": "linux"}, True, Colour.NONE),
    ({"TERM": "dumb", "COLORTERM": "truecolor"}, True, Colour.NONE),
    ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}, True, Colour.NONE),
    ({"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": ""}, True, Colour.FULL),
    ({"TERM": "xterm-256color", "COLORTERM": "truecolor"}, False, Colour.NONE),
    ({}, True, Colour.NONE),
])  # fmt: skip
def test_colour_is_what_the_terminal_says(environment: dict[str, str], terminal: bool, colour: Colour) -> None:
    """NO_COLOR and a pipe win; COLORTERM says 24 bits; TERM says 256."""
    assert colour_of(environment, is_terminal=terminal) is colour


@given(sizes, sizes, st.integers(-5, 500), st.integers(-5, 200))
def test_a_picture_fits_and_keeps_its_shape(width: int, height: int, columns: int, lines: int) -> None:
    """Never wider than the terminal, an even number of rows, and not stretched where it has room."""
    across, down = fit(width, height, columns, lines)
    assert 1 <= across <= max(16, min(columns, 160))
    assert down >= 2
    assert down % 2 == 0
    if across >= 16 and down >= 16:
        assert abs(across / down - width / height) <= 0.15 * width / height


def test_a_usual_picture_on_a_usual_terminal() -> None:
    """16:9 on 80 by 24: 60 cells wide, 17 lines high, the rest is for words."""
    assert fit(320, 180, 80, 24 - 7) == (60, 34)


@given(pictures(), st.sampled_from([Colour.FULL, Colour.FEW]))
def test_every_pair_of_rows_is_a_line_of_blocks(picture: Picture, colour: Colour) -> None:
    """As many blocks as pixels, only colour codes between them, and colours are reset at the end of each line."""
    lines = paint(picture, colour)
    assert len(lines) == picture.height // 2
    for line in lines:
        assert line.endswith(RESET)
        assert re.sub(r"\x1b\[[\d;]*m", "", line) == UPPER * picture.width


def test_the_upper_pixel_is_the_letter_and_the_lower_its_ground() -> None:
    """24 bits as they are, once for each change of colour."""
    picture = Picture(2, 2, bytes([1, 2, 3, 1, 2, 3, 4, 5, 6, 4, 5, 6]))
    assert paint(picture, Colour.FULL) == [f"\x1b[38;2;1;2;3;48;2;4;5;6m{UPPER}{UPPER}{RESET}"]
    assert paint(picture, Colour.NONE) == []


@given(levels, levels, levels)
def test_of_256_colours_a_near_one_is_taken(red: int, green: int, blue: int) -> None:
    """No further away than the nearest of the cube, which has a level within 47 of every value."""
    number = nearest(red, green, blue)
    assert 16 <= number <= 255
    assert sum((a - b) ** 2 for a, b in zip(rgb_of(number), (red, green, blue), strict=True)) <= 3 * 48**2


@given(st.integers(16, 255))
def test_colours_that_exist_are_themselves(number: int) -> None:
    """Each of the cube and of the greys comes back as the same colour."""
    assert rgb_of(nearest(*rgb_of(number))) == rgb_of(number)


@pytest.mark.parametrize(
    ("level", "word"), [(0, "dark"), (60, "dark"), (128, "good"), (200, "bright"), (255, "bright")]
)
def test_brightness_is_a_word(level: int, word: str) -> None:
    """Dark, good or bright."""
    seen = light(Picture(6, 2, bytes([level]) * 36))
    assert (seen.word, seen.side) == (word, None)
    assert seen.mean == pytest.approx(level / 255)


@pytest.mark.parametrize(("at", "side"), [(0, "left"), (1, "middle"), (2, "right")])
def test_a_window_in_the_back_is_said(at: int, side: str) -> None:
    """The third that is far brighter than the rest."""
    row = b"".join(bytes([250 if n // 2 == at else 40]) * 3 for n in range(6))
    assert light(Picture(6, 2, row * 2)).side == side


@given(pictures())
def test_any_picture_has_a_brightness(picture: Picture) -> None:
    """Also one a pixel wide."""
    assert 0 <= light(picture).mean <= 1.0001
