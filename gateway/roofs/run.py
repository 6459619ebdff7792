"""`vuon run`: the daemons as children of one terminal, started, watched and stopped together.

Owns the child processes. systemd does this on a box; here it is for development and the demo. Invariants:
a child that ends is started again with back-off and the others do not notice; stopping goes through the
children in reverse order, each told by its own id: SIGTERM, wait `STOP_S`, then SIGKILL; leaving waits for
all of them even when it is cancelled itself. Each child is its own process group, so Ctrl+C reaches the
parent alone and the order holds; none outlives the parent (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.core.clock import Clock
from gateway.core.errors import DaemonUnavailable
from gateway.core.finish import to_the_end
from gateway.core.log import get_logger
from gateway.core.supervise import Backoff

STOP_S = 12.0
"""The recorder promises to close every segment within 10 s."""
HOPELESS = 3
"""Ends in a row after which a child is said not to stay up."""
TAIL_BYTES = 4096
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


@dataclass(slots=True)
class Child:
    """One program to keep running."""

    name: str
    arguments: Sequence[str]
    """After the interpreter, e.g. `-m gateway.roofs.live --config …`; never a secret."""
    env: Mapping[str, str] = field(default_factory=dict)
    log_file: Path | None = None
    """Where its output goes; None = this terminal."""
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0
    failures: int = 0
    """Ends in a row without a healthy while between them."""


def _tied_to(parent: int) -> Callable[[], None]:
    """Return what a child does before it becomes its program: die when `parent` does, also just now."""

    def tie() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != parent:  # it died between our birth and the line above
            os._exit(1)

    return tie


class Children:
    """Keeps its children running while entered; leaving stops them all, in reverse order of start."""

    def __init__(self, children: Sequence[Child], clock: Clock, *, stop_s: float = STOP_S) -> None:
        self._children, self._clock, self._stop_s = children, clock, stop_s
        self._log = get_logger("run")
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        try:
            for child in self._children:
                await self._start(child)
                self._tasks.append(asyncio.create_task(self._watch(child), name=child.name))
        except BaseException:
            await to_the_end(self._stop_all())
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await to_the_end(self._stop_all())

    async def _start(self, child: Child) -> None:
        with contextlib.ExitStack() as files:
            out = files.enter_context(child.log_file.open("ab")) if child.log_file else None
            child.process = await asyncio.create_subprocess_exec(
                sys.executable,
                *child.arguments,
                env={**os.environ, **child.env},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                process_group=0,
                preexec_fn=_tied_to(os.getpid()),
            )
        self._log.info("child.started", name=child.name, pid=child.process.pid)

    async def _watch(self, child: Child) -> None:
        backoff = Backoff(first_s=0.5, most_s=10.0)
        while True:
            started_ns = self._clock.mono_ns()
            assert child.process is not None
            status = await child.process.wait()
            if (self._clock.mono_ns() - started_ns) / 1e9 > backoff.healthy_after_s:
                child.failures = 0
            child.failures += 1
            self._log.warning("child.ended", name=child.name, status=status)
            await self._clock.sleep(backoff.wait_s(child.failures, 1.0))
            child.restarts += 1
            try:
                await self._start(child)
            except OSError as error:  # no memory, no process, no room for the log: the next round tries again
                self._log.error("child.not_started", error, name=child.name)

    async def _stop_all(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)  # a restart under way is over, one way or the other
        for child in reversed(self._children):
            await self._stop(child)

    async def _stop(self, child: Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(self._stop_s):
                await process.wait()
        except TimeoutError:
            self._log.warning("child.killed", name=child.name)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def ensure_running(self) -> None:
        """Raise DaemonUnavailable with the child's last words if one keeps ending."""
        for child in self._children:
            if child.failures >= HOPELESS:
                words = last_words(child.log_file) if child.log_file else ""
                raise DaemonUnavailable(
                    f"{child.name} does not stay up{f': {words}' if words else ''}",
                    case="child",
                    name=child.name,
                    words=words or "-",
                    log=str(child.log_file or "-"),
                )


def last_words(log_file: Path) -> str:
    """Return what a program said last for a person: its `✘` line, else its last line; empty if nothing."""
    try:
        with log_file.open("rb") as source:
            source.seek(max(0, log_file.stat().st_size - TAIL_BYTES))
            lines = source.read().decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    complaints = [line.removeprefix("✘ ") for line in said if line.startswith("✘")]
    return (complaints or said or [""])[-1]


def daemon_child(name: str, config_path: Path, log_dir: Path | None = None) -> Child:
    """Return one daemon as a child; its log goes to a file in `log_dir`, else to the terminal."""
    log_file = log_dir / f"{name}.log" if log_dir else None
    return Child(f"vuon-{name}", ("-m", f"gateway.roofs.{name}", "--config", str(config_path)), log_file=log_file)


def box_children(config_path: Path, log_dir: Path | None = None) -> list[Child]:
    """Return the three daemons of a box."""
    return [daemon_child(name, config_path, log_dir) for name in ("gateway", "recorder", "live")]
