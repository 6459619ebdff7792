"""How complete footage is: pure figures, the control call, the day's event."""

from __future__ import annotations

import asyncio
import datetime as dt
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.errors import BadInput
from gateway.core.model import StreamId
from gateway.core.unixdoor import Peer
from gateway.core.wire import Request
from recorder.completeness import Completeness, completeness_of
from recorder.gaps import Gap, GapCause
from recorder.schoolday import SchoolHours
from recorder.service_completeness import SETTLED_MS, TELL_EVERY_S, CompletenessService
from tests.fakes.clock import FakeClock
from tests.fakes.recording import Books, books, new_camera

pytestmark = pytest.mark.anyio
STREAM = StreamId(1)
ZONE = ZoneInfo("Asia/Ho_Chi_Minh")
DAY = dt.date(2026, 11, 20)
HOURS = SchoolHours(ZONE).on(DAY)
assert HOURS is not None
START_MS, END_MS = HOURS.start_ms, HOURS.end_ms


def of(*gaps: tuple[int, int | None, GapCause], since_ms: int = 0, now_ms: int = 10_000) -> Completeness:
    found = [Gap(STREAM, start_ms, end_ms, cause) for start_ms, end_ms, cause in gaps]
    return completeness_of(found, 1_000, 9_000, since_ms=since_ms, now_ms=now_ms)


def test_nothing_missing_is_a_hundred() -> None:
    """And only that."""
    assert of().percent == 100
    assert of((1_000, 1_001, GapCause.DISK)).percent == 99.9
    assert of((0, 10_000, GapCause.POWER)).percent == 0
    assert of((1_001, 9_000, GapCause.POWER)).percent == 0.1


def test_gaps_are_clipped_to_the_span_and_told_by_cause() -> None:
    """What lies outside does not count; the cause of most of it is the main one."""
    found = of((0, 2_000, GapCause.CAMERA), (5_000, 8_000, GapCause.NETWORK), (8_500, None, GapCause.CAMERA))
    assert found.missing_ms == {GapCause.CAMERA: 1_500, GapCause.NETWORK: 3_000}
    assert (found.expected_ms, found.lost_ms, found.main_cause) == (8_000, 4_500, GapCause.NETWORK)
    assert found.as_dict() == {"expected_s": 8.0, "missing_s": {"camera": 1.5, "network": 3.0}, "percent": 43.8}


def test_what_is_to_be_recorded_begins_with_the_adoption_and_ends_now() -> None:
    """A camera of this morning misses nothing of yesterday; the afternoon is not missing yet."""
    assert of((0, None, GapCause.CAMERA), since_ms=5_000, now_ms=6_000).missing_ms == {GapCause.CAMERA: 1_000}
    for since_ms, now_ms in ((9_000, 20_000), (0, 1_000), (0, 0)):
        found = of((0, None, GapCause.CAMERA), since_ms=since_ms, now_ms=now_ms)
        assert (found.percent, found.share, found.expected_ms, found.main_cause) == (None, None, 0, None)


@given(
    st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 3_000) | st.none(), st.sampled_from(list(GapCause)))),
    st.integers(0, 10_000),
    st.integers(0, 12_000),
)
def test_a_second_is_missing_once(told: list[tuple[int, int | None, GapCause]], since_ms: int, now_ms: int) -> None:
    """Whatever the ledger holds: recorded and missing make up what was to be recorded, and no cause is negative."""
    gaps = [(start, None if length is None else start + length, cause) for start, length, cause in told]
    found = of(*gaps, since_ms=since_ms, now_ms=now_ms)
    wanted = range(max(1_000, since_ms), min(9_000, now_ms))
    marked = {
        at
        for start, end, _ in gaps
        for at in range(max(start, wanted.start), min(now_ms if end is None else end, wanted.stop))
    }
    assert found.lost_ms == len(marked)
    assert found.expected_ms == len(wanted)
    assert all(lost_ms > 0 for lost_ms in found.missing_ms.values())


def request(**params: object) -> Request:
    return Request("completeness", params, b"", Peer(0, 0, 0))


class World:
    """A ledger with one camera, adopted long ago, and the evening of a school day."""

    def __init__(self, own: Books, clock: FakeClock) -> None:
        self.own, self.clock = own, clock
        self.service = CompletenessService(own.registry, (own.db, own.journal), clock, SchoolHours(ZONE))

    async def told(self) -> list[dict[str, Any]]:
        found = await self.own.journal.read(0, 1_000)
        return [event for event in found if event["type"] == "recording.completeness.v1"]


async def world(own: Books, clock: FakeClock, *, streams: int = 2) -> World:
    clock.step_wall(START_MS - 30 * 86_400_000 - clock.now_ms())
    await own.registry.add(new_camera(streams=streams))
    clock.step_wall(END_MS + SETTLED_MS - clock.now_ms())
    return World(own, clock)


async def test_37_seconds_without_a_camera_are_told_with_their_cause(tmp_path: Path) -> None:
    """By the call: the day, the camera, each stream, the seconds by cause."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        made = await world(own, clock)
        (camera,) = await own.registry.cameras()
        main, sub = camera.streams
        await own.ledger.add(main, START_MS + 1_000, START_MS + 38_000, GapCause.CAMERA)
        await own.ledger.add(sub, START_MS - 5_000, START_MS + 5_000, GapCause.CAMERA)
        (day,) = (await made.service.completeness(request(days=1))).result["days"]
        (row,) = day["cameras"]
        assert (day["day"], day["start_ms"], day["end_ms"]) == ("2026-11-20", START_MS, END_MS)
        assert (row["camera"], row["name"], row["percent"]) == (camera.public_id, camera.name, 99.9)
        assert [item["missing_s"] for item in row["streams"]] == [{"camera": 37.0}, {"camera": 5.0}]
        assert len((await made.service.completeness(request())).result["days"]) == 5
        found = await made.service.latest([camera])
        assert found is not None
        assert found[1][main.id].missing_ms == {GapCause.CAMERA: 37_000}


@pytest.mark.parametrize("days", [0, -1, 367])
async def test_a_number_of_days_out_of_range_is_refused(tmp_path: Path, days: int) -> None:
    """The error names the key."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        made = await world(own, clock)
        with pytest.raises(BadInput) as error:
            await made.service.completeness(request(days=days))
    assert error.value.fields["key"] == "days"


async def test_each_day_is_told_once_for_each_camera(tmp_path: Path) -> None:
    """After its last hour, also those on which the box was off in the evening; not again after a restart."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        made = await world(own, clock)
        main = (await own.registry.cameras())[0].streams[0]
        await own.ledger.add(main, START_MS, START_MS + 37_500, GapCause.NETWORK)
        assert await made.service.tell() == 5
        assert await made.service.tell() == 0
        newest = next(event for event in await made.told() if event["data"]["day"] == "2026-11-20")
        assert newest["subject"] == newest["data"]["camera"] == main.camera
        assert newest["data"] == {
            "camera": main.camera, "day": "2026-11-20", "percent": 99.9, "expected": 39_600, "missing": 37.5,
            "why": "network",
        }  # fmt: skip
        whole = next(event for event in await made.told() if event["data"]["day"] == "2026-11-19")
        assert (whole["data"]["percent"], whole["data"]["why"]) == (100.0, "")
    async with books(tmp_path, clock) as own:
        assert await World(own, clock).service.tell() == 0


async def test_a_day_that_still_runs_and_an_untrusted_clock_are_not_told(tmp_path: Path) -> None:
    """Nor what was before the adoption."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        made = await world(own, clock)
        clock.step_wall(-SETTLED_MS)
        assert await made.service.tell() == 4
        clock.distrust()
        clock.step_wall(SETTLED_MS)
        assert await made.service.tell() == 0
    (tmp_path / "new").mkdir()
    async with books(tmp_path / "new", clock) as own:
        await own.registry.add(new_camera())
        assert await World(own, FakeClock(END_MS + SETTLED_MS)).service.tell() == 0


async def test_the_loop_tells_a_day_soon_after_it_is_over(tmp_path: Path) -> None:
    """Within ten minutes."""
    clock = FakeClock()
    async with books(tmp_path, clock) as own:
        made = await world(own, clock)
        clock.step_wall(-SETTLED_MS)
        running = asyncio.create_task(made.service.run())
        while len(await made.told()) < 4:
            await clock.settle()
        await clock.advance(TELL_EVERY_S)
        while len(await made.told()) < 5:
            await clock.settle()
        running.cancel()
        await asyncio.wait([running])
