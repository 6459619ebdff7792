"""The two errands beside playing: is anybody there, and where is this name."""

from __future__ import annotations

import pytest

from drivers.rtsp.client import knock, resolve
from gateway.core.errors import (
    CameraUnreachable,
)
from tests.fakes.rtsp_server import closed_port, serve
from tests.fakes.rtsp_session import camera

pytestmark = pytest.mark.anyio


async def test_knocking() -> None:
    """Yes where somebody listens, no elsewhere; not a byte is sent."""
    made = camera()
    async with serve(made) as served:
        assert await knock("127.0.0.1", served.port, 2)
        assert made.requests == []
    assert not await knock("127.0.0.1", closed_port(), 2)


async def test_names_without_an_address() -> None:
    """A name that cannot be resolved is an unreachable camera."""
    for name in ("x" * 70, "a..b"):
        with pytest.raises(CameraUnreachable):
            await resolve(name, 554)
    assert (await resolve("127.0.0.1", 554)).where == ("127.0.0.1", 554)
