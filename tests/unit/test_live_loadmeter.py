"""The daemon's own load: processor time and lateness over a window."""

from __future__ import annotations

import pytest

from gateway.live.admission import LATE_MS, Load
from gateway.live.loadmeter import LEAST_WINDOW_S, WINDOW_S, LoadMeter
from tests.fakes.clock import FakeClock


class Bench:
    """A meter whose processor time the test spends."""

    def __init__(self) -> None:
        self.clock, self.cpu_s, self.sent = FakeClock(), 100.0, 0
        self.meter = LoadMeter(self.clock, lambda: self.cpu_s)

    def run(self, seconds: float, *, cpu: float = 0.0, late_ms: float = 0.0, bps: float = 0.0) -> None:
        for _ in range(round(seconds / 0.2)):
            self.clock.tick(0.2)
            self.cpu_s += cpu * 0.2
            self.sent += int(bps * 0.2 / 8)
            self.meter.look(late_ms, self.sent)


def test_a_share_of_a_core_is_what_was_used_in_the_window() -> None:
    """Half of the time is half; what the start took before the first look counts for nothing."""
    bench = Bench()
    bench.run(8, cpu=0.5)
    assert bench.meter.load().cpu == pytest.approx(0.5)


def test_a_window_that_is_too_short_judges_nothing() -> None:
    """A start is busy; before five seconds there is no load."""
    bench = Bench()
    assert bench.meter.load() == Load()
    assert bench.meter.uplink_bps() == 0
    bench.run(LEAST_WINDOW_S - 0.5, cpu=1.0, late_ms=5000)
    assert bench.meter.load() == Load()


def test_what_is_past_is_forgotten() -> None:
    """After the window nothing is left of the busy time, and the samples are bounded."""
    bench = Bench()
    bench.run(60, cpu=1.0, late_ms=LATE_MS + 1)
    assert bench.meter.load().late == 1.0
    bench.run(WINDOW_S + 0.4)
    assert bench.meter.load().cpu == pytest.approx(0.0)
    assert bench.meter.load().late == 0.0
    assert len(bench.meter._samples) <= WINDOW_S / 0.2 + 2


def test_one_late_picture_is_not_a_late_box() -> None:
    """Lateness counts by how long it lasts, not by how great it was once."""
    bench = Bench()
    bench.run(5)
    bench.run(0.2, late_ms=3000)
    assert bench.meter.worst_late_ms == 3000
    bench.run(4.8)
    assert 0 < bench.meter.load().late < 0.1


def test_exactly_on_time_is_not_late() -> None:
    """The limit itself is well."""
    bench = Bench()
    bench.run(8, late_ms=LATE_MS)
    assert bench.meter.load().late == 0.0


def test_what_leaves_through_the_uplink_is_a_rate() -> None:
    """Bits a second over the window."""
    bench = Bench()
    bench.run(10, bps=4_000_000)
    assert bench.meter.uplink_bps() == pytest.approx(4_000_000, rel=0.01)
