"""The second engine over every way of arriving: the camera's side is the native client's, whatever it speaks."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from drivers.rtsponly import first_look
from drivers.simulated.faults import Quirks
from gateway.core.media import Codec
from tests.contract.cases import Case, by_pyav, pyav
from tests.contract.test_drivers import gate, one_camera

pytestmark = pytest.mark.anyio

WAYS: dict[str, Callable[[Quirks], Quirks]] = {
    "udp": lambda quirks: dataclasses.replace(quirks, udp_only=True),
    "tls": lambda quirks: dataclasses.replace(quirks, rtsps=True),
}


@pytest.mark.parametrize("way", sorted(WAYS))
async def test_it_shows_a_picture(way: str) -> None:
    """FFmpeg sees the same frames on loopback."""
    case = Case(way, by_pyav, "rtsp", lambda _: None, WAYS[way], "rtsp", pyav)
    async with one_camera(case) as (camera, network):
        key = gate()
        driver = case.make(camera, key, network)
        main, sub = await driver.streams()
        await driver.close()
        for stream in (main, sub):
            config = await first_look(case.player(network), stream.source, key, picture=True)
            assert (config.codec, config.width) == (Codec.H264, stream.width)
        assert camera.bad_logins == 0
