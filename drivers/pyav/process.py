"""The recorder's side of one child of the second engine.

Owns `Child`: the process and its two pipes. Invariants: the child gets neither our environment nor an open
file of ours, nothing but `Order`; it is dead when the owner is left; every end that it does not explain
is a `CameraClosed`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

import drivers
from drivers.pyav import pipe
from drivers.pyav.pipe import Ended, Order
from gateway.core.errors import CameraBadReply, CameraClosed, CameraError, CameraSilent, ConfigError
from gateway.core.reap import reap

REAP_S = 1.0
"""How long the exit status may take once the pipe is closed."""
COMMAND = (sys.executable, "-m", "drivers.pyav.child")


def environment() -> dict[str, str]:
    """Return the whole environment of a child: where our code lies, and programs."""
    root = str(Path(next(iter(drivers.__path__))).parent)
    return {"PYTHONPATH": root, "PATH": os.environ.get("PATH", "/usr/bin:/bin"), "OMP_NUM_THREADS": "1"}


class Child:
    """One running child; an async context manager, used from one task at a time."""

    def __init__(self, order: Order, address: str, command: Sequence[str] = COMMAND) -> None:
        self._order, self._address, self._command = order, address, tuple(command)
        self._process: asyncio.subprocess.Process

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            *self._command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            env=environment(),
        )
        try:
            await self._tell(pipe.encode_order(self._order))
        except BaseException:  # nobody has entered us, so that nobody leaves us
            await reap(self._process)
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await reap(self._process)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def lock(self) -> None:
        """Have it locked up, and wait for the proof.

        ConfigError: this machine cannot lock it up. CameraClosed: it died.
        """
        await self._tell(pipe.frame(pipe.LOCK))
        kind, body = await self._next(pipe.MOST_ORDER_BYTES)
        if kind == pipe.REFUSED:
            raise ConfigError(
                f"the second engine's child cannot be caged: {body.decode(errors='replace')}",
                key="vision.sandbox",
                value="true",
                remedy="install libseccomp2, or set vision.sandbox = false",
            )
        if kind != pipe.CAGED:
            raise CameraBadReply(f"the second engine answered kind {kind}", address=self._address)

    async def picture(self) -> tuple[int | None, bytes]:
        """Return the next picture with its time; raises the CameraError that ends the stream."""
        kind, body = await self._next(pipe.MOST_UNIT_BYTES)
        if kind == pipe.UNIT:
            return pipe.decode_unit(body)
        if kind != pipe.END:
            raise CameraBadReply(f"the second engine answered kind {kind}", address=self._address)
        raise self._ended(pipe.decode_end(body))

    def _ended(self, why: Ended) -> CameraError:
        if why is Ended.SILENT:
            return CameraSilent("the second engine got nothing in time", address=self._address)
        if why is Ended.BAD:
            return CameraBadReply("the second engine cannot read the stream", address=self._address)
        return CameraClosed("the stream ended", address=self._address)

    async def _tell(self, message: bytes) -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(message)
            await self._process.stdin.drain()
        except ConnectionError as error:
            raise await self._died() from error

    async def _next(self, most_bytes: int) -> tuple[int, bytes]:
        assert self._process.stdout is not None
        try:
            kind, length = pipe.HEAD.unpack(await self._process.stdout.readexactly(pipe.HEAD.size))
            if length > most_bytes:
                raise CameraBadReply("the second engine sent too much", bytes=length, limit_bytes=most_bytes)
            return kind, await self._process.stdout.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise await self._died() from error

    async def _died(self) -> CameraClosed:
        with anyio.move_on_after(REAP_S):
            await self._process.wait()
        status = self._process.returncode
        return CameraClosed("the second engine's process ended", address=self._address, engine="pyav", status=status)
