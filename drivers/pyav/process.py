"""The recorder's side of one child of the second engine.

Owns `Child`: what is said to the process and what comes back. Invariants: the child is told nothing but `Order`; every
end that it does not explain is a `CameraClosed`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import anyio

from drivers.pyav import pipe
from drivers.pyav.pipe import Ended, Order
from gateway.core import cagedchild
from gateway.core.cagedchild import CagedChild, uncaged
from gateway.core.errors import CameraBadReply, CameraClosed, CameraError, CameraSilent, WireError

REAP_S = 1.0
"""How long the exit status may take once the pipe is closed."""
COMMAND = cagedchild.command("drivers.pyav.child")
NAME = "the second engine's child"


class Child:
    """One running child; an async context manager, used from one task at a time."""

    def __init__(self, order: Order, address: str, command: Sequence[str] = COMMAND) -> None:
        self._order, self._address, self._child = order, address, CagedChild(NAME, command)

    async def __aenter__(self) -> Self:
        async with contextlib.AsyncExitStack() as stack:
            await stack.enter_async_context(self._child)
            await self._tell(pipe.encode_order(self._order))
            stack.pop_all()  # whoever entered us leaves us, and that ends it
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._child.__aexit__(kind, error, trace)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._child.pid

    async def lock(self) -> None:
        """Have it locked up, and wait for the proof.

        ConfigError: this machine cannot lock it up. CameraClosed: it died.
        """
        await self._tell(pipe.frame(pipe.LOCK))
        kind, body = await self._next(pipe.MOST_ORDER_BYTES)
        if kind == pipe.REFUSED:
            raise uncaged(NAME, body)
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
        try:
            self._child.requests.write(message)
            await self._child.requests.drain()
        except ConnectionError as error:
            raise await self._died() from error

    async def _next(self, most_bytes: int) -> tuple[int, bytes]:
        try:
            return await self._child.next(most_bytes)
        except WireError as error:
            raise CameraBadReply("the second engine sent too much", address=self._address) from error
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise await self._died() from error

    async def _died(self) -> CameraClosed:
        with anyio.move_on_after(REAP_S):
            await self._child.ended()
        status = self._child.status
        return CameraClosed("the second engine's process ended", address=self._address, engine="pyav", status=status)
