"""Which pictures are shown, and how large."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.live.transcoder.pace import FPS, HEIGHT, STEP_90K, WIDTH, Thinner, fitted

SECOND = 90_000


def taken(times: list[int]) -> list[int]:
    thinner = Thinner()
    return [item for item in times if thinner.takes(item)]


@pytest.mark.parametrize("fps", [11, 12, 15, 18, 20, 24, 25, 30, 50, 60])
def test_any_rate_above_ten_becomes_ten_evenly(fps: int) -> None:
    """Ten seconds give a hundred pictures, and no two are further apart than a step and one of the source's."""
    shown = taken([number * SECOND // fps for number in range(10 * fps)])
    assert abs(len(shown) - 100) <= 1
    gaps = [later - earlier for earlier, later in itertools.pairwise(shown)]
    assert max(gaps) <= STEP_90K + SECOND // fps
    assert min(gaps) >= STEP_90K - SECOND // fps


@pytest.mark.parametrize("fps", [1, 4, 5, 8, 10])
def test_a_rate_of_ten_or_less_stays(fps: int) -> None:
    """Nothing is left out where nothing is too much."""
    times = [number * SECOND // fps for number in range(5 * fps)]
    assert taken(times) == times


def test_a_camera_that_jitters_loses_nothing() -> None:
    """Ten pictures a second, each a few milliseconds early or late, are all shown."""
    times = [number * STEP_90K + (-1) ** number * 200 for number in range(50)]
    assert taken(times) == times


def test_after_a_pause_the_next_picture_is_shown_and_no_burst_follows() -> None:
    """What was due in the pause is not made up for."""
    times = [0, *(20 * SECOND + number * SECOND // 20 for number in range(20))]
    shown = taken(times)
    assert shown[:2] == [0, 20 * SECOND]
    assert len(shown) == 11


@given(st.lists(st.integers(0, 60 * SECOND), min_size=1, max_size=300))
def test_times_of_any_order_never_give_more_than_the_rate(times: list[int]) -> None:
    """However a camera's clock behaves, shown times go up, and a second has at most its ten and one."""
    shown = taken(times)
    assert shown[0] == times[0]
    assert all(later > earlier for earlier, later in itertools.pairwise(shown))
    for start in shown:
        assert sum(start <= item < start + SECOND for item in shown) <= FPS + 1


@pytest.mark.parametrize(
    ("size", "shown"),
    [
        ((1920, 1080), (640, 360)),
        ((3840, 2160), (640, 360)),
        ((640, 360), (640, 360)),
        ((320, 240), (320, 240)),
        ((1280, 960), (480, 360)),
        ((704, 576), (440, 360)),
        ((1080, 1920), (360, 640)),
        ((2560, 720), (640, 180)),
        ((353, 289), (352, 288)),
    ],
    ids=str,
)
def test_sizes(size: tuple[int, int], shown: tuple[int, int]) -> None:
    """Inside the frame, with the sides' ratio, even, never enlarged."""
    assert fitted(*size) == shown


@given(st.integers(16, 8192), st.integers(16, 8192))
def test_any_size_fits(width: int, height: int) -> None:
    """Both sides are even and inside the frame of its orientation."""
    wide, high = fitted(width, height)
    assert wide % 2 == 0
    assert high % 2 == 0
    assert 2 <= max(wide, high) <= WIDTH
    assert 2 <= min(wide, high) <= HEIGHT
