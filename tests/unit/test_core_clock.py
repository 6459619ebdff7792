"""The clock: when wall time may decide, and the clock of the tests."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.clock import TRUSTED_AFTER_MS, SystemClock
from tests.fakes.clock import NOON_MS, FakeClock


def test_the_system_clock_is_not_trusted_before_the_product_existed() -> None:
    """A clock in 1970 may not decide about anything."""
    assert SystemClock().trusted() == (SystemClock().now_ms() >= TRUSTED_AFTER_MS)
    assert SystemClock().mono_ns() <= SystemClock().mono_ns()


def test_a_clock_that_was_set_stays_trusted_without_internet() -> None:
    """NTP gone for a month closes no guardian's window; a step without NTP does, until NTP is back."""
    mono_ns, wall_ms, synced = 0, NOON_MS, False
    clock = SystemClock(
        require_ntp=True,
        synchronised=lambda: synced,
        wall_ns=lambda: wall_ms * 1_000_000,
        mono_ns=lambda: mono_ns,
    )
    assert [clock.trusted()] == [False]
    synced = True
    assert clock.trusted()
    synced = False
    month_ms = 30 * 86_400_000
    mono_ns, wall_ms = month_ms * 1_000_000, NOON_MS + month_ms + month_ms // 20_000
    assert clock.trusted()
    for step_ms in (-3_600_000, 400 * 86_400_000):
        wall_ms += step_ms
        assert [clock.trusted()] == [False]
        wall_ms -= step_ms
    wall_ms += 3_600_000
    synced = True
    assert clock.trusted()
    synced = False
    assert clock.trusted()


@pytest.mark.anyio
async def test_a_fake_clock_wakes_sleepers_in_order() -> None:
    """The clock of the tests keeps the order of wake-ups: without it no other test means much."""
    clock, woken = FakeClock(), list[tuple[str, int]]()

    async def sleeper(name: str, seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append((name, clock.mono_ns() // 10**9))

    tasks = [asyncio.create_task(sleeper(name, s)) for name, s in (("c", 30), ("a", 1), ("b", 20))]
    await clock.advance(25)
    assert woken == [("a", 2), ("b", 21)]
    await clock.advance(10)
    assert woken[-1] == ("c", 31)
    await asyncio.gather(*tasks)
