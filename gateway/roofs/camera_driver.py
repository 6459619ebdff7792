"""The ONVIF driver of an adopted camera: at its address, with its login, for its channel.

Owns the one way from a stored camera to its driver. Invariant: a recorder's channel is known by the profile it was
adopted with, so that nothing is read from or written to another channel, whatever order the recorder lists them in.
"""

from __future__ import annotations

from drivers.base import LoginMode
from drivers.gate import LoginGate
from drivers.onvif.driver import OnvifDriver
from drivers.onvif.pace import CallPool
from gateway.core.clock import Clock
from recorder.registry import Camera


def onvif_driver(camera: Camera, gate: LoginGate, pool: CallPool, clock: Clock) -> OnvifDriver:
    """Return a driver to use and close: at the pace of a camera of ours, in clear where the installer allowed that."""
    about = camera.about
    place = max(about.identity.channel - 1, 0)
    gate.clear_text = about.login_mode == LoginMode.TEXT  # the installer allowed it when the camera was adopted
    driver = OnvifDriver(about.address, about.port, gate, pool=pool, clock=clock, channel=place)
    driver.settle()
    driver.profile = camera.streams[0].spec.token if camera.streams else ""
    return driver
