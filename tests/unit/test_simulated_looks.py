"""What a viewer's decoder shows of each look, and that drawing and lettering are functions of their arguments."""

from __future__ import annotations

import hashlib
import itertools
import subprocess
import sys
import unicodedata
from dataclasses import replace
from functools import cache
from pathlib import Path

import av
import numpy as np
from av.video.codeccontext import VideoCodecContext
from hypothesis import given, settings
from hypothesis import strategies as st

import drivers
from drivers.simulated.art import VARIANTS, Classroom
from drivers.simulated.faults import Look
from drivers.simulated.lettering import ascii_only, draw, text_width
from drivers.simulated.scene import SceneSpec, encode, still

SPEC = SceneSpec("Lớp Lá 1", 2, 160, 96, 5, gop_frames=5, loop_frames=10, bitrate_bps=400_000)
Luma = np.ndarray[tuple[int, int], np.dtype[np.int16]]


@cache
def seen(look: Look) -> tuple[Luma, ...]:
    """The decoded luma of one loop, without the captions' strips."""
    loop = encode(replace(SPEC, look=look))
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    sets = b"".join(b"\0\0\0\1" + nal for nal in (loop.config.sps, loop.config.pps))
    pictures = []
    for unit in loop.units:
        data = (sets if unit.is_key else b"") + b"".join(b"\0\0\0\1" + nal for nal in unit.nals)
        pictures += decoder.decode(av.Packet(data))
    pictures += decoder.decode(None)
    assert len(pictures) == len(loop.units)
    return tuple(picture.to_ndarray(format="gray")[24:70].astype(np.int16) for picture in pictures)


def light(look: Look) -> float:
    return float(np.mean([picture.mean() for picture in seen(look)]))


def edges(look: Look) -> float:
    return float(np.mean([np.abs(np.diff(picture, axis=1)).mean() for picture in seen(look)]))


def life(look: Look) -> float:
    """How much changes from one picture to the next."""
    pictures = seen(look)
    return float(np.mean([np.abs(after - before).mean() for before, after in itertools.pairwise(pictures)]))


def test_a_normal_room_is_lit_sharp_and_alive() -> None:
    """The room has a middle brightness, edges, and people who move."""
    assert 60 < light(Look.NORMAL) < 220
    assert edges(Look.NORMAL) > 1
    assert life(Look.NORMAL) > 0.2


def test_frozen_is_as_lit_but_dead() -> None:
    """A frozen picture looks like a normal one and does not change by more than the coder's own ripple."""
    assert abs(light(Look.FROZEN) - light(Look.NORMAL)) < 10
    assert life(Look.FROZEN) < life(Look.NORMAL) / 4


def test_covered_is_black_and_flat() -> None:
    """A covered lens has no light and no structure."""
    assert light(Look.COVERED) < 40
    assert max(np.ptp(picture) for picture in seen(Look.COVERED)) < 12


def test_dark_is_dim_but_not_flat() -> None:
    """A dark room is far below normal, yet not as flat as a covered lens."""
    assert light(Look.DARK) < light(Look.NORMAL) / 2
    assert np.std(seen(Look.DARK)[0]) > np.std(seen(Look.COVERED)[0])


def test_bright_is_washed_out() -> None:
    """A blinded lens is brighter, and more of it is nearly white."""

    def white(look: Look) -> float:
        return float(np.mean([(picture > 225).mean() for picture in seen(look)]))

    assert light(Look.BRIGHT) > light(Look.NORMAL) + 25
    assert white(Look.BRIGHT) > white(Look.NORMAL) + 0.2


def test_blurred_loses_edges_and_keeps_light() -> None:
    """A smeared lens has fewer edges in a picture of the same brightness."""
    assert edges(Look.BLURRED) < edges(Look.NORMAL) * 0.8
    assert abs(light(Look.BLURRED) - light(Look.NORMAL)) < 8


def test_moved_is_another_view_of_the_same_light() -> None:
    """A turned camera is as lit and alive, but the room is elsewhere in the picture."""
    apart = np.abs(np.mean(seen(Look.MOVED), axis=0) - np.mean(seen(Look.NORMAL), axis=0)).mean()
    usual = np.abs(np.mean(seen(Look.NORMAL)[:5], axis=0) - np.mean(seen(Look.NORMAL)[5:], axis=0)).mean()
    assert apart > 2 * usual
    assert life(Look.MOVED) > 0.2


def test_every_look_is_told_apart() -> None:
    """No two looks give the same decoded pictures."""
    shown = {hashlib.sha256(b"".join(picture.tobytes() for picture in seen(look))).digest() for look in Look}
    assert len(shown) == len(Look)


def test_a_still_shows_the_same_look() -> None:
    """The snapshot of a covered camera is as dark as its video."""
    jpeg = still(replace(SPEC, look=Look.COVERED), 1.0)
    decoder = av.CodecContext.create("mjpeg", "r")
    assert isinstance(decoder, VideoCodecContext)
    (picture,) = decoder.decode(av.Packet(jpeg))
    assert picture.to_ndarray(format="gray")[24:70].mean() < 40


DRAW = (
    "import hashlib;from drivers.simulated.art import Classroom;"
    "print(hashlib.sha256(b''.join(Classroom(v,'Lớp Chồi 1',96,64,loop_s=2).frame(0.7).tobytes() for v in range(8))).hexdigest())"
)


def test_another_process_draws_the_same() -> None:
    """Rooms, people and letters do not depend on hash seeds or on what was drawn before."""
    rooms = [Classroom(variant, "Lớp Chồi 1", 96, 64, loop_s=2) for variant in range(VARIANTS)]
    rooms[0].frame(1.9)
    here = hashlib.sha256(b"".join(room.frame(0.7).tobytes() for room in rooms)).hexdigest()
    made = subprocess.run(
        [sys.executable, "-c", DRAW],
        cwd=Path(str(drivers.__file__)).parents[1],
        env={"PYTHONHASHSEED": "4711"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert made.stdout.strip() == here


@settings(max_examples=40, deadline=None)
@given(st.text(max_size=30), st.floats(6, 40))
def test_the_width_of_a_word_is_what_drawing_uses(text: str, cap_px: float) -> None:
    """Nothing is drawn further right than the width that was told, but for a mark's own overhang."""
    width = text_width(text, cap_px)
    picture = np.zeros((120, width + 160, 3), np.uint8)
    draw(picture, text, (20, 80), cap_px, (255, 255, 255))
    columns = np.flatnonzero(picture.any(axis=(0, 2)))
    if columns.size:
        assert columns[-1] <= 20 + width + cap_px
        assert columns[0] >= 20 - cap_px


@given(st.text(alphabet=st.characters(max_codepoint=0x1EF9), max_size=40))
def test_letters_without_marks_are_ascii(text: str) -> None:
    """Whatever goes in, printable ASCII comes out, one character for each base letter."""
    plain = ascii_only(text)
    assert all(" " <= char <= "~" for char in plain)
    if unicodedata.normalize("NFD", text).isascii() and text.isprintable():
        assert plain == text


def test_every_vietnamese_letter_is_drawn_its_own_way() -> None:
    """All 134 letters of the alphabet with their tones give different pictures, small and capital."""
    vowels = "aăâeêioôơuưy"
    tones = ["", "\u0300", "\u0301", "\u0303", "\u0309", "\u0323"]
    small = [unicodedata.normalize("NFC", vowel + tone) for vowel in vowels for tone in tones] + ["đ", "d"]
    letters = small + [letter.upper() for letter in small]
    shown: dict[bytes, list[str]] = {}
    for letter in letters:
        picture = np.zeros((90, 70, 3), np.uint8)
        draw(picture, letter, (15, 65), 34, (255, 255, 255))
        shown.setdefault(picture.tobytes(), []).append(letter)
    assert [same for same in shown.values() if len(same) > 1] == []
