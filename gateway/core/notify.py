"""Telling systemd how this daemon is: READY, WATCHDOG, STOPPING, STATUS (sd_notify(3)).

Owns the datagrams to `$NOTIFY_SOCKET`. Invariants: without that variable nothing is sent; a send never
blocks and never fails the daemon; WATCHDOG is sent only by a loop that proves the daemon moves.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class Notifier:
    """Speaks to the service manager named in the environment, if any."""

    def __init__(self, env: Mapping[str, str] = os.environ) -> None:
        self._target = env.get("NOTIFY_SOCKET", "")
        usec = env.get("WATCHDOG_USEC", "")
        self.watchdog_interval_s = int(usec) / 1e6 / 3 if usec.isdigit() and int(usec) > 0 else 5.0
        """How often `watchdog()` should be called: a third of the limit systemd set."""

    def _send(self, text: str) -> None:
        if not self._target:
            return
        address = "\0" + self._target[1:] if self._target.startswith("@") else self._target
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.setblocking(False)
            # The manager's queue may be full or gone for a moment; the watchdog then speaks for us.
            with contextlib.suppress(OSError):
                sock.sendto(text.encode(), address)

    def ready(self) -> None:
        """Say that start-up is done."""
        self._send("READY=1")

    def watchdog(self) -> None:
        """Say that the daemon still moves."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that shutdown began."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Set the line that `systemctl status` shows."""
        self._send(f"STATUS={text}")
