"""Codes that people type: what is shown reads back, and a slip of the finger is understood."""

from __future__ import annotations

import base64
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.access.typedcodes import GROUP, grouped, meant

CASES = pytest.mark.parametrize("case", [str.lower, str.upper], ids=["lower", "upper"])
LETTERS: dict[Callable[[str], str], str] = {
    str.lower: "abcdefghijklmnopqrstuvwxyz234567",
    str.upper: "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567",
}
TYPOS = {"0": "o", "1": "l", "8": "b"}


@CASES
@given(raw=st.binary(min_size=5, max_size=20).map(lambda data: data[: len(data) // 5 * 5]))
def test_what_is_shown_reads_back_however_it_is_typed(case: Callable[[str], str], raw: bytes) -> None:
    """In groups of four, in either case, with spaces for dashes or with none."""
    code = case(base64.b32encode(raw).decode("ascii"))
    shown = grouped(code)
    assert {len(part) for part in shown.split("-")} == {GROUP}
    for typed in (shown, shown.lower(), shown.upper(), shown.replace("-", " "), f" {code}\n"):
        assert meant(typed, case) == code


@CASES
@given(text=st.text())
def test_nothing_but_its_letters_is_left(case: Callable[[str], str], text: str) -> None:
    """Each sign of the text is a letter of base32, or looks like one that it lacks, or goes."""
    wanted = [case(TYPOS.get(sign, sign)) if sign in TYPOS else sign for sign in case(text)]
    assert meant(text, case) == "".join(sign for sign in wanted if sign in LETTERS[case])


def test_the_digits_that_base32_lacks_are_the_letters_they_look_like() -> None:
    """0 is an O, 1 an L, 8 a B; a 9 is nothing."""
    assert meant("0189-2345", str.upper) == "OLB2345"
    assert grouped("abcdefg") == "abcd-efg"
