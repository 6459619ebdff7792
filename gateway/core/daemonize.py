"""What every daemon does alike: signals, readiness, watchdog, its own figures.

Owns the frame of a daemon's life: enter the body, say READY, feed the watchdog, wait for SIGTERM or
SIGINT, say STOPPING, leave the body. Invariants: the watchdog is fed only while the event loop runs and
`healthy()` says so; a second signal does not interrupt the orderly stop (systemd's own time-out does).
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import anyio
import psutil

from gateway.core import log as logs
from gateway.core.clock import Clock, SystemClock
from gateway.core.errors import VuonError
from gateway.core.i18n import catalogue
from gateway.core.notify import Notifier
from gateway.core.version import __version__


class DaemonFacts:
    """What `vuon status` shows of this process."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name, self._clock, self._started_ns = name, clock, clock.mono_ns()
        self._process = psutil.Process()

    def as_dict(self) -> dict[str, Any]:
        """Return name, pid, uptime, memory and version."""
        return {
            "name": self._name,
            "pid": os.getpid(),
            "uptime_s": round((self._clock.mono_ns() - self._started_ns) / 1e9, 1),
            "rss_bytes": self._process.memory_info().rss,
            "version": __version__,
        }


async def serve(
    body: AbstractAsyncContextManager[object],
    *,
    healthy: Callable[[], bool] = lambda: True,
    notifier: Notifier | None = None,
) -> None:
    """Enter `body`, stay until SIGTERM or SIGINT, leave it; READY, WATCHDOG and STOPPING on the way."""
    notify = notifier or Notifier()
    loop, stop = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with body:
        notify.ready()
        async with anyio.create_task_group() as tasks:

            async def feed() -> None:
                while True:
                    if healthy():
                        notify.watchdog()
                    await anyio.sleep(notify.watchdog_interval_s)

            tasks.start_soon(feed)
            await stop.wait()
            tasks.cancel_scope.cancel()
        notify.stopping()


def run(name: str, build: Callable[[Clock], AbstractAsyncContextManager[object]], *, level: str, ntp: bool) -> int:
    """Run a daemon to its end and return its exit status; a typed error ends it with its remedy."""
    logs.setup(level)
    log = logs.get_logger(name)
    status = 0
    try:
        asyncio.run(serve(build(SystemClock(require_ntp=ntp))))
    except* VuonError as group:
        status = 1
        for error in _leaves(group):
            log.error("daemon.failed", error, **error.fields)
            print(explain(error), file=sys.stderr)  # noqa: T201 - for the person at the terminal
    return status


def explain(error: VuonError, language: str = "vi") -> str:
    """Return title, message and remedy of an error as two lines for a person."""
    title, hint = catalogue(language).error(error.code)
    return f"✘ {title}: {error.message}\n  → {error.fields.get('remedy') or hint}"


def _leaves(group: BaseExceptionGroup[VuonError]) -> list[VuonError]:
    found: list[VuonError] = []
    for item in group.exceptions:
        found.extend(_leaves(item) if isinstance(item, BaseExceptionGroup) else [item])
    return found
