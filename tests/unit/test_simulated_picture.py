"""The drawn classroom: letters, figures, looks."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.simulated.art import VARIANTS, Classroom
from drivers.simulated.faults import Look
from drivers.simulated.lettering import Picture, ascii_only, draw, text_width

SIZE = (320, 180)


def blank(width: int = 600, height: int = 80) -> Picture:
    return np.zeros((height, width, 3), np.uint8)


def room(variant: int = 0, label: str = "Lớp Lá 1") -> Classroom:
    return Classroom(variant, label, *SIZE, loop_s=4.0)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Lớp Chồi 2", "Lop Choi 2"),
        ("Đỗ Thị Hường", "Do Thi Huong"),
        ("Nhà trẻ – cô Ẩn", "Nha tre - co An"),
        ("班", " "),
        ("", ""),
    ],
)
def test_ascii_only(text: str, plain: str) -> None:
    """Vietnamese loses its marks, dashes become ASCII, what has no ASCII base becomes a space."""
    assert ascii_only(text) == plain


@pytest.mark.parametrize("pair", ["aă", "aâ", "dđ", "eê", "oô", "oơ", "uư", "aá", "aà", "aả", "aã", "aạ", "âấ", "DĐ"])
def test_every_mark_is_drawn(pair: str) -> None:
    """A letter with a mark is drawn otherwise than without, in the same width."""
    bare, marked = blank(), blank()
    draw(bare, pair[0], (40, 50), 30, (255, 255, 255))
    draw(marked, pair[1], (40, 50), 30, (255, 255, 255))
    assert np.any(bare != marked)
    assert text_width(pair[0], 30) == text_width(pair[1], 30)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.integers(-50, 700), st.floats(4, 60))
def test_any_text_can_be_drawn(text: str, x: int, cap_px: float) -> None:
    """No text, place or size makes drawing fail."""
    draw(blank(), text, (x, 40), cap_px, (255, 255, 255))


def test_loop_has_no_seam() -> None:
    """The picture after one loop is the first one again."""
    scene = room()
    assert np.array_equal(scene.frame(1.25), scene.frame(5.25))


def test_no_two_frames_are_alike() -> None:
    """Something moves in every frame of the loop, also behind the caption."""
    scene = room()
    frames = [scene.frame(n / 15)[40:] for n in range(60)]
    assert all(np.any(a != b) for a, b in itertools.pairwise(frames))


def test_variants_and_labels_differ() -> None:
    """Each variant is another room, and a label changes the caption only."""
    pictures = [room(variant).frame(0) for variant in range(VARIANTS)]
    assert all(np.any(pictures[0] != other) for other in pictures[1:])
    one, other = room(0, "Lớp Lá 1").frame(0), room(0, "Lớp Mầm 2").frame(0)
    assert np.any(one[:20] != other[:20])
    assert np.array_equal(one[30:], other[30:])


def test_same_variant_same_room() -> None:
    """A scene is a function of its arguments: two processes draw the same."""
    assert np.array_equal(room(3).frame(2.0), room(3).frame(2.0))


def test_frozen_stands_still() -> None:
    """A frozen picture is one picture, whatever the time."""
    scene = room()
    assert np.array_equal(scene.frame(0.5, look=Look.FROZEN), scene.frame(3.0, look=Look.FROZEN))


def test_looks_differ_as_their_names_say() -> None:
    """Covered and dark are darker than normal, bright is brighter, blurred has fewer edges, moved is elsewhere."""
    scene = room()
    body = {look: scene.frame(1.0, look=look)[40:150].astype(float) for look in Look}
    light = {look: picture.mean() for look, picture in body.items()}
    edges = {look: np.abs(np.diff(picture, axis=1)).max(axis=2).mean() for look, picture in body.items()}
    assert light[Look.COVERED] < 30
    assert light[Look.DARK] < 30
    assert light[Look.BRIGHT] > light[Look.NORMAL] + 40
    assert edges[Look.BLURRED] < edges[Look.NORMAL] * 0.8
    assert np.abs(body[Look.MOVED] - body[Look.NORMAL]).mean() > 5
    assert np.ptp(body[Look.COVERED]) == 0


@pytest.mark.parametrize("size", [(160, 90), (640, 360), (1920, 1080)])
def test_sizes(size: tuple[int, int]) -> None:
    """Any size that a stream may have can be drawn, as BGR rows."""
    picture = Classroom(1, "Lớp Chồi 1", *size, loop_s=2).frame(0.3)
    assert picture.shape == (size[1], size[0], 3)
    assert picture.dtype == np.uint8
