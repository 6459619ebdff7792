"""Waiting for what happens in other tasks, threads, processes and sockets, which set no event of the test's.

The limit is one for a hang, never a measure of speed; a look costs nothing and is taken again and again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

HANG_S = 120.0
T = TypeVar("T")


async def until(look: Callable[[], T]) -> T:
    """Wait until a look finds something true, and return that; the loop goes on meanwhile."""
    async with asyncio.timeout(HANG_S):
        while not (found := look()):  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
        return found


def wait_until(look: Callable[[], T]) -> T:
    """Wait as `until` does, in a test or thread without a loop."""
    end = time.monotonic() + HANG_S
    while not (found := look()):
        assert time.monotonic() < end, "it never came"
        time.sleep(0.001)
    return found
