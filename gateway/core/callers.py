"""Whoever is connected to a stream socket: one task each, from the moment of the connection.

Owns the tasks and the closing of their connections. Invariants: a connection belongs to a task before the
loop turns again, so none is left behind by a server that closes; a connection is closed with its task, also
one that is cancelled before its first step; after `close` whoever still comes in is hung up on.
asyncio's own `start_server` knows its handlers' tasks only once they have run, and closes nothing for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeAlias

Serve: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


class Callers:
    """The callback of `asyncio.start_server`: serves each connection until it ends or `close` is called."""

    def __init__(self, serve: Serve, *, most: int | None = None) -> None:
        """Serve at most so many at once; the next one is hung up on."""
        self._serve, self._most = serve, most
        self._tasks: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._closed = False

    def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take a connection in; called by the event loop."""
        if self._closed or (self._most is not None and len(self._tasks) >= self._most):
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._tasks[task] = writer
        task.add_done_callback(self._gone)

    def __len__(self) -> int:
        return len(self._tasks)

    def _gone(self, task: asyncio.Task[None]) -> None:
        self._tasks.pop(task).close()
        if not task.cancelled() and (error := task.exception()) is not None:
            task.get_loop().call_exception_handler(
                {"message": "a connection's task failed", "exception": error, "task": task}
            )

    async def hang_up(self) -> None:
        """Reset every connection, as a reboot does; returns when all tasks have ended."""
        for writer in self._tasks.values():
            writer.transport.abort()
        await self._end(list(self._tasks))

    async def close(self) -> None:
        """Take nobody in any more and end every task; returns when all have ended."""
        self._closed = True
        await self._end(list(self._tasks))

    @staticmethod
    async def _end(tasks: list[asyncio.Task[None]]) -> None:
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
            await asyncio.sleep(0)  # the callbacks that close what they served
