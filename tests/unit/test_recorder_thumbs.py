"""Thumbnails by time through the recorder's calls."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import BadInput, DaemonUnavailable, GrantRefused, NotFound
from gateway.core.model import Action
from gateway.core.unixdoor import Peer
from gateway.core.wire import Request
from recorder.service_playback import PlaybackService
from recorder.vision.pipe import Jpeg
from tests.fakes.footage import START_MS
from tests.fakes.seeded import GOP_MS
from tests.unit.test_recorder_playback import MINUTE_MS, seeded

pytestmark = pytest.mark.anyio


class FakeEye:
    """Decodes nothing: tells what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    async def show(self, config: object, nals: tuple[bytes, ...], width: int) -> Any:
        self.asked.append(width)
        return Jpeg(width, width // 2, b"\xff\xd8" + nals[-1][:8])


async def test_a_thumbnail_is_the_newest_key_frame_before_the_instant(tmp_path: Path) -> None:
    """Of the sub stream, else of main; once decoded it is kept; outside the grant or the footage there is none."""
    async with seeded(tmp_path) as (box, camera):
        eye, parts = FakeEye(), box.recorder._parts
        service = PlaybackService(
            parts.registry, parts.db, parts.store, box.recorder.motion, eye, parts.open_ticket, box.clock,  # type: ignore[arg-type] # an eye
            box.recorder._settings.zone,
        )  # fmt: skip

        async def thumb(at_ms: int, width: int = 320, **fields: Any) -> dict[str, Any]:
            span = {"from_ms": START_MS + 1_000, "to_ms": START_MS + 30 * MINUTE_MS} | fields
            ticket = box.ticket(camera, Action.PLAYBACK, **span)
            params = {"ticket": ticket, "at_ms": at_ms, "width": width}
            return (await service.thumb(Request("playback.thumb", params, b"", Peer(1, 1, 1)))).result

        at_ms = START_MS + 100 * GOP_MS
        assert (await thumb(at_ms + 1_999))["captured_ms"] == at_ms
        assert (await thumb(at_ms))["captured_ms"] == at_ms
        assert (await thumb(at_ms, 160))["width"] == 160
        assert eye.asked == [320, 160]
        assert (await thumb(START_MS + 12 * MINUTE_MS + 1))["captured_ms"] == START_MS + 12 * MINUTE_MS
        assert (await thumb(START_MS + 10 * MINUTE_MS + 30_000))["captured_ms"] == START_MS + 10 * MINUTE_MS - GOP_MS
        for nowhere in (START_MS + 25 * MINUTE_MS, START_MS + 23 * MINUTE_MS):
            with pytest.raises(NotFound):
                await thumb(nowhere)
        for outside in (START_MS, START_MS + 30 * MINUTE_MS):
            with pytest.raises(GrantRefused):
                await thumb(outside)
        with pytest.raises(BadInput):
            await thumb(at_ms, 640)
        inside = at_ms + 3 * GOP_MS
        assert (await thumb(inside + 5, from_ms=inside + 1, to_ms=inside + 100))["captured_ms"] == inside


async def test_without_vision_there_are_no_thumbnails(tmp_path: Path) -> None:
    """The recorder never decodes by itself: it says that the part is away."""
    async with seeded(tmp_path) as (box, camera):
        ticket = box.ticket(camera, Action.PLAYBACK, from_ms=START_MS, to_ms=START_MS + MINUTE_MS)
        with pytest.raises(DaemonUnavailable):
            await box.call("playback.thumb", ticket=ticket, at_ms=START_MS + 5_000)


async def test_a_grant_for_something_else_shows_no_thumbnail(tmp_path: Path) -> None:
    """Neither live nor a copy: only playback, and only of a stream the grant has."""
    async with seeded(tmp_path) as (box, camera):
        span = {"from_ms": START_MS, "to_ms": START_MS + MINUTE_MS}
        for action in (Action.EXPORT, Action.LIVE, Action.SNAPSHOT):
            with pytest.raises(GrantRefused):
                await box.call("playback.thumb", ticket=box.ticket(camera, action, **span), at_ms=START_MS + 5_000)
        nothing = box.ticket(camera, Action.PLAYBACK, **span, streams=frozenset())
        with pytest.raises(NotFound):
            await box.call("playback.thumb", ticket=nothing, at_ms=START_MS + 5_000)
