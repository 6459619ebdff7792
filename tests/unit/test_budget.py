"""How fast the box turns to its cameras."""

from __future__ import annotations

import asyncio

import pytest

from recorder.budget import Place, StartBudget, knock
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.anyio


async def test_no_more_than_the_allowed_logins_at_once() -> None:
    """The fifth waits until one of four gives its place back."""
    clock = FakeClock()
    budget = StartBudget(clock, max_logins=4, connects_per_s=1000)
    got: list[Place] = []

    async def start() -> None:
        got.append(await budget.place())

    tasks = [asyncio.create_task(start()) for _ in range(6)]
    await clock.advance(10)
    assert len(got) == 4
    got[0].give_back()
    got[0].give_back()
    await clock.advance(10)
    assert len(got) == 5
    for place in got:
        place.give_back()
    await clock.advance(10)
    assert len(got) == 6
    await asyncio.gather(*tasks)


async def test_connects_are_spread_over_the_second() -> None:
    """Thirty cameras at once take three seconds at ten a second, in order of arrival."""
    clock = FakeClock()
    budget = StartBudget(clock, connects_per_s=10)
    begun: list[tuple[int, float]] = []
    start_ns = clock.mono_ns()

    async def connect(number: int) -> None:
        await budget.connect()
        begun.append((number, (clock.mono_ns() - start_ns) / 1e9))

    tasks = [asyncio.create_task(connect(number)) for number in range(30)]
    await clock.advance(5)
    await asyncio.gather(*tasks)
    assert [number for number, _ in begun] == list(range(30))
    assert [at_s for _, at_s in begun] == pytest.approx([number / 10 for number in range(30)])


async def test_a_pause_earns_no_burst() -> None:
    """After a quiet minute the pace is the same."""
    clock = FakeClock()
    budget = StartBudget(clock, connects_per_s=10)
    await budget.connect()
    await clock.advance(60)
    done: list[int] = []

    async def connect(number: int) -> None:
        await budget.connect()
        done.append(number)

    tasks = [asyncio.create_task(connect(number)) for number in range(5)]
    await clock.advance(0.05)
    assert done == [0]
    await clock.advance(1)
    await asyncio.gather(*tasks)


async def test_leaving_a_place_gives_it_back_whatever_happened() -> None:
    """Also after an error inside."""
    budget = StartBudget(FakeClock(), max_logins=1, connects_per_s=2_000_000_000)
    for _ in range(3):
        with pytest.raises(RuntimeError, match="x"):
            async with await budget.place():
                raise RuntimeError("x")


async def test_a_cancelled_wait_keeps_no_place() -> None:
    """Whoever gives up while waiting for the pace leaves the place to the next."""
    clock = FakeClock()
    budget = StartBudget(clock, max_logins=1, connects_per_s=1)
    (await budget.place()).give_back()
    waiting = asyncio.create_task(budget.place())
    await clock.settle()
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    second = asyncio.create_task(budget.place())
    await clock.advance(5)
    assert isinstance(await second, Place)


async def test_a_knock_tells_whether_something_listens_and_sends_nothing() -> None:
    """It connects and hangs up."""
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.put_nowait(await reader.read())
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    assert await knock("127.0.0.1", port)
    assert await heard.get() == b""
    server.close()
    await server.wait_closed()
    assert not await knock("127.0.0.1", port)
