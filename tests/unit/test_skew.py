"""How far cameras' clocks are off."""

from __future__ import annotations

import asyncio

import pytest

from drivers.rtsp.rtp import NTP_UNIX_S, SenderReport
from recorder.skew import LOOK_S, ClockReport, Skews
from tests.fakes.clock import NOON_MS, FakeClock

pytestmark = pytest.mark.anyio


def report(clock: FakeClock, ahead_ms: int, *, source: str = "a", held_ms: int = 0) -> ClockReport:
    """One that the camera sent now by its own clock, and that was read `held_ms` ago."""
    return ClockReport(source, clock.now_ms() + ahead_ms - held_ms, clock.mono_ns() - held_ms * 1_000_000)


def test_the_figure_is_the_median_of_a_minute() -> None:
    """One report that the network held up for eight seconds says nothing."""
    clock = FakeClock()
    skews = Skews(clock)
    for number in range(10):
        late_ms = 8_000 if number == 4 else 50
        skews.note([report(clock, 300_000 - late_ms)])
        clock.tick(5)
    assert skews.skew_ms("a") == 299_950


def test_when_a_report_was_read_counts_not_when_it_was_looked_at() -> None:
    """The looks are five seconds apart."""
    clock = FakeClock()
    skews = Skews(clock)
    skews.note([report(clock, -7_000, held_ms=4_900)])
    assert skews.skew_ms("a") == -7_000


def test_a_report_that_was_seen_counts_once() -> None:
    """A camera that reports every 30 s is not believed the more for it."""
    clock = FakeClock()
    skews = Skews(clock)
    first = report(clock, 1_000)
    for _ in range(5):
        skews.note([first])
        clock.tick(5)
    for _ in range(2):
        skews.note([report(clock, 3_000)])
        clock.tick(5)
    assert skews.skew_ms("a") == 3_000


def test_a_silent_stream_is_forgotten_and_others_stay() -> None:
    """After a minute there is no figure; another camera has its own."""
    clock = FakeClock()
    skews = Skews(clock)
    skews.note([report(clock, 9_000), report(clock, 1_000, source="b")])
    clock.tick(61)
    skews.note([report(clock, 2_000, source="b")])
    assert skews.skew_ms("a") is None
    assert skews.skew_ms("b") == 2_000
    assert skews.skew_ms("c") is None


def test_an_untrusted_clock_judges_nobody() -> None:
    """Ours may be the one that is off."""
    clock = FakeClock()
    skews = Skews(clock)
    skews.note([report(clock, 9_000)])
    clock.distrust()
    skews.note([report(clock, 9_000)])
    assert skews.skew_ms("a") is None


async def test_it_looks_every_few_seconds() -> None:
    """As often as cameras report."""
    clock = FakeClock()
    skews, looks = Skews(clock), list[int]()

    def reports() -> list[ClockReport]:
        looks.append(clock.now_ms())
        return []

    running = asyncio.create_task(skews.run(reports))
    await clock.advance(3 * LOOK_S)
    assert len(looks) == 4
    running.cancel()
    await asyncio.wait([running])


@pytest.mark.parametrize(
    ("ntp", "unix_ms"),
    [
        (((NTP_UNIX_S + NOON_MS // 1000) << 32) + (1 << 31), NOON_MS + 500),
        (NTP_UNIX_S << 32, 0),
        (0, None),
        (77, None),
        (5 << 32, ((1 << 32) + 5 - NTP_UNIX_S) * 1000),
    ],
)
def test_the_time_in_a_sender_report_is_read(ntp: int, unix_ms: int | None) -> None:
    """64-bit NTP; a camera without a clock says none; the era after 2036 is known."""
    assert SenderReport(1, ntp, 2, 3).unix_ms == unix_ms
