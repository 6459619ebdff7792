"""Recorded key frames through the vision child: the queue, the message, the cage."""

from __future__ import annotations

import asyncio
import io

import av
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.errors import DaemonUnavailable, SegmentCorrupt, WireError
from gateway.core.media import CodecConfig
from recorder.fmp4 import first_nals
from recorder.vision import pipe
from recorder.vision.client import VisionClient
from recorder.vision.pipe import Jpeg
from recorder.vision.shows import Shows
from recorder.vision.stills import BadPicture, Looker
from tests.fakes.clock import FakeClock
from tests.fakes.seeded import config_of, gops
from tests.unit.test_vision_client import A, world

pytestmark = pytest.mark.anyio


def key_frame(codec: str = "libx264", number: int = 0, size: int = 64) -> tuple[CodecConfig, tuple[bytes, ...]]:
    return config_of(codec, size), first_nals(gops(codec, size)[number][0])


def size_of(jpeg: bytes) -> tuple[int, int]:
    with av.open(io.BytesIO(jpeg), "r", format="mjpeg") as container:
        return container.streams.video[0].width, container.streams.video[0].height


async def test_the_newest_wish_is_served_first_and_the_oldest_gives_way() -> None:
    """Bounded; whoever gave way is told at once, and counted."""
    shows = Shows(most=3)
    asked = [shows.put(*key_frame(), width) for width in range(5)]
    assert shows.refused == 2
    for gone in asked[:2]:
        with pytest.raises(DaemonUnavailable):
            gone.answer.result()
    asked[3].answer.cancel()
    taken = [shows.take(), shows.take(), shows.take()]
    assert [show.width if show else None for show in taken] == [4, 2, None]


async def test_everybody_who_waits_is_told_when_nothing_will_come() -> None:
    """Once; whoever went already is left alone."""
    shows = Shows()
    gone, waits = shows.put(*key_frame(), 1), shows.put(*key_frame(), 2)
    gone.answer.cancel()
    shows.refuse_all("over")
    with pytest.raises(DaemonUnavailable):
        waits.answer.result()
    assert shows.take() is None


@pytest.mark.parametrize("codec", ["libx264", "libx265"])
def test_a_key_frame_becomes_one_jpeg_of_the_width_asked_for(codec: str) -> None:
    """Never enlarged; one wish leaves nothing for the next, also of another size."""
    looker = Looker()
    for size, width in ((256, 160), (64, 320), (256, 320)):
        shown = looker.show(pipe.decode_show(pipe.encode_show(*key_frame(codec, size=size), width)[pipe.HEAD.size :]))
        expected = min(width, size * 2)
        assert (shown.width, shown.height) == size_of(shown.data) == (expected, expected // 2)
    pictures = {
        looker.show(pipe.decode_show(pipe.encode_show(*key_frame(codec, number), 128)[pipe.HEAD.size :])).data
        for number in range(4)
    }
    assert len(pictures) == 4


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_what_does_not_decode_costs_its_own_wish_only(junk: bytes) -> None:
    """The next good one is shown."""
    looker = Looker()
    config, nals = key_frame()
    for broken in ((junk,), (nals[0][:20] + junk,)):
        body = pipe.encode_show(config, broken, 128)[pipe.HEAD.size :]
        try:
            looker.show(pipe.decode_show(body))
        except BadPicture:
            continue
    assert looker.show(pipe.decode_show(pipe.encode_show(config, nals, 128)[pipe.HEAD.size :])).width == 128


@settings(deadline=None)
@given(st.binary(max_size=64))
def test_a_reply_of_the_child_is_parsed_as_a_strangers(body: bytes) -> None:
    """A picture with a possible size, or an error of ours."""
    try:
        found = pipe.decode_shown(body)
    except WireError:
        return
    assert 0 < found.width <= pipe.MAX_SIDE
    assert found.data == body[4:]


def test_a_shown_picture_reads_back() -> None:
    """Size and bytes."""
    jpeg = Jpeg(160, 90, b"\xff\xd8x")
    assert pipe.decode_shown(pipe.encode_shown(jpeg)[pipe.HEAD.size :]) == jpeg


async def test_the_caged_child_shows_recorded_pictures() -> None:
    """Through the real child; one that does not decode is corrupt footage, and the child lives on."""
    client = VisionClient(FakeClock())
    running = asyncio.create_task(client.run())
    try:
        async with asyncio.timeout(60):
            while not client.facts().running:  # noqa: ASYNC110 - the client tells nobody
                await asyncio.sleep(0.02)
        config, nals = key_frame(size=256)
        shown = await asyncio.gather(*(client.show(config, nals, width) for width in (160, 320, 160)))
        assert [size_of(jpeg.data)[0] for jpeg in shown] == [160, 320, 160]
        with pytest.raises(SegmentCorrupt):
            await client.show(config, (b"\x65junk",), 160)
        with pytest.raises(SegmentCorrupt):
            await client.show(config, (bytes(pipe.MAX_REQUEST_BYTES),), 160)
        assert (await client.show(config, nals, 160)).width == 160
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    with pytest.raises(DaemonUnavailable):
        await client.show(config, nals, 160)


async def test_cameras_come_before_recorded_pictures() -> None:
    """What cameras show now is looked at first, whenever it came."""
    async with world() as made:
        order: list[str] = []
        one, show = made.client._one, made.client._show

        async def note_one(*job: object) -> None:
            order.append("camera")
            await one(*job)  # type: ignore[arg-type] # as it was called

        async def note_show(*job: object) -> None:
            order.append("recorded")
            await show(*job)  # type: ignore[arg-type] # as it was called

        made.client._one, made.client._show = note_one, note_show  # type: ignore[assignment,method-assign] # to see the order
        await made.until(lambda: made.client.facts().running)
        wishes = [asyncio.create_task(made.client.show(*key_frame(), 160)) for _ in range(2)]
        await asyncio.sleep(0)
        made.show()
        assert [jpeg.width for jpeg in await asyncio.gather(*wishes)] == [160, 160]
        assert order == ["camera", "recorded", "recorded"]


@pytest.mark.parametrize("behaviour", ["die", "babble"])
async def test_a_child_that_fails_leaves_nobody_waiting(behaviour: str) -> None:
    """Every wish is answered or refused when it ends."""
    async with world(behaviour) as made:
        await made.until(lambda: made.client.facts().running)
        wishes = [asyncio.create_task(made.client.show(*key_frame(), 160)) for _ in range(3)]
        async with asyncio.timeout(30):
            answers = await asyncio.gather(*wishes, return_exceptions=True)
    assert {type(answer) for answer in answers} == {DaemonUnavailable}


async def test_motion_is_told_of_pictures_that_can_be_compared() -> None:
    """From a camera's second key frame on, of one stream, no further apart than a minute."""
    async with world() as made:
        heard: list[tuple[str, int, float]] = []
        made.client.on_motion = lambda camera, at_ms, motion: heard.append((camera, at_ms, motion))
        for number, seconds in enumerate((2, 2, 2, 70, 2)):
            made.clock.tick(seconds)
            made.show()
            await made.until(lambda number=number: made.looked(number + 1))  # type: ignore[misc] # bound now
        assert [camera for camera, _, _ in heard] == [A, A, A]
        assert heard[-1][1] - heard[0][1] == 74_000
