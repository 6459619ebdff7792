"""The clock: when wall time may decide, and the clock of the tests."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from gateway.core.clock import TRUSTED_AFTER_MS, SystemClock
from gateway.core.clocktrust import TrustFile
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


class _Box:
    """A machine: its clocks, its boot, and a daemon that is started again and again."""

    def __init__(self, root: Path) -> None:
        self.root, self.wall_ms, self.mono_ms, self.synced = root, NOON_MS, 5_000, True
        self.boot = root / "boot_id"
        self.boot.write_text("one\n")

    def start(self) -> SystemClock:
        return SystemClock(
            require_ntp=True,
            synchronised=lambda: self.synced,
            wall_ns=lambda: self.wall_ms * 1_000_000,
            mono_ns=lambda: self.mono_ms * 1_000_000,
            trust=TrustFile(self.root / "clock-recorder.json", self.boot),
        )

    def passes(self, ms: int) -> None:
        self.wall_ms += ms
        self.mono_ms += ms


@pytest.mark.parametrize(("moved_ms", "trusted"), [(0, True), (250, True), (-250, True), (251, False), (-251, False)])
def test_trust_is_carried_over_a_restart_if_the_clock_was_left_alone(
    tmp_path: Path, moved_ms: int, trusted: bool
) -> None:
    """No NTP at the restart: same boot, same distance to monotonic time within a quarter of a second."""
    box = _Box(tmp_path)
    assert box.start().trusted()
    box.synced = False
    box.passes(36_000_000)
    box.wall_ms += moved_ms
    assert box.start().trusted() is trusted


def test_another_boot_is_not_trusted_until_it_is_synchronised(tmp_path: Path) -> None:
    """Even if its clocks happen to agree: monotonic time began anew."""
    box = _Box(tmp_path)
    assert box.start().trusted()
    box.boot.write_text("two\n")
    box.synced = False
    clock = box.start()
    assert [clock.trusted()] == [False]
    box.synced = True
    assert clock.trusted()
    box.synced = False
    assert box.start().trusted()


def test_what_ntp_sets_later_is_what_is_carried(tmp_path: Path) -> None:
    """The clock that was stepped by NTP is the trusted one, not the one of the start."""
    box = _Box(tmp_path)
    clock = box.start()
    assert clock.trusted()
    box.wall_ms += 60_000
    assert clock.trusted()
    box.synced = False
    assert box.start().trusted()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"boot": "one\\n", "wall_minus_mono_ms": "5"}', "\x00"])
def test_a_file_of_no_use_costs_the_trust_only(tmp_path: Path, text: str) -> None:
    """As does one that is not there, or a folder that is not."""
    box = _Box(tmp_path)
    box.synced = False
    assert not box.start().trusted()
    (tmp_path / "clock-recorder.json").write_text(text)
    assert not box.start().trusted()
    assert not TrustFile(tmp_path / "none" / "clock.json", box.boot).save(5)
    assert TrustFile(tmp_path / "none" / "clock.json", box.boot).load() is None


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
