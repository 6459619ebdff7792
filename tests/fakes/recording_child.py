"""Recorders to be killed: real processes that record as fast as they are told to.

Run as `python -m tests.fakes.recording_child`; each line `<volume> <number>` on its standard input makes a new
process (forked from this one, which has everything loaded). It writes its pid, then the time up to which
everything filmed is in the kernel's hands, again and again, and `end` when it is dead.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.fakes.footage import school_key
from tests.fakes.lockstep import Lockstep, unit_of


def record(volume: Path, number: int) -> None:
    """Record until killed."""

    def say(now_ms: int) -> None:
        os.write(1, f"{now_ms}\n".encode())

    with Lockstep(volume, school_key(volume.parent / "keys"), number=number, drained=say) as recorder:
        recorder.until_recorded(100_000)


def main() -> None:
    """Make recorders until standard input closes."""
    unit_of(0)
    for line in sys.stdin:
        volume, number = line.rsplit(" ", 1)
        pid = os.fork()
        if pid == 0:
            record(Path(volume), int(number))
            os._exit(1)
        os.write(1, f"{pid}\n".encode())
        os.waitpid(pid, 0)
        os.write(1, b"end\n")


if __name__ == "__main__":
    main()
