"""Who listens at which TCP address, by the kernel's word (proc_pid_net(5)): asking costs the listener no connection."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.fakes.spaces import HANG_S

_LISTENS = "0A"
"""TCP_LISTEN of the kernel's `net/tcp_states.h`."""


class Listener(NamedTuple):
    """A socket that takes connections; IPv4."""

    address: str
    port: int
    inode: str
    """As `/proc/<pid>/fd` names it: `socket:[inode]`."""


def listeners(pid: int | str = "self") -> list[Listener]:
    """Return every listening socket of the network that a process is in; OSError if it has ended."""
    found = []
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[3] == _LISTENS:
            address, port = fields[1].split(":")
            found.append(Listener(socket.inet_ntoa(bytes.fromhex(address)[::-1]), int(port, 16), fields[9]))
    return found


def until_listens(process: subprocess.Popen[Any], address: str, port: int, log: Path) -> None:
    """Wait until somebody in the process's network listens there; fails with its log if it ends before."""
    end = time.monotonic() + HANG_S
    while True:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError):  # it has ended since: said in the next round
            if (address, port) in [(item.address, item.port) for item in listeners(process.pid)]:
                return
        assert time.monotonic() < end, f"nobody listens at {address}:{port}"
        time.sleep(0.05)
