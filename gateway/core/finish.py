"""Work that is finished although whoever asked for it goes away.

Owns `to_the_end`. Invariants: the work runs in a task of its own and is waited for to its end; a cancelled
waiter is cancelled afterwards, never instead; what the work raises is raised here. anyio's shields hold
against its own scopes only, `Task.cancel()` goes through them, so both are needed here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


async def to_the_end(work: Coroutine[Any, Any, T]) -> T:
    """Finish `work` although the waiter is cancelled, then let the cancellation pass."""
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    with anyio.CancelScope(shield=True):  # else a scope that ends would cancel us again at every turn of the loop
        while not task.done():
            try:
                await asyncio.shield(task)
            except asyncio.CancelledError as error:
                if task.cancelled():
                    raise
                cancelled = error
    result = task.result()
    if cancelled is not None:
        raise cancelled
    return result
