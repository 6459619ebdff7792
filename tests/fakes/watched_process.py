"""What the kernel says of a running process: memory at its highest, command lines, children."""

from __future__ import annotations

import re
from pathlib import Path

import psutil


class WatchedProcess:
    """A process and its children. The peak of resident memory can be set back (proc(5), clear_refs)."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._proc = Path(f"/proc/{pid}")

    def _status_bytes(self, name: str) -> int:
        found = re.search(rf"^{name}:\s+(\d+) kB", (self._proc / "status").read_text(), re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024

    def resident_bytes(self) -> int:
        return self._status_bytes("VmRSS")

    def peak_bytes(self) -> int:
        """Return the most that was resident since `reset_peak`."""
        return self._status_bytes("VmHWM")

    def reset_peak(self) -> None:
        (self._proc / "clear_refs").write_text("5")

    def command_lines(self) -> bytes:
        """Return arguments and environments of the process and its children, as `ps` shows them."""
        everyone = [self._process, *self._process.children(recursive=True)]
        parts = [Path(f"/proc/{one.pid}/{name}") for one in everyone for name in ("cmdline", "environ")]
        return b"\0".join(path.read_bytes() for path in parts)
