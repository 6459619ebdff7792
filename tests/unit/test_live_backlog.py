"""Units on their way to a transcoder."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from gateway.core.errors import DaemonUnavailable
from gateway.core.media import AccessUnit
from gateway.live.backlog import LATE_NS, Backlog
from gateway.live.subscription import Ended, Picture
from tests.fakes.live_scene import CONFIG

pytestmark = pytest.mark.anyio
STEP_NS = 50_000_000


def unit(number: int, *, key: bool = False, size: int = 100, at_ns: int | None = None) -> AccessUnit:
    received = number * STEP_NS if at_ns is None else at_ns
    return AccessUnit((bytes(size),), number * 4500, key, received, CONFIG)


def put(backlog: Backlog, *units: AccessUnit) -> None:
    for item in units:
        backlog.put(Picture(item, skipped=False))


async def numbers(backlog: Backlog) -> list[int]:
    """Take everything, to the end."""
    backlog.put(Ended("closed"))
    out = []
    while not isinstance(piece := await backlog.take(), Ended):
        out.append(piece.unit.pts_90k // 4500)
    return out


async def test_what_is_put_is_taken_in_order_and_the_end_last() -> None:
    """Nothing is dropped while the taker follows."""
    backlog = Backlog()
    put(backlog, unit(0, key=True), unit(1), unit(2))
    assert await numbers(backlog) == [0, 1, 2]
    assert backlog.dropped == 0


async def test_a_key_frame_drops_what_is_too_old_by_then() -> None:
    """Half a second behind: the old group goes, counted, and the new one is whole."""
    backlog = Backlog()
    late = LATE_NS // STEP_NS + 1
    put(backlog, *(unit(n, key=n == 0) for n in range(late)), unit(late, key=True), unit(late + 1))
    assert await numbers(backlog) == [late, late + 1]
    assert backlog.dropped == late


async def test_a_key_frame_drops_nothing_of_a_taker_that_is_barely_behind() -> None:
    """A few pictures wait at every key frame of a busy machine."""
    backlog = Backlog()
    put(backlog, unit(7), unit(8), unit(9), unit(10, key=True))
    assert await numbers(backlog) == [7, 8, 9, 10]


async def test_too_many_bytes_drop_everything_up_to_the_next_key_frame() -> None:
    """The bound holds whatever a camera sends, and no hole is left inside a group."""
    backlog = Backlog(most_bytes=350)
    put(backlog, unit(0, key=True), unit(1), unit(2), unit(3), unit(4), unit(5, key=True), unit(6))
    assert await numbers(backlog) == [5, 6]
    assert backlog.dropped == 5


async def test_a_key_frame_alone_above_the_bound_is_not_kept() -> None:
    """Nor what follows it."""
    backlog = Backlog(most_bytes=350)
    put(backlog, unit(0, key=True, size=400), unit(1), unit(2, key=True))
    assert await numbers(backlog) == [2]
    assert backlog.dropped == 2


async def test_the_taker_waits_and_is_woken() -> None:
    """A picture and a failure both wake it."""
    backlog = Backlog()
    taking = asyncio.ensure_future(backlog.take())
    await asyncio.sleep(0)
    put(backlog, unit(0, key=True))
    assert isinstance(await taking, Picture)

    async def fail() -> None:
        raise DaemonUnavailable("gone", service="recorder")

    taking = asyncio.ensure_future(backlog.take())
    filling = asyncio.ensure_future(fail())
    filling.add_done_callback(backlog.filled)
    with pytest.raises(DaemonUnavailable):
        await taking


async def test_what_came_before_a_failure_is_taken_first() -> None:
    """And a filling that was only cancelled is no failure."""
    backlog = Backlog()
    cancelled = asyncio.ensure_future(asyncio.sleep(3600))
    cancelled.add_done_callback(backlog.filled)
    cancelled.cancel()
    await asyncio.wait([cancelled])
    put(backlog, dataclasses.replace(unit(0, key=True)))
    assert await numbers(backlog) == [0]
