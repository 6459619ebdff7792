"""`vuon run`: the daemons as children of one terminal, started, watched and stopped together.

Owns the child processes. systemd does this on a box; here it is for development and the demo. Invariants:
a child that ends is started again with back-off and the others do not notice; stopping sends SIGTERM to
each child by its own id, waits `STOP_S`, then SIGKILL; no child outlives the parent (PR_SET_PDEATHSIG).
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from gateway.core.clock import Clock
from gateway.core.errors import DaemonUnavailable
from gateway.core.log import get_logger
from gateway.core.supervise import Backoff

STOP_S = 12.0
"""The recorder promises to close every segment within 10 s."""
LAST_WORDS_BYTES = 4096
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


@dataclass(slots=True)
class Child:
    """One program to keep running."""

    name: str
    arguments: Sequence[str]
    """After the interpreter, e.g. `-m gateway.roofs.live --config …`."""
    env: Mapping[str, str] = field(default_factory=dict)
    log_file: Path | None = None
    """Where its stderr goes; None = this terminal."""
    process: asyncio.subprocess.Process | None = None
    restarts: int = 0

    def last_words(self) -> str:
        """Return the explanation its log ends with, and where the rest of it is."""
        if self.log_file is None or not self.log_file.exists():
            return "its own message is above"
        with self.log_file.open("rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - LAST_WORDS_BYTES))
            text = log.read().decode("utf-8", "replace")
        _, mark, said = text.rpartition("✘")
        return (f"{mark}{said.rstrip()}\n  → " if mark else "") + f"see {self.log_file}"


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


class Children:
    """Keeps its children running while entered; leaving stops them all, in reverse order of start."""

    def __init__(self, children: Sequence[Child], clock: Clock) -> None:
        self._children, self._clock = children, clock
        self._log = get_logger("run")
        self._tasks: list[asyncio.Task[None]] = []
        self._stopping = False

    async def __aenter__(self) -> Self:
        for child in self._children:
            await self._start(child)
            self._tasks.append(asyncio.create_task(self._watch(child), name=child.name))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*(self._stop(child) for child in reversed(self._children)))

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
                preexec_fn=_die_with_parent,
            )
        self._log.info("child.started", name=child.name, pid=child.process.pid)

    async def _watch(self, child: Child) -> None:
        backoff, failures = Backoff(first_s=0.5, most_s=10.0), 0
        while True:
            started_ns = self._clock.mono_ns()
            assert child.process is not None
            status = await child.process.wait()
            if (self._clock.mono_ns() - started_ns) / 1e9 > backoff.healthy_after_s:
                failures = 0
            failures += 1
            child.restarts += 1
            self._log.warning("child.ended", name=child.name, status=status)
            await self._clock.sleep(backoff.wait_s(failures, 1.0))
            await self._start(child)

    async def _stop(self, child: Child) -> None:
        process = child.process
        if process is None or process.returncode is not None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_S):
                await process.wait()
        except TimeoutError:
            self._log.warning("child.killed", name=child.name)
            process.kill()
            await process.wait()

    def ensure_running(self) -> None:
        """Raise DaemonUnavailable if a child keeps ending, with what it said last."""
        for child in self._children:
            if child.restarts >= 3:
                raise DaemonUnavailable(
                    f"{child.name} does not stay up", service=child.name, remedy=child.last_words()
                )


def daemon_child(name: str, config_path: Path, log_dir: Path | None = None) -> Child:
    """Return one daemon as a child; its log goes to a file in `log_dir`, else to the terminal."""
    log_file = log_dir / f"{name}.log" if log_dir else None
    return Child(f"vuon-{name}", ("-m", f"gateway.roofs.{name}", "--config", str(config_path)), log_file=log_file)


def box_children(config_path: Path, log_dir: Path | None = None) -> list[Child]:
    """Return the three daemons of a box."""
    return [daemon_child(name, config_path, log_dir) for name in ("gateway", "recorder", "live")]
