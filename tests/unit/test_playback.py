"""The layout a player sees, and the bytes of recorded footage with true times."""

from __future__ import annotations

import io
from pathlib import Path

import av
import pytest

from gateway.core.errors import BadInput, GrantRefused, KeyLocked, NotFound, SegmentCorrupt
from gateway.core.media import Codec, CodecConfig
from gateway.core.model import RunId
from recorder.fmp4 import first_nals, fragment_start_90k, init_segment
from recorder.keys import KeyRing
from recorder.mime import mime_of
from recorder.playback import Fragment, SegmentId, asked, layout, parse_segment, read, size_bytes, within
from recorder.rows import Gop, SegmentRow
from recorder.segment import TAG_BYTES
from tests.fakes.footage import PLAIN, START_MS, Box
from tests.fakes.seeded import GOP_MS, config_of, gops, instants, seed

MINUTE_MS = 60_000


def laid(*gops: tuple[int, bool]) -> list[Fragment]:
    """Fragments of 100 bytes: (start in ms, starts with a key frame), each up to the next."""
    ends = [start for start, _ in gops[1:]] + [gops[-1][0] + 1_000]
    return [
        Fragment(Gop(0, 0, start * 90, (end - start) * 90, key), at * 100, 100, start * 90)
        for at, ((start, key), end) in enumerate(zip(gops, ends, strict=True))
    ]


FOUR = laid((0, True), (1_000, False), (2_000, True), (3_000, True))


@pytest.mark.parametrize(
    ("span", "offsets"),
    [
        ((0, 4_000), [0, 100, 200, 300]),
        ((2_000, 3_000), [200]),
        ((2_500, 3_001), [200, 300]),
        ((1_500, 1_600), [0, 100]),
        ((999, 1_000), [0]),
        ((4_000, 9_000), []),
        ((3_999, 9_000), [300]),
    ],
)
def test_a_span_begins_with_the_key_frame_before_it(span: tuple[int, int], offsets: list[int]) -> None:
    """What overlaps the span, from where a decoder can start; half open at both ends."""
    assert [item.offset for item in within(FOUR, span)] == offsets


@pytest.mark.parametrize(
    ("offset", "size", "expected"),
    [
        (0, None, ([0, 100, 200, 300], 0, 400)),
        (100, 100, ([100], 0, 100)),
        (150, 100, ([100, 200], 50, 100)),
        (399, 1, ([300], 99, 1)),
        (350, 1_000, ([300], 50, 50)),
    ],
)
def test_any_bytes_of_a_segment_can_be_asked_for(
    offset: int, size: int | None, expected: tuple[list[int], int, int]
) -> None:
    """Which records hold them, how much of the first to leave out, and how many there are."""
    wanted, skip, count = asked(FOUR, (0, 4_000), offset, size)
    assert ([item.offset for item in wanted], skip, count) == expected


@pytest.mark.parametrize(("offset", "size"), [(400, 1), (-1, 5), (0, 0), (500, None), (10, -3)])
def test_bytes_that_are_not_there_are_not_found(offset: int, size: int | None) -> None:
    """Beyond the end, before the start, or none at all."""
    with pytest.raises(NotFound):
        asked(FOUR, (0, 4_000), offset, size)


@pytest.mark.parametrize(("offset", "size"), [(0, 100), (199, 1), (150, 100), (300, 1), (0, None)])
def test_bytes_outside_the_granted_span_are_refused(offset: int, size: int | None) -> None:
    """Even one byte of a record that the span does not touch."""
    with pytest.raises(GrantRefused):
        asked(FOUR, (2_000, 3_000), offset, size)
    assert asked(FOUR, (2_000, 3_000), 200, 100)[0][0].offset == 200


@pytest.mark.parametrize(
    "text", ["", "5", "5-0", "05-1", "-5-1", "5-1.m4s", "5-1-1", "a-b", f"5-{1 << 63}", "9" * 16 + "-1"]
)
def test_a_segments_name_is_two_numbers(text: str) -> None:
    """Anything else names nothing; a name reads back."""
    with pytest.raises(BadInput):
        parse_segment(text)
    assert str(parse_segment("5-7")) == "5-7"
    assert parse_segment("0-1") == SegmentId(0, RunId(1))


def play(box: Box, row: SegmentRow, offset: int = 0, size: int | None = None) -> bytes:
    shown = layout(row, TAG_BYTES if box.ring is not None else 0)
    wanted, skip, count = asked(shown, (0, 1 << 50), offset, size)
    return b"".join(read(box.files, box.ring, row, wanted, skip, count))


@pytest.mark.parametrize("encrypted", [True, False])
def test_sizes_are_known_before_a_byte_is_read_and_times_are_true(tmp_path: Path, *, encrypted: bool) -> None:
    """Each GOP comes by its own range, starts at true time, and the ranges make up the segment."""
    with Box(tmp_path, encrypted=encrypted) as box:
        (row,) = seed(box.files, box.index, box.ring, 1, START_MS, START_MS + MINUTE_MS, offset_ms=3_600_500)
        shown = layout(row, TAG_BYTES if encrypted else 0)
        assert len(shown) == MINUTE_MS // GOP_MS
        whole = play(box, row)
        assert len(whole) == size_bytes(shown)
        for item, at_ms in zip(shown, instants([row]), strict=True):
            part = play(box, row, item.offset, item.size)
            assert part == whole[item.offset : item.offset + item.size]
            assert fragment_start_90k(part) == at_ms * 90 == item.start_90k
        assert shown[0].start_ms == START_MS + 3_600_500
        for offset, size in ((1, 5), (shown[1].offset - 3, 6), (67, 2), (shown[3].offset + 60, shown[0].size)):
            assert play(box, row, offset, size) == whole[offset : offset + size]


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_what_is_played_decodes_with_true_timestamps(tmp_path: Path, codec: str) -> None:
    """Init and ranges of two segments, one after the other, are one MP4 on the clock of the world."""
    with Box(tmp_path) as box:
        rows = seed(box.files, box.index, box.ring, 1, START_MS, START_MS + 2 * MINUTE_MS, offset_ms=-250, codec=codec)
        data = init_segment(config_of(codec)) + b"".join(play(box, row) for row in rows)
    with av.open(io.BytesIO(data), "r") as container:
        pictures = list(container.decode(video=0))
        base = container.streams.video[0].time_base
    assert base is not None
    times = [round(float((picture.pts or 0) * base) * 1000) for picture in pictures]
    assert times == [START_MS - 250 + number * 200 for number in range(600)]


def test_a_broken_record_costs_only_itself(tmp_path: Path) -> None:
    """The ranges before and after it play; a range over it ends where it begins."""
    with Box(tmp_path) as box:
        (row,) = seed(box.files, box.index, box.ring, 1, START_MS, START_MS + 10_000)
        shown = layout(row, TAG_BYTES)
        path = tmp_path / row.path
        data = bytearray(path.read_bytes())
        data[shown[2].gop.offset + 200] ^= 1
        path.write_bytes(data)
        for number in (0, 1, 3, 4):
            assert len(play(box, row, shown[number].offset, shown[number].size)) == shown[number].size
        with pytest.raises(SegmentCorrupt):
            play(box, row, shown[2].offset, shown[2].size)
        got = bytearray()
        with pytest.raises(SegmentCorrupt):
            for part in read(box.files, box.ring, row, shown, 0, size_bytes(shown)):
                got += part
        assert len(got) == shown[2].offset


def test_footage_that_vanished_is_not_found_and_a_missing_key_is_locked(tmp_path: Path) -> None:
    """Retention takes a file between index and media; a box that has restarted may not have the key."""
    with Box(tmp_path) as box:
        first, second = seed(box.files, box.index, box.ring, 1, START_MS, START_MS + 2 * MINUTE_MS)
        (tmp_path / first.path).unlink()
        with pytest.raises(NotFound):
            play(box, first)
        (tmp_path / second.path).parent.joinpath("key").unlink()
        box.ring = KeyRing(box.files, box.school)
        with pytest.raises(KeyLocked):
            play(box, second)


def test_the_first_picture_of_a_fragment_is_taken_out_whole() -> None:
    """Its NAL units, and nothing of what is no fragment of ours."""
    data, _ = gops()[0]
    nals = first_nals(data)
    assert nals[0][0] & 31 in {5, 6}
    assert sum(4 + len(nal) for nal in nals) == int.from_bytes(data[92:96], "big")
    for broken in (
        b"",
        data[:90],
        data[:120],
        b"x" + data[1:],
        data[:4] + b"free" + data[8:],
        data[:72] + b"sidx" + data[76:],
    ):
        with pytest.raises(SegmentCorrupt):
            first_nals(broken)


def test_a_configuration_is_named_as_browsers_want_it() -> None:
    """avc1 by profile, constraints and level; hvc1 as ISO 14496-15 annex E spells it."""
    assert mime_of(PLAIN) == 'video/mp4; codecs="avc1.42C01E"'
    assert mime_of(config_of("libx265")).startswith('video/mp4; codecs="hvc1.1.6.L')
    with pytest.raises(BadInput):
        mime_of(CodecConfig(Codec.H264, b"\x67", b""))


@pytest.mark.parametrize(
    ("general", "name"),
    [
        ("01600000009000000000005d", "hvc1.1.6.L93.90"),
        ("0160000000b000000000005d", "hvc1.1.6.L93.B0"),
        ("2220000000b000000000007b", "hvc1.2.4.H123.B0"),
        ("4200000001b0230000000099", "hvc1.A2.80000000.L153.B0.23"),
    ],
)
def test_h265_names_follow_the_general_bytes(general: str, name: str) -> None:
    """Space, profile, reversed compatibility flags, tier and level, constraints without the zeros at their end."""
    from recorder.mime import _hvc1

    assert _hvc1(bytes.fromhex(general)) == name
