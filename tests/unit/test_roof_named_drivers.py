"""Cameras whose address names their driver, at adoption."""

from __future__ import annotations

import pytest

from drivers.gate import LoginGate
from drivers.manychannels import Wish
from drivers.onvif.pace import CallPool
from drivers.registry import Kit
from drivers.rtsp.network import RtspNetwork
from gateway.core.clock import SystemClock
from gateway.core.errors import BadInput
from gateway.roofs.named_drivers import learn_named
from recorder.adoption import AdoptOrder

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("engine", ["pyav", "auto"])
async def test_an_engine_asked_for_is_never_left_out_without_a_word(engine: str) -> None:
    """It cannot be pinned there, and the installer is told; a plain address is nobody's business here."""
    kit, gate = Kit(SystemClock(), CallPool(), RtspNetwork()), LoginGate(None)
    with pytest.raises(BadInput) as caught:
        await learn_named(AdoptOrder("file:la.mp4", None, None, None, engine=engine), Wish(), gate, kit)
    assert caught.value.fields["case"] == "engine_named"
    assert await learn_named(AdoptOrder("10.0.0.1", None, None, None, engine=engine), Wish(), gate, kit) is None
