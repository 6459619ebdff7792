"""Bench `rebuild`: a volume's index made anew from its files, with a cold cache, beside bare reading of them.

Owns a seeded tree of sparse segment files: heads and footers are real, the pictures between them are holes, since
a rebuild does not read them. The control lists the same folders and reads the same bytes, and no more.
Invariant: both see every file, or the round is invalid. Dropping the kernel's caches needs root.
"""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

from bench.harness import Options, Reading, Table, Variant, compare
from gateway.core.media import Codec, CodecConfig
from gateway.core.model import RunId, StreamId
from recorder.files import VolumeFiles
from recorder.index import VolumeIndex
from recorder.layout import segment_path
from recorder.recovery import reindex
from recorder.rows import Gop
from recorder.segment import ENC_NONE, NO_KEY, FileHeader, encode_footer, encode_header

STREAMS, SEGMENT_MS, GOPS = 16, 60_000, 30
START_MS = 1_760_000_400_000
MOST_FILES = 100_000
_COLD_FILES = 10_000
_HEAD_BYTES = 512
_CONFIG = CodecConfig(Codec.H264, bytes(30), bytes(5), b"", 1920, 1080, 1)
_DROP = Path("/proc/sys/vm/drop_caches")


def seed(root: Path, count: int) -> None:
    """Write `count` segment files: minute after minute, all streams in turn."""
    for number in range(count):
        stream, start_ms = StreamId(number % STREAMS + 1), START_MS + number // STREAMS * SEGMENT_MS
        header = FileHeader(stream, RunId(1), start_ms, 0, _CONFIG, ENC_NONE, NO_KEY, number.to_bytes(8, "big"))
        head = encode_header(header)
        gops, at = list[Gop](), len(head)
        for place in range(GOPS):
            size = 480_000 + (number * 7919 + place * 104_729) % 40_000
            gops.append(Gop(at, size, start_ms * 90 + place * 180_000, 180_000, True))
            at += size
        path = root / segment_path(stream, start_ms, RunId(1))
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.pwrite(fd, head, 0)
        os.pwrite(fd, encode_footer(gops, [30] * GOPS, 0, None), at)
        os.close(fd)


def forget_files(count: int) -> None:
    """Let the kernel forget what it has read; without the right to, or for a small tree, the figures are warm."""
    if count >= _COLD_FILES and os.access(_DROP, os.W_OK):
        os.sync()
        _DROP.write_text("3\n", encoding="ascii")


class Bench:
    """One tree and its two readers."""

    def __init__(self, root: Path, count: int) -> None:
        self._root, self._count, self._round = root, count, 0

    def rebuilt(self) -> Reading:
        """Make the index anew as a volume does whose index was lost."""
        self._round += 1
        forget_files(self._count)
        files = VolumeFiles(self._root)
        began_s = time.perf_counter()
        with VolumeIndex(self._root / f"index-{self._round}.db") as index:
            report = reindex(files, index)
        passed_s = time.perf_counter() - began_s
        files.close_root()
        return self._reading(passed_s, report.segments)

    def bare(self) -> Reading:
        """List the folders, read head and tail of each file."""
        forget_files(self._count)
        began_s, seen = time.perf_counter(), 0
        for folder, _, names in os.walk(self._root):
            for name in names:
                if not name.endswith(".seg"):
                    continue
                fd = os.open(f"{folder}/{name}", os.O_RDONLY)
                size = os.fstat(fd).st_size
                seen += len(os.pread(fd, _HEAD_BYTES, 0) + os.pread(fd, GOPS * 20, size - GOPS * 20)) > GOPS * 20
                os.close(fd)
        return self._reading(time.perf_counter() - began_s, seen)

    def _reading(self, passed_s: float, seen: int) -> Reading:
        figures = {"all, s": passed_s, "100,000 segments, s": passed_s * 100_000 / self._count}
        return Reading(figures, "" if seen == self._count else f"{seen} of {self._count} files seen")


NOTES = (
    "Wall time from a cold cache (as root): sparse files whose pictures are holes; a rebuild reads no picture.",
    "The control walks the same folders and reads the same bytes of each file, and writes no index.",
)


def run(options: Options) -> list[Table]:
    """Seed the tree once, then measure in turn."""
    count = min(options.rows, MOST_FILES)
    with tempfile.TemporaryDirectory(prefix="vuon-bench-") as folder:
        options.say(f"seeding {count} segment files")
        seed(Path(folder), count)
        made = Bench(Path(folder), count)
        rows = [Variant("recorder.recovery", made.rebuilt), Variant("bare reading", made.bare, control=True)]
        return [compare(f"rebuild: the index of {count:,} segments of {STREAMS} streams", rows, options, NOTES)]
