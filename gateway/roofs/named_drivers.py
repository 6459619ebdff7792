"""Cameras whose address names their driver: `file:la.mp4`, `simulated:127.0.1.11`, or another package's.

Owns the way from such an address to what adoption stores, and the folder of films. Invariants: a plain address is
nobody's business here; what the driver says is all that is asked; such a device is one camera.
"""

from __future__ import annotations

from pathlib import Path

from drivers.adopt import learned_of
from drivers.gate import LoginGate
from drivers.manychannels import LearnedChannel, LearnedDevice, Wish
from drivers.onvif.driver import OnvifDriver
from drivers.registry import Kit, Place, named, open_driver
from gateway.core.config import Config
from gateway.core.errors import BadInput
from recorder.adoption import AdoptOrder
from recorder.registry import NATIVE


def films(config: Config) -> Path | None:
    """Return the folder of films that may be played."""
    return Path(config.cameras.files) if config.cameras.files else None


async def learn_named(order: AdoptOrder, wish: Wish, gate: LoginGate, kit: Kit) -> LearnedDevice | None:
    """Learn a camera by the driver that its address names; None for a plain address.

    Raises:
        BadInput: there is no such driver, it cannot read the rest of the address, or an engine was asked for: what
            plays such a camera is the driver's business.
        CameraError: as the driver finds the camera.

    """
    found = named(order.address)
    if found is None:
        return None
    if order.engine != NATIVE:
        raise BadInput("only a plain address can be pinned to an engine", case="engine_named", key="engine")
    port = wish.rtsp_port if order.port is None and wish.rtsp_path else order.port
    driver = open_driver(found[0], Place(found[1], port, wish.rtsp_path), gate, kit)
    try:
        probe, streams = await driver.probe(), await driver.streams()
    finally:
        await driver.close()
    port = driver.port if isinstance(driver, OnvifDriver) else streams[0].source.port
    about = learned_of(probe, streams, driver, address=found[1], endpoint="", port=port)
    return LearnedDevice(about, (LearnedChannel(0, streams),))
