"""Days, spans and gaps; thumbnails' choice and cache; segments on their way into the index; several disks."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast
from zoneinfo import ZoneInfo

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import BadInput, KeyLocked, NotFound
from gateway.core.media import CodecConfig
from gateway.core.model import RunId, StreamId
from recorder.gaps import Gap, GapCause
from recorder.keys import KeyRing
from recorder.leaving import Leaving
from recorder.playback import Heads
from recorder.playback_spans import footage_hours, midnights, shown_gaps, spans
from recorder.rows import SegmentRow
from recorder.service_playback import PlaybackService
from recorder.slot import Slot
from recorder.store import Found
from recorder.thumbs import LOOK_BACK_MS, Thumbs, best, key_frame
from recorder.vision.pipe import Jpeg
from tests.fakes.footage import START_MS, Box
from tests.fakes.seeded import GOP_MS, seed

pytestmark = pytest.mark.anyio
HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
EVER = (0, 1 << 50)


def row(start_ms: int, end_ms: int, run: int = 1) -> SegmentRow:
    return SegmentRow(StreamId(1), RunId(run), start_ms, 0, end_ms - start_ms, 1, 0, 0, 0, b"")


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], []),
        ([row(0, 10), row(10, 20)], [(5, 20)]),
        ([row(0, 10), row(700, 800)], [(5, 10), (700, 800)]),
        ([row(0, 10), row(400, 800, 2)], [(5, 800)]),
        ([row(0, 900), row(100, 200, 2)], [(5, 900)]),
        ([row(0, 5), row(1_000, 2_000)], []),
    ],
)
def test_spans_are_cut_and_merged_over_runs(rows: list[SegmentRow], expected: list[tuple[int, int]]) -> None:
    """A hole that nobody sees is none, an overlap counts once, what lies outside is left out."""
    assert spans(rows, 5, 1_000) == expected


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5_000), st.integers(1, 900)), max_size=30))
def test_spans_never_overlap_and_cover_what_is_there(parts: list[tuple[int, int]]) -> None:
    """In order, apart by more than a hole that is none, and every instant with footage is in one."""
    rows = [row(start, start + length) for start, length in sorted(parts)]
    found = spans(rows, 1_000, 4_000)
    assert all(a[1] + 500 < b[0] for a, b in pairwise(found))
    for item in rows:
        start_ms, end_ms = max(item.begin_ms, 1_000), min(item.end_ms, 4_000)
        assert start_ms >= end_ms or any(a <= start_ms and end_ms <= b for a, b in found)


def test_a_day_is_the_sites_also_when_clocks_change() -> None:
    """Midnight to midnight: 23 or 25 hours where summer time begins or ends."""
    (first, span), (second, _) = midnights(HANOI, START_MS, START_MS + 18 * HOUR_MS)
    assert (first, second) == (date(2026, 11, 21), date(2026, 11, 22))
    assert span == (START_MS - 7 * HOUR_MS, START_MS + 17 * HOUR_MS)
    berlin = ZoneInfo("Europe/Berlin")
    lengths = [
        end - start for _, (start, end) in midnights(berlin, 1_774_656_000_000, 1_774_656_000_000 + 48 * HOUR_MS)
    ]
    assert 23 * HOUR_MS in lengths
    with pytest.raises(BadInput):
        list(midnights(HANOI, 0, START_MS))


def test_gaps_are_cut_to_what_was_asked_and_what_is_past() -> None:
    """A lasting one is open and ends now; one that lies outside is left out."""
    gaps = [
        Gap(StreamId(1), 0, 50, GapCause.CAMERA),
        Gap(StreamId(1), 90, 110, GapCause.POWER),
        Gap(StreamId(1), 150, None, GapCause.NETWORK),
    ]
    assert shown_gaps(gaps, 60, 500, now_ms=200) == [
        {"start_ms": 90, "end_ms": 110, "cause": "power", "open": False},
        {"start_ms": 150, "end_ms": 200, "cause": "network", "open": True},
    ]
    assert shown_gaps(gaps, 0, 120, now_ms=20) == [{"start_ms": 0, "end_ms": 20, "cause": "camera", "open": False}]


def test_segments_on_their_way_are_among_the_running_once() -> None:
    """From before they leave until the index has them; the oldest of too many is forgotten."""
    leaving = Leaving(capacity=2)
    one, two, three = row(0, 1), row(1, 2), row(2, 3)
    leaving.add(None)
    leaving.add(one)
    assert leaving.beside([one, two]) == [one, two]
    assert leaving.beside([two]) == [two, one]
    leaving.indexed(one)
    leaving.indexed(one)
    assert leaving.beside([]) == []
    for item in (one, two, three):
        leaving.add(item)
    assert leaving.beside([]) == [two, three]


# several disks, thumbnails


class Disk:
    """A slot over a box's volume."""

    def __init__(self, box: Box, *, needs_reindex: bool = False) -> None:
        self.box, self.needs_reindex = box, needs_reindex
        self.opened: Any = SimpleNamespace(volume=SimpleNamespace(files=box.files), ring=box.ring, index=box.index)

    def require(self) -> Any:
        return self.opened

    def found(self, rows: list[SegmentRow]) -> list[Found]:
        return [Found(self, item) for item in rows]  # type: ignore[arg-type] # as much of a slot as is needed


@pytest.fixture
def disk(tmp_path: Path) -> Any:
    with Box(tmp_path) as box:
        yield Disk(box)


def fill(disk: Disk, from_ms: int, to_ms: int, **how: Any) -> list[Found]:
    box = disk.box
    return disk.found(seed(box.files, box.index, box.ring, how.pop("stream", 1), from_ms, to_ms, **how))


def test_a_span_over_several_disks_is_one_list(disk: Disk, tmp_path: Path) -> None:
    """A clear disk beside an encrypted one, another codec, a broken disk: each segment with its own sizes."""
    (tmp_path / "two").mkdir()
    with Box(tmp_path / "two", encrypted=False) as second:
        other = Disk(second)
        found = fill(disk, START_MS, START_MS + 2 * MINUTE_MS)
        found += fill(other, START_MS + 2 * MINUTE_MS, START_MS + 3 * MINUTE_MS, run=2, codec="libx265")
        found += fill(disk, START_MS + 3 * MINUTE_MS, START_MS + 4 * MINUTE_MS, run=3)
        heads = Heads()
        service = SimpleNamespace(_heads=heads)
        told = PlaybackService._listed(service, found, EVER, {})  # type: ignore[arg-type] # what it needs of a service
        assert [item["start_ms"] for item in told["segments"]] == [START_MS + n * MINUTE_MS for n in range(4)]
        assert [item["mime"][:28] for item in told["configs"]] == [
            'video/mp4; codecs="avc1.42C0',
            'video/mp4; codecs="hvc1.1.6.',
        ]
        assert heads.read == 3
        assert PlaybackService._listed(service, found, EVER, {}) == told  # type: ignore[arg-type] # as above
        assert heads.read == 3
        second.files.unlink(found[2].row.path)
        service._heads = Heads()
        told = PlaybackService._listed(service, found, EVER, {})  # type: ignore[arg-type] # as above
        assert (len(told["segments"]), told["unreadable"]) == (3, 1)


def test_heads_are_bounded(disk: Disk) -> None:
    """The longest unused is read again."""
    heads = Heads(capacity=2)
    found = [fill(disk, START_MS + n * MINUTE_MS, START_MS + (n + 1) * MINUTE_MS, run=n + 1)[0] for n in range(3)]
    for number in (0, 1, 0, 2, 0, 1):
        heads.of(found[number])
    assert heads.read == 4


def test_which_hours_have_footage_is_known_only_of_disks_that_are_there(disk: Disk) -> None:
    """One that is away, or whose index is being made anew, may hold more."""
    fill(disk, START_MS + HOUR_MS - MINUTE_MS, START_MS + HOUR_MS + MINUTE_MS)
    fill(disk, START_MS, START_MS + MINUTE_MS, stream=2, run=5, offset_ms=-HOUR_MS)
    hour, slots = START_MS // HOUR_MS, cast("list[Slot]", [disk])
    assert footage_hours(slots, [StreamId(1)]) == frozenset({hour, hour + 1})
    assert footage_hours(slots, [StreamId(1), StreamId(2)]) == frozenset({hour - 1, hour, hour + 1})
    disk.needs_reindex = True
    assert footage_hours(slots, [StreamId(1)]) is None
    disk.needs_reindex, disk.opened = False, None
    assert footage_hours(slots, [StreamId(1)]) is None


def test_the_index_counts_recorded_time_between_instants(disk: Disk) -> None:
    """Cut at both ends, without files that are missing."""
    found = fill(disk, START_MS, START_MS + 3 * MINUTE_MS)
    index = disk.box.index
    assert index.recorded_ms(StreamId(1), START_MS + 30_000, START_MS + 90_000) == MINUTE_MS
    assert index.recorded_ms(StreamId(1), 0, 1 << 50) == 3 * MINUTE_MS
    index.set_flags([found[1].row], 4)
    assert index.recorded_ms(StreamId(1), 0, 1 << 50) == 2 * MINUTE_MS
    assert index.recorded_ms(StreamId(2), 0, 1 << 50) == 0


def test_the_key_frame_of_an_instant(disk: Disk) -> None:
    """At or before it, inside the span, no older than a minute."""
    found = fill(disk, START_MS, START_MS + MINUTE_MS)
    end_ms = START_MS + MINUTE_MS

    def at(at_ms: int, span: tuple[int, int] = EVER) -> int | None:
        frame = key_frame(found, at_ms, span)
        return None if frame is None else frame.captured_ms - START_MS

    assert [at(START_MS + ms) for ms in (0, 1_999, 2_000, 59_999)] == [0, 0, 2_000, 58_000]
    assert at(START_MS - 1) is None
    assert at(end_ms + LOOK_BACK_MS - 1) == 58_000
    assert at(end_ms + LOOK_BACK_MS) is None
    assert at(START_MS + 30_000, (START_MS + 40_000, end_ms)) is None
    assert at(START_MS + 30_000, (0, START_MS + 10_000)) == 8_000
    with pytest.raises(NotFound):
        best([], START_MS)


class Eye:
    def __init__(self, size: int = 1_000) -> None:
        self.size, self.asked = size, 0

    async def __call__(self, config: CodecConfig, nals: tuple[bytes, ...], width: int) -> Jpeg:
        self.asked += 1
        return Jpeg(width, 90, bytes(self.size))


async def test_thumbnails_are_kept_in_memory_up_to_a_bound(disk: Disk) -> None:
    """The longest unused goes; each width is its own; forgetting forgets all."""
    found, eye = fill(disk, START_MS, START_MS + MINUTE_MS), Eye()
    thumbs = Thumbs(eye, anyio.CapacityLimiter(1), most_bytes=3_000)

    async def show(number: int, width: int = 160) -> None:
        frame = key_frame(found, START_MS + number * GOP_MS, EVER)
        assert frame is not None
        assert (await thumbs.of(frame, width)).captured_ms == START_MS + number * GOP_MS

    for number in (0, 1, 2, 0):
        await show(number)
    assert (eye.asked, thumbs.bytes) == (3, 3_000)
    await show(0, 320)
    assert (eye.asked, thumbs.bytes) == (4, 3_000)
    await show(0)
    assert eye.asked == 4
    await show(1)
    assert eye.asked == 5
    thumbs.forget()
    assert thumbs.bytes == 0
    await show(0)
    assert eye.asked == 6
    assert list(disk.box.root.rglob("*.jpg")) == []


async def test_a_thumbnail_of_locked_or_vanished_footage_is_refused(disk: Disk) -> None:
    """As the footage itself is."""
    found = fill(disk, START_MS, START_MS + 2 * MINUTE_MS)
    thumbs = Thumbs(Eye(), anyio.CapacityLimiter(1))
    frames = [key_frame([item], item.row.begin_ms, EVER) for item in found]
    assert frames[0] is not None
    assert frames[1] is not None
    (disk.box.root / found[0].row.path).unlink()
    with pytest.raises(NotFound):
        await thumbs.of(frames[0], 160)
    (disk.box.root / found[1].row.path).parent.joinpath("key").unlink()
    disk.opened.ring = KeyRing(disk.box.files, disk.box.school)
    with pytest.raises(KeyLocked):
        await thumbs.of(frames[1], 160)


async def test_a_picture_under_way_when_all_was_forgotten_is_not_kept(disk: Disk) -> None:
    """The key was locked while it was decoded."""
    frame = key_frame(fill(disk, START_MS, START_MS + MINUTE_MS), START_MS, EVER)
    assert frame is not None

    async def decode(config: CodecConfig, nals: tuple[bytes, ...], width: int) -> Jpeg:
        thumbs.forget()
        return Jpeg(width, 90, b"jpeg")

    thumbs = Thumbs(decode, anyio.CapacityLimiter(1))
    assert (await thumbs.of(frame, 160)).jpeg.data == b"jpeg"
    assert thumbs.bytes == 0
