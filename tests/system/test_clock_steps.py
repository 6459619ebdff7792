"""The recorder daemon while its wall clock is set: nothing is overwritten, nothing deleted, each second has its place."""

from __future__ import annotations

import hashlib
import itertools
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.fakes import clocked_recorder
from tests.fakes.recorderd import Recorderd, small_farm

pytestmark = [pytest.mark.anyio, pytest.mark.system]
HOUR_MS, DAY_MS = 3_600_000, 86_400_000
SLACK_MS = 20_000
"""A busy machine starts a daemon in some seconds; all steps here are far longer."""


def real_ms() -> int:
    return time.time_ns() // 1_000_000


class Box:
    """A recorder with one camera, on a clock that the test sets."""

    def __init__(self, daemon: Recorderd, clock: Path) -> None:
        self.daemon, self._clock = daemon, clock
        self.camera = ""
        self._seen: dict[str, str] = {}

    def set_clock(self, off_ms: int) -> None:
        """Set wall time off by so much from now on."""
        part = self._clock.with_suffix(".part")
        part.write_text(f"{off_ms}\n")
        part.replace(self._clock)

    async def adopted(self, adopt: Callable[[], Awaitable[list[str]]]) -> None:
        """Adopt the camera and wait for its footage."""
        (self.camera,) = await adopt()
        await self.daemon.until_recording(1)

    async def rows(self) -> list[dict[str, Any]]:
        return [row for row in await self.daemon.segments(self.camera) if row["stream"] == "main"]

    async def gaps(self) -> list[tuple[int, int, str]]:
        found = (await self.daemon.call("gaps", camera=self.camera, stream="main", from_ms=0, to_ms=10**14))["gaps"]
        return [(gap["start_ms"], gap["end_ms"], gap["cause"]) for gap in found]

    async def new_run(self) -> int:
        """Wait until a run is recorded that was not there before; returns its number."""
        known = {row["run"] for row in await self.rows()}

        async def newer() -> int:
            return max((row["run"] for row in await self.rows() if row["run"] not in known), default=0)

        number = int(await self.daemon.until(newer))
        assert number > max(known), "run numbers only grow"
        return number

    async def nothing_is_lost(self) -> None:
        """Apply retention, then compare every closed file with what it was when it was first seen."""
        assert (await self.daemon.call("retention", dry_run=False))["plan"] == []
        files = {
            str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in self.daemon.footage.rglob("*.seg")
        }
        assert self._seen.items() <= files.items()
        self._seen = files


@asynccontextmanager
async def box(root: Path) -> AsyncIterator[Box]:
    clock = root / "clock"
    daemon = Recorderd(root)
    daemon.module, daemon.env = "tests.fakes.clocked_recorder", {clocked_recorder.ENV: str(clock)}
    made = Box(daemon, clock)
    made.set_clock(0)
    try:
        async with small_farm(1, root) as farm, daemon.client:
            await daemon.start()
            await made.adopted(lambda: daemon.adopt_all(farm))
            yield made
    finally:
        await daemon.stop(signal.SIGKILL)


async def test_a_boot_in_1970_is_recorded_and_set_right_when_the_time_comes(tmp_path: Path) -> None:
    """Footage at once, with its quality; after NTP its true time, and the hour without power has its gap."""
    async with box(tmp_path) as made:
        await made.nothing_is_lost()
        before = {row["run"] for row in await made.rows()}
        await made.daemon.stop(signal.SIGKILL)
        down_ms = real_ms()
        made.set_clock(60_000 - real_ms())
        await made.daemon.start()
        run = await made.new_run()
        status = await made.daemon.call("status")
        assert status["time_trusted"] is False
        assert {item["time_quality"] for item in status["cameras"][0]["streams"]} == {"unsynchronised"}
        assert {row["time_quality"] for row in await made.rows() if row["run"] == run} == {"unsynchronised"}
        await made.nothing_is_lost()
        made.set_clock(0)
        await made.new_run()

        async def moved() -> list[dict[str, Any]]:
            mine = [row for row in await made.rows() if row["run"] == run]
            return mine if mine and all(row["offset_ms"] and row["closed"] for row in mine) else []

        for row in await made.daemon.until(moved):
            assert row["time_quality"] == "stepped"
            assert down_ms - 1_000 <= row["start_ms"] <= real_ms()
            assert row["offset_ms"] > 50 * 365 * DAY_MS
        await made.nothing_is_lost()
        assert {row["time_quality"] for row in await made.rows() if row["run"] in before} == {"trusted"}
        gaps = await made.gaps()
        assert all(down_ms - SLACK_MS <= start_ms < end_ms <= real_ms() + 1_000 for start_ms, end_ms, _ in gaps)
        assert gaps[0][2] == "recorder_restart"
        assert sum(end_ms - start_ms for start_ms, end_ms, _ in gaps) < 2 * SLACK_MS


async def test_a_clock_that_is_set_and_set_back_costs_nothing(tmp_path: Path) -> None:
    """An hour back and 400 days ahead: a new run each, no file written over, none deleted, no gap in the future."""
    offsets = (-HOUR_MS, 0, 400 * DAY_MS, 0)
    async with box(tmp_path) as made:
        await made.nothing_is_lost()
        for off_ms in offsets:
            made.set_clock(off_ms)
            run = await made.new_run()
            (row, *_) = [row for row in await made.rows() if row["run"] == run]
            assert abs(row["start_ms"] - (real_ms() + off_ms)) < SLACK_MS
            await made.nothing_is_lost()
        events = (await made.daemon.call("journal", after=0))["events"]
        steps = [event["data"]["step_ms"] for event in events if event["type"] == "clock.step.v1"]
        wanted = [new - old for old, new in itertools.pairwise((0, *offsets))]
        assert [round(step / 1_000) for step in steps] == [step // 1_000 for step in wanted]
        for start_ms, end_ms, cause in await made.gaps():
            assert start_ms < end_ms <= real_ms() + 1_000
            assert end_ms - start_ms < SLACK_MS + (HOUR_MS if cause == "clock" else 0)


async def test_trust_is_not_lost_by_a_restart_and_steps_meanwhile_are_seen(tmp_path: Path) -> None:
    """The time came while the recorder was away: what it recorded in 1970 is moved at its next start."""
    async with box(tmp_path) as made:
        await made.daemon.stop()
        made.set_clock(60_000 - real_ms())
        await made.daemon.start()
        run = await made.new_run()
        await made.daemon.stop()
        made.set_clock(0)
        await made.daemon.start()

        async def moved() -> list[dict[str, Any]]:
            mine = [row for row in await made.rows() if row["run"] == run]
            return mine if mine and all(row["offset_ms"] for row in mine) else []

        for row in await made.daemon.until(moved):
            assert row["time_quality"] == "stepped"
            assert abs(row["start_ms"] - real_ms()) < 3 * SLACK_MS
        assert (await made.daemon.call("status"))["time_trusted"] is True
        await made.nothing_is_lost()
        assert all(end_ms - start_ms < 2 * SLACK_MS for start_ms, end_ms, _ in await made.gaps())
