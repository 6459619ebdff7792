"""What playback tells of now, while the camera goes on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from gateway.core.model import Action, StreamId
from recorder.layout import HOUR_MS
from recorder.store import Found
from tests.fakes.recorder_box import adopt, recorder_box

pytestmark = pytest.mark.anyio


async def test_the_newest_instant_is_of_what_is_listed(tmp_path: Path) -> None:
    """The camera goes on while the box answers: what came meanwhile is neither listed nor told of."""
    async with recorder_box(tmp_path) as box:
        camera = await adopt(box, streams=1)
        session = await box.player.wait_for(1)
        now_ms = box.clock.now_ms()
        span = {"from_ms": now_ms - 60_000, "to_ms": now_ms + HOUR_MS}
        ticket = box.ticket(camera, Action.PLAYBACK, **span)
        await box.show(session, 4)

        async def begun() -> bool:
            return bool((await box.call("playback.index", ticket=ticket, stream="main"))["segments"])

        await box.until(begun)
        store = box.recorder._parts.store
        find, went_on = store.find, list[int]()

        async def slowly(streams: Sequence[StreamId], from_ms: int, to_ms: int) -> list[Found]:
            found = await find(streams, from_ms, to_ms)
            before = store.last_end_ms(streams[0]) or 0
            await box.show(session, 4)

            async def later() -> bool:
                return (store.last_end_ms(streams[0]) or 0) > before

            await box.until(later)
            went_on.append(before)
            return found

        store.find = slowly  # type: ignore[assignment, method-assign]  # the store, as slow as a busy disk
        told = await box.call("playback.index", ticket=ticket, stream="main")
        assert told["newest_ms"] == told["segments"][-1]["end_ms"]
        told = await box.call("playback.timeline", camera=camera, stream="main", **span)
        assert told["newest_ms"] == told["spans"][-1][1]
        assert len(went_on) == 2
