"""The end of a child process with pipes.

Owns `reap`. Invariants: it returns when the child is dead and its exit status known, whatever the child wrote
that nobody read; what it wrote is thrown away, never kept.
"""

from __future__ import annotations

import asyncio
import contextlib

import anyio

_READ_BYTES = 65_536


async def reap(process: asyncio.subprocess.Process) -> None:
    """Kill a child and wait for its end; nobody else may be reading its output.

    Before Python 3.13 asyncio tells of the end only once it has seen the pipes' ends, too, and it does not look
    at a pipe while its buffer is full: with more unread output than that, `wait` would never return.
    """
    with anyio.CancelScope(shield=True):
        if process.returncode is None:
            process.kill()
        if process.stdin is not None:
            process.stdin.close()
        if process.stdout is not None:
            with contextlib.suppress(OSError):
                while await process.stdout.read(_READ_BYTES):
                    pass
        await process.wait()
