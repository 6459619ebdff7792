"""A small recorder that is killed: records made-up units as fast as it is told, reports what it has offered.

Run as `python -m tests.fakes.recording_child <volume> <run>`; prints one line per offered GOP.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from gateway.core.clock import SystemClock
from gateway.core.model import StreamId
from recorder.recovery import recover
from recorder.writer import VolumeWriter, WriterOptions
from tests.fakes.footage import START_MS, Box, plain_unit, run_of

GOP = 4
STREAMS = 3


def main() -> None:
    """Record three streams until killed: GOPs of 2 s of media every few milliseconds."""
    root, run = Path(sys.argv[1]), int(sys.argv[2])
    options = WriterOptions(segment_s=6, sync_s=0.05, queue_bytes=1 << 20)
    with Box(root) as box:
        recover(box.files, box.index, box.ring)
        with VolumeWriter(box.files, box.index, box.ring, box.heard, SystemClock(), options=options) as writer:
            for stream in range(1, STREAMS + 1):
                number = run * STREAMS + stream
                writer.begin_run(run_of(stream, number, START_MS + run * 1_000_000))
            for unit in range(100_000):
                for stream in range(1, STREAMS + 1):
                    writer.offer(StreamId(stream), plain_unit(unit, gop=GOP, size=500))
                if unit and unit % GOP == 0:
                    while writer.statistics().waiting_bytes:
                        time.sleep(0.0002)
                    sys.stdout.write(f"{unit // GOP}\n")
                    sys.stdout.flush()


if __name__ == "__main__":
    main()
