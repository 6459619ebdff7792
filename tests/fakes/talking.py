"""A TCP server of a few lines: each connection is a coroutine's, and all of them end with it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.core.callers import Callers, Serve


@asynccontextmanager
async def talking(talk: Serve, address: str = "127.0.0.1", port: int = 0) -> AsyncIterator[int]:
    """Listen while entered, and yield the port; whoever is still connected at the end is let go."""
    callers = Callers(talk)
    server = await asyncio.start_server(callers, address, port)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        server.close()
        await callers.close()
