"""Settings as text: written, read back, compared."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from drivers import settingtext as text

WORDS = st.text(st.sampled_from("abcdefgĐđẤấớ 0123456789+-"), max_size=20).map(lambda word: " ".join(word.split()))
COORDINATES = st.integers(-1000, 1000).map(lambda value: value / 1000)
POLYGONS = st.lists(st.lists(st.tuples(COORDINATES, COORDINATES), min_size=3, max_size=6).map(tuple), max_size=4).map(
    tuple
)
TOKENS = st.dictionaries(st.sampled_from(("main", "sub")), st.text(max_size=8))


@given(WORDS, st.booleans())
def test_a_label_reads_back(label: str, date: bool) -> None:
    """Text and date come back, whatever the class is called."""
    assume(not label.endswith(text.DATE))
    assert text.read_label(text.label_text(label, date)) == (label, date)


@given(POLYGONS)
def test_masks_read_back_in_an_order_of_their_own(polygons: tuple[tuple[tuple[float, float], ...], ...]) -> None:
    """The same polygons in any order have one text, and it reads back as them."""
    written = text.mask_text(polygons)
    assert text.mask_text(reversed(polygons)) == written
    assert sorted(text.read_masks(written)) == sorted(polygons)
    assert text.agrees("mask", written, text.mask_text(polygons))


@given(POLYGONS, st.integers(-10, 10))
def test_a_mask_on_a_cameras_grid_agrees(
    polygons: tuple[tuple[tuple[float, float], ...], ...], thousandths: int
) -> None:
    """A camera that moves every corner by less than a hundredth has taken the mask."""
    moved = [tuple((max(-1, min(1, x + thousandths / 1000)), y) for x, y in polygon) for polygon in polygons]
    assert text.agrees("mask", text.mask_text(moved), text.mask_text(polygons))


@given(TOKENS)
def test_sound_reads_back_with_its_tokens(tokens: dict[str, str]) -> None:
    """Tokens are the camera's and may hold anything; a stream without one has no sound."""
    assert text.read_audio(text.audio_text(tokens)) == {role: token for role, token in tokens.items() if token}


@pytest.mark.parametrize(
    ("read", "broken"),
    [
        (text.read_masks, "0,0 1,1"),
        (text.read_masks, "0,0 1,1 2,0"),
        (text.read_masks, "nan,0 1,1 0,1"),
        (text.read_masks, "a,b c,d e,f"),
        (text.read_audio, "third=x"),
        (text.read_audio, "main"),
        (text.read_size, "wide"),
        (text.clock_mode, "sundial"),
    ],
)
def test_what_is_no_setting_is_refused(read: object, broken: str) -> None:
    """A text that was not written here raises ValueError, and agrees with nothing."""
    with pytest.raises(ValueError):
        read(broken)  # type: ignore[operator]  # one of the readers above


@pytest.mark.parametrize(
    ("zone", "minutes"),
    [
        ("ICT-7", 420),
        ("CST-7:00:00", 420),
        ("<+07>-7", 420),
        ("GMT0", 0),
        ("EST5", -300),
        ("IST-5:30", 330),
        ("EST5EDT,M3.2.0,M11.1.0", None),
        ("Asia/Ho_Chi_Minh", None),
        ("", None),
    ],
)
def test_zones_are_compared_by_their_offset(zone: str, minutes: int | None) -> None:
    """Makers name Viet Nam's zone as they like; one with summer time is another."""
    assert text.zone_minutes(zone) == minutes
    assert text.agrees("time.zone", zone, "ICT-7") is (minutes == 420)


def test_a_zone_with_summer_time_is_another() -> None:
    """The camera's own switch for it is part of the text, and comes back."""
    assert text.zone_text("ICT-7", summer=True) == "ICT-7 +dst"
    assert text.read_zone("ICT-7 +dst") == ("ICT-7", True)
    assert text.read_zone("ICT-7") == ("ICT-7", False)
    assert not text.agrees("time.zone", "ICT-7 +dst", "ICT-7")


@pytest.mark.parametrize(
    ("setting", "now", "want", "same"),
    [
        ("time.clock", "ntp", "ntp", True),
        ("time.clock", "ntp +12 s", "ntp", False),
        ("time.clock", "manual", "ntp", False),
        ("time.clock", "manual", "manual -3600 s", True),
        ("main.bitrate", "409600", "400000", True),
        ("main.bitrate", "500000", "400000", False),
        ("main.bitrate", "", "400000", False),
        ("sub.fps", "10.0", "10", True),
        ("sub.fps", "12.5", "12", False),
        ("main.gop", "31", "30", True),
        ("main.gop", "60", "30", False),
        ("main.size", "640x0360", "640x360", True),
        ("user.own", "vuon2", "vuon", True),
        ("user.own", "vuonder", "vuon", False),
        ("user.own", "admin", "vuon", False),
        ("osd.label", "Lop La 1 +date", "Lớp Lá 1 +date", True),
        ("osd.label", "L?p L? 1 +date", "Lớp Lá 1 +date", False),
        ("osd.label", "Lớp Lá 1", "Lớp Lá 1 +date", False),
        ("audio", "main=x", "off", False),
    ],
)
def test_what_agrees(setting: str, now: str, want: str, same: bool) -> None:
    """Rounding and ASCII are no disagreement; everything else is."""
    assert text.agrees(setting, now, want) is same


@given(
    st.sampled_from(("time.zone", "time.clock", "main.fps", "main.gop", "main.size", "mask", "audio")),
    st.text(),
    st.text(),
)
def test_any_two_texts_can_be_compared(setting: str, now: str, want: str) -> None:
    """What a camera says never breaks the comparison, and everything agrees with itself."""
    assert text.agrees(setting, now, want) in (True, False)
    assert text.agrees(setting, now, now)


def test_vietnamese_without_marks() -> None:
    """Every letter keeps its base."""
    assert text.ascii_label("Lớp Đá Quý ỡ ợ") == "Lop Da Quy o o"
