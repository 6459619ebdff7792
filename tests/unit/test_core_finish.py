"""Work that outlives whoever asked for it."""

from __future__ import annotations

import asyncio

import anyio
import anyio.lowlevel
import pytest

from gateway.core.finish import to_the_end

pytestmark = pytest.mark.anyio


class Work:
    """Waits to be let go, then notes that it came to its end."""

    def __init__(self) -> None:
        self.begun, self.go, self.ended = asyncio.Event(), asyncio.Event(), False

    async def run(self, fault: Exception | None = None) -> str:
        self.begun.set()
        await self.go.wait()
        self.ended = True
        if fault is not None:
            raise fault
        return "done"


async def test_its_result_is_returned() -> None:
    """Nobody goes away: the work's answer is ours."""
    work = Work()
    work.go.set()
    assert await to_the_end(work.run()) == "done"


async def test_a_cancelled_task_waits_and_is_cancelled_then() -> None:
    """Two `Task.cancel()` go by, the work ends, and only then the waiter does."""
    work = Work()
    task = asyncio.create_task(to_the_end(work.run()))
    await work.begun.wait()
    for _ in range(2):
        task.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not task.done()
    work.go.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert work.ended


async def test_a_cancelled_scope_waits_and_is_cancelled_then() -> None:
    """The same for a scope of anyio: what stands after the work is not reached."""
    work, after = Work(), False
    async with anyio.create_task_group() as tasks:

        async def ask() -> None:
            nonlocal after
            await to_the_end(work.run())
            await anyio.lowlevel.checkpoint()
            after = True

        tasks.start_soon(ask)
        await work.begun.wait()
        tasks.cancel_scope.cancel()
        work.go.set()
    assert work.ended
    assert not after


async def test_what_it_raises_is_raised_here() -> None:
    """Also to a waiter that was cancelled meanwhile: a fault is not lost behind a cancellation."""
    work = Work()
    task = asyncio.create_task(to_the_end(work.run(ValueError("no"))))
    await work.begun.wait()
    task.cancel()
    work.go.set()
    with pytest.raises(ValueError, match="no"):
        await task
