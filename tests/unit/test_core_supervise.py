"""Keeping children running."""

from __future__ import annotations

import asyncio
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import CameraSilent, HubBusy
from gateway.core.supervise import MOST_ASKED_S, Backoff, contained, supervise
from tests.fakes.clock import FakeClock

pytestmark = pytest.mark.anyio


class Faults(list[tuple[str, str]]):
    def __call__(self, name: str, error: BaseException) -> None:
        self.append((name, type(error).__name__))


async def test_a_failing_child_is_started_again_with_growing_pauses() -> None:
    """Each failure is reported and the pause doubles up to the limit."""
    clock, faults, starts = FakeClock(), Faults(), list[float]()

    async def child() -> None:
        starts.append(clock.mono_ns() / 1e9)
        raise CameraSilent("no media")

    task = asyncio.create_task(
        supervise("cam", child, clock=clock, on_fault=faults, backoff=Backoff(first_s=1, most_s=8), jitter=lambda: 1.0)
    )
    await clock.advance(40)
    task.cancel()
    gaps = [round(later - earlier, 3) for earlier, later in itertools.pairwise(starts)]
    assert gaps[:6] == [1, 2, 4, 8, 8, 8]
    assert set(faults) == {("cam", "CameraSilent")}
    assert len(faults) == len(starts)


async def test_a_healthy_while_starts_the_backoff_over() -> None:
    """After a run longer than the healthy time the next pause is the first one again."""
    clock, faults, starts = FakeClock(), Faults(), list[float]()
    lasts = iter([0, 0, 0, 100, 0, 0])

    async def child() -> None:
        starts.append(clock.mono_ns() / 1e9)
        await clock.sleep(next(lasts, 0))
        raise OSError("gone")

    rule = Backoff(first_s=1, most_s=60, healthy_after_s=60)
    task = asyncio.create_task(supervise("x", child, clock=clock, on_fault=faults, backoff=rule, jitter=lambda: 1.0))
    await clock.advance(130)
    task.cancel()
    gaps = [round(later - earlier) for earlier, later in itertools.pairwise(starts)]
    assert gaps[:5] == [1, 2, 4, 101, 2]


async def test_cancelling_ends_the_child_and_is_no_fault() -> None:
    """Cancellation passes through to the child and is not reported."""
    clock, faults, left = FakeClock(), Faults(), list[str]()

    async def child() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            left.append("left")

    task = asyncio.create_task(supervise("x", child, clock=clock, on_fault=faults))
    await clock.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (left, faults) == (["left"], [])


async def test_a_child_that_just_returns_is_run_again() -> None:
    """A normal return is no fault, and the child starts again."""
    clock, faults, count = FakeClock(), Faults(), [0]

    async def child() -> None:
        count[0] += 1

    task = asyncio.create_task(supervise("x", child, clock=clock, on_fault=faults, jitter=lambda: 1.0))
    await clock.advance(2)
    task.cancel()
    assert count[0] == 5
    assert faults == []


def boom() -> None:
    raise KeyError("x")


async def test_contained_reports_and_passes_what_it_was_told_to() -> None:
    """A contained failure is reported, a passing one raised."""
    faults = Faults()
    async with contained("a", faults) as outcome:
        boom()
    assert outcome.failed
    with pytest.raises(ConnectionError):
        async with contained("b", faults, passing=(ConnectionError,)):
            raise ConnectionResetError
    assert faults == [("a", "KeyError")]


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_a_pause_is_never_zero_nor_above_the_limit(failures: int, jitter: float) -> None:
    """Whatever the number of failures, the pause stays within half of the first and the most."""
    rule = Backoff(first_s=0.5, most_s=30)
    assert 0.25 <= rule.wait_s(failures, jitter) <= 30


async def test_the_other_sides_wish_is_the_shortest_pause() -> None:
    """`retry_after_s` of an error is respected, and bounded: a peer cannot switch us off."""
    clock, starts = FakeClock(), list[float]()
    asked = iter([30, 10**9, 0, "soon"])

    async def child() -> None:
        starts.append(clock.mono_ns() / 1e9)
        raise HubBusy("busy", retry_after_s=next(asked, 0))

    rule = Backoff(first_s=1, factor=1, most_s=1, spread=0)
    task = asyncio.create_task(supervise("hub", child, clock=clock, on_fault=Faults(), backoff=rule))
    await clock.advance(30 + MOST_ASKED_S + 5)
    task.cancel()
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert gaps[:4] == [30, MOST_ASKED_S, 1, 1]


def test_the_spread_decides_how_random_a_pause_is() -> None:
    """None is exact, all is anywhere up to the limit."""
    assert [Backoff(first_s=8, spread=0).wait_s(1, jitter) for jitter in (0.0, 0.9)] == [8, 8]
    assert [Backoff(first_s=8, spread=1).wait_s(1, jitter) for jitter in (0.0, 0.5)] == [0, 4]
