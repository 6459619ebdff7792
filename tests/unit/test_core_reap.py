"""The end of child processes: dead, and known to be."""

from __future__ import annotations

import asyncio
import sys
from asyncio.subprocess import PIPE, Process

import pytest

from gateway.core.reap import reap

pytestmark = pytest.mark.anyio
HANG_S = 60
FLOOD = "import sys\nwhile True: sys.stdout.buffer.write(bytes(65536))"


async def child(code: str) -> Process:
    return await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdin=PIPE, stdout=PIPE)


async def test_a_child_with_more_to_say_than_anybody_read_ends() -> None:
    """Its pipe is full and nobody looks at it any more: asyncio alone would wait for ever."""
    process = await child(FLOOD)
    assert process.stdout is not None
    await process.stdout.readexactly(1)
    async with asyncio.timeout(HANG_S):
        while not process.stdout._paused:  # type: ignore[attr-defined]  # noqa: ASYNC110 - nothing public tells that
            await asyncio.sleep(0.01)
        await reap(process)
    assert process.returncode == -9


async def test_a_child_that_ended_by_itself_keeps_its_status() -> None:
    """And it may be reaped twice."""
    process = await child("raise SystemExit(7)")
    async with asyncio.timeout(HANG_S):
        assert await process.wait() == 7
        await reap(process)
        await reap(process)
    assert process.returncode == 7
