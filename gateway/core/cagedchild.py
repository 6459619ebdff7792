"""A caged process of ours, from the side that started it.

Owns `CagedChild`: the process, its two pipes, the messages that come back, and its end. Invariants: it gets neither our
environment nor an open file of ours; one that proves its cage when it starts is given nothing before it has; the length
of a message is bounded before its body is read; it is dead when the owner is left, whoever cancels. One task at a time.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import gateway
from gateway.core.cage import MOST_WHY_BYTES
from gateway.core.errors import ConfigError, WireError
from gateway.core.feedwire import HEAD
from gateway.core.finish import to_the_end
from gateway.core.reap import reap

START_TIMEOUT_S = 30.0


class Proof(NamedTuple):
    """The two kinds of message of which one opens the conversation."""

    ready: int
    refused: int


def command(module: str, *, sandbox: bool = True) -> tuple[str, ...]:
    """Return how a module is started as such a process; without a cage only where the configuration says so."""
    whole = (sys.executable, "-m", module)
    return whole if sandbox else (*whole, "--no-sandbox")


def environment() -> dict[str, str]:
    """Return the whole environment of a child: where our code lies, and programs."""
    root = str(Path(next(iter(gateway.__path__))).parent)
    return {"PYTHONPATH": root, "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "OMP_NUM_THREADS": "1"}


def uncaged(name: str, why: bytes) -> ConfigError:
    """Return the error of a machine that cannot lock a child up."""
    return ConfigError(
        f"{name} cannot be caged: {why.decode(errors='replace')[:200]}",
        key="vision.sandbox",
        value="true",
        remedy="install libseccomp2, or set vision.sandbox = false",
    )


class CagedChild:
    """One running process; an async context manager (entered = its cage is proven, if it has a proof to give)."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        proof: Proof | None = None,
        *,
        start_timeout_s: float = START_TIMEOUT_S,
        heard: bool = False,
    ) -> None:
        """`name`: for errors, in words; `heard`: what it says on stderr goes where ours goes, else nowhere."""
        self._name, self._command, self._proof = name, tuple(command), proof
        self._start_s, self._heard = start_timeout_s, heard
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=None if self._heard else asyncio.subprocess.DEVNULL,
            env=environment(),
        )
        try:
            if self._proof is not None:
                await self._proven(self._proof)
        except BaseException:  # nobody has entered us, so that nobody leaves us
            await to_the_end(reap(self._process))
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await to_the_end(reap(self._process))

    async def _proven(self, proof: Proof) -> None:
        async with self.in_time(self._start_s):
            kind, body = await self.next(MOST_WHY_BYTES)
        if kind == proof.refused:
            raise uncaged(self._name, body)
        if kind != proof.ready:
            raise WireError(f"{self._name} began with kind {kind}")

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def requests(self) -> asyncio.StreamWriter:
        """The pipe to it."""
        assert self._process.stdin is not None
        return self._process.stdin

    async def next(self, most_bytes: int) -> tuple[int, bytes]:
        """Return the kind and body of its next message.

        WireError: it is too long. IncompleteReadError, ConnectionError: the process is gone.
        """
        replies = self._process.stdout
        assert replies is not None
        kind, length = HEAD.unpack(await replies.readexactly(HEAD.size))
        if length > most_bytes:
            raise WireError(f"a message of {self._name} is too long", bytes=length, limit_bytes=most_bytes)
        return kind, await replies.readexactly(length)

    @contextlib.asynccontextmanager
    async def in_time(self, within_s: float) -> AsyncIterator[None]:
        """Make a WireError of a process that ends, or does not answer in time."""
        try:
            async with asyncio.timeout(within_s):
                yield
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
            raise WireError(f"{self._name} ended or is silent") from error

    async def ended(self) -> int:
        """Wait for its end by itself and return the exit status."""
        return await self._process.wait()

    @property
    def status(self) -> int | None:
        """Its exit status, None while it runs."""
        return self._process.returncode
