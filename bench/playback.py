"""Bench `playback`: finding and fetching an instant in a month of footage.

Owns two measurements. Look-up: random instants in a seeded index, the segment with its GOP, and what a page asks
besides (an hour's GOPs, a day's spans, a month's days), beside bare SQLite. Fetch: one GOP out of an encrypted file,
decrypted and with its true time, beside reading the same bytes as they lie. Invariants: each look-up is compared
with where the instant must lie, and each GOP comes; both variants get the same random instants.
"""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median

from bench.harness import Options, Reading, Table, Variant, compare
from bench.index import DAY_MS, SEGMENT_MS, START_MS, Bare, Ours, row_of
from gateway.core.clock import SystemClock
from gateway.core.media import Codec, CodecConfig
from gateway.core.model import RunId, StreamId
from recorder.files import VolumeFiles
from recorder.fmp4 import Sample, fragment
from recorder.index import VolumeIndex
from recorder.keys import KeyRing
from recorder.keystore import KeyStore
from recorder.layout import hour_of
from recorder.playback import Fragment, asked, layout, read, within
from recorder.playback_spans import spans
from recorder.rows import SegmentRow
from recorder.segment import ENC_AES256GCM, TAG_BYTES, FileHeader
from recorder.segmentfile import SegmentFile

STREAMS = 32
INSTANTS, FETCHES = 30, 200
GOP_90K, GOP_BYTES = 180_000, 500_000
HOUR_MS = 3_600_000
_BATCH = 5_000
_ROW = row_of(0)


def row_at(number: int) -> SegmentRow:
    """Return the row of segment `number`: minute after minute, all streams in turn."""
    start_ms = START_MS + number // STREAMS * SEGMENT_MS
    # The packed table holds no absolute time, so one row's stands for all.
    return _ROW._replace(stream=StreamId(number % STREAMS + 1), start_ms=start_ms)


class LookUps:
    """One seeded index and what is asked of it."""

    def __init__(self, index: Ours | Bare, pages: VolumeIndex | None, rows: int) -> None:
        self._index, self._pages, self._minutes = index, pages, rows // STREAMS
        for start in range(0, rows, _BATCH):
            index.add([row_at(number) for number in range(start, min(rows, start + _BATCH))])

    def measure(self) -> Reading:
        rng = random.Random(1)
        spots = [(rng.randint(1, STREAMS), rng.randrange(self._minutes)) for _ in range(INSTANTS)]
        wrong = 0

        def seek(stream: int, minute: int) -> None:
            nonlocal wrong
            start_ms = START_MS + minute * SEGMENT_MS
            wrong += self._index.seek(stream, start_ms + 12_345) != start_ms

        figures = {"look-up, median ms": _median_ms(seek, spots)}
        if self._pages is not None:
            figures |= self._page(self._pages, spots)
        return Reading(figures, f"{wrong} look-ups went wrong" if wrong else "")

    @staticmethod
    def _page(index: VolumeIndex, spots: list[tuple[int, int]]) -> dict[str, float]:
        """Measure what a page asks besides: the parts of the answers that grow with the footage."""

        def hour(stream: int, minute: int) -> None:
            from_ms = START_MS + minute * SEGMENT_MS
            for row in index.find(StreamId(stream), from_ms, from_ms + HOUR_MS):
                within(layout(row, TAG_BYTES), (from_ms, from_ms + HOUR_MS))

        def day(stream: int, minute: int) -> None:
            from_ms = START_MS + minute * SEGMENT_MS
            spans(index.find(StreamId(stream), from_ms, from_ms + DAY_MS), from_ms, from_ms + DAY_MS)

        def month(stream: int, _: int) -> None:
            for number in range(30):
                index.recorded_ms(StreamId(stream), START_MS + number * DAY_MS, START_MS + (number + 1) * DAY_MS)

        return {
            "an hour's GOPs, ms": _median_ms(hour, spots),
            "a day's spans, ms": _median_ms(day, spots),
            "30 days' sums, ms": _median_ms(month, spots[:5]),
        }


def _median_ms(call: Callable[..., object], arguments: Iterable[tuple[object, ...]]) -> float:
    taken = []
    for one in arguments:
        began_ns = time.perf_counter_ns()
        call(*one)
        taken.append((time.perf_counter_ns() - began_ns) / 1e6)
    return median(taken)


class Fetches:
    """One encrypted minute of 30 GOPs of 500 kB."""

    def __init__(self, folder: Path) -> None:
        self._files = VolumeFiles(folder)
        self._ring = KeyRing(self._files, KeyStore(folder / "keys", "box", SystemClock()).load())
        stream, run, start_ms = StreamId(1), RunId(1), START_MS
        key = self._ring.for_writing(hour_of(stream, start_ms))
        config = CodecConfig(Codec.H264, b"\x67\x42\xc0\x1e", b"\x68\xce", b"", 1920, 1080)
        segment = SegmentFile(
            self._files, FileHeader(stream, run, start_ms, 0, config, ENC_AES256GCM, key.id, bytes(8)), key.key
        )
        for number in range(30):
            base_90k = start_ms * 90 + number * GOP_90K
            payload = fragment(1, base_90k, [Sample(GOP_90K, GOP_BYTES + 4, True)], [os.urandom(GOP_BYTES)])
            segment.append(payload, base_90k, GOP_90K, 30, is_key=True)
        self._row = segment.finish()
        self._laid = layout(self._row, TAG_BYTES)

    def ours(self) -> Reading:
        """Take GOPs as a player does."""
        return self._each(self._play)

    def plain(self) -> Reading:
        """Read the same records as they lie, by a path."""
        path = self._files.root / self._row.path

        def fetch(item: Fragment) -> int:
            with path.open("rb") as file:
                return len(os.pread(file.fileno(), item.gop.record_bytes, item.gop.offset)) - 80 - TAG_BYTES

        return self._each(fetch)

    def _play(self, item: Fragment) -> int:
        wanted, skip, count = asked(self._laid, (0, 1 << 50), item.offset, item.size)
        return sum(map(len, read(self._files, self._ring, self._row, wanted, skip, count)))

    def _each(self, fetch: Callable[[Fragment], int]) -> Reading:
        rng = random.Random(2)
        items = [(rng.choice(self._laid),) for _ in range(FETCHES)]
        short = sum(not fetch(item) > 0 for (item,) in items[:30])
        return Reading({"one GOP, median ms": _median_ms(fetch, items)}, "a GOP came short" if short else "")

    def close(self) -> None:
        self._files.close_root()


NOTES = (
    "Wall time of each call, median of 30 random instants, in the process that owns the index.",
    "30 days of 32 streams are `--rows 1382400`.",
)
FETCH_NOTES = (
    "Opening the file, its head, the record, CRC-32C and AES-256-GCM, the new time: everything but the sockets.",
)


def run(options: Options) -> list[Table]:
    """Seed, then measure in turn."""
    with tempfile.TemporaryDirectory(prefix="vuon-bench-") as name:
        folder = Path(name)
        options.say(f"seeding {options.rows} rows twice")
        ours, bare, pages = Ours(folder / "ours.db"), Bare(folder / "bare.db"), VolumeIndex(folder / "ours.db")
        looks = [
            Variant("recorder.index", LookUps(ours, pages, options.rows).measure),
            Variant("bare SQLite", LookUps(bare, None, options.rows).measure, control=True),
        ]
        fetches = Fetches(folder)
        gets = [Variant("recorder.playback", fetches.ours), Variant("bare reading", fetches.plain, control=True)]
        pages.open()
        try:
            return [
                compare(f"playback: finding an instant in {options.rows:,} segments", looks, options, NOTES),
                compare("playback: fetching a GOP of 500 kB", gets, options, FETCH_NOTES),
            ]
        finally:
            pages.close()
            ours.close()
            bare.close()
            fetches.close()
