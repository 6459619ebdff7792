"""Trust in the clock over a restart of a daemon.

Owns `TrustFile`, one small file for each daemon. Invariants: it says how the clock stood against monotonic time when
the kernel last called it synchronised, and in which boot, so it means nothing after the next one; a file that
cannot be read or written costs the trust and nothing else; it is replaced whole.
"""

from __future__ import annotations

import json
from pathlib import Path

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class TrustFile:
    """Fulfils `gateway.core.clock.Trust`; any thread."""

    def __init__(self, path: Path, boot: Path = BOOT_ID) -> None:
        self._path, self._boot = path, boot

    def load(self) -> int | None:
        """Return wall minus monotonic time (ms) of the clock that was trusted in this boot; None if none was."""
        try:
            told = json.loads(self._path.read_text(encoding="ascii"))
            offset_ms = told["wall_minus_mono_ms"] if told["boot"] == self._boot.read_text(encoding="ascii") else None
        except (OSError, ValueError, KeyError, TypeError):  # none, or of no use: NTP will tell
            return None
        return offset_ms if type(offset_ms) is int else None

    def save(self, wall_minus_mono_ms: int) -> bool:
        """Remember how the trusted clock stands; says whether it is remembered."""
        part = self._path.with_suffix(".part")
        try:
            told = {"boot": self._boot.read_text(encoding="ascii"), "wall_minus_mono_ms": wall_minus_mono_ms}
            part.write_text(json.dumps(told), encoding="ascii")
            part.replace(self._path)
        except OSError:  # the state folder is not there yet, or not ours: tried again with the next change
            return False
        return True
