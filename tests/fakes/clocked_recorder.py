"""The recorder daemon as shipped, on a wall clock that a test sets while it runs.

`python -m tests.fakes.clocked_recorder --config FILE`, with the path of a file in `VUON_TEST_CLOCK` that holds by how
many milliseconds wall time is off. Nothing of the product asks the system for wall time but `gateway.core.clock`, so
this is what a set clock is to it. libfaketime cannot do it: 0.9.10 answers Python's `time.sleep` (clock_nanosleep
until a monotonic time) with EINVAL once monotonic time is left alone, and a faked one never jumps against wall time.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path
from unittest.mock import patch

from gateway.core import daemonize
from gateway.core.clock import SystemClock
from gateway.roofs import recorder

ENV = "VUON_TEST_CLOCK"


class SetClock:
    """Wall time as the file says; a file that is being written is read as before."""

    def __init__(self, path: Path) -> None:
        self._path, self._off_ms = path, 0

    def wall_ns(self) -> int:
        """Return wall time."""
        text = self._path.read_text(encoding="ascii").strip()
        self._off_ms = int(text) if text else self._off_ms
        return time.time_ns() + self._off_ms * 1_000_000


def main() -> int:
    """Run the daemon to its end."""
    clock = SetClock(Path(os.environ[ENV]))
    with patch.object(daemonize, "SystemClock", partial(SystemClock, wall_ns=clock.wall_ns)):
        return recorder.main()


if __name__ == "__main__":
    sys.exit(main())
