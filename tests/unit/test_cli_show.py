"""How the command line writes lines, numbers and times."""

from __future__ import annotations

import datetime as dt
import unicodedata
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.cli import show
from tests.fakes.clock import NOON_MS

HANOI = "Asia/Ho_Chi_Minh"
WORDS = st.lists(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=30), min_size=1, max_size=30)


@given(WORDS, st.integers(20, 120))
def test_wrapping_loses_no_word_and_keeps_to_the_width(words: list[str], width: int) -> None:
    """Every word is there in its order; a line is over the width only by one word that is."""
    lines = show.wrap(" ".join(words), width).split("\n")
    assert " ".join(lines).split() == " ".join(words).split()
    assert all(len(line) <= width or len(line.split()) == 1 for line in lines)


def test_an_address_is_never_broken() -> None:
    """What has no spaces stays whole, so that it can be copied."""
    url = "https://hop.local/p/moi#" + "x" * 200
    assert url in show.wrap(f"Phiếu mời cho phụ huynh, dùng một lần, hạn bảy ngày kể từ hôm nay: {url}", 80).split()


def test_what_is_wrapped_is_indented_under_its_beginning() -> None:
    """The second line of a remedy starts two columns further in; short lines and empty ones stay as they are."""
    text = "✘ what\n\n  → " + "word " * 20
    first, empty, second, third = show.wrap(text.rstrip(), 80).split("\n")
    assert (first, empty) == ("✘ what", "")
    assert second.startswith("  → word")
    assert third.startswith("    word")


@given(WORDS)
def test_short_lines_are_not_touched(words: list[str]) -> None:
    """A text that fits is the same text."""
    text = " ".join(words)[:79]
    assert show.wrap(text, 80) == text


@pytest.mark.parametrize(
    ("value", "language", "digits", "text"),
    [(1.75, "vi", 1, "1,8"), (1.75, "en", 1, "1.8"), (15.0, "vi", 0, "15"), (0.0, "vi", 1, "0,0")],
)
def test_numbers_follow_the_language(value: float, language: str, digits: int, text: str) -> None:
    """Vietnamese writes a comma."""
    assert show.number(value, language, digits) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00:00"), (61.9, "0:01:01"), (3661, "1:01:01"), (90_061, "1d 1:01:01"), (-5, "0:00:00")]
)
def test_durations_count_up_to_days(seconds: float, text: str) -> None:
    """Hours, minutes, seconds; days in front."""
    assert show.duration(seconds) == text


def test_times_are_the_schools() -> None:
    """05:00 UTC is noon in Việt Nam, and the date is written day first."""
    assert show.clock(NOON_MS, HANOI) == "12:00:00"
    assert show.clock(NOON_MS, "UTC") == "05:00:00"
    assert show.day(NOON_MS, HANOI) == "21/11/2026"


def test_half_of_the_morning_lost_is_half_recorded() -> None:
    """At noon six hours of gap are half of the day so far."""
    assert show.share_recorded(6 * 3600, NOON_MS, HANOI) == pytest.approx(0.5)
    assert show.share_recorded(0, NOON_MS, HANOI) == 1.0


@given(st.floats(0, 1e6), st.integers(NOON_MS, NOON_MS + 10**9), st.sampled_from([HANOI, "UTC", "Europe/Berlin"]))
def test_a_share_is_a_share(gap_s: float, now_ms: int, zone: str) -> None:
    """It stays between 0 and 1, also right after midnight and with more gap than day."""
    assert 0 <= show.share_recorded(gap_s, now_ms, zone) <= 1
    midnight = dt.datetime(2026, 11, 22, tzinfo=ZoneInfo(zone))
    assert 0 <= show.share_recorded(gap_s, int(midnight.timestamp() * 1000), zone) <= 1


@pytest.mark.parametrize(
    ("share", "text"), [(1, "100%"), (0, "0%"), (0.99999, "99,9%"), (0.00001, "0,1%"), (0.954, "95,4%"), (0.5, "50,0%")]
)
def test_only_the_whole_is_a_hundred_percent(share: float, text: str) -> None:
    """A second that is missing shows, and so does a second that is there."""
    assert show.percent(share, "vi") == text


@given(st.floats(0, 1))
def test_percentages_never_round_a_loss_away(share: float) -> None:
    """100 and 0 are said of exactly those."""
    text = show.percent(share, "en")
    assert (text == "100%") == (share == 1)
    assert (text == "0%") == (share == 0)


@given(st.floats(-1, 2), st.integers(1, 40))
def test_a_bar_has_its_length_and_reads_without_colour(share: float, cells: int) -> None:
    """Filled and empty cells are different characters and always as many as asked."""
    bar = show.bar(share, cells)
    assert len(bar) == cells
    assert set(bar) <= {"━", "·"}
    assert bar == "".join(sorted(bar, key="━·".index))


@given(st.text(max_size=20), st.integers(0, 40))
def test_padding_counts_cells_not_characters(text: str, cells: int) -> None:
    """A padded text begins with the text and has at least the cells, also when its accents are combining."""
    padded = show.pad(text, cells)
    assert padded.startswith(text)
    assert show.columns(padded) == max(show.columns(text), cells)


def test_accents_take_no_cell_of_their_own() -> None:
    """`Mầm` is three cells, composed or not."""
    assert show.columns("Mầm") == show.columns(unicodedata.normalize("NFD", "Mầm")) == 3
    assert show.widest(["a", "Mầm", ""]) == 3
    assert show.widest([]) == 0
