"""What the real recorder says of a camera's clock and of an outage, against simulated cameras."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.recorderd import Recorderd, recorderd, small_farm

pytestmark = [pytest.mark.anyio, pytest.mark.system]


async def test_a_cameras_wrong_clock_is_a_figure_and_never_the_index(tmp_path: Path) -> None:
    """Five minutes ahead: the status says so of that camera alone, its footage has our time."""
    async with small_farm(2, tmp_path) as farm, recorderd(tmp_path) as daemon:
        farm.cameras[0].quirks.clock_skew_s = 300.0
        ids = await daemon.adopt_all(farm)
        await daemon.until_recording(2)

        async def told() -> list[int]:
            figures = [camera["skew_ms"] for camera in await daemon.cameras()]
            return figures if None not in figures else []

        ahead, right = await daemon.until(told)
        assert 298_000 < ahead < 301_000
        assert abs(right) < 2_000
        for row in await daemon.segments(ids[0]):
            assert abs(row["start_ms"] - time.time() * 1000) < 60_000
            assert row["time_quality"] == "trusted"


async def gap_of(daemon: Recorderd, farm: Any, seconds: float) -> tuple[float, str]:
    """Switch the first camera off for some seconds; returns length and cause of the gap of its main stream."""
    (camera, *_) = await daemon.adopt_all(farm)
    await daemon.until_recording(len(farm.cameras))
    await farm.cameras[0].switch("offline", True)
    await asyncio.sleep(seconds)
    await farm.cameras[0].switch("offline", False)
    await daemon.until_recording(len(farm.cameras))
    gaps = (await daemon.call("gaps", camera=camera, stream="main"))["gaps"]
    assert len(gaps) == 1, gaps
    (gap,) = gaps
    return (gap["end_ms"] - gap["start_ms"]) / 1000, gap["cause"]


async def test_an_outage_of_some_seconds_is_one_gap_with_its_cause(tmp_path: Path) -> None:
    """The host answers the knock by refusing: the camera, not the network."""
    async with small_farm(1, tmp_path) as farm, recorderd(tmp_path) as daemon:
        seconds, cause = await gap_of(daemon, farm, 4)
    assert cause == "camera"
    assert seconds >= 3


@pytest.mark.soak
async def test_a_camera_that_is_dead_for_37_seconds_has_a_gap_of_37_to_44(tmp_path: Path) -> None:
    """In real time: the outage, at most 5 s to come back, and a GOP."""
    async with small_farm(2, tmp_path) as farm, recorderd(tmp_path) as daemon:
        seconds, cause = await gap_of(daemon, farm, 37)
    assert cause == "camera"
    assert 36.5 <= seconds <= 44
