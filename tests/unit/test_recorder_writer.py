"""The writer thread: segments, rotation, drops, errors of the disk."""

from __future__ import annotations

from pathlib import Path

from gateway.core.clock import SystemClock
from gateway.core.model import StreamId
from recorder.writer import VolumeWriter
from tests.fakes.footage import START_MS, Box, plain_units, run_of

ONE = StreamId(1)


def test_a_run_becomes_segments_of_a_minute_with_rows(tmp_path: Path) -> None:
    """150 s of footage become three closed segments, each with a row, without a hole between them."""
    root = tmp_path / "disk"
    root.mkdir()
    with Box(root) as box:
        with VolumeWriter(box.files, box.index, box.ring, box.heard, SystemClock()) as writer:
            writer.begin_run(run_of(16))
            for unit in plain_units(300):
                assert writer.offer(StreamId(16), unit)
        rows = box.index.find(StreamId(16), START_MS, START_MS + 200_000)
        assert rows == box.heard.closed
        assert [row.duration_ms for row in rows] == [60_000, 60_000, 30_000]
        assert [row.begin_ms - START_MS for row in rows] == [0, 60_000, 120_000]
        assert [row.path for row in rows] == box.segment_files()
        assert sum(row.frames for row in rows) == 300
        assert box.heard.errors == []
        assert box.heard.drops == []
