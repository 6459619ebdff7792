"""The table of channel paths and the numbering of channels."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.channels import (
    FAMILIES,
    MOST_CHANNELS,
    MOST_NUMBER,
    Family,
    family_of,
    number_channels,
    read_channels,
    sources,
)
from gateway.core.errors import BadInput

NUMBERS = st.integers(1, MOST_NUMBER)


@given(st.sampled_from(FAMILIES), NUMBERS)
def test_a_path_names_its_family_and_channel(family: Family, channel: int) -> None:
    """Main and sub of every channel read back as what they were made from, and of no other family."""
    for path in family.paths(channel):
        assert family_of(path) == (family, channel)


@given(st.sampled_from(FAMILIES), st.lists(NUMBERS, min_size=2, max_size=8, unique=True))
def test_no_two_channels_share_a_path(family: Family, channels: list[int]) -> None:
    """Main, sub and every channel have a path of their own."""
    paths = [path for channel in channels for path in family.paths(channel)]
    assert len(set(paths)) == len(paths)


def test_the_paths_are_the_makers() -> None:
    """As documented: Hikvision, Dahua, Uniview."""
    assert [family.paths(12) for family in FAMILIES] == [
        ("/Streaming/Channels/1201", "/Streaming/Channels/1202"),
        ("/cam/realmonitor?channel=12&subtype=0", "/cam/realmonitor?channel=12&subtype=1"),
        ("/unicast/c12/s0/live", "/unicast/c12/s1/live"),
    ]
    main, sub = sources("10.0.0.9", 8554, FAMILIES[0], 3)
    assert main.url() == "rtsp://10.0.0.9:8554/Streaming/Channels/301"
    assert sub.path == "/Streaming/Channels/302"


@pytest.mark.parametrize(
    "path",
    ["", "/", "/stream1", "/Streaming/Channels/1", "/Streaming/Channels/001", "/cam/realmonitor?channel=x&subtype=0",
     "/Streaming/Channels/99901", "/unicast/c1/s2/live", "/Streaming/Channels/1²01"],
)  # fmt: skip
def test_other_paths_are_of_no_family(path: str) -> None:
    """Also what only looks like one."""
    assert family_of(path) is None


def test_the_login_and_unicast_marks_dahua_adds_do_not_hide_the_channel() -> None:
    """Its ONVIF addresses end in `&unicast=true&proto=Onvif`."""
    found = family_of("/cam/realmonitor?channel=7&subtype=1&unicast=true&proto=Onvif")
    assert found is not None
    assert (found[0].name, found[1]) == ("dahua", 7)


@pytest.mark.parametrize(
    ("tokens", "paths", "numbers"),
    [
        (["a", "b"], ["/Streaming/Channels/301", "/Streaming/Channels/101"], (3, 1)),
        (["vs0", "vs2"], ["/live/x", "/live/y"], (1, 3)),
        (["VideoSource_1", "VideoSource_4"], ["", ""], (1, 4)),
        (["00000", "00001"], ["", ""], (1, 2)),
        (["a", "b"], ["", ""], (1, 2)),
        (["vs1", "x1"], ["", ""], (1, 2)),
        (["vs5", "vs6"], ["/Streaming/Channels/101", "/Streaming/Channels/101"], (5, 6)),
        ([], [], ()),
    ],
    ids=["path", "token from 0", "token from 1", "dahua", "order", "same end", "path repeats", "none"],
)
def test_the_best_that_is_told_numbers_the_channels(
    tokens: list[str], paths: list[str], numbers: tuple[int, ...]
) -> None:
    """The maker's path, else the token, else the order; one rule for all of a device."""
    assert number_channels(tokens, paths) == numbers


TOKENS = st.one_of(st.text(max_size=6), st.builds("vs{}".format, st.integers(0, 999)))
PATHS = st.one_of(st.just(""), st.builds(lambda f, c: f.paths(c)[0], st.sampled_from(FAMILIES), NUMBERS))


@given(st.lists(st.tuples(TOKENS, PATHS), max_size=12))
def test_numbers_are_distinct_whatever_a_device_tells(told: list[tuple[str, str]]) -> None:
    """Two channels of a device are never taken for one."""
    numbers = number_channels([token for token, _ in told], [path for _, path in told])
    assert len(set(numbers)) == len(told)
    assert all(1 <= number <= MOST_NUMBER for number in numbers)


@given(st.sets(NUMBERS, min_size=1, max_size=MOST_CHANNELS))
def test_a_list_of_channels_reads_back(numbers: set[int]) -> None:
    """Written one by one."""
    assert read_channels(",".join(map(str, numbers))) == numbers


def test_ranges_are_read() -> None:
    """Blanks and overlaps do no harm."""
    assert read_channels(" 1, 3-5 ,5-6") == {1, 3, 4, 5, 6}


@pytest.mark.parametrize("text", ["", "0", "1-", "-3", "5-3", "a", "1,,2", "1-65", "257", "\uff11", "1;2", "9" * 5])
def test_what_is_no_list_of_channels_is_refused(text: str) -> None:
    """With the key, so that the command can say which option it was."""
    with pytest.raises(BadInput) as refusal:
        read_channels(text)
    assert refusal.value.fields["key"] == "channels"
