"""A day of stored time, simulated: what the network and the camera's clock do to it, within stated bounds.

The network is the one the rule was chosen with: 40 ms of delay, exponential jitter, held-back bursts of up to two
seconds, and old pictures in a burst at the beginning. Times are computed, nobody waits.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from gateway.core.media import AccessUnit, Codec, CodecConfig
from gateway.core.model import RunId, StreamId
from recorder.gop import Assembler, Fragment, RunInfo
from recorder.runs import Anchor
from recorder.timeline import Timeline

CONFIG = CodecConfig(Codec.H264, b"\x67", b"\x68")
START_MS = 1_800_000_000_000
FPS = 5
GOP = 2 * FPS
DELAY_S = 0.040
BURSTY = 0.0015
"""Share of pictures that are held back: as many a day as 15 pictures a second at 0.0005."""


class Shown(NamedTuple):
    """One picture: when it was taken, and as it arrived."""

    true_s: float
    unit: AccessUnit


def day(hours: float, *, ppm: float = 0, seed: int = 5, burst_s: float = 1.5) -> Iterator[Shown]:
    """Yield the pictures of a camera whose clock runs `ppm` fast, in the order of arrival."""
    dice, arrived_s = random.Random(seed), 0.0
    for number in range(int(hours * 3600 * FPS)):
        true_s = number / FPS
        delay_s = DELAY_S + dice.expovariate(1 / 0.015)
        if dice.random() < BURSTY:
            delay_s += dice.uniform(0.2, 2.0)
        if true_s < 3:
            delay_s += burst_s * 2.718281828**-true_s
        arrived_s = max(arrived_s, true_s + delay_s)
        pts_90k = round(true_s * (1 + ppm / 1e6) * 90_000)
        yield Shown(true_s, AccessUnit((b"\x65",), pts_90k, number % GOP == 0, round(arrived_s * 1e9), CONFIG))


def new_line(first: AccessUnit) -> Timeline:
    wall_ms = START_MS + first.received_mono_ns // 1_000_000
    return Timeline(Anchor(wall_ms, first.received_mono_ns, trusted=True), first)


class Kept(NamedTuple):
    """What a day of stamps was like."""

    late_ms: list[float]
    """Stored time minus true time, picture by picture, from the second minute on."""
    steps_90k: list[int]
    line: Timeline


def keep(pictures: Iterator[Shown], *, after_s: float = 60.0) -> Kept:
    first = next(pictures)
    line = new_line(first.unit)
    late_ms, steps_90k, last_90k = list[float](), list[int](), line.stamp(first.unit)
    for true_s, unit in pictures:
        wall_90k = line.stamp(unit)
        steps_90k.append(wall_90k - last_90k)
        last_90k = wall_90k
        if true_s >= after_s:
            late_ms.append(wall_90k / 90 - START_MS - true_s * 1000)
    return Kept(late_ms, steps_90k, line)


@pytest.mark.parametrize("ppm", [-200, 200])
def test_a_day_of_a_drifting_camera_is_stored_within_the_delay_of_the_network(ppm: float) -> None:
    """Mean below 55 ms (a minute of drift on top of the delay), never beyond 60 ms, and each picture has a length."""
    found = keep(day(24, ppm=ppm))
    assert sum(map(abs, found.late_ms)) / len(found.late_ms) < 55
    assert max(map(abs, found.late_ms)) < 60
    assert min(found.steps_90k) > 0
    assert not found.line.lies
    assert found.line.jumps == 0


def test_a_camera_half_a_thousandth_off_stays_within_what_the_slew_can_do() -> None:
    """500 ppm is the most that is made good; it is no lie."""
    found = keep(day(6, ppm=-480))
    assert max(map(abs, found.late_ms)) < 150
    assert not found.line.lies


def test_old_pictures_at_the_beginning_are_made_good_in_a_quarter_of_a_minute() -> None:
    """A camera that begins with 1.5 s of the past: after 20 s stored time is right to a quarter of a second."""
    found = keep(day(0.05), after_s=20.0)
    assert max(map(abs, found.late_ms)) < 300
    assert min(found.steps_90k) > 0


@pytest.mark.parametrize("ppm", [-160_000, 30_000])
def test_a_lying_clock_is_within_its_network_for_hours(ppm: float) -> None:
    """Declared 25, real 21 pictures a second: once it is found out, stored time is time of arrival."""
    found = keep(day(4, ppm=ppm), after_s=300.0)
    assert found.line.lies
    assert sum(map(abs, found.late_ms)) / len(found.late_ms) < 65
    assert max(map(abs, found.late_ms)) < 2_100


def test_four_hours_in_one_run_do_not_drift() -> None:
    """A pull that is not begun anew costs 16 s in four hours elsewhere: the last hour is as good as the first."""
    late_ms = keep(day(4, ppm=200)).late_ms
    hour = len(late_ms) // 4
    first, last = late_ms[:hour], late_ms[-hour:]
    assert abs(sum(first) / len(first) - sum(last) / len(last)) < 10


def test_a_new_run_every_hour_begins_at_its_own_arrival() -> None:
    """Nothing of the last run's pull is left in the next: one that begins with a late picture is right soon."""
    for number, shown in enumerate(_by_hour(day(4, ppm=200))):
        found = keep(iter(shown), after_s=number * 3600 + 20.0)
        assert max(map(abs, found.late_ms)) < 310
        assert max(map(abs, found.late_ms[FPS * 600 :])) < 60


def _by_hour(pictures: Iterator[Shown]) -> Iterator[list[Shown]]:
    for _, shown in itertools.groupby(pictures, key=lambda item: int(item.true_s // 3600)):
        yield list(shown)


def _fragments(pictures: Iterator[Shown]) -> list[Fragment]:
    first = next(pictures)
    line = new_line(first.unit)
    assembler = Assembler(RunInfo(RunId(1), StreamId(1), line_start_ms(first.unit), 0))
    made = [assembler.add(first.unit, line.stamp(first.unit))]
    made += [assembler.add(unit, line.stamp(unit)) for _, unit in pictures]
    return [item for item in (*made, assembler.flush()) if item is not None]


def line_start_ms(first: AccessUnit) -> int:
    return START_MS + first.received_mono_ns // 1_000_000


@pytest.mark.parametrize("ppm", [-160_000, 200])
def test_segments_of_a_run_never_overlap(ppm: float) -> None:
    """One fragment ends where the next begins, to the tick: the bound elsewhere is 12 ms."""
    made = _fragments(day(2, ppm=ppm))
    for older, newer in itertools.pairwise(made):
        assert newer.start_90k == older.end_90k


def _reordered(pictures: Iterator[Shown]) -> Iterator[Shown]:
    """Show each second picture before the one it came after, as B-frames are sent."""
    stream = iter(pictures)
    for key in stream:
        yield key
        for one, two in zip(itertools.islice(stream, GOP - 1), stream, strict=False):
            yield two
            yield one


def test_b_frames_keep_their_own_times() -> None:
    """Pictures that come in another order than they are shown: each has the time it was taken, the run goes on."""
    found = keep(_reordered(day(2)))
    assert max(map(abs, found.late_ms)) < 60
    assert found.line.jumps == 0
    assert not found.line.lies


@pytest.mark.parametrize("jump_s", [-3_600.0, 47_721.8])
def test_an_rtp_clock_that_jumps_once_costs_nothing(jump_s: float) -> None:
    """The camera was set (or its 32 bits wrapped badly): stored time goes on, within the network's delay."""

    def jumping() -> Iterator[Shown]:
        for shown in day(2, ppm=20):
            late = shown.true_s >= 3_600
            pts_90k = shown.unit.pts_90k + round(jump_s * 90_000) * late
            unit = AccessUnit(shown.unit.nals, pts_90k, shown.unit.is_key, shown.unit.received_mono_ns, CONFIG)
            yield Shown(shown.true_s, unit)

    found = keep(jumping())
    assert found.line.jumps == 1
    assert max(map(abs, found.late_ms)) < 400  # it goes on at one arrival, which was late itself
    assert max(map(abs, found.late_ms[-FPS * 600 :])) < 60


def test_timestamps_that_stop_cost_no_footage() -> None:
    """Each picture is stored later than the one before, at most 5 s from when it came; then it is found out."""

    def stopped() -> Iterator[Shown]:
        for shown in day(1):
            pts_90k = min(shown.unit.pts_90k, 90_000 * 600)
            unit = AccessUnit(shown.unit.nals, pts_90k, shown.unit.is_key, shown.unit.received_mono_ns, CONFIG)
            yield Shown(shown.true_s, unit)

    found = keep(stopped())
    assert found.line.lies
    assert max(map(abs, found.late_ms)) < 5_200
    assert max(map(abs, found.late_ms[-FPS * 600 :])) < 2_100
