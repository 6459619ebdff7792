"""vuon-live's side of one transcoder's process.

Owns `Transcoder`: the process and its two pipes. Invariants: it gets neither our environment nor an open file of ours;
one unit is under way at a time, so that nothing queues where it cannot be dropped; a process whose answer takes
`ANSWER_TIMEOUT_S` or that talks nonsense is an error of the stream; it is dead when the owner is left.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import gateway
from gateway.core import feedwire
from gateway.core.errors import ConfigError, WireError
from gateway.core.finish import to_the_end
from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.reap import reap
from gateway.live.transcoder import pipe

START_TIMEOUT_S = 30.0
ANSWER_TIMEOUT_S = 10.0


def command(*, sandbox: bool = True) -> tuple[str, ...]:
    """Return how the process is started."""
    whole = (sys.executable, "-m", "gateway.live.transcoder.child")
    return whole if sandbox else (*whole, "--no-sandbox")


def _environment() -> dict[str, str]:
    root = str(Path(next(iter(gateway.__path__))).parent)
    return {"PYTHONPATH": root, "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "OMP_NUM_THREADS": "1"}


class Transcoder:
    """One running process; an async context manager (entered = its cage is proven), used from one task at a time."""

    def __init__(
        self,
        command: Sequence[str],
        *,
        start_timeout_s: float = START_TIMEOUT_S,
        answer_timeout_s: float = ANSWER_TIMEOUT_S,
    ) -> None:
        self._command, self._start_s, self._answer_s = tuple(command), start_timeout_s, answer_timeout_s
        self._process: asyncio.subprocess.Process
        self._told: CodecConfig | None = None
        self._configs: dict[int, CodecConfig] = {}
        self.bad = 0
        """Units that did not decode."""

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(),
        )
        try:
            await self._proven()
        except BaseException:  # nobody has entered us, so that nobody leaves us
            await to_the_end(reap(self._process))
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await to_the_end(reap(self._process))

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def _proven(self) -> None:
        async with self._in_time(self._start_s):
            kind, body = await self._next()
        if kind == pipe.REFUSED:
            raise ConfigError(
                f"the transcoder cannot be caged: {body.decode(errors='replace')[:200]}",
                key="vision.sandbox",
                value="true",
                remedy="install libseccomp2, or set vision.sandbox = false",
            )
        if kind != pipe.READY:
            raise WireError(f"the transcoder began with kind {kind}")

    async def give(self, unit: AccessUnit, *, quiet: bool = False, key: bool = False) -> list[AccessUnit]:
        """Hand a unit over and return the small pictures it gave; `key`: the next one is to be a key frame.

        WireError: the process is gone, silent or talks nonsense.
        """
        out = []
        if unit.config != self._told:
            self._told = unit.config
            out.append(feedwire.encode_config(unit.config))
        if key:
            out.append(feedwire.frame(pipe.KEY, b""))
        out.append(pipe.encode_quiet(unit) if quiet else feedwire.encode_unit(unit))
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.writelines(out)
            async with asyncio.timeout(self._answer_s):
                await stdin.drain()
        except (ConnectionError, TimeoutError) as error:
            raise WireError("the transcoder takes nothing any more") from error
        return await self._answer()

    async def _answer(self) -> list[AccessUnit]:
        """Return what it makes of a unit; the whole answer has `answer_timeout_s`, however many messages it is."""
        made: list[AccessUnit] = []
        async with self._in_time(self._answer_s):
            for _ in range(pipe.MOST_ANSWERS):
                kind, body = await self._next()
                if kind == pipe.DONE and len(body) == 1:
                    self.bad += body[0]
                    return made
                if kind == feedwire.CONFIG:
                    config = feedwire.decode_config(body)
                    if config.codec is not Codec.H264 or not config.sps or not config.pps:
                        raise WireError("the transcoder made something else than H.264")
                    self._configs = {config.epoch: config}
                elif kind == feedwire.UNIT:
                    made.append(feedwire.decode_unit(body, self._configs)[0])
                else:
                    raise WireError(f"the transcoder answered kind {kind}")
        raise WireError("the transcoder answers without end")

    async def _next(self) -> tuple[int, bytes]:
        stdout = self._process.stdout
        assert stdout is not None
        kind, length = feedwire.HEAD.unpack(await stdout.readexactly(feedwire.HEAD.size))
        if length > pipe.MOST_ANSWER_BYTES:
            raise WireError("an answer of the transcoder is too long", bytes=length)
        return kind, await stdout.readexactly(length)

    @contextlib.asynccontextmanager
    async def _in_time(self, within_s: float) -> AsyncIterator[None]:
        """Make an error of the stream of a process that ends or does not answer in time."""
        try:
            async with asyncio.timeout(within_s):
                yield
        except (asyncio.IncompleteReadError, ConnectionError, TimeoutError) as error:
            raise WireError("the transcoder's process ended or is silent") from error
