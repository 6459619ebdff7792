"""From media time to stored wall time."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.media import AccessUnit, Codec, CodecConfig
from recorder.runs import Anchor
from recorder.timeline import LIE_PPM, MOST_JUMPS, Timeline

CONFIG = CodecConfig(Codec.H264, b"\x67", b"\x68")
START_MS = 1_800_000_000_000
FPS = 15
STEP_90K = 90_000 // FPS


def unit(pts_90k: int, arrived_s: float) -> AccessUnit:
    return AccessUnit((b"\x65",), pts_90k, is_key=True, received_mono_ns=round(arrived_s * 1e9), config=CONFIG)


def stream(
    seconds: float, *, ppm: float = 0, delay_s: Callable[[int], float] = lambda _: 0.0
) -> Iterator[tuple[float, AccessUnit]]:
    """Yield (true seconds, unit) of a camera whose clock runs `ppm` too fast."""
    for number in range(int(seconds * FPS)):
        true_s = number / FPS
        yield true_s, unit(round(true_s * (1 + ppm / 1e6) * 90_000), true_s + delay_s(number))


def timeline(first: AccessUnit) -> Timeline:
    return Timeline(Anchor(START_MS, first.received_mono_ns, trusted=True), first)


def errors_ms(items: Iterator[tuple[float, AccessUnit]]) -> tuple[list[float], Timeline]:
    """Return how far each stamp is from true time, and the timeline."""
    true_s, first = next(items)
    line = timeline(first)
    found = [line.stamp(first) / 90 - START_MS - true_s * 1000]
    found += [line.stamp(item) / 90 - START_MS - true_s * 1000 for true_s, item in items]
    return found, line


def test_a_good_clock_keeps_its_pace_exactly() -> None:
    """Steps between stamps are the camera's own, whatever the network does."""
    dice = random.Random(1)
    items = [item for _, item in stream(30, delay_s=lambda _: dice.random() * 0.08)]
    line = timeline(items[0])
    stamps = [line.stamp(item) for item in items]
    assert {newer - older for older, newer in itertools.pairwise(stamps)} == {STEP_90K}


def test_the_first_picture_has_the_anchors_time() -> None:
    """A run begins at its key frame's arrival."""
    first = unit(123_456_789, 77.0)
    assert timeline(first).stamp(first) == START_MS * 90


@pytest.mark.parametrize("ppm", [-200, -50, 50, 200])
def test_a_drifting_clock_is_pulled_after(ppm: float) -> None:
    """A quartz off by up to 200 ppm stays within 60 ms of true time for two hours."""
    found, line = errors_ms(stream(7200, ppm=ppm))
    assert max(map(abs, found)) < 60
    assert not line.lies


def test_bursts_do_not_move_stored_time() -> None:
    """Two seconds of pictures held back once a minute change no stamp by more than the slew allows."""

    def delay_s(number: int) -> float:
        return 2.0 - (number % 900 - 400) / FPS if 400 <= number % 900 < 430 else 0.02

    found, line = errors_ms(stream(600, delay_s=delay_s))
    assert max(found) - min(found) < 40
    assert not line.lies


@pytest.mark.parametrize("ppm", [-160_000, -5_000, 5_000, 100_000])
def test_a_clock_that_lies_is_not_believed(ppm: float) -> None:
    """A camera that stamps 25 and sends 21 pictures a second is stamped by arrival."""
    found, line = errors_ms(stream(900, ppm=ppm))
    assert line.lies
    assert max(map(abs, found[-1000:])) < 1
    assert max(map(abs, found)) < 10_000


def test_a_clock_within_the_bound_is_believed() -> None:
    """The bound is above any quartz and below any lie."""
    assert 200 < LIE_PPM < 5_000
    _, line = errors_ms(stream(900, ppm=400))
    assert not line.lies


@pytest.mark.parametrize("jump_s", [-40_000.0, -6.0, 6.0, 40_000.0])
def test_a_jump_of_the_cameras_clock_moves_nothing(jump_s: float) -> None:
    """After the camera was set its pictures go on where they arrive."""
    items = list(stream(60))
    jumped = [
        (true_s, item if true_s < 30 else unit(item.pts_90k + round(jump_s * 90_000), true_s)) for true_s, item in items
    ]
    found, line = errors_ms(iter(jumped))
    assert max(map(abs, found)) < 1
    assert line.jumps == 1
    assert not line.lies


def test_a_clock_that_jumps_again_and_again_is_not_believed() -> None:
    """After a few jumps the camera's clock is worth nothing."""
    items = [(true_s, unit(item.pts_90k + int(true_s // 10) * 90_000 * 100, true_s)) for true_s, item in stream(120)]
    found, line = errors_ms(iter(items))
    assert line.jumps == MOST_JUMPS + 1
    assert line.lies
    assert max(map(abs, found)) < 1


def test_a_clock_that_stands_still_is_followed_by_arrival() -> None:
    """Pictures that all carry one time are spread out by when they came, at most 5 s late."""
    found, line = errors_ms((number / FPS, unit(0, number / FPS)) for number in range(FPS * 60))
    assert max(map(abs, found)) < 5_100
    assert line.lies


@given(
    st.lists(
        st.tuples(st.integers(-(10**9), 10**9), st.floats(0, 5, allow_nan=False)),
        min_size=1,
        max_size=200,
    )
)
def test_stored_time_stays_near_arrival_whatever_the_camera_says(steps: list[tuple[int, float]]) -> None:
    """No sequence of timestamps moves footage further than the jump bound from when it came."""
    arrived_s, line = 0.0, None
    for pts_90k, pause_s in steps:
        arrived_s += pause_s
        item = unit(pts_90k, arrived_s)
        line = line or Timeline(Anchor(START_MS, 0, trusted=True), item)
        assert abs(line.stamp(item) / 90 - START_MS - arrived_s * 1000) <= 5_100
