"""What every daemon does alike: signals, readiness, watchdog, its own figures.

Owns the frame of a daemon's life: enter the body, say READY, feed the watchdog, wait for SIGTERM or
SIGINT, say STOPPING, leave the body. Invariants: the watchdog is fed only while the event loop runs and
what the body gave says that it is `healthy()`; a signal also ends a start that hangs; a second one does not
interrupt the orderly stop (systemd's own time-out does).
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import anyio
import psutil

from gateway.core import log as logs
from gateway.core.clock import Clock, SystemClock
from gateway.core.clocktrust import TrustFile
from gateway.core.errors import NotFound, VuonError
from gateway.core.i18n import catalogue
from gateway.core.notify import Notifier
from gateway.core.version import __version__


@runtime_checkable
class Watched(Protocol):
    """What a daemon's body may give to be watched: threads that died are not seen in the event loop."""

    def healthy(self) -> bool:
        """Say whether everything that must move still does; called in the event loop, must not block."""


@dataclass(frozen=True, slots=True)
class Health:
    """`Watched` by one question."""

    healthy: Callable[[], bool]


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


async def serve(body: AbstractAsyncContextManager[object], *, notifier: Notifier | None = None) -> None:
    """Enter `body`, stay until SIGTERM or SIGINT, leave it; READY, WATCHDOG and STOPPING on the way."""
    notify = notifier or Notifier()
    loop, stop, me = asyncio.get_running_loop(), asyncio.Event(), asyncio.current_task()
    assert me is not None
    starting = True

    def stopped() -> None:
        if starting and not stop.is_set():
            me.cancel()
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped)
    try:
        async with body as running:
            starting = False
            notify.ready()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_feed, notify, running)
                await stop.wait()
                tasks.cancel_scope.cancel()
            notify.stopping()
    except asyncio.CancelledError:
        if not stop.is_set() or me.uncancel():
            raise


async def _feed(notify: Notifier, running: object) -> None:
    while True:
        if not isinstance(running, Watched) or running.healthy():
            notify.watchdog()
        await anyio.sleep(notify.watchdog_interval_s)


def run(
    name: str,
    build: Callable[[Clock], AbstractAsyncContextManager[object]],
    *,
    level: str,
    ntp: bool,
    state: Path | None = None,
) -> int:
    """Run a daemon to its end and return its exit status; a typed error ends it with its remedy.

    In `state` it remembers over a restart that the clock was right.
    """
    logs.setup(level)
    log = logs.get_logger(name)
    status = 0
    try:
        trust = TrustFile(state / f"clock-{name}.json") if state is not None and ntp else None
        asyncio.run(serve(build(SystemClock(require_ntp=ntp, trust=trust))))
    except* VuonError as group:
        status = 1
        for error in _leaves(group):
            log.error("daemon.failed", error, **error.fields)
            print(explain(error), file=sys.stderr)  # noqa: T201 - for the person at the terminal
    return status


def explain(error: VuonError, language: str = "vi") -> str:
    """Return title, message and remedy of an error as two lines for a person.

    An error that people can put right names its `case` in its fields: the catalogue then has the message
    (`case.<case>`, filled from the fields) and the remedy (`case.<case>.hint`) in their language.
    """
    words = catalogue(language)
    title, hint = words.error(error.code)
    fields = {key: value for key, value in error.fields.items() if isinstance(value, str | int | float)}
    case = f"case.{fields.get('case') or ('daemon' if 'service' in fields else '')}"
    message, remedy = error.message, str(fields.get("remedy") or hint)
    if case in words.texts:
        with contextlib.suppress(KeyError):  # a field is missing: another version raised it
            message, remedy = words.texts[case].format_map(fields), words.texts[f"{case}.hint"].format_map(fields)
    elif error.code == NotFound.code and words.language != "en":
        message = ""  # it is in English, and says no more than the title
    return f"✘ {title}{f': {message}' if message else ''}\n  → {remedy}"


def _leaves(group: BaseExceptionGroup[VuonError]) -> list[VuonError]:
    found: list[VuonError] = []
    for item in group.exceptions:
        found.extend(_leaves(item) if isinstance(item, BaseExceptionGroup) else [item])
    return found
