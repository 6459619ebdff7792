"""A key frame on demand: from a reader of the feed to the camera's encoder and back."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from drivers.simulated.state import Encoder
from gateway.core import feedwire
from gateway.core.feedwire import Subscription
from gateway.core.media import CodecConfig
from gateway.core.model import PublicId, StreamRole
from tests.fakes.recorderd import HANG_S, SMALL, recorderd, small_farm

pytestmark = [pytest.mark.anyio, pytest.mark.system]
GOP = 250
LONG = replace(
    SMALL,
    main=Encoder(width=320, height=180, fps=25, gop_frames=GOP, bitrate_kbps=100),
    sub=Encoder(width=320, height=180, fps=5, gop_frames=5, bitrate_kbps=100),
    loop_s=GOP // 25,
)
"""A key frame each 10 s, as smart codecs do."""


class Reader:
    """A subscriber that only looks for key frames."""

    def __init__(self, reader: asyncio.StreamReader) -> None:
        self._reader = reader
        self._configs: dict[int, CodecConfig] = {}

    async def is_key(self) -> bool:
        """Return whether the next picture is one."""
        while True:
            kind, length = feedwire.HEAD.unpack(await self._reader.readexactly(feedwire.HEAD.size))
            body = await self._reader.readexactly(length)
            if kind == feedwire.CONFIG:
                config = feedwire.decode_config(body)
                self._configs[config.epoch] = config
            else:
                assert kind == feedwire.UNIT
                return feedwire.decode_unit(body, self._configs)[0].is_key

    async def until_key(self) -> int:
        """Return how many pictures come before the next key frame."""
        count = 0
        async with asyncio.timeout(HANG_S):
            while not await self.is_key():
                count += 1
        return count


async def test_a_wish_on_the_feed_becomes_a_key_frame_of_the_camera(tmp_path: Path) -> None:
    """Twenty wishes are one request to the camera; its key frame comes long before it was due, and recording goes on."""
    async with small_farm(1, tmp_path, LONG) as farm, recorderd(tmp_path) as daemon:
        (camera,) = await daemon.adopt_all(farm)
        await daemon.until_recording(1)
        device = farm.cameras[0]
        stream, writer = await asyncio.open_unix_connection(str(daemon.feed_socket))
        writer.write(feedwire.encode_subscribe(Subscription(PublicId(camera), StreamRole.MAIN)))
        reader = Reader(stream)
        assert await reader.until_key() == 0
        writer.write(20 * feedwire.encode_key_wanted())
        assert await reader.until_key() < GOP - 1
        assert device.calls["key_frames_asked"] == 1
        assert device.bad_logins == 0
        assert (await daemon.cameras())[0]["recording"]
        writer.close()
