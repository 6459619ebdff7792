"""What the machine does to a process that only wants to wake up: the control for lateness.

    python -m bench.sleeper

Owns one clock of ten milliseconds. Invariants: it allocates next to nothing and waits for nobody; end of stdin ends
it, then it prints the 50th and the 99th percentile of how late it woke, in milliseconds, as JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator

STEP_S = 0.01


@contextlib.contextmanager
def sleeping() -> Iterator[dict[str, float]]:
    """Run one while entered; what it saw is in the dictionary afterwards (`p50`, `p99`)."""
    found: dict[str, float] = {}
    command = [sys.executable, "-m", "bench.sleeper"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as child:
        try:
            yield found
        finally:
            out, _ = child.communicate("")
            found.update(json.loads(out))


def main() -> None:
    """Sleep until stdin ends."""
    ctypes.CDLL(None).prctl(29, 1, 0, 0, 0)  # PR_SET_TIMERSLACK: wake as told, not 50 us later
    late_ms: list[float] = []
    due_s = time.monotonic() + STEP_S
    while True:
        left_s = due_s - time.monotonic()
        if select.select([sys.stdin], [], [], max(0.0, left_s))[0]:
            break
        now_s = time.monotonic()
        late_ms.append(max(0.0, now_s - due_s) * 1000)
        due_s = max(due_s, now_s) + STEP_S
    late_ms.sort()
    figures = {"p50": 0.5, "p99": 0.99}
    print(json.dumps({name: late_ms[int(len(late_ms) * part)] if late_ms else 0.0 for name, part in figures.items()}))


if __name__ == "__main__":
    main()
