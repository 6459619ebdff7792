"""Connections belong to a task from the first instant, and end with it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.core.callers import Callers, Serve

pytestmark = pytest.mark.anyio
HANG_S = 10.0


@contextlib.asynccontextmanager
async def server(path: Path, serve: Serve, *, most: int | None = None) -> AsyncIterator[Callers]:
    callers = Callers(serve, most=most)
    listening = await asyncio.start_unix_server(callers, str(path))
    try:
        yield callers
    finally:
        listening.close()
        await callers.close()


class Patient:
    """Serves until the peer leaves; says when somebody came."""

    def __init__(self) -> None:
        self.came = asyncio.Semaphore(0)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.came.release()
        await reader.read()


async def ended(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(HANG_S):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def test_a_connection_that_was_never_served_is_closed(tmp_path: Path) -> None:
    """A server that closes in the turn in which a connection came in leaves no connection behind."""
    begun = list[int]()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.append(1)

    callers = Callers(serve)
    taken = list[asyncio.StreamWriter]()

    def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers(reader, writer)
        taken.append(writer)
        closing.append(asyncio.ensure_future(callers.close()))
        for task in callers._tasks:
            task.cancel()  # before its first step

    closing = list[asyncio.Future[None]]()
    listening = await asyncio.start_unix_server(take, str(tmp_path / "s"))
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
    assert await ended(reader) == b""
    writer.close()
    listening.close()
    await asyncio.gather(*closing)
    assert begun == []
    assert taken[0].is_closing()
    assert len(callers) == 0


async def test_one_too_many_is_hung_up_on(tmp_path: Path) -> None:
    """At most so many are served at once; the next one is hung up on, the others go on."""
    patient = Patient()
    async with server(tmp_path / "s", patient, most=1) as callers:
        _, first = await asyncio.open_unix_connection(str(tmp_path / "s"))
        await patient.came.acquire()
        reader, second = await asyncio.open_unix_connection(str(tmp_path / "s"))
        assert await ended(reader) == b""
        assert len(callers) == 1
        first.close()
        second.close()


async def test_a_reboot_resets_everybody_and_takes_them_in_again(tmp_path: Path) -> None:
    """`hang_up` ends every connection, and whoever comes afterwards is served; `close` takes nobody in."""
    patient = Patient()
    async with server(tmp_path / "s", patient) as callers:
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        await patient.came.acquire()
        await callers.hang_up()
        assert await ended(reader) == b""
        writer.close()
        _, again = await asyncio.open_unix_connection(str(tmp_path / "s"))
        await patient.came.acquire()
        await callers.close()
        late, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        assert await ended(late) == b""
        assert len(callers) == 0
        again.close()
        writer.close()


async def test_a_failure_is_told_to_the_loop(tmp_path: Path) -> None:
    """What a handler raises reaches the loop's exception handler, and its connection is closed."""
    told = list[dict[str, object]]()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise ValueError("broken")

    async with server(tmp_path / "s", serve):
        reader, writer = await asyncio.open_unix_connection(str(tmp_path / "s"))
        assert await ended(reader) == b""
        writer.close()
    assert [str(context["exception"]) for context in told] == ["broken"]
