"""Which wall time may decide about ages."""

from __future__ import annotations

from pathlib import Path

import pytest

from recorder.agegate import CALM_S, AgeGate, CalmBook
from recorder.retention import DAY_MS
from tests.fakes.clock import NOON_MS, FakeClock
from tests.fakes.recording import books


@pytest.mark.parametrize("jump_ms", [400 * DAY_MS, -400 * DAY_MS, 3_600_001, -3_600_001])
def test_after_a_far_jump_no_age_counts_for_a_day_of_running(jump_ms: int) -> None:
    """Whichever way; then the time is believed."""
    clock = FakeClock()
    gate = AgeGate(clock)
    assert gate.now_ms() == NOON_MS
    clock.step_wall(jump_ms)
    assert gate.now_ms() is None
    assert gate.left_s == CALM_S
    clock.tick(CALM_S - 1)
    assert gate.now_ms() is None
    clock.tick(1)
    assert gate.now_ms() == clock.now_ms()
    assert gate.left_s == 0


def test_summer_time_is_no_jump() -> None:
    """An hour and less is taken as it comes."""
    clock = FakeClock()
    gate = AgeGate(clock)
    clock.step_wall(-3_600_000)
    assert gate.now_ms() == clock.now_ms()


def test_an_untrusted_clock_decides_nothing() -> None:
    """However little it jumped."""
    clock = FakeClock(trusted=False)
    assert AgeGate(clock).now_ms() is None


@pytest.mark.parametrize(("newest_ms", "calm"), [(None, False), (NOON_MS - 3_600_000, False),
                                                 (NOON_MS - 2 * DAY_MS, True), (NOON_MS + 2 * DAY_MS, True)])  # fmt: skip
def test_a_jump_while_the_box_was_off_is_a_jump(newest_ms: int | None, *, calm: bool) -> None:
    """The newest footage tells what time it was."""
    gate = AgeGate(FakeClock())
    gate.newest_was(newest_ms)
    assert (gate.now_ms() is None) is calm


@pytest.mark.anyio
async def test_a_restart_does_not_make_a_wrong_date_right(tmp_path: Path) -> None:
    """What is left of the calm is left after it: the newest footage bears the wrong date already."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        gate, calm = AgeGate(clock), CalmBook(own.db)
        assert await calm.load() == 0
        clock.step_wall(400 * DAY_MS)
        assert gate.now_ms() is None
        clock.tick(3600)
        await calm.save(gate.left_s)
        again = AgeGate(clock)
        again.restore(await CalmBook(own.db).load())
        again.newest_was(clock.now_ms())
        assert again.now_ms() is None
        clock.tick(CALM_S - 3601)
        assert again.now_ms() is None
        clock.tick(1)
        assert again.now_ms() == clock.now_ms()
        await calm.save(again.left_s)
        assert await calm.load() == 0
