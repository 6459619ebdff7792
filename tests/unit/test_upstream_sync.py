"""The conversation with a hub: enrolling, agreeing, draining, and what a broken hub may do to it."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from gateway.core.db import Database
from gateway.core.errors import HubBusy, HubRefused, HubUnreachable, UpstreamError
from gateway.core.events import Lane
from gateway.core.supervise import supervise
from gateway.upstream import outbox
from gateway.upstream.protocol import Ack, Announced, Cursor
from gateway.upstream.sync import BACKOFF, MAX_HELLOS, Uplink
from tests.fakes.clock import FakeClock
from tests.fakes.events import numbered
from tests.fakes.hub_link import GATEWAY, FakeHub

HANG_S = 60

pytestmark = pytest.mark.anyio


class Bench:
    """A box's outbox, a hub of a few lines, and the uplink between them."""

    def __init__(self, db: Database) -> None:
        self.db, self.hub, self.clock = db, FakeHub(), FakeClock()
        self.agreed = 0
        self.ids: dict[Lane, list[str]] = {lane: [] for lane in Lane}
        self.uplink = self.make()

    def make(self, claim: str = "CLAIM", batch: int = 10) -> Uplink:
        """Build the uplink as a start of the gateway does."""
        self.uplink = Uplink(
            self.db, self.hub, self.clock, claim=claim, batch=batch, flush_s=2.0, agreed=self.count_agreed
        )
        return self.uplink

    def count_agreed(self) -> None:
        self.agreed += 1

    async def put(self, lane: Lane, count: int) -> None:
        start = len(self.ids[lane]) + 1
        events = [numbered(lane, number) for number in range(start, start + count)]

        def apply(conn: sqlite3.Connection) -> None:
            for event in events:
                outbox.put(conn, event)

        await self.db.write(apply)
        self.ids[lane] += [event.id for event in events]

    async def run(self, seconds: float = 1.0) -> BaseException | None:
        """Run until everything is sent or it fails; returns how it ended."""
        task = asyncio.create_task(self.uplink.run())
        async with asyncio.timeout(HANG_S):
            while not (self.agreed and not await self.waiting()):
                await asyncio.sleep(0.005)
                if task.done():
                    return task.exception()
        task.cancel()
        await asyncio.wait([task])
        return None

    async def waiting(self) -> int:
        return sum(state.last - state.acked for state in await self.db.read(outbox.lanes))

    async def arrived_whole(self) -> bool:
        return {lane: self.hub.ids(lane.value) for lane in Lane} == self.ids

    async def arrived(self, step_s: float = 0.0) -> None:
        """Wait until the hub has everything, moving the clock by steps if asked."""
        async with asyncio.timeout(HANG_S):
            while not await self.arrived_whole():
                await self.clock.advance(step_s)
                await asyncio.sleep(0.005)


async def until(ready: Callable[[], bool]) -> None:
    """Give the other tasks time until something is so."""
    for _ in range(2_000):
        if ready():
            return
        await asyncio.sleep(0.005)
    raise AssertionError("it never came")


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    async with Database(tmp_path / "gateway.db", [outbox.MIGRATIONS]) as db:
        yield Bench(db)


async def test_a_new_box_enrols_once_and_sends_all(bench: Bench) -> None:
    """The claim is spent at the first start only; three lanes arrive whole."""
    for lane in Lane:
        await bench.put(lane, 25)
    assert await bench.run() is None
    assert await bench.arrived_whole()
    bench.make()
    assert await bench.run() is None
    assert bench.hub.enrolled == ["CLAIM"]
    assert bench.uplink.acked_total == 0


async def test_alarms_overtake_a_long_routine_backlog(bench: Bench) -> None:
    """What is put while routine drains goes with the very next batch."""
    await bench.put(Lane.ROUTINE, 30)
    original = bench.hub.send

    async def send(gateway: str, stream: str, first: int, bodies: list[str]) -> Ack:
        if bench.hub.sends == 1:
            await bench.put(Lane.ALARM, 2)
        return await original(gateway, stream, first, bodies)

    bench.hub.send = send  # type: ignore[method-assign,assignment]  # the fake itself, for one call
    assert await bench.run() is None
    assert [lane for lane, _, _ in bench.hub.batches] == ["routine", "routine", "alarm", "routine"]


async def test_without_claim_and_id_there_is_no_conversation(bench: Bench) -> None:
    """It is refused with a reason a person can act on."""
    bench.make(claim="")
    error = await bench.run()
    assert isinstance(error, HubRefused)
    assert error.fields["reason"] == "claim"
    assert bench.hub.hellos == 0


async def test_a_wrong_claim_is_refused(bench: Bench) -> None:
    """And nothing is remembered of it."""
    bench.make(claim="WRONG")
    assert isinstance(await bench.run(), HubRefused)
    assert await bench.db.read(lambda conn: outbox.read_meta(conn, "gateway")) is None


async def test_a_stale_claim_does_not_cut_off_a_known_box(bench: Bench) -> None:
    """Somebody left an expired code in config.toml: the box goes on with the id it has."""
    await bench.put(Lane.ALARM, 1)
    assert await bench.run() is None
    await bench.put(Lane.ALARM, 1)
    bench.make(claim="EXPIRED")
    assert await bench.run() is None
    assert await bench.arrived_whole()


async def test_a_hub_that_lost_its_database_gets_everything_kept(bench: Bench) -> None:
    """It knows nobody; a new claim enrols the box again and all kept events go once more."""
    await bench.put(Lane.ALARM, 30)
    assert await bench.run() is None
    fresh = FakeHub("SECOND")
    fresh.known = False
    bench.hub, bench.agreed = fresh, 0
    bench.make()
    error = await bench.run()
    assert isinstance(error, HubRefused)
    assert error.fields["reason"] == "unknown"
    bench.make(claim="SECOND")
    assert await bench.run() is None
    assert await bench.arrived_whole()


async def test_a_hub_restored_while_we_talk_is_noticed_at_the_next_batch(bench: Bench) -> None:
    """Its answer says gap; hello is said again and the box rewinds."""
    await bench.put(Lane.ALARM, 20)
    backup = bench.hub.backup()
    assert await bench.run() is None
    bench.agreed = 0
    task = asyncio.create_task(bench.uplink.run())
    await until(lambda: bench.agreed > 0)
    bench.hub.restore(backup)
    await bench.put(Lane.ALARM, 5)
    bench.uplink.wake()
    await bench.arrived()
    task.cancel()
    await asyncio.wait([task])


@pytest.mark.parametrize("lost", ["lose_requests", "lose_answers"])
async def test_a_lost_request_or_answer_costs_nothing(bench: Bench, lost: str) -> None:
    """The run ends with HubUnreachable, the next one finds what arrived: each once."""
    await bench.put(Lane.ALARM, 35)
    setattr(bench.hub, lost, 1)
    for _ in range(6):
        if await bench.run() is None:
            break
    assert await bench.arrived_whole()


@pytest.mark.parametrize(
    "lie", [Ack(0, gap=True), Ack(0, gap=False), Ack(99, gap=False), Ack(2**62, gap=False)], ids=str
)
async def test_a_hub_that_contradicts_itself_ends_the_run(bench: Bench, lie: Ack) -> None:
    """It is asked again once, and then left to the back-off: no tight loop, nothing marked as sent."""
    await bench.put(Lane.ALARM, 5)
    bench.hub.lie = lie
    error = await bench.run()
    assert isinstance(error, UpstreamError)
    assert bench.hub.sends == 2
    assert await bench.waiting() == 5


async def test_a_hub_that_never_agrees_ends_the_run(bench: Bench) -> None:
    """However often the stream is renewed it says another number: bounded, then an error."""
    await bench.put(Lane.ALARM, 5)

    def ahead(lanes: list[Announced]) -> dict[str, Cursor]:
        return {lane.stream: Cursor(lane.stream, lane.last + 7, "x") for lane in lanes}

    bench.hub.answer_hello = ahead  # type: ignore[method-assign,assignment]  # a hub gone mad
    error = await bench.run()
    assert isinstance(error, UpstreamError)
    assert bench.hub.hellos == MAX_HELLOS


async def test_a_hello_that_leaves_out_a_lane_is_an_error(bench: Bench) -> None:
    """Not a KeyError."""
    bench.hub.answer_hello = lambda lanes: {}  # type: ignore[method-assign]  # a hub gone mad
    error = await bench.run()
    assert isinstance(error, UpstreamError)
    assert error.fields["lane"] == "alarm"


async def test_what_is_put_later_goes_when_woken_or_after_the_flush(bench: Bench) -> None:
    """Alarms wake the uplink at once; without a wake the pause is the flush time."""
    task = asyncio.create_task(bench.uplink.run())
    await until(lambda: bench.agreed > 0)
    await bench.put(Lane.ROUTINE, 1)
    await asyncio.sleep(0.05)
    assert bench.hub.sends == 0
    bench.uplink.wake()
    await until(lambda: bench.hub.sends == 1)
    await bench.put(Lane.ROUTINE, 1)
    await bench.arrived(step_s=2.0)
    task.cancel()
    await asyncio.wait([task])
    assert await bench.arrived_whole()


async def test_the_time_a_busy_hub_asks_for_is_respected(bench: Bench) -> None:
    """429 with Retry-After 120: not one request more before two minutes are over."""
    await bench.put(Lane.ALARM, 3)
    bench.hub.busy_s = 120
    faults: list[BaseException] = []
    task = asyncio.create_task(
        supervise(
            "uplink",
            bench.uplink.run,
            clock=bench.clock,
            on_fault=lambda name, error: faults.append(error),
            backoff=BACKOFF,
            jitter=lambda: 0.0,
        )
    )
    await until(lambda: bool(faults))
    assert isinstance(faults[0], HubBusy)
    for _ in range(11):
        await bench.clock.advance(10)
        await asyncio.sleep(0.01)
    assert bench.hub.sends == 1
    bench.hub.busy_s = None
    await bench.clock.advance(11)
    await bench.arrived()
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert await bench.arrived_whole()


def test_the_back_off_spreads_a_fleet_over_a_minute() -> None:
    """After many failures the pause is anywhere from nothing to 60 s, and never more."""
    assert [BACKOFF.wait_s(30, jitter) for jitter in (0.0, 0.5, 1.0)] == [0.0, 30.0, 60.0]
    assert BACKOFF.wait_s(1, 1.0) == 1.0


async def test_an_unreachable_hub_keeps_everything(bench: Bench) -> None:
    """Nothing is lost or marked as sent while nobody is there."""
    await bench.put(Lane.ALARM, 3)
    bench.hub.down = True
    assert isinstance(await bench.run(), HubUnreachable)
    assert await bench.waiting() == 3
    bench.hub.down = False
    assert await bench.run() is None
    assert await bench.arrived_whole()
    assert bench.hub.hellos >= 1
    assert await bench.db.read(lambda conn: outbox.read_meta(conn, "gateway")) == GATEWAY
