"""An hour as an HLS playlist."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.web_playback import START_MS, segment
from web.hls import entries, playlist

HOUR_MS = 3_600_000
END_MS = START_MS + HOUR_MS


def lines(*segments: dict[str, Any], over: bool = True) -> list[str]:
    return playlist(segments, START_MS, END_MS, over=over).splitlines()


def test_a_segment_is_its_gops_as_byte_ranges() -> None:
    """One map, one date, a range a GOP, relative addresses, and the end."""
    assert lines(segment(gops=2)) == [
        "#EXTM3U",
        "#EXT-X-VERSION:7",
        "#EXT-X-TARGETDURATION:2",
        "#EXT-X-MEDIA-SEQUENCE:0",
        "#EXT-X-PLAYLIST-TYPE:VOD",
        "#EXT-X-INDEPENDENT-SEGMENTS",
        '#EXT-X-MAP:URI="init-0a1b2c3d.mp4"',
        "#EXT-X-PROGRAM-DATE-TIME:2026-11-21T00:00:00.000Z",
        "#EXTINF:2.000,",
        "#EXT-X-BYTERANGE:100@0",
        f"{START_MS}-7.m4s",
        "#EXTINF:2.000,",
        "#EXT-X-BYTERANGE:100@100",
        f"{START_MS}-7.m4s",
        "#EXT-X-ENDLIST",
    ]


def test_the_running_hour_has_no_end() -> None:
    """A player asks again; what it has stays in its place."""
    text = lines(segment(), over=False)
    assert "#EXT-X-PLAYLIST-TYPE:EVENT" in text
    assert "#EXT-X-ENDLIST" not in text
    assert lines(segment(), segment(START_MS + 6_000), over=False)[: len(text)] == text


@pytest.mark.parametrize(
    ("second", "discontinuities", "maps"),
    [
        (segment(START_MS + 6_000), 0, 1),
        (segment(START_MS + 6_400), 0, 1),
        (segment(START_MS + 7_000), 1, 1),
        (segment(START_MS + 6_000, run=8), 1, 1),
        (segment(START_MS + 6_000, config="ffffffff"), 1, 2),
    ],
)
def test_a_discontinuity_stands_where_something_does_not_go_on(
    second: dict[str, Any], discontinuities: int, maps: int
) -> None:
    """A hole, another run, another configuration; each is dated, and only the last needs a new map."""
    text = lines(segment(), second)
    assert text.count("#EXT-X-DISCONTINUITY") == discontinuities
    assert sum(line.startswith("#EXT-X-MAP") for line in text) == maps
    assert sum(line.startswith("#EXT-X-PROGRAM-DATE-TIME") for line in text) == 1 + discontinuities


def test_what_follows_a_key_frame_up_to_the_next_is_one_entry() -> None:
    """Records of a long GOP are played together; what comes before the first key frame is left out."""
    item = segment(gops=5)
    for number in (0, 2, 3):
        item["gops"][number][4] = False
    found = list(entries([item], START_MS, END_MS))
    assert [(entry.offset, entry.size, entry.duration_ms) for entry in found] == [(100, 300, 6_000), (400, 100, 2_000)]
    assert "#EXT-X-TARGETDURATION:6" in lines(item)


def test_an_entry_belongs_to_the_hour_it_begins_in() -> None:
    """Two pages of a day have each GOP once."""
    item = segment(END_MS - 3_000)
    first, second = list(entries([item], START_MS, END_MS)), list(entries([item], END_MS, END_MS + HOUR_MS))
    assert [entry.start_ms for entry in first] == [END_MS - 3_000, END_MS - 1_000]
    assert [entry.start_ms for entry in second] == [END_MS + 1_000]


def test_an_hour_without_footage_is_an_empty_playlist() -> None:
    """Valid, and over."""
    assert lines()[-1] == "#EXT-X-ENDLIST"
    assert "#EXT-X-TARGETDURATION:1" in lines()


def test_a_playlist_never_runs_back() -> None:
    """Two runs that overlap, since a clock was set: each instant once, the earlier run first."""
    text = lines(segment(gops=4), segment(START_MS + 2_000, run=8, gops=5))
    assert [line for line in text if line.endswith(".m4s")] == [f"{START_MS}-7.m4s"] * 4 + [
        f"{START_MS + 2_000}-8.m4s"
    ] * 2
