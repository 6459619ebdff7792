"""Locking the key and erasing a camera, through a whole recorder: no picture stays that could still be shown."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from gateway.core.clock import SystemClock
from gateway.core.errors import NotFound
from gateway.core.model import Action
from recorder.keystore import KeyStore
from recorder.thumbs import Thumbs
from recorder.vision.pipe import Jpeg
from tests.fakes.key_school import FAST, NEW
from tests.fakes.recorder_box import RecorderBox, recorded, recorder_box

pytestmark = pytest.mark.anyio


class SlowEye:
    """Decodes nothing; waits in the middle when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.begun, self.go = anyio.Event(), anyio.Event()
        self.go.set()

    async def show(self, config: object, nals: tuple[bytes, ...], width: int) -> Any:
        self.asked += 1
        self.begun.set()
        await self.go.wait()
        return Jpeg(width, width // 2, b"\xff\xd8" + nals[-1][:8])


@asynccontextmanager
async def box_that_shows(root: Path) -> AsyncIterator[tuple[RecorderBox, SlowEye, dict[str, Any]]]:
    """An encrypting recorder under a passphrase, whose footage of the past is wrapped to the key in use."""
    (root / "keys").mkdir()
    keys = KeyStore(root / "keys", "passphrase", SystemClock(), kdf=FAST)
    async with recorder_box(root, keys=keys) as box:
        await box.client.call("key.passphrase", {}, json.dumps({"new": NEW.reveal()}).encode())
        camera, start_ms, end_ms = await recorded(box)
        eye, playback = SlowEye(), box.recorder.playback
        playback.thumbs = Thumbs(eye.show, playback._limiter)
        yield box, eye, {"camera": camera, "from_ms": start_ms, "to_ms": end_ms}


async def thumb(box: RecorderBox, span: dict[str, Any], **params: Any) -> bytes:
    ticket = box.ticket(span["camera"], Action.PLAYBACK, from_ms=span["from_ms"], to_ms=span["to_ms"])
    asked = {"ticket": ticket, "at_ms": span["to_ms"] - 3_000, **params}
    return (await box.client.call("playback.thumb", asked)).blob


async def test_locking_the_key_forgets_every_picture_made_with_it(tmp_path: Path) -> None:
    """What was kept is gone, and a picture under way while the key is locked is not kept."""
    async with box_that_shows(tmp_path) as (box, eye, span):
        kept = await thumb(box, span)
        assert await thumb(box, span) == kept
        assert eye.asked == 1
        eye.begun, eye.go = anyio.Event(), anyio.Event()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lambda: thumb(box, span, width=160))
            await eye.begun.wait()
            await box.call("key.lock")
            eye.go.set()
        thumbs = box.recorder.playback.thumbs
        assert thumbs is not None
        assert (thumbs.bytes, len(thumbs._kept)) == (0, 0)


async def test_erasing_a_camera_forgets_every_picture_of_it(tmp_path: Path) -> None:
    """Nothing of it is shown any more, not even what was in memory."""
    async with box_that_shows(tmp_path) as (box, _, span):
        await thumb(box, span)
        order = await box.call("erase.start", camera=span["camera"], typed="Lớp 1", who="console")

        async def done() -> bool:
            return bool((await box.call("erase.status", erasure=order["erasure"]))["state"] == "done")

        await box.until(done)
        thumbs = box.recorder.playback.thumbs
        assert thumbs is not None
        assert (thumbs.bytes, len(thumbs._kept)) == (0, 0)
        with pytest.raises(NotFound):
            await thumb(box, span)


async def test_a_recorder_has_one_playback_however_often_its_calls_are_listed(tmp_path: Path) -> None:
    """The service that answers is the one whose pictures are forgotten."""
    async with box_that_shows(tmp_path) as (box, _, span):
        box.recorder.handlers()
        await thumb(box, span)
        await box.call("key.lock")
        thumbs = box.recorder.playback.thumbs
        assert thumbs is not None
        assert thumbs.bytes == 0
