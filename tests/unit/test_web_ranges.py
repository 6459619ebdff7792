"""One byte range, strictly: RFC 9110 §14."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import BadInput
from web.ranges import ByteRange, Unsatisfiable, parse_range

lengths = st.integers(0, 1 << 40)


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-499", (0, 500)),
        ("bytes=500-999", (500, 500)),
        ("bytes=9500-", (9_500, 500)),
        ("bytes=-500", (9_500, 500)),
        ("bytes=0-0", (0, 1)),
        ("bytes=-1", (9_999, 1)),
        ("bytes=9999-99999999", (9_999, 1)),
        ("bytes=-99999", (0, 10_000)),
        ("Bytes=0-1", (0, 2)),
        ("bytes= 0-1\t", (0, 2)),
    ],
)
def test_the_examples_of_the_rfc(header: str, expected: tuple[int, int]) -> None:
    """First to last, from first on, the last so many; a last beyond the end is the end; the unit has no case."""
    assert parse_range(header, 10_000) == expected


@pytest.mark.parametrize("header", [None, "items=0-5", "pages=1", "x-y=bytes=0-1"])
def test_without_a_range_we_understand_it_is_the_whole(header: str | None) -> None:
    """No header, or a unit of others."""
    assert parse_range(header, 10) is None


@pytest.mark.parametrize(
    "header", ["bytes=10-", "bytes=10-20", "bytes=5-4", "bytes=-0", "bytes=0-1,3-4", "bytes=0-1,", "bytes=,0-1"]
)
def test_what_names_no_byte_or_several_ranges_cannot_be_satisfied(header: str) -> None:
    """Beyond the end, backwards, an empty suffix, more than one."""
    with pytest.raises(Unsatisfiable):
        parse_range(header, 10)


@pytest.mark.parametrize(
    "header",
    [
        "", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=0", "bytes=0-1-2", "bytes=--1", "bytes=+1-2", "bytes=1.5-2",
        "bytes=0x1-2", "bytes=٣-٤", "bytes=1 -2", "bytes=1- 2", "bytes=0-1;q", "=0-1", "bytes:0-1", "bytes=0-1\n", "bytes=²-3",
        "bytes=" + "9" * 19 + "-", "bytes=0-" + "9" * 400, "\u00a0bytes=0-1", "bytes==0-1",
    ],
)  # fmt: skip
def test_junk_is_refused_and_not_guessed_at(header: str) -> None:
    """Nothing that a kind reader would take for a range is taken for one; long numbers cost nothing."""
    with pytest.raises(BadInput):
        parse_range(header, 10)


@settings(deadline=None)
@given(st.integers(0, 1 << 41), st.integers(0, 1 << 41), lengths)
def test_a_range_lies_within_its_length(first: int, last: int, length: int) -> None:
    """Exactly the bytes from first to last that there are; none at all cannot be satisfied."""
    there = range(first, min(last + 1, length))
    if not there:
        with pytest.raises(Unsatisfiable):
            parse_range(f"bytes={first}-{last}", length)
        return
    found = parse_range(f"bytes={first}-{last}", length)
    assert found == (there.start, len(there))
    assert found is not None
    assert found.content_range(length) == f"bytes {there.start}-{there.stop - 1}/{length}"


@settings(deadline=None)
@given(st.integers(0, 1 << 41), lengths)
def test_open_and_suffix_ranges_end_at_the_end(number: int, length: int) -> None:
    """From first on, and the last so many, both reach the last byte."""
    for header, start in ((f"bytes={number}-", number), (f"bytes=-{number}", max(0, length - number))):
        if start >= length:
            with pytest.raises(Unsatisfiable):
                parse_range(header, length)
        else:
            assert parse_range(header, length) == (start, length - start)


@settings(deadline=None)
@given(st.text(max_size=60), lengths)
def test_no_header_makes_anything_but_a_range_or_a_refusal(text: str, length: int) -> None:
    """Whatever comes, alone or behind the unit: a range inside, nothing, or one of the two refusals."""
    for header in (text, f"bytes={text}"):
        try:
            found = parse_range(header, length)
        except (BadInput, Unsatisfiable):
            continue
        if found is not None:
            assert 0 <= found.start < found.start + found.size <= length


def test_a_growing_representation_has_no_length() -> None:
    """The header says so with a star."""
    assert ByteRange(0, 5).content_range(None) == "bytes 0-4/*"
